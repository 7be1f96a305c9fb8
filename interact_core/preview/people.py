"""The people that were found in a picture, numbered; and what a browser needs to show them."""

import io
import os
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..guidance.layout import crop_margins, share_kept
from ..guidance.people import opencv
from .atlas import write_picture
from .overlay import LEGIBLE, label, outline, tint
from .palette import PAPER, to_pillow

FORMAT = 1  # of what a browser gets
OUTLINE = 10000  # the whole width, or height, in the numbers of an outline
FINEST = 600  # corners of an outline lie at most this part of the longer side beside the mask's edge


@torch.no_grad()
def draw_people(people: Tensor, chosen: int, image: Tensor | None = None) -> Tensor:
    """IMAGE [1, H, W, 3]: each of people [N, h, w] in a colour with its number from 1, the chosen one marked.

    image: [B, H, W, 3 or 4], the picture under them, stretched to the masks' shape; None for a dark background.
    """
    height, width = people.shape[1:]
    factor = -(-LEGIBLE // width)
    size = (height * factor, width * factor)
    if image is None:
        picture = (torch.tensor(PAPER, dtype=torch.float32) / 255).expand(*size, 3)
    else:
        first = image[:1, ..., :3].detach().float().cpu().movedim(-1, 1)
        picture = (
            F.interpolate(first, size=size, mode="bilinear", antialias=True)[0].movedim(0, -1).clamp(0, 1)
        )
    masks = F.interpolate(people.unsqueeze(1), size=size, mode="bilinear").squeeze(1)
    picture = outline(tint(picture, masks), masks, 1.0)
    names = tuple(f"> {n} <" if n == chosen else str(n) for n in range(1, people.shape[0] + 1))
    return label(picture, masks, names).unsqueeze(0)


def outlines(mask: Tensor) -> list[list[int]]:
    """Rings around a mask [H, W], holes among them: [x, y, x, y, ...], as shares of width and height times OUTLINE."""
    cv2 = opencv()
    height, width = mask.shape
    rings, _ = cv2.findContours((mask > 0.5).byte().numpy(), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    fine = max(1.0, max(height, width) / FINEST)
    made = []
    for ring in rings:
        if cv2.contourArea(ring) < fine * fine:
            continue
        corners = (
            torch.from_numpy(cv2.approxPolyDP(ring, fine, True)).float().squeeze(1) + 0.5
        )  # centres of pixels
        shares = corners / torch.tensor([width, height]) * OUTLINE
        made.append(shares.round().int().flatten().tolist())
    return made


def describe_people(
    picture: Tensor, found: Tensor, places: Sequence[tuple[float, float]], folder: str | os.PathLike[str]
) -> dict[str, Any]:
    """What the picture on InterAct People needs, as plain JSON; the crop is written into `folder`. Raises OSError.

    picture: [1, h, w, 3] in 0..1, the crop that the model sees; found: [N, H, W], on the whole picture; places: a point
    on each.
    """
    height, width = picture.shape[1:3]
    rows, columns = found.shape[1:]
    left, top = crop_margins(columns, rows, width, height)
    written = io.BytesIO()
    to_pillow(picture[0]).save(written, "PNG", compress_level=1)
    return {
        "format": FORMAT,
        "picture": {
            "filename": write_picture(written.getvalue(), folder, ".png"),
            "subfolder": "",
            "type": "temp",
        },
        "size": [columns, rows],  # of the whole picture, in pixels
        "crop": [left, top, columns - 2 * left, rows - 2 * top],  # of it, that the model sees
        "video": [width, height],
        "found": [
            {"at": list(place), "outline": outlines(mask), "kept": share_kept(mask[None], width, height)}
            for place, mask in zip(places, found, strict=True)
        ],
    }
