"""Latents as small colour pictures, by the linear map of ComfyUI's own preview."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...preview.atlas import FRAME_SIDE, tile_size


class LatentPreview:
    """Latent2RGBPreviewer of ComfyUI's latent_preview.py, for every frame of a video and not only the first."""

    def __init__(self, latent_format: Any) -> None:
        """latent_format: of the model, comfy.latent_formats; one without colours gives no pictures."""
        factors = latent_format.latent_rgb_factors
        bias = latent_format.latent_rgb_factors_bias
        self._reshape = latent_format.latent_rgb_factors_reshape
        self._factors = None if factors is None else torch.tensor(factors, dtype=torch.float32).t()
        self._bias = None if bias is None else torch.tensor(bias, dtype=torch.float32)

    def pictures(self, latent: Tensor) -> Tensor | None:
        """uint8 [T, h', w', 3] on the latent's device, of the first item of `latent` [B, C, T, H, W].

        The latent is in the model's scale. Pictures have its size, or FRAME_SIDE at most. None for a latent that is
        not a video, or has another number of channels than the map.
        """
        if self._factors is None or latent.is_nested or latent.ndim != 5:
            return None
        if self._reshape is not None:
            latent = self._reshape(latent)
        if latent.shape[1] != self._factors.shape[1]:
            return None
        if self._factors.device != latent.device:
            self._factors = self._factors.to(latent.device)
            self._bias = None if self._bias is None else self._bias.to(latent.device)
        frames = latent[0].detach().float().movedim(0, -1)  # [T, H, W, C]
        colours = F.linear(frames, self._factors, self._bias)
        height, width = colours.shape[1:3]
        size = tile_size(height, width, FRAME_SIDE, len(colours))
        if size != (height, width):
            colours = F.interpolate(colours.movedim(-1, 1), size=size, mode="area").movedim(1, -1)
        return ((colours + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
