"""The people that were found in a picture, numbered."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .overlay import LEGIBLE, label, outline, tint
from .palette import PAPER


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
