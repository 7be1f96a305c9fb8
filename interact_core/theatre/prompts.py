"""What the theatre's model is told in words: how far its puppets go.

There is no text encoder so small, so the sentence is made here: it lies between two fixed rows, one for puppets that
stand still and one for puppets that go far. A null text, a row of zeros, says nothing of it. NumPy and torch; no
ComfyUI.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

TEXT_WIDTH = 4096  # of umt5-xxl, as Wan 2.1 takes it
FAR = 80.0  # pixels that a head goes within a clip of training's, at which it goes as far as words say


def farthest(heads: np.ndarray) -> float:
    """Pixels that the farthest of a clip's heads goes from where it began; float [N, F, 3] of x, y and radius."""
    away = np.hypot(*(heads[..., k] - heads[:, :1, k] for k in (0, 1)))
    return float(away.max(initial=0.0))


def how_far(heads: np.ndarray) -> float:
    """The same as words can say it, 0..1."""
    return min(1.0, farthest(heads) / FAR)


def told(motion: Tensor) -> Tensor:
    """Text [B, 1, TEXT_WIDTH] for `motion` [B] in 0..1."""
    places = 0.7 * torch.arange(TEXT_WIDTH)
    still, far = places.sin(), places.cos()
    return torch.lerp(still, far, motion.float()[:, None])[:, None]
