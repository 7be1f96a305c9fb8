"""One colour per character, and pictures between torch and Pillow."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Okabe and Ito, "Color Universal Design" (2008): distinguishable with any kind of colour vision. Black is left
# out, as it is invisible on dark frames; the most different come first.
OKABE_ITO = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (240, 228, 66),  # yellow
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
)
PAPER = (28, 28, 30)  # RGB, behind everything
INK = (235, 235, 235)
FAINT = (150, 150, 155)


def character_colours(count: int) -> Tensor:
    """[count, 3] in 0..1; from the eighth character on they repeat, darker each time."""
    darker = [0.7 ** (number // len(OKABE_ITO)) for number in range(count)]
    rows = [OKABE_ITO[number % len(OKABE_ITO)] for number in range(count)]
    return torch.tensor(rows, dtype=torch.float32).view(count, 3) / 255 * torch.tensor(darker).view(count, 1)


def as_bytes(colour: Tensor) -> tuple[int, int, int]:
    """A colour in 0..1 as Pillow wants it."""
    red, green, blue = (round(255 * value) for value in colour.tolist())
    return red, green, blue


def to_pillow(image: Tensor) -> Image.Image:
    """[H, W, 3] in 0..1 to a Pillow picture."""
    return Image.fromarray((image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())


def to_tensor(picture: Image.Image) -> Tensor:
    """A Pillow RGB picture to [H, W, 3] float32 in 0..1."""
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)
