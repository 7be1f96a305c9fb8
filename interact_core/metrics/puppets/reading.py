"""Reading a clip of puppets whose looks are known: masks, heads and openings of their mouths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import faces
from .drawing import Look
from .faces import Heads
from .segmentation import segment
from .tints import as_shown


@dataclass(frozen=True)
class ClipReading:
    """What was measured in one clip.

    masks: bool [N, F, H, W]; heads: one Heads per puppet; openings: float [N, F] in 0..1, NaN where hidden; shown: the
    looks in the colours of this film, which heads and mouths were looked for in (whether they are the right ones is
    asked elsewhere: theatre/measuring/measure.py: identity).
    """

    masks: np.ndarray
    heads: tuple[Heads, ...]
    openings: np.ndarray
    shown: tuple[Look, ...]

    def others(self, i: int) -> np.ndarray:
        """Where any puppet but `i` is visible, bool [F, H, W]."""
        return np.asarray(np.delete(self.masks, i, 0).any(0))


def read_clip(frames: np.ndarray, looks: Sequence[Look], masks: np.ndarray | None = None) -> ClipReading:
    """Find every puppet, its head and its mouth.

    frames: uint8 RGB [F, H, W, 3]; masks: those of `segment`, if known.
    """
    found = segment(frames, looks) if masks is None else masks
    shown = as_shown(frames, looks, found)
    if masks is None:
        found = segment(frames, shown)  # in the film's colours no edge looks like somebody else
    heads, openings = [], []
    for i, look in enumerate(shown):
        others = np.asarray(np.delete(found, i, 0).any(0))
        heads.append(faces.find_heads(frames, look, found[i], others))
        openings.append(faces.mouth_opening(frames, look, heads[i], others))
    return ClipReading(found, tuple(heads), np.stack(openings), shown)


def mouth_openings(frames: np.ndarray, looks: Sequence[Look], masks: np.ndarray) -> np.ndarray:
    """Measured openings, float [N, F] in 0..1; NaN where another puppet or the border hides the mouth."""
    return read_clip(frames, looks, masks).openings
