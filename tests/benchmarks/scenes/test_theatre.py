"""The theatre's bench without its models: cases, figures from known records, table and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from interacthuman.benchmarks import theatre
from interacthuman.benchmarks.scenes import held_out, result, runs
from interacthuman.benchmarks.scenes.runs import Record
from interacthuman.benchmarks.scenes.settings import FIRST_FRAME, Setting
from interacthuman.interact_core.theatre import voices
from interacthuman.interact_core.theatre.measuring.measure import Likeness
from interacthuman.interact_core.theatre.measuring.report import CharacterMetrics
from interacthuman.interact_core.theatre.pipeline import AudioExcerpt, shipped_run_settings
from interacthuman.tests.support.theatre.scenes import scene_record

ALIKE = Likeness(on_screen=1.0, colour=10.0, face=20.0, rival=90.0)


@pytest.fixture(scope="module")
def recordings() -> list[AudioExcerpt]:
    rng = np.random.default_rng(0)
    given = [AudioExcerpt(voices.babble(rng, 1.8), voices.RATE, source="given") for _ in range(2)]
    return given + [AudioExcerpt(voices.babble(rng, 3.0), voices.RATE, source="espeak") for _ in range(3)]


def test_cases_are_fresh_and_the_same_every_time(recordings):
    run_settings = shipped_run_settings(25)
    cases = [held_out.draw_case(k, run_settings, recordings) for k in range(4)]
    again = [held_out.draw_case(k, run_settings, recordings) for k in range(4)]
    assert [case.looks for case in cases] == [case.looks for case in again]
    assert all(case.seed >= held_out.FIRST_SEED for case in cases)
    sources = [[e.source for e in case.excerpts] for case in cases]
    assert sources == [["espeak"] * 2, ["given"] * 2] * 2
    assert [held_out.source_of(k, recordings) for k in range(4)] == [source for source, _ in sources]
    for case in cases:
        first, second = case.excerpts
        assert first.waveform is not second.waveform
        for part in case.excerpts:
            assert part.mouth_openings(25.0, 25).std() > held_out.MIN_OPENING_STD
            assert part.begin * 25 + 25 <= len(part.waveform) / part.rate * 25 + 1
            assert part.waveform.any() and part.begin * 25 == round(part.begin * 25)


def test_what_is_kept_of_a_character_is_what_was_measured():
    character = CharacterMetrics("puppet", 0.8, 0.1, -0.2, 0.15, 0.05, ALIKE, (0.2, 0.6, 0.9))
    assert runs._character_record(character, boundary=1) == {
        "sync": 0.8, "crosstalk": 0.1, "crosstalk_at_own_lag": -0.2, "chance": 0.15, "silent_open": 0.05,
        "identity": True, "mask_iou": 0.9, "boundary_iou": 0.6, "whole": None,
    }  # fmt: skip


def test_who_speaks_does_so_to_the_end():
    """A recording shorter than the clip is said again; silence at its ends does not count as speech."""
    rate, quiet = 8000, np.zeros(4000, np.float32)
    word = np.sin(np.arange(8000) / 3).astype(np.float32)
    short = AudioExcerpt(np.concatenate([quiet, word, quiet]), rate, source="given")
    long = held_out.repeat_speech(short, 3.5)
    gap = round(held_out.PAUSE * rate)
    assert len(long.waveform) == 3 * (8000 - 1 + gap) and long.source == "given"  # sin(0) is silence
    assert np.array_equal(long.waveform[:7999], word[1:]) and not long.waveform[7999 : 7999 + gap].any()
    assert np.array_equal(long.waveform[7999 + gap :][:7999], word[1:])
    silent = AudioExcerpt(quiet, rate)
    assert held_out.repeat_speech(silent, 3.5) is silent
    part = held_out.draw_excerpt(np.random.default_rng(0), short, shipped_run_settings(73))
    assert part.mouth_openings(25.0, 73)[-25:].max() > 0.5


def test_an_excerpt_begins_where_it_says(recordings):
    whole = recordings[2]
    part = replace(whole, begin=0.4)
    assert part.mouth_openings(25.0, 20).tolist() == whole.mouth_openings(25.0, 30)[10:].tolist()


def test_figures_from_known_records():
    own = [scene_record(0.8 + 0.01 * k, 0.1) for k in range(6)] + [
        scene_record(0.1, 0.1, travel=1.0)
    ]  # it stands still
    speaking = {
        "predicted": own,
        "fixed": [scene_record(0.6, 0.3)] * 7,
        "none": [scene_record(0.3, 0.3)] * 7,
        "affinity": [scene_record(0.5, 0.2)] * 7,
        "start_image": [scene_record(0.7, 0.2)] * 7,
    }
    silent = [scene_record(0.8, 0.0, mute=True)]
    found = theatre.figures_of(speaking, silent, ["given"] * 6 + ["espeak"])
    figures = {figure.name: figure for figure in found}
    assert figures["identity"].value == 1 and figures["identity"].count == 8
    assert figures["mask_iou_last"].value == pytest.approx(0.9)
    assert figures["mask_iou_boundary"].value == pytest.approx(0.6)
    assert figures["sync"].value == pytest.approx((6 * 0.825 + 0.1) / 7)
    assert figures["sync_given"].value == pytest.approx(0.825) and figures["sync_espeak"].count == 1
    assert figures["crosstalk"].holds and figures["crosstalk"].value == pytest.approx(0.1)
    assert figures["silent_open"].value == pytest.approx(0.05) and figures["silent_open"].holds
    assert figures["margin_predicted"].value == pytest.approx(0.725)
    assert figures["margin_predicted"].count == 6
    assert figures["margin_over_fixed"].value == pytest.approx(0.425) and figures["margin_over_fixed"].holds
    assert figures["margin_over_global"].value == pytest.approx(0.725)
    assert (
        figures["affinity_over_global"].value == pytest.approx(0.3) and figures["affinity_over_global"].holds
    )
    assert figures["start_image_over_global"].value == pytest.approx(0.5)
    assert figures["travel_predicted"].value == 20.0 and figures["travel_predicted"].count == 6
    likeness = [figures[f"{source}_mask_iou_last"] for source in ("affinity", "start_image")]
    assert [figure.value for figure in likeness] == pytest.approx([0.9, 0.9])
    assert [figure.bound for figure in likeness] == [">= 0.5", ">= 0.65"]
    low, high = figures["sync"].interval
    assert low < figures["sync"].value < high


def test_margins_that_overlap_do_not_hold():
    rng = np.random.default_rng(0)
    speaking: dict[str, list[Record]] = {
        source: [scene_record(*rng.random(2)) for _ in range(20)] for source in ("predicted", "fixed")
    }
    figures = {figure.name: figure for figure in theatre.figures_of(speaking, [], ["given"] * 20)}
    assert figures["margin_over_fixed"].holds is False
    assert "silent_open" not in figures and "margin_over_global" not in figures


def test_four_speakers_have_bounds_of_their_own():
    asked = theatre.settings_of(4, ("predicted", "fixed"))
    assert asked["fixed"] == Setting(FIRST_FRAME, references=4, speakers=4)
    assert asked["fixed"].source == asked["predicted"]
    four = [scene_record(0.6, 0.18, characters=4)] * 3
    figures = {figure.name: figure for figure in theatre.figures_of({"predicted": four}, [], ["given"] * 3)}
    assert figures["sync"].bound == ">= 0.5" and figures["crosstalk"].bound == "<= 0.2"


def test_table_and_json(tmp_path):
    figures = [
        result.at_least("sync", 0.71, (0.66, 0.76), 32, 0.7),
        result.at_most("crosstalk", 0.2, (0.1, 0.3), 32, 0.15, "by chance"),
    ]
    lines = result.table(figures).splitlines()
    assert lines[2] == "| sync | 0.710 | 0.660 to 0.760 | >= 0.7 | yes | 32 |"
    assert "| NO |" in lines[3]
    path = tmp_path / "results" / "theatre.json"
    result.write(path, figures, {"cores": 2}, {"torch": "2"}, "python dev.py bench theatre", seconds=3)
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
    shipped = shipped_run_settings(73)
    moving = theatre.run_settings_of(theatre.arguments([]))
    assert moving == replace(shipped, motion=1.0)  # masks are compared where puppets leave their places
    assert (
        theatre.run_settings_of(theatre.arguments(["--motion", "-1"])) == shipped
    )  # which have no motion prompt
    words = ["--steps", "8", "--gain", "3", "--audio-cfg", "4", "--stage-one-audio", "all", "--scenes", "4"]
    chosen = theatre.arguments(words)
    changed = theatre.run_settings_of(chosen)
    assert (changed.steps, changed.guidance.mask_gain, changed.audio_cfg, changed.cfg) == (
        8,
        3.0,
        4.0,
        shipped.cfg,
    )
    assert changed.guidance.stage_one_audio == "all" and chosen.silent == 2


def test_wholeness_is_a_figure_of_the_records_that_have_it():
    old = [scene_record(0.8, 0.1)]
    assert "whole" not in {figure.name for figure in theatre.figures_of({"predicted": old}, [], ["given"])}
    new = [scene_record(0.8, 0.1), scene_record(0.8, 0.1)]
    for record, shares in zip(new, ([1.0, 0.5], [None, 0.95])):
        for one, share in zip(record["characters"], shares):
            one["whole"] = share
    found = {figure.name: figure for figure in theatre.figures_of({"predicted": new}, [], ["given"] * 2)}
    assert found["whole"].value == pytest.approx(0.85) and not found["whole"].holds
    bounds = [
        theatre.figures_of({"predicted": new}, [], ["given"] * 2, told)[1].bound for told in (True, False)
    ]
    assert bounds == [">= 0.95", ">= 0.97"]  # untold, puppets stay, which is easier


def test_steadiness_is_said_beside_the_drawn_truth():
    """A clip whose every second frame is brighter by 10 flickers by 20; what is drawn once and stands has 0."""
    drawn = np.tile(np.linspace(0, 200, 48, dtype=np.uint8)[None, None, :, None], (6, 32, 1, 3))
    made = drawn.copy()
    made[1::2] += 10
    one = runs.steadiness_of(made, drawn, 25.0)
    assert one["drawn_flicker"] == 0 and one["flicker"] == pytest.approx(20, abs=0.1)
    assert one["sharpness"] == pytest.approx(one["drawn_sharpness"], abs=0.01)
    record = {**scene_record(0.8, 0.1), "steadiness": one}
    found = {figure.name: figure for figure in theatre.figures_of({"predicted": [record]}, [], ["given"])}
    assert (
        found["flicker"].value == one["flicker"] and found["drawn_sharpness"].value == one["drawn_sharpness"]
    )
    crowd = {**record, "steadiness": runs.steadiness_of(made, None, 25.0)}  # more than the theatre draws
    found = {figure.name: figure for figure in theatre.figures_of({"predicted": [crowd]}, [], ["given"])}
    assert found["flicker"].value == one["flicker"] and "drawn_flicker" not in found
