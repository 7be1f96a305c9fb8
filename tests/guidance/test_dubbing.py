"""Which pixels and latent cells of a video are dubbed: against distances and unions counted by hand."""

from __future__ import annotations

import sys

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance.dubbing import dubbed_cells, dubbed_pixels


def test_one_pixel_grows_to_a_disc_and_fades() -> None:
    people = torch.zeros(2, 40, 48)
    people[0, 20, 24] = 1.0
    made = dubbed_pixels(people, grow=5, feather=3)
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(48), indexing="ij")
    away = ((rows - 20) ** 2 + (columns - 24) ** 2).sqrt()
    torch.testing.assert_close(made[0], ((9 - away) / 4).clamp(0, 1), rtol=0, atol=1e-5)
    assert made[0][away <= 5].eq(1).all() and made[0][away >= 9].eq(0).all()
    assert not made[1].any()  # nobody: no distance either


def test_without_growing_and_feathering_the_mask_stays_and_grey_counts_above_half() -> None:
    people = torch.zeros(1, 16, 16)
    people[0, 4:9, 3:7] = 0.51
    people[0, 12, 12] = 0.5
    made = dubbed_pixels(people, 0, 0)
    assert torch.equal(made, (people > 0.5).float())


def test_a_latent_frame_is_the_union_of_its_video_frames() -> None:
    pixels = torch.zeros(9, 32, 48)
    pixels[0, 0, 0] = 0.1  # frame 0 has a latent frame of its own
    pixels[1, 8, 0] = 1.0  # frames 1 to 4 are latent frame 1
    pixels[4, 8, 47] = 1.0
    pixels[5, 31, 16] = 1e-3  # 5 to 8 are latent frame 2
    cells = dubbed_cells(pixels)
    expected = torch.zeros(3, 4, 6)
    expected[0, 0, 0] = expected[1, 1, 0] = expected[1, 1, 5] = expected[2, 3, 2] = 1.0
    assert torch.equal(cells, expected)
    assert torch.equal(dubbed_cells(pixels[:1]), expected[:1])


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        InteractError, match="^Masks are grown by OpenCV.*opencv-python.*ComfyUI's Python\\.$"
    ):
        dubbed_pixels(torch.ones(1, 16, 16), 1, 1)
