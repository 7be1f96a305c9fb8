"""Masks of a run as MASKs on the video's frames."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.preview import masks
from interacthuman.tests.support.run_records import COLUMN_FRAMES, COLUMN_GRID, HEIGHT, WIDTH, column_record


def test_video_frames_take_the_mask_of_their_latent_frame() -> None:
    assert [masks.latent_frame_of(frame) for frame in range(10)] == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3]
    drawn = torch.zeros(1, 1, *COLUMN_GRID)
    drawn[0, 0] = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1)
    made = masks.masks_as_video(column_record(1, ("Mira",), masks=drawn.half()), "Mira")
    assert made.shape == (COLUMN_FRAMES, HEIGHT, WIDTH) and made.dtype == torch.float32
    assert made.mean((1, 2)).tolist() == [0.0] + [0.5] * 4 + [1.0] * 4


def test_masks_of_one_character_of_everybody_and_thresholded() -> None:
    left, right = (masks.masks_as_video(column_record(), name) for name in ("Mira", " Tobi "))
    assert left[:, :, :8].min() == 1.0 and not left[:, :, 24:].any()
    assert torch.equal(right, left.flip(-1))
    assert torch.equal(masks.masks_as_video(column_record(), ""), torch.maximum(left, right))
    assert left.unique().numel() > 2
    hard = masks.masks_as_video(column_record(), "Mira", threshold=0.5)
    assert hard.unique().tolist() == [0.0, 1.0] and torch.equal(hard, (left > 0.5).float())
    wide = masks.masks_as_video(column_record(), "Mira", threshold=0.1)
    assert wide.sum() > hard.sum()


def test_steps_count_from_one_and_zero_is_the_last() -> None:
    thinned = column_record(3, steps=(0, 4, 9), total_steps=10)
    found = [masks.recorded_step(thinned, step) for step in (0, 1, 2, 4, 5, 8, 10)]
    assert found == [2, 0, 0, 1, 1, 2, 2]
    with pytest.raises(InteractError, match="no step 11.*1 to 10, or 0"):
        masks.recorded_step(thinned, 11)
    with pytest.raises(InteractError, match="empty"):
        masks.recorded_step(column_record(0, total_steps=0, boundary=-1), 0)
    with pytest.raises(InteractError, match="no character 'Eva'.*Mira, Tobi"):
        masks.masks_as_video(column_record(), "Eva")
