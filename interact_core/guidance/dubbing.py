"""Which pixels and latent cells of an existing video are made anew, and which stay as they are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..frames import TEMPORAL_STRIDE
from .layout import LATENT_PIXELS
from .people import opencv

DRAWN = 0.5  # from this value on a pixel of a soft mask is the person


@torch.no_grad()
def dubbed_pixels(people: Tensor, grow: int, feather: int) -> Tensor:
    """How much of each pixel is taken from the new video: [F, H, W] float32 in 0..1, on the CPU.

    people: [F, H, W] in 0..1, who is dubbed. 1 on them and up to `grow` pixels around, then falling to 0 over `feather`
    more pixels; distances are Euclidean. Raises InteractError where OpenCV cannot be imported.
    """
    cv2 = opencv("Masks are grown by OpenCV", "")
    drawn = (people > DRAWN).to(torch.uint8).cpu().numpy()
    made = torch.zeros(people.shape, dtype=torch.float32)
    for number, outside in enumerate(1 - drawn):
        if outside.all():  # nobody, and so no distance to anybody
            continue
        away = torch.from_numpy(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
        made[number] = ((grow + feather + 1 - away) / (feather + 1)).clamp(0.0, 1.0)
    return made


@torch.no_grad()
def dubbed_cells(pixels: Tensor) -> Tensor:
    """The latent cells that hold any of these pixels: [F, H, W] -> [T, H / 8, W / 8] float32 of 0 and 1.

    F = 4 (T - 1) + 1. Latent frame t holds video frames 4t-3 .. 4t, the first frame 0 alone (Wan's causal VAE), so its
    mask is the union of theirs. Core's SetLatentNoiseMask takes a mask for each video frame, too, but spreads them over
    the latent frames by trilinear interpolation (comfy/utils.py, reshape_mask): people who move leave such a mask.
    """
    cells = F.max_pool2d((pixels > 0.0).float().unsqueeze(1), LATENT_PIXELS).squeeze(1)
    later = cells[1:].unflatten(0, (-1, TEMPORAL_STRIDE)).amax(1) if len(cells) > 1 else cells[1:]
    return torch.cat((cells[:1], later))
