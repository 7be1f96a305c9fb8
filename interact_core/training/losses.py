"""What training minimises (InterActHuman, arXiv 2506.09984, training section)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def velocity_loss(predicted: Tensor, clean: Tensor, noise: Tensor, emphasis: Tensor) -> Tensor:
    """Rectified flow: the model predicts noise - clean of z_t = (1 - t) clean + t noise.

    emphasis broadcasts over [B, 16, T, h8, w8] and has any scale. Deviation from the paper, which weighs
    all alike: at theatre size a mouth is three tokens of 96. Weights do not move the minimum, the
    conditional mean, only the effort.
    """
    error = (predicted - (noise - clean)) ** 2
    return (error * emphasis).mean() / emphasis.mean()


def focal_mask_loss(logits: Tensor, masks: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss (arXiv 1708.02002) against soft masks, mean over tokens; alpha and gamma as the paper has
    them.

    logits, masks of one shape, masks in 0..1. Divided by alpha, so that a positive token weighs 1 and the
    loss stands 1:1 beside the velocity loss as the paper wants it.
    """
    return _focal_terms(logits, masks, alpha, gamma).mean() / alpha


def gated_mask_loss(
    logits: Tensor, masks: Tensor, kept: Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """`focal_mask_loss` of each clip over the tokens that are kept: [B], 0 for a clip of which none is.

    logits, masks, kept [B, N, L]; kept is 0 in frames whose true mask has a confidence below 0.5 (the paper), and for
    clips whose references are not shown. A clip's loss does not depend on the clips beside it, so that a batch may be
    shared among processes in any way.
    """
    terms = (_focal_terms(logits, masks, alpha, gamma) * kept).sum((1, 2))
    return terms / kept.sum((1, 2)).clamp(min=1) / alpha


def _focal_terms(logits: Tensor, masks: Tensor, alpha: float, gamma: float) -> Tensor:
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    missed = (probability - masks).abs()
    share = alpha * masks + (1 - alpha) * (1 - masks)
    return share * missed**gamma * entropy
