"""Whose files are whose: folders, manifests, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.scoring.jobs import ONLY, PersonFiles, read_jobs


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_people_of_a_film_are_found_by_its_name_in_every_folder(tmp_path: Path) -> None:
    touch(tmp_path, "films/a.mp4", "films/b[1].mov", "films/notes.txt", "voices/b[1].wav", "voices/b1.wav")
    touch(tmp_path, "voices/a/Anna.wav", "voices/a/Ben.flac", "refs/a/Ben.png", "masks/a/Cat.mp4")
    touch(tmp_path, "run/a/Cat.png")
    folders = (tmp_path / name for name in ("films", "refs", "voices", "masks", "run"))
    a, b = read_jobs(*folders)
    assert [job.film.name for job in (a, b)] == ["a.mp4", "b[1].mov"]
    voices, refs, masks = tmp_path / "voices/a", tmp_path / "refs/a", tmp_path / "masks/a"
    assert a.people == (
        PersonFiles("Anna", voices / "Anna.wav"),
        PersonFiles("Ben", voices / "Ben.flac", refs / "Ben.png"),
        PersonFiles("Cat", mask=masks / "Cat.mp4", predicted=tmp_path / "run/a/Cat.png"),
    )
    assert b.people == (PersonFiles(ONLY, tmp_path / "voices/b[1].wav"),)


def test_one_person_without_a_recording_speaks_with_the_films_own_sound(tmp_path: Path) -> None:
    touch(tmp_path, "films/a.mp4")
    (job,) = read_jobs(tmp_path / "films")
    assert job.people == (PersonFiles(ONLY, job.film),)


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_manifests_of_all_kinds_say_the_same(tmp_path: Path, ending: str) -> None:
    rows = [
        {"film": "a.mp4", "person": "Anna", "voice": "anna.wav", "spans": "0-1.5 2-3", "start": 0.5},
        {"film": "a.mp4", "person": "Ben", "voice": "", "spans": "", "start": 0.0},
    ]
    manifest = tmp_path / f"films.{ending}"
    if ending == "csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        manifest.write_text("\n".join(lines), encoding="utf-8")
    elif ending == "json":
        manifest.write_text(json.dumps(rows), encoding="utf-8")
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), manifest)
    (job,) = read_jobs(manifest)
    assert job.film == tmp_path / "a.mp4"
    assert job.people == (
        PersonFiles("Anna", tmp_path / "anna.wav", spans=((0.0, 1.5), (2.0, 3.0)), start=0.5),
        PersonFiles("Ben"),
    )


@pytest.mark.parametrize(
    "text, told",
    [
        ("film,who\na.mp4,Anna", "columns who"),
        ("film,person\n,Anna", "row 1 .* no film"),
        ("film,spans\na.mp4,3-1", "row 1"),
        ("film,start\na.mp4,soon", "row 1"),
        ("film", "names no films"),
        ("film,person\na.mp4,Anna,Ben", "more values than columns"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, told: str) -> None:
    manifest = tmp_path / "films.csv"
    manifest.write_text(text, encoding="utf-8")
    with pytest.raises(InteractError, match=told):
        read_jobs(manifest)


def test_places_without_films_are_told(tmp_path: Path) -> None:
    with pytest.raises(InteractError, match="holds no films"):
        read_jobs(tmp_path)
    with pytest.raises(InteractError, match="neither a folder of films nor a manifest"):
        read_jobs(tmp_path / "gone")


def test_a_jobs_key_changes_with_its_files_and_settings(tmp_path: Path) -> None:
    touch(tmp_path, "films/a.mp4")
    (job,) = read_jobs(tmp_path / "films")
    before = job.key("1")
    assert job.key("1") == before != job.key("2")
    job.film.write_bytes(b"longer")
    assert job.key("1") != before
