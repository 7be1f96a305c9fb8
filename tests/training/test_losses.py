"""Losses against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from interacthuman.interact_core.training.losses import focal_mask_loss, gated_mask_loss, velocity_loss


def test_velocity_loss_is_zero_at_the_truth_and_ignores_the_scale_of_emphasis() -> None:
    clean, noise = torch.randn(2, 16, 3, 4, 4), torch.randn(2, 16, 3, 4, 4)
    emphasis = torch.rand(2, 1, 3, 4, 4) + 0.5
    assert velocity_loss(noise - clean, clean, noise, emphasis) == 0
    off = noise - clean + 2.0
    assert velocity_loss(off, clean, noise, 7 * emphasis).item() == pytest.approx(4.0, rel=1e-5)


def test_focal_loss_closed_form() -> None:
    """One positive token at probability p costs (1-p)^2 ln(1/p); a negative one three times (alpha 0.25)
    p^2 ln(1/(1-p)).
    """
    logits, p = torch.tensor([[0.7]]), 1 / (1 + math.exp(-0.7))
    assert focal_mask_loss(logits, torch.ones(1, 1)).item() == pytest.approx(
        (1 - p) ** 2 * -math.log(p), rel=1e-5
    )
    assert focal_mask_loss(logits, torch.zeros(1, 1)).item() == pytest.approx(
        3 * p**2 * -math.log(1 - p), rel=1e-5
    )


def test_tokens_of_weight_zero_leave_the_mask_loss() -> None:
    logits, masks = torch.randn(2, 3, 8), torch.rand(2, 3, 8).round()
    torch.testing.assert_close(
        gated_mask_loss(logits, masks, torch.ones(2, 3, 8)).mean(), focal_mask_loss(logits, masks)
    )
    kept = torch.ones(2, 3, 8)
    kept[0, :, 4:], kept[1] = 0, 0
    gated = gated_mask_loss(logits, masks, kept)
    assert gated[0] == pytest.approx(focal_mask_loss(logits[0, :, :4], masks[0, :, :4]).item(), rel=1e-5)
    assert gated[1] == 0
