"""Many films: a broken one among them is counted and skipped, a stopped run goes on, tables and page hold it all."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.score import Scorer
from interacthuman.interact_core.metrics.types import FilmFigures, PersonFigures, WrongVoice
from interacthuman.interact_core.scoring import records, work
from interacthuman.interact_core.scoring.jobs import read_jobs
from interacthuman.interact_core.scoring.page import page
from interacthuman.interact_core.scoring.work import run_jobs
from interacthuman.tests.support.media.films import write_film
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)

from interacthuman.interact_core.host.scorer import ScorerFiles, load_found_scorer  # isort: skip


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Three films and a broken one; the output beside them."""
    (tmp_path / "films").mkdir()
    records.check_output(tmp_path / "out")
    for name in ("a", "b", "c"):
        write_film(tmp_path / "films" / f"{name}.mp4", range(8))
    (tmp_path / "films" / "broken.mp4").write_bytes(b"\0" * 4000)
    return tmp_path


def run(
    folder: Path, workers: int = 1, settings: str = "1", load: work.LoadScorer = Scorer, files: Any = None
) -> dict[str, work.Outcome]:
    jobs = read_jobs(folder / "films")
    return {one.film: one for one in run_jobs(jobs, folder / "out", load, files, settings, workers)}


def test_a_broken_film_is_told_and_the_others_are_scored_and_kept(films: Path) -> None:
    first = run(films)
    assert len(first) == 4 and "cannot be read as a film" in first["broken.mp4"].failed
    assert all(first[name].record["frames"] == 8 for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert len(list((films / "out" / "plots").iterdir())) == 3
    again = run(films)
    assert [again[name].kept for name in ("a.mp4", "b.mp4", "c.mp4", "broken.mp4")] == [True] * 3 + [False]
    assert again["a.mp4"].record == first["a.mp4"].record
    assert not run(films, settings="2")["a.mp4"].kept, "another setting measures again"


def test_a_run_that_was_killed_while_it_wrote_goes_on(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, scored = work.score_job, []

    def killed_at_the_second(job, scorer):
        scored.append(job.film.name)
        if len(scored) == 2:
            raise KeyboardInterrupt
        return real(job, scorer)

    monkeypatch.setattr(work, "score_job", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(films)
    (kept,) = (films / "out" / "records").iterdir()
    kept.with_name("half.json").write_text('{"film": ', encoding="utf-8")
    assert records.read_record(kept.with_name("half.json")) is None
    monkeypatch.setattr(work, "score_job", real)
    outcomes = run(films)
    assert outcomes["a.mp4"].kept and not outcomes["b.mp4"].kept and outcomes["b.mp4"].record


def test_two_processes_find_the_same_with_the_loader_of_the_command(films: Path) -> None:
    """A new process knows neither ComfyUI's device nor the pack's folders: work.py sets both up."""
    by_two = run(films, 2, load=load_found_scorer, files=ScorerFiles())
    assert by_two["broken.mp4"].failed
    alone = run(films, settings="one")["b.mp4"].record
    assert {**by_two["b.mp4"].record, "notes": []} == {**alone, "notes": []}
    missing = [any("There is no" in note for note in one["notes"]) for one in (by_two["b.mp4"].record, alone)]
    assert missing == [True, False]


def figures(name: str, lips: float, wrong: bool = False) -> FilmFigures:
    told = (WrongVoice("<Anna>", "Ben", (5, 30), 0.9, 0.1),) if wrong else ()
    people = (
        PersonFigures("<Anna>", lips=lips, crosstalk=0.1, lag=1, wrong=told, spans=((0, 9),)),
        PersonFigures("Ben", silent_open=0.25, missing=("Ben has no voice.",)),
    )
    matrix = np.array([[lips, np.nan], [0.1, np.nan]])
    return FilmFigures(name, 40, 25.0, people, lips_matrix=matrix, flicker=1.5)


def test_tables_and_summary_hold_the_figures_and_their_intervals(tmp_path: Path) -> None:
    found = [records.record_of(figures(f"{k}.mp4", lips)) for k, lips in enumerate((0.5, 0.7, 0.9))]
    rows = [row for record in found for row in records.rows_of(record)]
    assert len(rows) == 6 and records.write_tables(rows, tmp_path) is None
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [(row["film"], row["person"], row["lips"]) for row in read[:2]] == [
        ("0.mp4", "<Anna>", "0.5"),
        ("0.mp4", "Ben", ""),
    ]
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "scores.parquet").to_pylist()
    assert table[0]["margin"] == pytest.approx(0.4) and table[1]["lips"] is None and table[1]["lag"] is None
    assert json.loads(table[0]["spans"]) == [[0, 9]]
    summary = records.summary_of(found, {"x.mp4": "broken"})
    lips = summary["figures"]["lips"]
    assert lips["mean"] == pytest.approx(0.7) and lips["films"] == 3
    assert 0.5 <= lips["low"] < 0.7 < lips["high"] <= 0.9
    assert "sync_c" not in summary["figures"] and summary["failed"] == {"x.mp4": "broken"}


def test_the_page_shows_the_worst_first_and_escapes_names(tmp_path: Path) -> None:
    found = {
        key: records.record_of(figures(f"{key}.mp4", lips, wrong=lips < 0.5))
        for key, lips in (("good", 0.9), ("bad", 0.2))
    }
    summary = records.summary_of(list(found.values()), {"<x>.mp4": "cannot be read"})
    html = page(found, summary, "Scores")
    assert html.index("bad.mp4") < html.index("good.mp4")
    assert "<Anna>" not in html and "&lt;Anna&gt;" in html and "&lt;x&gt;.mp4" in html
    assert "frames 5 to 29: the mouth of" in html and "plots/bad.png" in html
    assert "6.67" not in html, "no Sync-D of ours, none of the paper's"
    for record in found.values():
        record["notes"] = ["There is no CLIP.", f"Said of {record['film']}."]
    html = page(found, summary, "Scores")
    assert html.count("There is no CLIP.") == 1 and html.count("Said of") == 2
    assert html.index("There is no CLIP.") < html.index("<article>")
    assert records.failure("x.mp4", "x.mp4 is broken.") == "x.mp4 is broken."
    assert records.failure("x.mp4", "ValueError: no.") == "x.mp4: ValueError: no."
    summary["figures"]["sync_d"] = {"mean": 7.5, "low": 7.0, "high": 8.0, "films": 2}
    html = page(found, summary, "Scores")
    assert "InterActHuman (paper)" in html and "6.67" in html and "implementations differ" in html
    summary["figures"]["fvd"] = {"mean": 12.5, "low": None, "high": None, "films": 419, "bias": None}
    assert "12.5<br><span class=faint>n=419" in page(found, summary, "Scores"), "FVD has no interval"


def test_what_a_process_cannot_load_is_told_in_its_own_sentence(films: Path) -> None:
    bad = films / "syncnet.safetensors"
    bad.write_bytes(b"not weights")
    with pytest.raises(InteractError, match=r"syncnet\.safetensors"):
        run(films, 2, load=load_found_scorer, files=ScorerFiles(syncnet=bad))
