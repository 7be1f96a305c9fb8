"""Training losses (InterActHuman, arXiv 2506.09984, training section)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def velocity_loss(predicted: Tensor, clean: Tensor, noise: Tensor, emphasis: Tensor) -> Tensor:
    """Rectified flow: the model predicts the velocity noise - clean of z_t = (1 - t) clean + t noise. A
    scalar.

    emphasis: weights of any scale, broadcast over [B, 16, T, h8, w8]. Deviation from the paper, which weighs
    all positions equally: at the theatre's resolution a mouth is three tokens of 96. The weights do not move
    the loss's minimum, the conditional mean; they only decide which errors are reduced first.
    """
    error = (predicted - (noise - clean)) ** 2
    return (error * emphasis).mean() / emphasis.mean()


def focal_mask_loss(logits: Tensor, masks: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss (arXiv 1708.02002) with soft targets, mean over tokens; alpha and gamma are InterActHuman's.

    logits, masks: of one shape, masks in 0..1. Divided by alpha, so that a positive token has weight 1 and
    the loss can be added 1:1 to the velocity loss, as in InterActHuman.
    """
    return _focal_terms(logits, masks, alpha, gamma).mean() / alpha


def gated_mask_loss(
    logits: Tensor, masks: Tensor, weights: Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """`focal_mask_loss` of each clip over the tokens of weight 1: [B], 0 for a clip without such tokens.

    logits, masks, weights [B, N, L]; weights are 1 or 0, and 0 in frames whose true mask has a confidence
    below 0.5 (InterActHuman) and in clips with blank references. A clip's loss does not depend on the other
    clips, so that a batch may be divided among processes in any way.
    """
    terms = (_focal_terms(logits, masks, alpha, gamma) * weights).sum((1, 2))
    return terms / weights.sum((1, 2)).clamp(min=1) / alpha


def _focal_terms(logits: Tensor, masks: Tensor, alpha: float, gamma: float) -> Tensor:
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    error = (probability - masks).abs()
    class_weight = alpha * masks + (1 - alpha) * (1 - masks)
    return class_weight * error**gamma * entropy
