"""Pictures on white, whole and in the middle, at the video's size."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.host.tokens.reference_images import fit_on_white, person_on_white


def test_a_picture_of_the_videos_size_passes_untouched() -> None:
    image = torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(5))
    assert fit_on_white(image, 64, 48) is image


@pytest.mark.parametrize("size", [(200, 40), (40, 200), (33, 31), (48, 64), (7, 1000)])
def test_a_picture_is_fitted_whole_centred_and_undistorted(size: tuple[int, int]) -> None:
    rows, columns = size
    fitted = fit_on_white(torch.zeros(1, rows, columns, 3), 64, 48)
    assert fitted.shape == (1, 48, 64, 3)
    black = fitted[0, :, :, 0] < 0.5
    found = int(black.any(1).sum()), int(black.any(0).sum())
    scale = min(64 / columns, 48 / rows)
    assert found == (max(1, round(rows * scale)), max(1, round(columns * scale)))
    assert 48 in found or 64 in found
    down, across = black.any(1).nonzero()[:, 0], black.any(0).nonzero()[:, 0]
    assert abs(int(down[0]) - (47 - int(down[-1]))) <= 1 and abs(int(across[0]) - (63 - int(across[-1]))) <= 1
    assert torch.equal(fitted[:, ~black.any(1)], torch.ones_like(fitted[:, ~black.any(1)]))


def test_shrinking_averages() -> None:
    """A fine checkerboard becomes grey, not a moire of black and white."""
    board = (torch.arange(480)[:, None] + torch.arange(640)[None]).remainder(2).float()
    fitted = fit_on_white(board.view(1, 480, 640, 1).expand(-1, -1, -1, 3), 64, 48)
    assert (fitted - 0.5).abs().max() < 0.05


@pytest.mark.parametrize("shape", [(1, 32, 32), (32, 32), (1, 16, 16)])
def test_a_mask_cuts_the_person_out(shape: tuple[int, ...]) -> None:
    mask = torch.zeros(shape)
    mask[..., : shape[-1] // 2] = 1.0
    laid = person_on_white(torch.zeros(1, 32, 32, 3), mask, "Mira")
    assert torch.equal(laid[:, :, :14], torch.zeros(1, 32, 14, 3))
    assert torch.equal(laid[:, :, 18:], torch.ones(1, 32, 14, 3))
