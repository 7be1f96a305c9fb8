"""A start image has to be of the video's own size and length."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, Character
from interacthuman.interact_core.host.encode.cast_encoding import nearest_size
from interacthuman.interact_core.host.run.start_image import check_start_images
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)


def cast(width: int, height: int) -> Cast:
    return Cast((Character("Ann", torch.ones(1, 20, 20, 3), None, None),), width, height, 9, 25.0, None)


def latent(width: int, height: int, frames: int = 9) -> torch.Tensor:
    return torch.zeros(1, 16, (frames - 1) // 4 + 1, height // 8, width // 8)


@pytest.mark.parametrize(
    "asked_of_core, asked_of_us",
    [
        ((86, 60), (86, 60)),  # core cuts down to 80x56, we take 80x64
        ((48, 80), (80, 48)),  # portrait numbers left on one of the two
        ((832, 480), (1280, 720)),
        ((96, 64), (80, 64)),
    ],
)
def test_a_start_image_of_another_size_is_refused(
    asked_of_core: tuple[int, int], asked_of_us: tuple[int, int]
) -> None:
    width, height = (nearest_size(side) for side in asked_of_us)
    image = latent(*asked_of_core)
    made = f"{8 * (asked_of_core[0] // 8)}x{8 * (asked_of_core[1] // 8)}"
    with pytest.raises(InteractError) as caught:
        check_start_images(latent(width, height), [{"concat_latent_image": image}], cast(width, height))
    said = str(caught.value)
    assert f"prepared at {made}, but the video is {width}x{height}" in said
    assert f"set width to {width} and height to {height} on WanImageToVideo" in said


def test_one_of_the_videos_size_passes_and_so_does_none() -> None:
    conds = [{}, {"concat_latent_image": None}, {"concat_latent_image": latent(80, 64)}]
    check_start_images(latent(80, 64), conds, cast(80, 64))


def test_the_latent_of_another_node_is_named_not_the_start_image() -> None:
    with pytest.raises(InteractError, match="latent is 80x56, but the start image was prepared at 80x64"):
        check_start_images(latent(80, 56), [{"concat_latent_image": latent(80, 64)}], cast(80, 64))


def test_a_wrong_length_is_said_first() -> None:
    with pytest.raises(InteractError, match="set to 5 frames, but the video has 9"):
        check_start_images(latent(80, 64), [{"concat_latent_image": latent(48, 80, 5)}], cast(80, 64))
