"""Fixed masks drawn in pixels -> the token grid of the video."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InteractError
from ..frames import TEMPORAL_STRIDE

TOKEN_PIXELS = 16  # pixels per token along height and width: VAE 8, patch 2


@torch.no_grad()
def layouts_on_grid(layout: Tensor, frames: int, width: int, height: int, name: str = "character") -> Tensor:
    """Average a drawn mask over each token: layout [F or 1, H, W] -> [T, h, w] float32 in 0..1, on the CPU.

    T = (frames - 1) / 4 + 1, h = height / 16, w = width / 16; latent frame t is the mean of video frames 4t-3
    .. 4t, the first that of frame 0 alone (Wan's causal VAE). H and W may differ from the video's; the mask
    is stretched. Raises InteractError naming the character `name` for a mask whose length is neither 1 nor
    `frames`, that is not three-dimensional or empty, or that holds NaN or infinity.
    """
    if layout.ndim != 3 or layout.numel() == 0:
        raise InteractError(
            f"the layout mask of {name!r} has shape {list(layout.shape)}, expected [frames, H, W]."
        )
    if layout.shape[0] not in (1, frames):
        raise InteractError(
            f"the layout mask of {name!r} has {layout.shape[0]} frames, but the video has {frames}: "
            f"give it one mask, or {frames}."
        )
    layout = layout.detach().to(device="cpu", dtype=torch.float32)
    if not bool(layout.isfinite().all()):
        raise InteractError(f"the layout mask of {name!r} contains NaN or infinity; use values within 0..1.")
    size = (height // TOKEN_PIXELS, width // TOKEN_PIXELS)
    pooled = F.adaptive_avg_pool2d(layout.clamp(0.0, 1.0).unsqueeze(1), size).squeeze(1)  # [F, h, w]
    latent_frames = (frames - 1) // TEMPORAL_STRIDE + 1
    if pooled.shape[0] == 1:
        return pooled.repeat(latent_frames, 1, 1)
    later = (
        pooled[1:].unflatten(0, (latent_frames - 1, TEMPORAL_STRIDE)).mean(1)
        if latent_frames > 1
        else pooled[1:]
    )
    return torch.cat((pooled[:1], later))
