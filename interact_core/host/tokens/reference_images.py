"""Reference pictures: cut out, put on white, fitted into the video's frame; and where the person is in them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InteractError
from ...guidance import Cast
from ...guidance.layout import TOKEN_PIXELS

WHITE = 1.0

CORNER = 16
"""The corners that a guess takes for background have 1/16 of a picture's shorter side."""

BLANK = 2 / 255
"""How far from the background's colour a pixel may be and still be background: JPEG noise."""

OVERSHOOT = 0.5
"""How far beyond 0..1 a picture may be: nodes that sharpen or enlarge leave halos."""

LIKELY = 0.35
"""Share of the largest score in a picture; pixels above it are the person."""


def person_on_white(image: Tensor, mask: Tensor | None, name: str) -> tuple[Tensor, Tensor | None]:
    """A character's picture and, if mask or opacity say so, the person in it: [1, H, W, 3] and [1, H, W] in 0..1.

    Transparency and what the mask leaves out become white. image: [1, H, W, 3 or 4], the fourth channel being
    opacity; mask: [1, h, w] or [h, w], 1 where the person is, of any size. Raises InteractError for a mask that is
    empty, a sequence, or contains NaN.
    """
    if image is None or image.ndim != 4 or not image.numel():
        return image, None  # Character raises for it
    picture, person = _in_range(image.float(), name), None
    if picture.shape[-1] == 4:
        person = picture[..., 3].clamp(0.0, 1.0)
        picture = _over_white(picture[..., :3], picture[..., 3:])
    if mask is None:
        return picture, person
    kept = _checked_mask(mask, name).to(picture).clamp(0.0, 1.0)
    if not bool((kept > 0.5).any()):
        raise InteractError(
            f"The mask of {name!r} is empty, so nobody would be left in its picture: white must be where the "
            "person is; Load Image's MASK is black for a picture without transparency, so disconnect it, or put Invert "
            "Mask in between."
        )
    kept = F.interpolate(kept.unsqueeze(1), size=picture.shape[1:3], mode="bilinear").movedim(1, -1)
    person = kept[..., 0] if person is None else kept[..., 0] * person
    return _over_white(picture, kept), person


def fit_on_white(image: Tensor, width: int, height: int) -> Tensor:
    """The picture [1, H, W, 3] as large as it fits into [1, height, width, 3], centred on white, undistorted.

    A picture of that very size is returned as it is. Shrinking is antialiased, so that large photographs do not
    become grainy; core's nodes are not, and crop.
    """
    return _fitted(image, width, height, WHITE)


def person_score(image: Tensor, mask: Tensor | None) -> Tensor:
    """Where the person is in a picture [1, H, W, 3]: [1, H, W] in 0..1.

    It is the mask [1, H, W] if there is one. Without, it is a guess: how far a pixel's colour is from that of the
    lighter upper corner, as a picture of one person leaves at least one of the two free. If that finds nobody, the
    whole picture is the person.
    """
    if mask is not None:
        return mask
    side = max(1, min(image.shape[1:3]) // CORNER)
    corners = [image[0, :side, columns].mean((0, 1)) for columns in (slice(side), slice(-side, None))]
    background = max(corners, key=lambda colour: float(colour.sum()))
    score = (image - background).abs().amax(-1)
    return score if bool((score > BLANK).any()) else torch.ones_like(score)


def person_tokens(cast: Cast) -> Tensor:
    """Tokens of each reference that are mostly person: bool [N, h*w]."""
    shares = [
        F.avg_pool2d((score > LIKELY * score.amax()).float(), TOKEN_PIXELS) for score in _fitted_scores(cast)
    ]
    return torch.cat(shares).flatten(1) > 0.5


def touched_tokens(cast: Cast) -> Tensor:
    """[N, h, w], 1 for the tokens of each reference with anything but background in them, 0 for all others."""
    return torch.cat([F.max_pool2d((score > BLANK).float(), TOKEN_PIXELS) for score in _fitted_scores(cast)])


def _fitted_scores(cast: Cast) -> list[Tensor]:
    """The score of each character's picture, fitted as by `fit_on_white`: [1, height, width]."""
    scores = [person_score(c.image, c.mask) for c in cast.characters if c.image is not None]
    return [_fitted(score.unsqueeze(-1), cast.width, cast.height, 0.0)[..., 0] for score in scores]


def _fitted(image: Tensor, width: int, height: int, background: float) -> Tensor:
    """[1, H, W, C] as large as it fits into [1, height, width, C], centred on `background`."""
    rows, columns = image.shape[1:3]
    if (rows, columns) == (height, width):
        return image
    scale = min(width / columns, height / rows)
    fitted = (max(1, min(height, round(rows * scale))), max(1, min(width, round(columns * scale))))
    resized = F.interpolate(image.movedim(-1, 1), size=fitted, mode="bilinear", antialias=True).movedim(1, -1)
    canvas = torch.full(
        (1, height, width, image.shape[-1]), background, dtype=image.dtype, device=image.device
    )
    top, left = (height - fitted[0]) // 2, (width - fitted[1]) // 2
    canvas[:, top : top + fitted[0], left : left + fitted[1]] = resized.clamp(0.0, 1.0)
    return canvas


def _in_range(image: Tensor, name: str) -> Tensor:
    """The picture within 0..1. What other nodes overshoot is cut; 8-bit numbers, or -1..1, are another picture."""
    least, most = float(image.amin()), float(image.amax())
    if least < -OVERSHOOT or most > 1 + OVERSHOOT:
        raise InteractError(
            f"The picture of {name!r} has values from {least:.4g} to {most:.4g}: connect one within 0..1, as ComfyUI's "
            "nodes give it."
        )
    return image.clamp(0.0, 1.0)


def _checked_mask(mask: Tensor, name: str) -> Tensor:
    """The mask as [1, h, w]."""
    mask = mask if mask.ndim == 3 else mask.unsqueeze(0)
    if mask.ndim != 3 or mask.shape[0] != 1:
        raise InteractError(
            f"The mask of {name!r} has shape {list(mask.shape)}: connect one mask for its picture (InterAct Pick "
            "Person takes one of several; one mask per video frame goes to layout)."
        )
    if not bool(mask.isfinite().all()):
        raise InteractError(f"The mask of {name!r} contains NaN or infinity; use values within 0..1.")
    return mask


def _over_white(picture: Tensor, opacity: Tensor) -> Tensor:
    return picture * opacity + WHITE * (1.0 - opacity)
