"""The mask memory: double buffer, averaging, smoothing, and a history of bounded size."""

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import (
    Cast,
    Character,
    GuidanceSettings,
    MaskHistory,
    MaskMemory,
)

FRAMES = 3
EVERY = range(FRAMES)


def constant(value: float, frames: int = FRAMES, batch: int = 1) -> torch.Tensor:
    return torch.full((batch, 2, frames, 1, 2), value)


def evaluate(memory: MaskMemory, *parts: tuple) -> None:
    memory.begin_evaluation()
    for part in parts:
        memory.add(*part)
    memory.commit()


def cast_of_two() -> Cast:
    pair = tuple(Character(name, torch.ones(1, 16, 16, 3), None, None) for name in ("Ada", "Ben"))
    return Cast(pair, 32, 16, 9, 25.0, None)


def test_readers_see_the_previous_evaluation_until_commit() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    memory.begin_evaluation()
    memory.add(constant(0.25), EVERY)
    assert memory.masks is None
    memory.commit()
    assert torch.equal(memory.masks, constant(0.25))
    memory.begin_evaluation()
    memory.add(constant(0.75), EVERY)
    assert torch.equal(memory.masks, constant(0.25))
    memory.commit()
    assert torch.equal(memory.masks, constant(0.75))


def test_what_an_interrupted_evaluation_left_is_forgotten() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    memory.begin_evaluation()
    memory.add(constant(1.0), EVERY)  # interrupted here
    evaluate(memory, (constant(0.5), EVERY))
    assert torch.equal(memory.masks, constant(0.5))
    evaluate(memory)  # a caching node skipped the forward
    assert torch.equal(memory.masks, constant(0.5))


def test_windows_are_averaged_by_weight_and_gaps_keep_the_old_mask() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(memory, (constant(0.2, 2), [0, 1]), (constant(0.8, 2), [1, 2], 3.0))
    torch.testing.assert_close(memory.masks[0, 0, :, 0, 0], torch.tensor([0.2, 0.65, 0.8]))
    evaluate(memory, (constant(1.0, 1), [2]))
    torch.testing.assert_close(memory.masks[0, 1, :, 0, 1], torch.tensor([0.2, 0.65, 1.0]))
    first = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(first, (constant(1.0, 1), [1]))
    assert first.masks[0, 0, :, 0, 0].tolist() == [0, 1, 0]


def test_batch_items_keep_masks_of_their_own() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    batch = torch.rand(3, 2, FRAMES, 1, 2, generator=torch.Generator().manual_seed(0))
    evaluate(memory, (batch, EVERY))
    assert torch.equal(memory.masks, batch)
    memory.record(0, 1.0)
    assert torch.equal(memory.history(cast_of_two(), -1, 1).masks[0], batch[0].half())
    unbatched = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(unbatched, (batch[1], EVERY))
    assert torch.equal(unbatched.masks, batch[1:2])


@examples(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_smoothing_keeps_a_share_of_the_old_mask(share: float, old: float, new: float) -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings(smoothing=share))
    evaluate(memory, (constant(old), EVERY))
    torch.testing.assert_close(memory.masks, constant(old))  # nothing to smooth with
    evaluate(memory, (constant(new), EVERY))
    torch.testing.assert_close(memory.masks, constant(share * old + (1 - share) * new), rtol=1e-5, atol=1e-6)
    memory.record(0, 1.0)  # the history shows what was predicted
    predicted = memory.history(cast_of_two(), -1, 1).masks[0, 0, 0, 0, 0]
    torch.testing.assert_close(float(predicted), new, rtol=1e-3, atol=1e-3)


def test_smoothing_leaves_uncovered_frames_alone() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings(smoothing=0.5))
    evaluate(memory, (constant(0.8), EVERY))
    evaluate(memory, (constant(0.4, 1), [0]))
    torch.testing.assert_close(memory.masks[0, 0, :, 0, 0], torch.tensor([0.6, 0.8, 0.8]))


def test_masks_carry_no_gradient_and_are_single_precision() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(memory, (constant(0.5).bfloat16().requires_grad_(), EVERY))
    assert not memory.masks.requires_grad and memory.masks.dtype == torch.float32


def test_masks_that_do_not_fit_are_named() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    memory.begin_evaluation()
    with pytest.raises(InteractError, match="3 latent frames but 2 frame numbers"):
        memory.add(constant(0.5), [0, 1])
    memory.add(constant(0.5), EVERY)
    with pytest.raises(InteractError, match="two sizes.*area"):
        memory.add(torch.zeros(1, 2, FRAMES, 1, 1), EVERY)


def test_devices_may_add_at_the_same_time() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    memory.begin_evaluation()
    start = threading.Barrier(8)

    def add(value: float) -> None:
        start.wait()
        for _ in range(200):
            memory.add(constant(value), EVERY)

    threads = [threading.Thread(target=add, args=(value / 8,)) for value in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory._weight.flatten().tolist() == [1600] * FRAMES
    memory.commit()
    torch.testing.assert_close(memory.masks, constant(3.5 / 8))


def test_the_accumulators_are_guarded() -> None:
    """The test above can be lucky; this one cannot: `add` and `commit` wait for whoever holds the lock."""
    memory = MaskMemory(FRAMES, GuidanceSettings())
    for call in (lambda: memory.add(constant(1.0), EVERY), memory.commit, memory.begin_evaluation):
        thread = threading.Thread(target=call)
        with memory._lock:
            thread.start()
            thread.join(0.05)
            assert thread.is_alive()
        thread.join(5)
        assert not thread.is_alive()


def recorded(steps: int, limit: int) -> MaskHistory:
    memory = MaskMemory(FRAMES, GuidanceSettings(history_limit=limit))
    for step in range(steps):
        evaluate(memory, (constant(step / 256), EVERY))
        memory.record(step, 1 - step / steps)
    return memory.history(cast_of_two(), 2, steps)


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
    gaps = [late - early for early, late in zip(kept, kept[1:])]
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
    memory = MaskMemory(FRAMES, GuidanceSettings())
    masks, pictures = memory.record(0, 1.0, shaded(255))
    assert masks is None and torch.equal(pictures, shaded(255))  # nothing predicted yet
    for step in range(256):
        evaluate(memory, (constant(step / 256), EVERY))
        masks, pictures = memory.record(step, 1.0, shaded(step))
        assert torch.equal(masks, constant(step / 256)[0].half()) and torch.equal(pictures, shaded(step))
    history = memory.history(cast_of_two(), -1, 256, "run", (None, None))
    assert history.masks.shape[0] == 256 and history.frames_pictures.dtype == torch.uint8
    assert torch.equal(history.frames_pictures, torch.stack([shaded(step) for step in range(256)]))
    assert (history.run, history.voices) == ("run", (None, None))


def test_frames_are_thinned_with_the_masks_and_bounded_too() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings(history_limit=8 * BYTES))
    large = torch.zeros(FRAMES, 4, 8, 3, dtype=torch.uint8)  # two of them fill twice the limit of the masks
    for step in range(20):
        evaluate(memory, (constant(step / 256), EVERY))
        memory.record(step, 1.0, large)
    history = memory.history(cast_of_two(), -1, 20)
    assert history.steps == (0, 19) and history.frames_pictures.shape == (2, FRAMES, 4, 8, 3)


def test_a_history_has_frames_of_all_its_steps_or_none() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    for step, pictures in enumerate((shaded(1), None)):
        evaluate(memory, (constant(0.5), EVERY))
        memory.record(step, 1.0, pictures)
    assert memory.history(cast_of_two(), -1, 2).frames_pictures is None


def test_a_step_recorded_twice_counts_once() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    for value in (0.25, 0.5):
        evaluate(memory, (constant(value), EVERY))
        memory.record(0, 1.0)
    history = memory.history(cast_of_two(), -1, 1)
    assert history.steps == (0,) and float(history.masks[0, 0, 0, 0, 0]) == 0.5


def test_without_a_prediction_the_history_is_empty() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(memory)
    memory.record(0, 1.0)
    history = memory.history(cast_of_two(), -1, 4)
    assert history.masks.shape == (0, 2, 3, 1, 2) and history.steps == () and history.total_steps == 4


def test_what_is_recorded_stays_as_it_was() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(memory, (constant(0.5), EVERY))
    memory.record(0, 1.0)
    memory.masks.zero_()
    memory.masks.add_(1)
    assert float(memory.history(cast_of_two(), -1, 1).masks.amax()) == 0.5


def test_a_history_knows_its_characters_and_checks_its_parts() -> None:
    history = recorded(2, 10**6)
    assert history.index("Ben") == 1
    with pytest.raises(InteractError, match="no character 'Cyd'.*Ada, Ben"):
        history.index("Cyd")
    parts = dict(boundary_step=-1, total_steps=2, width=32, height=16, frames=9, fps=25.0)
    with pytest.raises(InteractError, match="has 1 steps"):
        MaskHistory(history.masks, (0,), (1.0, 0.5), names=("Ada", "Ben"), **parts)
    with pytest.raises(InteractError, match="2 masks but names 1"):
        MaskHistory(history.masks, (0, 1), (1.0, 0.5), names=("Ada",), **parts)
    with pytest.raises(InteractError, match="expected \\[K, N, T, h, w\\]"):
        MaskHistory(history.masks[:, :, 0], (0, 1), (1.0, 0.5), names=("Ada", "Ben"), **parts)
