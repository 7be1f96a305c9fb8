"""What is made again after a change, a kill or an error, and what is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from interacthuman.interact_core.annotation.pipeline.config import Config, RunKeys, read_config
from interacthuman.interact_core.annotation.pipeline.engine import OneProcess
from interacthuman.interact_core.annotation.pipeline.manifest import Done, Journal, Manifest, NoRoom
from interacthuman.interact_core.annotation.pipeline.record import Places, Record, Stage
from interacthuman.interact_core.annotation.pipeline.run import Passed, annotate
from interacthuman.interact_core.annotation.shards import GROUPS
from interacthuman.interact_core.annotation.summary import lines_of, summary_of
from interacthuman.interact_core.errors import InteractError
from interacthuman.tests.support.annotation.toy import HALVES, LENGTHS, raw_films, worked

STAGES = (HALVES, LENGTHS)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Three films of 10, 20 and 31 bytes."""
    (tmp_path / "out").mkdir()
    return Places(raw_films(tmp_path / "raw", a=10, b=20, x=31), tmp_path / "out")


def run(
    places: Places, *settings: str, stages: Sequence[Stage] = STAGES, again: bool = False
) -> list[Passed]:
    config = read_config(None, settings, stages)
    config = Config(RunKeys(limit=3.0, limit_each=0, memory_gb=2.0), config.tables)
    return annotate(places, stages, config, OneProcess, lambda line: None, again)


def states(passed: Sequence[Passed]) -> list[tuple[str, str, str, dict[str, float]]]:
    return [(row.id, row.key, row.rejected, dict(row.figures)) for row in passed[-1].rows]


def rows_of(passed: Sequence[Passed]) -> list[tuple[str, str]]:
    return [(row.source, row.rejected) for row in passed[-1].rows]


def counts(places: Places) -> tuple[int, int]:
    return len(worked(places, "halves")), len(worked(places, "lengths"))


def test_every_row_and_every_rejection_is_kept(places: Places) -> None:
    passed = run(places)
    assert rows_of(passed) == [("a.mp4", "")] * 2 + [("b.mp4", "")] * 2 + [("x.mp4", "odd")]
    clips = pq.read_table(places.out / "clips.parquet").to_pylist()
    said = [(clip["source"], clip["stage"], clip["rejected"], clip["figure"]) for clip in clips]
    assert said[4:] == [("x.mp4", "lengths", "odd", 31.0), ("x.mp4", "halves", "begins with x", 7.0)]
    assert dict(clips[0]["figures"]) == {"size": 10.0, "twice": 20.0}
    summary = summary_of(passed)
    assert [(one["rows"], one["kept"], one["rejected"]) for one in summary["stages"]] == [
        (3, 5, 1),
        (5, 4, 1),
    ]
    assert {(one["reason"], one["count"], one["figures"][2]) for one in summary["rejected"]} == {
        ("odd", 1, 31.0),
        ("begins with x", 1, 7.0),
    }
    assert summary["figures"]["twice"] == [20.0, 20.0, 30.0, 40.0, 40.0]
    assert any("lengths: odd (31, 31, 31)" in line for line in lines_of(json.loads(json.dumps(summary))))


def test_what_is_changed_is_made_anew_with_what_follows_and_nothing_else(places: Places) -> None:
    first = run(places)
    run(places)
    assert counts(places) == (3, 5)
    run(places, "lengths.factor=2")
    assert counts(places) == (3, 10)
    run(places, "lengths.factor=2", stages=(replace(HALVES, version=2), LENGTHS))
    assert counts(places) == (6, 15)
    run(places, "lengths.factor=2", "halves.factor=2")
    assert counts(places) == (9, 20)
    (places.raw / "c.mp4").write_bytes(bytes(8))
    run(places, "lengths.factor=2", "halves.factor=2")
    assert counts(places) == (10, 22)
    (places.raw / "c.mp4").unlink()
    (places.raw / "a.mp4").write_bytes(bytes(12))
    back = run(places, "lengths.factor=2", "halves.factor=2")
    assert counts(places) == (11, 24)
    assert back[-1].rows[0].figures["twice"] == 12 * 2 * 2 * 2
    assert first[-1].rows[2].id == back[-1].rows[2].id


def test_settings_that_change_back_find_no_side_files_of_others(places: Places) -> None:
    """Side files lie at the same place, so what was written over is made again."""
    run(places)
    run(places, "halves.factor=2")
    assert run(places)[-1].fresh == 5 and counts(places) == (9, 15)


def test_shards_of_the_same_clips_are_not_made_and_encoded_anew(places: Places) -> None:
    first = states(run(places, stages=(HALVES, GROUPS)))
    assert first and states(run(places, stages=(HALVES, GROUPS))) == first
    assert states(run(places, "halves.factor=2", stages=(HALVES, GROUPS))) != first


def test_a_kill_loses_only_what_was_being_worked_on(places: Places) -> None:
    whole = run(places)
    manifest = Manifest(places.out)
    lost = manifest.read("lengths")
    (places.out / "manifest" / "lengths.parquet").unlink()
    journal = Journal(manifest.journals("lengths"))
    for done in lost[:3]:
        journal.add(done)
    with journal.path.open("a", encoding="utf-8") as file:
        file.write('{"made_from": "' + lost[3].made_from + '", "seco')  # a kill in the middle of a line
    again = run(places)
    assert states(again) == states(whole) and again[-1].fresh == 2
    assert list((places.out / "manifest" / "lengths").iterdir()) == []


def test_a_worker_that_worked_twice_counts_once(places: Places) -> None:
    whole = run(places)
    journal = Journal(Manifest(places.out).journals("lengths"))
    for done in Manifest(places.out).read("lengths"):
        journal.add(done)
    assert states(run(places)) == states(whole)


POISON = {
    "broken": "error: ValueError: not a film",
    "crash": "error: the decoder crashed (SIGSEGV)",
    "exit": "error: the decoder's process ended with 3: no such codec",
    "hang": "error: takes longer than the time limit",
    "memory": "error: needs more memory than [run] memory_gb",
}


def test_a_poisoned_film_is_one_rejection(places: Places) -> None:
    raw_films(places.raw, **dict.fromkeys([*POISON, "prints"], 2))
    passed = run(places, stages=(replace(HALVES, isolated=True),))
    rejected = {Path(row.source).stem: row.rejected for row in passed[0].rows if row.rejected}
    assert rejected == {**POISON, "x": "begins with x"}
    assert {row.source for row in passed[0].kept} == {"a.mp4", "b.mp4", "prints.mp4", "x.mp4"}


def test_errors_are_tried_again_where_that_is_asked_for(places: Places) -> None:
    raw_films(places.raw, broken=2)
    assert run(places, stages=(HALVES,))[0].rows[4].rejected == POISON["broken"]
    run(places, stages=(HALVES,))
    assert counts(places)[0] == 4
    run(places, stages=(HALVES,), again=True)
    assert worked(places, "halves")[4:] == worked(places, "halves")[2:3]


@pytest.mark.parametrize("isolated", [False, True])
def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(places: Places, isolated: bool) -> None:
    raw_films(places.raw, full=2)
    with pytest.raises(NoRoom, match="make room and run the same command again"):
        run(places, stages=(replace(HALVES, isolated=isolated),))
    (journal,) = (places.out / "manifest" / "halves").glob("*.jsonl")
    lines = journal.read_text("utf-8").splitlines()
    assert [json.loads(line)["rows"][0]["source"] for line in lines] == ["a.mp4", "b.mp4"]


def test_a_journal_on_a_full_disk_says_so() -> None:
    journal = Journal(Path("/dev"))
    journal.path = Path("/dev/full")
    if not journal.path.exists():
        pytest.skip("/dev/full is Linux's")
    with pytest.raises(NoRoom, match="cannot be written to"):
        journal.add(Done("0", (Record("a", "a.mp4"),), 0.0))


def test_what_is_wrong_is_said_before_the_first_film(places: Places, tmp_path: Path) -> None:
    with pytest.raises(InteractError, match="nowhere is no folder: name the folder of your raw films"):
        run(Places(tmp_path / "nowhere", places.out))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InteractError, match="holds no film"):
        run(Places(tmp_path / "empty", places.out))
    with pytest.raises(InteractError, match=r"--set: \[lengths\] has no key 'facto'; its keys are factor"):
        run(places, "lengths.facto=2")
    with pytest.raises(InteractError, match="there is no table"):
        run(places, "length.factor=2")
    with pytest.raises(InteractError, match=r"--set: \[run\] wants workers"):
        run(places, "run.gpu_share=2")


def test_a_stage_that_fails_on_every_row_is_broken_itself(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    places = Places(raw_films(tmp_path / "raw", **{f"f{n}": 2 for n in range(10)}), tmp_path / "out")
    broken = replace(LENGTHS, name="halves")  # no film has a figure `size`
    with pytest.raises(
        InteractError, match="all 10 rows of halves ended in an error, the first in: KeyError: 'size'"
    ):
        run(places, stages=(broken,))
