"""Pictures on white, whole and in the middle, at the video's size."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.guidance import assemble_cast
from interacthuman.interact_core.host.encode.cast_encoding import make_character
from interacthuman.interact_core.host.tokens.reference_images import (
    fit_on_white,
    person_on_white,
    person_tokens,
    touched_tokens,
)
from interacthuman.interact_core.host.tokens.reference_pruning import kept_tokens


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
    laid, person = person_on_white(torch.zeros(1, 32, 32, 3), mask, "Mira")
    assert torch.equal(laid[:, :, :14], torch.zeros(1, 32, 14, 3))
    assert torch.equal(laid[:, :, 18:], torch.ones(1, 32, 14, 3))
    assert person.shape == (1, 32, 32) and torch.equal(person[:, :, :14], torch.ones(1, 32, 14))


def person_in_white(masked: bool, alpha: bool = False) -> torch.Tensor:
    """Tokens that show the person, [6, 8], of a picture that is all white: clothes, wall and all."""
    mask = torch.zeros(1, 96, 128)
    mask[:, 32:80, 48:96] = 1.0
    picture = torch.ones(1, 96, 128, 3)
    if alpha:
        picture, mask = torch.cat((picture, mask.unsqueeze(-1)), dim=-1), None
    mira = make_character("Mira", picture, mask if masked else None)
    cast = assemble_cast([mira], 128, 96, 9, 25.0)
    assert torch.equal(person_tokens(cast).view(6, 8), touched_tokens(cast)[0] > 0)
    return touched_tokens(cast)[0]


@pytest.mark.parametrize("alpha", [False, True])
def test_white_clothes_of_a_masked_person_are_no_background(alpha: bool) -> None:
    expected = torch.zeros(6, 8)
    expected[2:5, 3:6] = 1.0
    assert torch.equal(person_in_white(masked=not alpha, alpha=alpha), expected)


def test_token_pruning_keeps_white_clothes_of_a_masked_person() -> None:
    mask = torch.zeros(1, 96, 128)
    mask[:, 32:80, 48:96] = 1.0
    cast = assemble_cast([make_character("Mira", torch.ones(1, 96, 128, 3), mask)], 128, 96, 9, 25.0)
    kept = kept_tokens(cast)
    persons = set(kept.index[: -kept.background].tolist())
    assert {8 * row + column for row in range(2, 5) for column in range(3, 6)} <= persons


def test_without_a_mask_the_person_is_what_the_upper_corners_are_not() -> None:
    picture = torch.full((1, 64, 96, 3), 0.9)  # a studio's wall
    picture[:, 16:48, 32:64] = torch.tensor([0.2, 0.5, 0.9])
    mira = make_character("Mira", picture)
    expected = torch.zeros(4, 6, dtype=torch.bool)
    expected[1:3, 2:4] = True
    assert mira.mask is None
    assert torch.equal(person_tokens(assemble_cast([mira], 96, 64, 9, 25.0)).view(4, 6), expected)
