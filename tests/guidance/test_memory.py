"""The mask memory: double buffer, averaging, smoothing."""

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings, MaskMemory

FRAMES = 3
EVERY = range(FRAMES)


def constant(value: float, frames: int = FRAMES, batch: int = 1) -> torch.Tensor:
    return torch.full((batch, 2, frames, 1, 2), value)


def evaluate(memory: MaskMemory, *parts: tuple) -> None:
    memory.begin_evaluation()
    for part in parts:
        memory.add(*part)
    memory.commit()


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


def test_windows_are_averaged_and_gaps_keep_the_old_mask() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(memory, (constant(0.2, 2), [0, 1]), (constant(0.8, 2), [1, 2]))
    torch.testing.assert_close(memory.masks[0, 0, :, 0, 0], torch.tensor([0.2, 0.5, 0.8]))
    evaluate(memory, (constant(1.0, 1), [2]))
    torch.testing.assert_close(memory.masks[0, 1, :, 0, 1], torch.tensor([0.2, 0.5, 1.0]))
    first = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(first, (constant(1.0, 1), [1]))
    assert first.masks[0, 0, :, 0, 0].tolist() == [0, 1, 0]


def test_batch_items_keep_masks_of_their_own() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings())
    batch = torch.rand(3, 2, FRAMES, 1, 2, generator=torch.Generator().manual_seed(0))
    evaluate(memory, (batch, EVERY))
    assert torch.equal(memory.masks, batch)
    assert torch.equal(memory.prediction, batch[0].half())
    unbatched = MaskMemory(FRAMES, GuidanceSettings())
    evaluate(unbatched, (batch[1], EVERY))
    assert torch.equal(unbatched.masks, batch[1:2])


@examples(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_smoothing_keeps_a_share_of_the_old_mask(share: float, old: float, new: float) -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings(mask_smoothing=share))
    evaluate(memory, (constant(old), EVERY))
    torch.testing.assert_close(memory.masks, constant(old))  # nothing to smooth with
    evaluate(memory, (constant(new), EVERY))
    torch.testing.assert_close(memory.masks, constant(share * old + (1 - share) * new), rtol=1e-5, atol=1e-6)
    predicted = memory.prediction[0, 0, 0, 0]  # what is recorded is not smoothed
    torch.testing.assert_close(float(predicted), new, rtol=1e-3, atol=1e-3)


def test_smoothing_leaves_uncovered_frames_alone() -> None:
    memory = MaskMemory(FRAMES, GuidanceSettings(mask_smoothing=0.5))
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
    with pytest.raises(InteractError, match="3 latent frames, but 2 frame numbers"):
        memory.add(constant(0.5), [0, 1])
    memory.add(constant(0.5), EVERY)
    with pytest.raises(InteractError, match="different sizes.*area"):
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
    assert memory._count.flatten().tolist() == [1600] * FRAMES
    memory.commit()
    torch.testing.assert_close(memory.masks, constant(3.5 / 8))


def test_the_accumulators_are_guarded() -> None:
    """The test above can be lucky; this one cannot: `add` and `commit` wait for the holder of the lock."""
    memory = MaskMemory(FRAMES, GuidanceSettings())
    for call in (lambda: memory.add(constant(1.0), EVERY), memory.commit, memory.begin_evaluation):
        thread = threading.Thread(target=call)
        with memory._lock:
            thread.start()
            thread.join(0.05)
            assert thread.is_alive()
        thread.join(5)
        assert not thread.is_alive()
