"""Other ways to sharpen masks than the gain that ships, for the ablation to compare."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...interact_core.errors import InteractError
from ...interact_core.guidance import GuidanceSettings


@dataclass(frozen=True)
class SharpeningSettings(GuidanceSettings):
    """GuidanceSettings with a temperature and a threshold that come before the gain."""

    mask_temperature: float = 1.0  # > 0; divides the masks' logits: below 1 is sharper
    mask_threshold: float = 0.0  # 0..1; masks are 1 from here on and 0 below; 0 keeps them soft

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.mask_temperature < float("inf"):
            raise InteractError(f"mask_temperature is {self.mask_temperature}; set it to a number above 0.")
        if not 0 <= self.mask_threshold <= 1:
            raise InteractError(f"mask_threshold is {self.mask_threshold}; set it to a share within 0..1.")

    def sharpen(self, masks: Tensor) -> Tensor:
        masks = masks.float()
        if self.mask_temperature != 1.0:
            masks = torch.sigmoid(torch.logit(masks) / self.mask_temperature)
        if self.mask_threshold > 0.0:
            masks = (masks >= self.mask_threshold).float()
        return super().sharpen(masks)
