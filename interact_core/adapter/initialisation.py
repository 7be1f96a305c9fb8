"""Starting values for training. Loading never comes here: its weights are complete, or they are refused."""

import math

import torch
from torch import nn

from .model import Adapter, AudioCrossAttention, MaskPredictor

MASK_PRIOR = 0.1
"""What a fresh mask head answers everywhere. Most tokens are not the person: starting at 0.5 would spend the
first steps of the focal loss on the background (RetinaNet, arXiv 1708.02002 sec. 3.3)."""


@torch.no_grad()
def init_adapter(adapter: Adapter, generator: torch.Generator | None = None) -> Adapter:
    """Fill `adapter` in place, the same way for the same generator (on the weights' device), and return it.

    Linear layers: Xavier, bias 0. Audio outputs `o`: 0, so a fresh adapter leaves the base model as it is.
    Mask heads: q, k, v at identity, so that a head begins by comparing the shared features, and a prior of
    MASK_PRIOR. Only for training, on weights that exist (not on comfy.ops layers before they are loaded).
    """
    for module in adapter.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    for module in adapter.modules():
        if isinstance(module, AudioCrossAttention):
            nn.init.zeros_(module.o.weight)
        elif isinstance(module, MaskPredictor):
            for linear in (module.q, module.k, module.v):
                nn.init.eye_(linear.weight)
            # So small that the prior holds whatever the head sees.
            nn.init.normal_(module.logit.weight, std=0.01, generator=generator)
            nn.init.constant_(module.logit.bias, math.log(MASK_PRIOR / (1 - MASK_PRIOR)))
    return adapter
