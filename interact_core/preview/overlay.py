"""Every frame with each character's mask over it: a tint, an outline, a name."""

import torch
import torch.nn.functional as F
from PIL import ImageDraw
from torch import Tensor

from ..guidance import MaskHistory
from .lettering import text_width, write
from .masks import enlarge, frame_pictures, latent_frame_of, recorded_step
from .palette import INK, PAPER, as_bytes, character_colours, to_pillow, to_tensor

TINT = 0.45  # opacity of the colour where a mask is 1
EDGE = 0.5  # mask value of the outline
LEGIBLE = 480  # pixels; narrower videos are enlarged by a whole number, so that names can be read


@torch.no_grad()
def draw_overlay(history: MaskHistory, step: int = 0, image: Tensor | None = None) -> Tensor:
    """IMAGE [frames, H, W, 3] in 0..1 of one step's masks.

    image: [frames or 1, H, W, 3], the video under them, or None for a dark background. The size is the
    picture's, times a whole number if it is below LEGIBLE pixels wide. Raises InteractError for an
    unknown step or another length.
    """
    masks = history.masks[recorded_step(history, step)]  # [N, T, h, w]
    pictures = frame_pictures(history, image)
    height, width = (history.height, history.width) if pictures is None else pictures.shape[1:3]
    factor = -(-LEGIBLE // width)
    height, width = height * factor, width * factor
    background = torch.tensor(PAPER, dtype=torch.float32) / 255
    overlay = torch.empty(history.frames, height, width, 3)
    current, large = -1, torch.empty(0)
    for frame in range(history.frames):
        if latent_frame_of(frame) != current:
            current = latent_frame_of(frame)
            large = enlarge(masks[:, current], width, height)
        under = background.expand(height, width, 3)
        if pictures is not None:
            under = pictures[frame].float().cpu()
            under = under.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
        overlay[frame] = label(outline(tint(under, large), large, width / 320), large, history.names)
    return overlay


def tint(picture: Tensor, masks: Tensor) -> Tensor:
    """Put each character's colour over picture [H, W, 3], with the masks [N, H, W] as opacity."""
    colours = character_colours(masks.shape[0])
    share = masks / masks.sum(0).clamp(min=1.0)  # where two masks meet, both are visible
    colour = torch.einsum("nhw,nc->hwc", share, colours)
    return picture * (1 - TINT * share.sum(0).unsqueeze(-1)) + TINT * colour


def outline(picture: Tensor, masks: Tensor, thickness: float) -> Tensor:
    """Draw anti-aliased lines, 2 * `thickness` pixels wide, where each of masks [N, H, W] passes EDGE."""
    for mask, colour in zip(masks, character_colours(masks.shape[0]), strict=True):
        rise = F.pad(mask[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
        steepness = torch.hypot(rise[1:-1, 2:] - rise[1:-1, :-2], rise[2:, 1:-1] - rise[:-2, 1:-1]) / 2
        distance = (mask - EDGE).abs() / steepness.clamp(min=1e-6)  # pixels to the line, to first order
        ink = (thickness + 0.5 - distance).clamp(0, 1).unsqueeze(-1)
        picture = picture * (1 - ink) + colour * ink
    return picture


def label(picture: Tensor, masks: Tensor, names: tuple[str, ...]) -> Tensor:
    """Write each name at the top of its mask, on a plate of its colour; none for an empty mask."""
    size = max(11, picture.shape[1] // 42)
    drawn = to_pillow(picture)
    canvas = ImageDraw.Draw(drawn)
    for name, mask, colour in zip(names, masks, character_colours(len(names)), strict=True):
        inside = (mask > EDGE).float()
        if not bool(inside.any()):
            continue
        column = float((inside.sum(0) * torch.arange(inside.shape[1])).sum() / inside.sum())
        row = float(torch.nonzero(inside.sum(1))[0]) + size
        half = text_width(name, size) / 2 + size * 0.4
        column = min(max(column, half), picture.shape[1] - half)
        row = min(max(row, size), picture.shape[0] - size)
        plate = (column - half, row - size * 0.75, column + half, row + size * 0.75)
        canvas.rounded_rectangle(
            plate, radius=size * 0.4, fill=tuple(value // 3 for value in as_bytes(colour))
        )
        write(canvas, (int(column), int(row)), name, size, INK, anchor="mm")
    return to_tensor(drawn)
