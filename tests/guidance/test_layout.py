"""What is painted on a photo goes where core puts the photo."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Character, assemble_cast, layouts_on_grid
from interacthuman.interact_core.guidance.layout import fitted_to_video, share_kept
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)
from torch import Tensor

import comfy.utils  # isort: skip

Size = tuple[int, int]  # width, height

PHOTOS: list[tuple[Size, Size]] = [
    ((1216, 960), (832, 480)),  # of ComfyUI's InfiniteTalk template
    ((1024, 1024), (832, 480)),
    ((768, 1344), (832, 480)),  # a portrait for a landscape video
    ((1920, 1080), (480, 832)),
    ((833, 481), (832, 480)),
    ((415, 241), (832, 480)),  # smaller than the video
    ((832, 480), (832, 480)),
]


def person(size: Size, left: float, top: float, right: float, bottom: float) -> Tensor:
    """[1, H, W]: a box, in shares of the photo."""
    width, height = size
    mask = torch.zeros(1, height, width)
    mask[:, round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 1.0
    return mask


def as_core(mask: Tensor, video: Size) -> Tensor:
    """Where WanImageToVideo puts each pixel of a photo on which the mask was painted."""
    return comfy.utils.common_upscale(mask.unsqueeze(1), *video, "bilinear", "center").squeeze(1)


def iou(a: Tensor, b: Tensor) -> float:
    a, b = a > 0.5, b > 0.5
    return int((a & b).sum()) / int((a | b).sum())


def in_start_image(name: str, region: Tensor, layout: Tensor | None = None) -> Character:
    return Character(name, None, None, layout, region)


@pytest.mark.parametrize("photo, video", PHOTOS)
def test_regions_lie_where_core_puts_the_people_of_the_photo(photo: Size, video: Size) -> None:
    boxes = {"left": (0.3, 0.3, 0.48, 0.7), "right": (0.52, 0.35, 0.66, 0.75)}
    masks = {name: person(photo, *box) for name, box in boxes.items()}
    cast = assemble_cast([in_start_image(*pair) for pair in masks.items()], *video, 5, 25.0)
    for region, layout, mask in zip(cast.regions, cast.layouts, masks.values(), strict=True):
        truth = layouts_on_grid(as_core(mask, video), 1, *video)[0]
        assert iou(region, truth) == 1.0 and torch.equal(region, truth)
        assert torch.equal(layout, truth.expand_as(layout))


@pytest.mark.parametrize("photo, video", PHOTOS)
def test_layouts_are_cropped_too_frame_by_frame(photo: Size, video: Size) -> None:
    frames = torch.cat([person(photo, 0.3 + 0.01 * f, 0.3, 0.5 + 0.01 * f, 0.7) for f in range(5)])
    expected = layouts_on_grid(as_core(frames, video), 5, *video)
    character = Character("Ada", torch.ones(1, 20, 30, 3), None, frames)
    assert torch.equal(assemble_cast([character], *video, 5, 25.0).layouts[0], expected)


@examples(max_examples=150, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 4), st.integers(1, 4))
def test_the_crop_is_cores_to_the_bit(columns: int, rows: int, width: int, height: int) -> None:
    mask = torch.rand(2, rows, columns, generator=torch.Generator().manual_seed(columns * 100 + rows))
    made = fitted_to_video(mask, 16 * width, 16 * height)
    try:
        theirs = as_core(mask, (16 * width, 16 * height))
    except RuntimeError:  # core's rounding has left nothing of a very narrow picture
        assert made.shape == (2, 16 * height, 16 * width)
        return
    assert torch.equal(made, theirs)


def test_somebody_whom_the_crop_cuts_off_is_named() -> None:
    inside, outside = person((480, 832), 0.2, 0.4, 0.8, 0.6), person((480, 832), 0.2, 0.0, 0.8, 0.2)
    assert share_kept(inside, 832, 480) == 1.0 and share_kept(outside, 832, 480) == 0.0
    cast = [in_start_image("Ann", inside), in_start_image("Bob", outside)]
    with pytest.raises(InteractError, match="region of 'Bob' lies outside the video.*480x832.*832x480"):
        assemble_cast(cast, 832, 480, 5, 25.0)
    with pytest.raises(InteractError, match="layout mask of 'Ann' lies outside the video"):
        assemble_cast([in_start_image("Ann", inside, outside)], 832, 480, 5, 25.0)


def test_of_a_sliver_that_is_left_the_crop_is_the_reason() -> None:
    sliver = person((480, 832), 0.2, 0.0, 0.8, 0.336)  # the video shows rows 278 to 554 of the photo
    assert 0.0 < share_kept(sliver, 832, 480) < 0.1
    with pytest.raises(InteractError, match="region of 'Ann' lies outside the video"):
        assemble_cast([in_start_image("Ann", sliver)], 832, 480, 5, 25.0)


def test_a_black_layout_is_nobody_and_no_error() -> None:
    assert not layouts_on_grid(torch.zeros(1, 64, 64), 5, 48, 32).any()
    assert share_kept(torch.zeros(1, 64, 64), 48, 32) == 1.0


def test_masks_for_each_frame_reach_a_regions_layout() -> None:
    region = person((96, 64), 0.0, 0.0, 0.5, 1.0)
    walks = torch.cat([person((96, 64), 0.1 * f, 0.0, 0.1 * f + 0.5, 1.0) for f in range(5)])
    cast = assemble_cast([in_start_image("Ann", region, walks)], 96, 64, 5, 25.0)
    assert torch.equal(cast.layouts[0], layouts_on_grid(walks, 5, 96, 64))
    assert torch.equal(cast.regions[0], layouts_on_grid(region, 1, 96, 64)[0])
