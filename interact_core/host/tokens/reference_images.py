"""Reference pictures: cut out, laid on white, fitted into the video's frame. Plain torch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InteractError

WHITE = 1.0


def person_on_white(image: Tensor, mask: Tensor | None, name: str) -> Tensor:
    """A character's picture [1, H, W, 3] in 0..1: transparency and what the mask leaves out become white.

    image: [1, H, W, 3 or 4], the fourth channel being opacity; mask: [1, h, w] or [h, w], 1 where the person
    is, of any size. Raises InteractError for a mask that shows nobody, is a sequence, or holds NaN.
    """
    if image is None or image.ndim != 4:
        return image  # Character says what is wrong with it
    picture = image.float()
    if picture.shape[-1] == 4:
        picture = _over_white(picture[..., :3], picture[..., 3:])
    if mask is None:
        return picture
    mask = mask if mask.ndim == 3 else mask.unsqueeze(0)
    if mask.ndim != 3 or mask.shape[0] != 1:
        raise InteractError(
            f"The mask of {name!r} has shape {list(mask.shape)}: give one mask for its one picture (a mask "
            "for each video frame belongs on 'layout')."
        )
    if not bool(mask.isfinite().all()):
        raise InteractError(f"The mask of {name!r} holds NaN or infinity; use values within 0..1.")
    mask = mask.to(picture).clamp(0.0, 1.0)
    if not bool((mask > 0.5).any()):
        raise InteractError(
            f"The mask of {name!r} is empty, so nobody would be left in its picture: it is white where the "
            "person is; put Invert Mask behind Load Image, whose MASK is the other way round."
        )
    kept = F.interpolate(mask.unsqueeze(1), size=picture.shape[1:3], mode="bilinear").movedim(1, -1)
    return _over_white(picture, kept)


def fit_on_white(image: Tensor, width: int, height: int) -> Tensor:
    """The picture [1, H, W, 3] as large as it fits into [1, height, width, 3], centred on white, undistorted.

    A picture of that very size passes untouched. Shrinking averages (antialiased), so that large photographs
    do not come out grained; core's nodes do not, and crop.
    """
    rows, columns = image.shape[1:3]
    if (rows, columns) == (height, width):
        return image
    scale = min(width / columns, height / rows)
    fitted = (max(1, min(height, round(rows * scale))), max(1, min(width, round(columns * scale))))
    resized = F.interpolate(image.movedim(-1, 1), size=fitted, mode="bilinear", antialias=True).movedim(1, -1)
    canvas = torch.full((1, height, width, 3), WHITE, dtype=image.dtype, device=image.device)
    top, left = (height - fitted[0]) // 2, (width - fitted[1]) // 2
    canvas[:, top : top + fitted[0], left : left + fitted[1]] = resized.clamp(0.0, 1.0)
    return canvas


def _over_white(picture: Tensor, opacity: Tensor) -> Tensor:
    return picture * opacity + WHITE * (1.0 - opacity)
