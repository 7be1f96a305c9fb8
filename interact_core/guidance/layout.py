"""Masks drawn in pixels, fixed ones and regions of a start image -> the token grid of the video."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InteractError
from ..frames import TEMPORAL_STRIDE

LATENT_PIXELS = 8  # pixels per latent cell along height and width (Wan 2.1's VAE)
TOKEN_PIXELS = 2 * LATENT_PIXELS  # pixels per token likewise: a patch is 2x2 cells
FRAMES_AT_ONCE = 16  # of a mask for each frame of a film, so that little of it is copied at a time


@torch.no_grad()
def layouts_on_grid(
    layout: Tensor, frames: int, width: int, height: int, name: str = "character", what: str = "layout mask"
) -> Tensor:
    """Average a drawn mask over each token: layout [F or 1, H, W] -> [T, h, w] float32 in 0..1, on the CPU.

    T = (frames - 1) / 4 + 1, h = height / 16, w = width / 16; latent frame t is the mean of video frames 4t-3
    .. 4t, the first that of frame 0 alone (Wan's causal VAE). Where H and W differ from the video's, the mask goes
    where ComfyUI puts a photo of that size: it is cropped in the middle and scaled (`fitted_to_video`). Raises
    InteractError, calling the mask `what` of the character `name`, for a length that is neither 1 nor `frames`,
    for a mask that is not three-dimensional, is empty, holds NaN or infinity, or of which the crop leaves nothing.
    """
    if layout.ndim != 3 or layout.numel() == 0:
        raise InteractError(
            f"the {what} of {name!r} has shape {list(layout.shape)}, expected [frames, H, W]."
        )
    if layout.shape[0] not in (1, frames):
        raise InteractError(
            f"the {what} of {name!r} has {layout.shape[0]} frames, but the video has {frames}: "
            f"give it one mask, or {frames}."
        )
    layout = layout.detach().to(device="cpu", dtype=torch.float32)
    if not bool(layout.isfinite().all()):
        raise InteractError(f"the {what} of {name!r} contains NaN or infinity; use values within 0..1.")
    if share_kept(layout, width, height) == 0.0:
        raise outside_error(layout, width, height, name, what)
    size = (height // TOKEN_PIXELS, width // TOKEN_PIXELS)
    pooled = torch.cat(
        [
            F.adaptive_avg_pool2d(fitted_to_video(some.clamp(0.0, 1.0), width, height).unsqueeze(1), size)
            for some in layout.split(FRAMES_AT_ONCE)
        ]
    ).squeeze(1)  # [F, h, w]
    latent_frames = (frames - 1) // TEMPORAL_STRIDE + 1
    if pooled.shape[0] == 1:
        return pooled.repeat(latent_frames, 1, 1)
    later = (
        pooled[1:].unflatten(0, (latent_frames - 1, TEMPORAL_STRIDE)).mean(1)
        if latent_frames > 1
        else pooled[1:]
    )
    return torch.cat((pooled[:1], later))


def fitted_to_video(mask: Tensor, width: int, height: int) -> Tensor:
    """A mask [F, H, W] painted on a photo, where WanImageToVideo puts that photo: [F, height, width].

    The same values as core's `common_upscale(mask, width, height, "bilinear", "center")` (comfy/utils.py), its
    rounding included.
    """
    if tuple(mask.shape[1:]) == (height, width):
        return mask
    cropped = cropped_to_shape(mask, width, height).unsqueeze(1)
    return F.interpolate(cropped, size=(height, width), mode="bilinear").squeeze(1)


def cropped_to_shape(mask: Tensor, width: int, height: int) -> Tensor:
    """The middle of a mask [F, H, W] that has the shape of width x height, in the mask's own pixels, as core crops.

    One row and one column are always left, where core's rounding would leave none.
    """
    rows, columns = mask.shape[1:]
    left, top = crop_margins(columns, rows, width, height)
    return mask[:, top : rows - top, left : columns - left]


def crop_margins(columns: int, rows: int, width: int, height: int) -> tuple[int, int]:
    """Columns at the left, and as many at the right, and rows at the top and the bottom that core's crop of a picture
    of columns x rows to the shape of width x height takes off.
    """
    found, wanted = columns / rows, width / height
    left = top = 0
    if found > wanted:
        left = min(round((columns - columns * (wanted / found)) / 2), (columns - 1) // 2)
    elif found < wanted:
        top = min(round((rows - rows * (found / wanted)) / 2), (rows - 1) // 2)
    return left, top


def bounds(mask: Tensor) -> tuple[slice, slice] | None:
    """Rows and columns of the smallest box around what is true in a mask [H, W] of booleans; None for nothing."""
    rows, columns = (mask.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    if not rows:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def share_kept(mask: Tensor, width: int, height: int) -> float:
    """The share of a mask [F, H, W] that the crop to the video's shape leaves, 0..1; 1 for a mask of zeros.

    Counted are values above half the largest, so that soft edges do not count for a person.
    """
    drawn = mask > 0.5 * mask.amax().clamp(min=0.0, max=1.0)
    whole = int(drawn.sum())
    return int(cropped_to_shape(drawn, width, height).sum()) / whole if whole else 1.0


def outside_error(mask: Tensor, width: int, height: int, name: str, what: str) -> InteractError:
    """For a mask of which the crop to the video's shape leaves nothing, or nothing to speak of."""
    rows, columns = mask.shape[1:]
    return InteractError(
        f"the {what} of {name!r} lies outside the video: a picture of {columns}x{rows} pixels is cropped in the middle "
        f"to the shape of {width}x{height}, as WanImageToVideo does, which cuts this person off; give the video the "
        "picture's shape, or crop the picture to the video's before you paint on it."
    )
