"""The theatre's bench without its models: cases, figures from known performances, table and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from interacthuman.benchmarks import _result, theatre
from interacthuman.interact_core.theatre import voices
from interacthuman.interact_core.theatre.measure import Likeness
from interacthuman.interact_core.theatre.rehearsal import Excerpt, shipped_direction
from interacthuman.interact_core.theatre.report import Performance

ALIKE = Likeness(on_screen=1.0, colour=10.0, face=20.0, rival=90.0)


def performance(sync: float, crosstalk: float, silent_open: float | None = None) -> Performance:
    return Performance("puppet", sync, crosstalk, 0.0, 0.1, silent_open, ALIKE, (0.2, 0.6, 0.9))


def played(sync: float, crosstalk: float, travel: float = 20.0, mute: bool = False) -> theatre.Played:
    second = performance(0.0, 0.0, 0.05) if mute else performance(sync, crosstalk)
    return theatre.Played((performance(sync, crosstalk), second), boundary=1, travel=travel)


@pytest.fixture(scope="module")
def spoken() -> list[Excerpt]:
    rng = np.random.default_rng(0)
    given = [Excerpt(voices.babble(rng, 1.8), voices.RATE, source="given") for _ in range(2)]
    return given + [Excerpt(voices.babble(rng, 3.0), voices.RATE, source="espeak") for _ in range(3)]


def test_cases_are_fresh_and_the_same_every_time(spoken):
    direction = shipped_direction(25)
    cases = [theatre.draw_case(k, direction, spoken, silent=k == 3) for k in range(4)]
    again = [theatre.draw_case(k, direction, spoken, silent=k == 3) for k in range(4)]
    assert [case.looks for case in cases] == [case.looks for case in again]
    assert all(case.seed >= theatre.FIRST_SEED for case in cases)
    sources = [[e.source for e in case.excerpts if e is not None] for case in cases]
    assert sources == [["espeak"] * 2, ["given"] * 2, ["espeak"] * 2, ["given"]]
    for case in cases[:3]:
        first, second = case.excerpts
        assert first.waveform is not second.waveform
        for part in case.excerpts:
            assert part.openings(25.0, 25).std() > theatre.SPOKEN
            assert part.begin * 25 + 25 <= len(part.waveform) / part.rate * 25 + 1


def test_an_excerpt_is_heard_from_where_it_begins(spoken):
    whole = spoken[2]
    part = replace(whole, begin=0.4)
    assert part.openings(25.0, 20).tolist() == whole.openings(25.0, 30)[10:].tolist()


def test_figures_from_known_performances():
    speaking = [
        {
            "predicted": played(0.8 + 0.01 * k, 0.1),
            "fixed": played(0.6, 0.3),
            "none": played(0.3, 0.3),
        }
        for k in range(6)
    ]
    speaking.append({**speaking[0], "predicted": played(0.1, 0.1, travel=1.0)})  # it stands still
    silent = [{"predicted": played(0.8, 0.0, mute=True)}]
    part = Excerpt(np.zeros(1, np.float32), 16000, source="given")
    cases = [theatre.Case(k, (), (part, part)) for k in range(8)]
    figures = {figure.name: figure for figure in theatre.figures_of(speaking, silent, cases)}
    assert figures["identity"].value == 1 and figures["identity"].count == 8
    assert figures["mask_iou_last"].value == pytest.approx(0.9)
    assert figures["mask_iou_boundary"].value == pytest.approx(0.6)
    assert figures["sync"].value == pytest.approx((6 * 0.825 + 0.1) / 7)
    assert figures["sync"].value == figures["sync_given"].value
    assert figures["crosstalk"].holds and figures["crosstalk"].value == pytest.approx(0.1)
    assert figures["silent_open"].value == pytest.approx(0.05) and figures["silent_open"].holds
    assert figures["margin_predicted"].value == pytest.approx(0.725)
    assert figures["margin_predicted"].count == 6
    assert figures["margin_over_fixed"].value == pytest.approx(0.425) and figures["margin_over_fixed"].holds
    assert figures["margin_over_global"].value == pytest.approx(0.725)
    low, high = figures["sync"].interval
    assert low < figures["sync"].value < high


def test_margins_that_overlap_do_not_hold():
    rng = np.random.default_rng(0)
    speaking = [{"predicted": played(*rng.random(2)), "fixed": played(*rng.random(2))} for _ in range(20)]
    part = Excerpt(np.zeros(1, np.float32), 16000, source="given")
    cases = [theatre.Case(k, (), (part, part)) for k in range(20)]
    figures = {figure.name: figure for figure in theatre.figures_of(speaking, [], cases)}
    assert figures["margin_over_fixed"].holds is False
    assert "silent_open" not in figures and "margin_over_global" not in figures


def test_table_and_json(tmp_path):
    figures = [
        _result.at_least("sync", 0.71, (0.66, 0.76), 32, 0.7),
        _result.at_most("crosstalk", 0.2, (0.1, 0.3), 32, 0.15, "by chance"),
    ]
    lines = _result.table(figures).splitlines()
    assert lines[2] == "| sync | 0.710 | 0.660 to 0.760 | >= 0.7 | yes | 32 |"
    assert "| NO |" in lines[3]
    path = tmp_path / "results" / "theatre.json"
    _result.write(path, figures, {"cores": 2}, {"torch": "2"}, "python dev.py bench theatre", seconds=3)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["figures"]["crosstalk"] == {
        "value": 0.2,
        "interval": [0.1, 0.3],
        "bound": "<= 0.15",
        "holds": False,
        "scenes": 32,
        "note": "by chance",
    }
    assert list(record) == ["figures", "machine", "versions", "command", "seconds"]


def test_the_command_line_changes_the_shipped_settings():
    shipped = shipped_direction(73)
    assert theatre.directed(theatre.arguments([])) == shipped
    words = ["--steps", "8", "--gain", "3", "--audio-cfg", "4", "--stage-one-audio", "all", "--scenes", "4"]
    chosen = theatre.arguments(words)
    told = theatre.directed(chosen)
    assert (told.steps, told.guidance.mask_gain, told.audio_cfg, told.cfg) == (8, 3.0, 4.0, shipped.cfg)
    assert told.guidance.stage_one_audio == "all" and chosen.silent == 2
