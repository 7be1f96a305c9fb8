"""A film's own version of a puppet's colours: a model that draws a brown puppet orange has still drawn one puppet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .drawing import EYE_WHITE, MOUTH, PUPIL, Look
from .segmentation import palette, shows_accent

SAME_COLOUR = 55.0  # RGB: random_looks keeps two puppets 75 apart, an autoencoder shifts by 15
SAMPLED_FRAMES = 9
LEAST_PIXELS = 40  # of a colour, in all sampled frames together: fewer are its neighbours' blends


def as_shown(frames: np.ndarray, looks: Sequence[Look], masks: np.ndarray) -> tuple[Look, ...]:
    """The looks with the colours that the film gives them, each at most SAME_COLOUR from its own.

    frames: uint8 RGB [F, H, W, 3]; masks: bool [N, F, H, W], where each puppet is. A colour of which there is too
    little, or which is farther away, stays as it is: that is no tint, but another puppet's or none.
    """
    chosen = np.linspace(0, len(frames) - 1, min(SAMPLED_FRAMES, len(frames))).astype(int)
    return tuple(_tinted(frames[chosen][mask[chosen]], look) for look, mask in zip(looks, masks, strict=True))


def _tinted(pixels: np.ndarray, look: Look) -> Look:
    """pixels: uint8 [P, 3], all of one puppet's."""
    own = [*palette(look), *([look.accent] if shows_accent(look) else [])]
    every = np.array([*own, MOUTH, PUPIL, EYE_WHITE], np.float32)
    apart = np.linalg.norm(pixels[:, None].astype(np.float32) - every, axis=-1)  # [P, colours]
    nearest, near = apart.argmin(1), apart.min(1) < SAME_COLOUR
    shown = {}
    for number, colour in enumerate(own):
        alike = pixels[near & (nearest == number)]
        if len(alike) >= LEAST_PIXELS:
            shown[colour] = tuple(int(value) for value in np.median(alike, 0))
    names = ("felt", "hair", "shirt", "accent")
    return replace(look, **{name: shown.get(getattr(look, name), getattr(look, name)) for name in names})
