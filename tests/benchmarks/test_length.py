"""The bench for long films without its models: speech, joints, and what is measured at both ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from interacthuman.benchmarks import length
from interacthuman.interact_core.theatre import voices
from interacthuman.interact_core.theatre.pipeline import AudioExcerpt, Film, shipped_run_settings
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.theatre import scenes as theatre_support

FPS = theatre_support.FPS


def test_a_long_speech_says_every_sentence_before_it_repeats_one():
    pool = [
        AudioExcerpt(np.full(800 * (k + 1), 0.1 * (k + 1), np.float32), 1000, source="given")
        for k in range(3)
    ]
    speech = length.long_speech(np.random.default_rng(0), pool, 10.0)
    sounding = speech.waveform > 0
    begins = np.flatnonzero(np.diff(sounding.astype(int)) == 1) + 1
    lengths = [np.argmin(np.append(sounding[b:], False)) for b in [0, *begins]]
    assert len(speech.waveform) >= 10_000 and sorted(lengths[:3]) == [800, 1600, 2400]
    assert speech.waveform.max() == 1.0  # as loud as each other
    case = length.draw_case(0, 4.0, pool)
    assert case.seed >= length.FIRST_SEED and len(case.excerpts) == 2


def test_joints_of_windows_are_where_cores_schedule_begins_them(tmp_path: Path):
    from comfy.context_windows import create_windows_static_standard
    from comfy_extras.nodes_context_windows import WanContextWindowsManualNode

    shipped = shipped_run_settings(25)
    model = WanContextWindowsManualNode.execute(tiny_wan.load_tiny(tmp_path), **shipped.windows)[0]
    handler = model.model_options["context_handler"]
    for frames in (25, 29, 49, 97, 501):
        windows = create_windows_static_standard((frames - 1) // 4 + 1, handler, model.model_options)
        joints = tuple(4 * window[0] - 3 for window in windows[1:])
        assert length.window_seams(replace(shipped, frames=frames)) == joints


def test_both_ends_are_measured_and_a_jump_at_a_joint_is_seen():
    """A drawn film of two whose mouths follow their voices in its first half and stand shut in its second."""
    first = theatre_support.example_scene(5, 2, 50, motion=0.2)
    shut = theatre_support.example_scene(5, 2, 50, silent=(0, 1), motion=0.2)
    frames = np.concatenate((first.rendering.frames, shut.rendering.frames))
    excerpts = tuple(AudioExcerpt(_sounding(track), voices.RATE) for track in first.voices)
    case = length.Case(1, first.scene.looks, excerpts)
    quiet = length.measure_film(case, Film(frames, (20, 70)), FPS, 1.0)
    assert quiet.first.sync > 0.8 and quiet.last.sync == 0.0 and quiet.first.alike == 1.0
    assert quiet.worst_seam < 1.0 and quiet.seams_above == 0.0
    jumped = frames.copy()
    jumped[70:] = 255 - jumped[70:]
    loud = length.measure_film(case, Film(jumped, (20, 70)), FPS, 1.0)
    assert loud.worst_seam > 1.0 and loud.seams_above == 0.5


def _sounding(opening: np.ndarray) -> np.ndarray:
    """Noise as loud, frame by frame, as a mouth is open, twice over."""
    rate = voices.RATE
    level = np.repeat(np.concatenate((opening, opening)), round(rate / FPS))
    noise = np.random.default_rng(0).normal(size=len(level))
    return (0.2 * level * noise).astype(np.float32)


def test_figures_from_known_films():
    def film(lost: float, seam: float) -> length.FilmMetrics:
        begins, ends = length.End(0.8, 0.1, 1.0), length.End(0.8 - lost, 0.2, 0.5)
        return length.FilmMetrics(begins, ends, seam, 0.25, 60.0)

    scenes = [{"windows": film(0.02, 0.5), "parts": film(0.1, 1.5)} for _ in range(3)]
    figures = {figure.name: figure for figure in length.figures_of(scenes)}
    assert figures["sync_lost_windows"].value == pytest.approx(0.02) and figures["sync_lost_windows"].holds
    assert figures["sync_lost_parts"].holds is False and figures["worst_seam_parts"].holds is False
    assert figures["worst_seam_windows"].holds and figures["sync_last_parts"].value == pytest.approx(0.7)
    assert figures["crosstalk_last_windows"].value == pytest.approx(0.2)
    assert figures["identity_last_windows"].value == 0.5
