"""The motion prompt of the theatre's model: one text token that says how far its puppets move.

No text encoder is small enough to ship, so the token is computed here: it lies between two fixed embeddings,
one for puppets that stand still and one for puppets that move far. An empty prompt is a row of zeros and says
nothing about motion. NumPy and torch; no ComfyUI.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

TEXT_WIDTH = 4096  # of umt5-xxl, as Wan 2.1 takes it
FULL_TRAVEL = 80.0  # pixels that a head moves within a training clip at which the motion amount is 1


def largest_travel(heads: np.ndarray) -> float:
    """Largest distance in pixels of any head from where it began; heads: float [N, F, 3] of x, y and radius."""
    away = np.hypot(*(heads[..., k] - heads[:, :1, k] for k in (0, 1)))
    return float(away.max(initial=0.0))


def motion_amount(heads: np.ndarray) -> float:
    """The largest travel as a motion prompt gives it, 0..1."""
    return min(1.0, largest_travel(heads) / FULL_TRAVEL)


def motion_prompt(motion: Tensor) -> Tensor:
    """Text embeddings [B, 1, TEXT_WIDTH] for motion amounts [B], in training 0..1.

    Above 1 the line through both embeddings goes on, and so do puppets: they move farther, and are less whole.
    """
    places = 0.7 * torch.arange(TEXT_WIDTH)
    still, far = places.sin(), places.cos()
    return torch.lerp(still, far, motion.float()[:, None])[:, None]
