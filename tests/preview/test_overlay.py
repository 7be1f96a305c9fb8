"""Masks over the video: colours, outlines, sizes."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.preview import palette
from interacthuman.interact_core.preview.overlay import draw_overlay
from interacthuman.tests.support.run_records import COLUMN_FRAMES, HEIGHT, WIDTH, column_record
from torch import Tensor


def video(frames: int = COLUMN_FRAMES, shade: float = 0.5) -> Tensor:
    return torch.full((frames, HEIGHT, WIDTH, 3), shade)


def test_overlay_tints_everybody_in_their_own_colour() -> None:
    drawn = draw_overlay(column_record(), 0, video())
    factor = drawn.shape[2] // WIDTH
    assert drawn.shape == (COLUMN_FRAMES, HEIGHT * factor, WIDTH * factor, 3) and drawn.shape[2] >= 480
    assert float(drawn.min()) >= 0 and float(drawn.max()) <= 1
    low = HEIGHT * factor - 2  # below the names
    colours = palette.character_colours(2)
    for column, colour in ((1, colours[0]), (drawn.shape[2] - 2, colours[1])):
        expected = 0.5 * 0.55 + 0.45 * colour
        assert (drawn[3, low, column] - expected).abs().max() < 0.02
    assert (drawn[3, low, drawn.shape[2] // 2] - 0.5).abs().max() < 0.02  # nobody is there


def test_overlay_outlines_where_the_mask_passes_one_half() -> None:
    drawn = draw_overlay(column_record(), 0, video())
    row = drawn[0, -2]
    edge = drawn.shape[2] // 4  # between the first and the second of four tokens
    distance = (row - palette.character_colours(2)[0]).abs().amax(-1)
    found = int(distance[: drawn.shape[2] // 2].argmin())
    assert distance[found] < 0.05 and abs(found - edge) <= 3


def test_overlay_without_a_video_and_over_one_picture() -> None:
    assert draw_overlay(column_record(), 1).shape[0] == COLUMN_FRAMES
    still = draw_overlay(column_record(), 1, video(1))
    assert torch.equal(still, draw_overlay(column_record(), 1, video()))
    large = draw_overlay(column_record(), 0, torch.zeros(1, 120, 600, 3))
    assert large.shape[1:3] == (120, 600)  # the picture's own size, masks stretched
    for wrong in (2, COLUMN_FRAMES + 1):
        with pytest.raises(InteractError, match=f"{wrong} frames, but the masks are of a video of 9"):
            draw_overlay(column_record(), 0, video(wrong))
