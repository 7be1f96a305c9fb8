"""A run's record: masks and pictures side by side, of bounded size, with what belongs to them."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, Character, GuidanceSettings, MaskHistory, MaskMemory
from interacthuman.interact_core.preview.record import RunRecord
from interacthuman.interact_core.preview.recorder import RunRecorder

FRAMES = 3


def constant(value: float) -> torch.Tensor:
    return torch.full((2, FRAMES, 1, 2), value, dtype=torch.float16)


def cast_of_two() -> Cast:
    pair = tuple(Character(name, torch.ones(1, 16, 16, 3), None, None) for name in ("Ada", "Ben"))
    return Cast(pair, 32, 16, 9, 25.0, None)


def recorded(steps: int, limit: int) -> RunRecord:
    recorder = RunRecorder(limit)
    for step in range(steps):
        recorder.record(step, 1 - step / steps, constant(step / 256))
    return finished(recorder, steps, boundary_step=2)


def finished(recorder: RunRecorder, steps: int, boundary_step: int = -1, **viewed: object) -> RunRecord:
    return recorder.finish(cast_of_two(), GuidanceSettings(), boundary_step, steps, **viewed)


BYTES = 2 * FRAMES * 2 * 2  # of one recorded mask: 2 characters, 3 x 1 x 2 tokens, 2 bytes


def test_a_short_history_is_whole() -> None:
    history = recorded(5, 64 * 2**20)
    assert history.steps == (0, 1, 2, 3, 4) and history.sigmas == tuple(1 - n / 5 for n in range(5))
    assert history.masks.shape == (5, 2, FRAMES, 1, 2) and history.masks.dtype == torch.float16
    assert history.masks[:, 0, 0, 0, 0].tolist() == [step / 256 for step in range(5)]
    assert (history.boundary_step, history.total_steps, history.names) == (2, 5, ("Ada", "Ben"))
    assert (history.width, history.height, history.frames, history.fps) == (32, 16, 9, 25.0)


@examples(max_examples=150, deadline=None)
@given(st.integers(1, 120), st.integers(0, 40))
def test_a_long_history_is_thinned_evenly(steps: int, room: int) -> None:
    history = recorded(steps, room * BYTES + BYTES // 2)
    kept = history.steps
    assert len(kept) <= max(2, room)
    assert kept[0] == 0 and kept[-1] == steps - 1 and list(kept) == sorted(set(kept))
    gaps = [late - early for early, late in itertools.pairwise(kept)]
    assert len(set(gaps[:-1])) <= 1 and (len(gaps) < 2 or gaps[-1] <= gaps[0])
    if steps <= room:
        assert len(kept) == steps
    elif room >= 2:  # and no more is thrown away than a doubling of the stride demands
        assert len(kept) > room // 2
    assert history.masks[:, 0, 0, 0, 0].tolist() == [step / 256 for step in kept]
    assert history.sigmas == tuple(1 - step / steps for step in kept)


def shaded(step: int) -> torch.Tensor:
    """[T, 1, 2, 3] uint8, the frames of a step."""
    return torch.full((FRAMES, 1, 2, 3), step, dtype=torch.uint8)


def test_frames_are_kept_beside_the_masks_exactly() -> None:
    recorder = RunRecorder()
    masks, pictures = recorder.record(0, 1.0, None, shaded(255))
    assert masks is None and torch.equal(pictures, shaded(255))  # nothing predicted yet
    for step in range(256):
        masks, pictures = recorder.record(step, 1.0, constant(step / 256), shaded(step))
        assert torch.equal(masks, constant(step / 256)) and torch.equal(pictures, shaded(step))
    history = finished(recorder, 256, run="run", loudness=(None, None))
    assert history.masks.shape[0] == 256 and history.pictures.dtype == torch.uint8
    assert torch.equal(history.pictures, torch.stack([shaded(step) for step in range(256)]))
    assert (history.run, history.loudness) == ("run", (None, None))


def test_frames_are_thinned_with_the_masks_and_bounded_too() -> None:
    recorder = RunRecorder(8 * BYTES)
    large = torch.zeros(FRAMES, 4, 8, 3, dtype=torch.uint8)  # two of them fill twice the limit of the masks
    for step in range(20):
        recorder.record(step, 1.0, constant(step / 256), large)
    history = finished(recorder, 20)
    assert history.steps == (0, 19) and history.pictures.shape == (2, FRAMES, 4, 8, 3)


def test_a_history_has_frames_of_all_its_steps_or_none() -> None:
    recorder = RunRecorder()
    for step, pictures in enumerate((shaded(1), None)):
        recorder.record(step, 1.0, constant(0.5), pictures)
    assert finished(recorder, 2).pictures is None


def test_a_step_recorded_twice_counts_once() -> None:
    recorder = RunRecorder()
    for value in (0.25, 0.5):
        recorder.record(0, 1.0, constant(value))
    history = finished(recorder, 1)
    assert history.steps == (0,) and float(history.masks[0, 0, 0, 0, 0]) == 0.5


def test_without_a_prediction_the_history_is_empty() -> None:
    recorder = RunRecorder()
    recorder.record(0, 1.0, None)
    history = finished(recorder, 4)
    assert history.masks.shape == (0, 2, 3, 1, 2) and history.steps == () and history.total_steps == 4


def test_what_is_recorded_stays_as_it_was() -> None:
    recorder = RunRecorder()
    memory = MaskMemory(FRAMES, GuidanceSettings())
    memory.add(constant(0.5).unsqueeze(0), range(FRAMES))
    memory.commit()
    recorder.record(0, 1.0, memory.prediction)
    memory.masks.zero_()
    memory.masks.add_(1)
    assert float(finished(recorder, 1).masks.amax()) == 0.5


def test_a_history_knows_its_characters_and_checks_its_parts() -> None:
    history = recorded(2, 10**6)
    assert history.index("Ben") == 1
    with pytest.raises(InteractError, match="no character 'Cyd'.*Ada, Ben"):
        history.index("Cyd")
    parts = {"boundary_step": -1, "total_steps": 2, "width": 32, "height": 16, "frames": 9, "fps": 25.0}
    with pytest.raises(InteractError, match="has 1 steps"):
        MaskHistory(history.masks, (0,), (1.0, 0.5), names=("Ada", "Ben"), **parts)
    with pytest.raises(InteractError, match="2 masks but names 1"):
        MaskHistory(history.masks, (0, 1), (1.0, 0.5), names=("Ada",), **parts)
    with pytest.raises(InteractError, match="expected \\[K, N, T, h, w\\]"):
        MaskHistory(history.masks[:, :, 0], (0, 1), (1.0, 0.5), names=("Ada", "Ben"), **parts)
