"""Conds of an image-to-video base with a start image, and the halves of it that two characters are."""

from __future__ import annotations

import torch
from interacthuman.tests.support.models import tiny_wan

WIDTH, HEIGHT = 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS


def side(right: bool) -> torch.Tensor:
    """[1, H, W] in pixels: 1 in that half of the picture."""
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, :, WIDTH // 2 :] = 1.0
    return mask if right else 1 - mask


def with_start_image() -> list:
    """CONDITIONING as core's WanImageToVideo leaves it."""
    latent = torch.randn(1, *tiny_wan.LATENT, generator=torch.Generator().manual_seed(8))
    mask = torch.ones(1, 1, *tiny_wan.LATENT[1:])
    mask[:, :, :1] = 0.0
    text = torch.randn(1, 3, 4096, generator=torch.Generator().manual_seed(3))
    return [[text, {"concat_latent_image": latent, "concat_mask": mask}]]
