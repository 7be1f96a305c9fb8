"""Which puppet a reference picture shows: the look whose drawing is that picture.

All puppets are drawn by one recipe (drawing.py), so a picture of one can be read back: colours at the places where
the recipe puts them, then every other part as it fits best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from .drawing import EARS, HAIR_STYLES, PROPS, Colour, Look, portrait

WIDTH, HEIGHT = (
    192,
    128,
)  # of a reference picture: `portrait` draws it, and the shipped examples are of this size
SAME = 16.0  # RGB, root mean square of picture and drawing: portraits of any size end below 9, other pictures above 40
SWEEPS = 2
HALVINGS = 4
HEAD_WIDTHS = np.linspace(0.84, 1.0, 9).tolist()
EYE_GAPS = np.linspace(0.27, 0.34, 8).tolist()
GAZES_ACROSS = np.linspace(-1, 1, 9).tolist()
GAZES_DOWN = np.linspace(-0.6, 0.6, 7).tolist()
# In head radii from the head's middle, where the recipe shows one colour for every look that has it.
FELT_AT, HAIR_AT, SHIRT_AT = (0.6, 0.3), (0.0, -0.8), (0.7, 2.45)
ACCENT_AT = {
    "cap": (0.9, -0.5),
    "stripes": (0.7, 2.2),
    "buttons": (0.0, 1.5),
    "scarf": (0.0, 1.2),
    "bow tie": (0.35, 1.18),
}
RIMS_AT = tuple(
    (-gap - 0.29, -0.22) for gap in (0.27, 0.29, 0.31, 0.33)
)  # of glasses: two pixels wide at most


def look_of(picture: np.ndarray) -> Look | None:
    """The look that a reference picture, uint8 RGB [H, W, 3], is the portrait of; None for any other picture."""
    import cv2

    height, width = picture.shape[:2]
    if abs(width / height - WIDTH / HEIGHT) > 0.02:
        return None
    small = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    if small[:4].min() < 250:  # white stands above every head; a photo is told at once
        return None
    return _look_of(small.tobytes())


@lru_cache(maxsize=64)
def _look_of(pixels: bytes) -> Look | None:
    picture = np.frombuffer(pixels, np.uint8).reshape(HEIGHT, WIDTH, 3)
    felt, hair, shirt = (_colour(picture, place) for place in (FELT_AT, HAIR_AT, SHIRT_AT))
    start = Look(felt, hair, shirt, shirt, "bald", "none", "none", False, 0.92, 0.3, (0.0, 0.0))
    best = min(_kinds(picture, start), key=lambda look: _error(picture, look))
    for _ in range(SWEEPS):
        eyes = [
            (gap, (x, best.gaze[1])) for gap in EYE_GAPS for x in GAZES_ACROSS
        ]  # one moves the other's pupils
        looks = [replace(best, eye_gap=gap, gaze=gaze) for gap, gaze in eyes]
        best = min(looks, key=lambda look: _error(picture, look))
        for name, values in (
            ("gaze", [(best.gaze[0], y) for y in GAZES_DOWN]),
            ("head_width", HEAD_WIDTHS),
            ("hair_style", HAIR_STYLES),
            ("ears", EARS),
            ("glasses", (False, True)),
        ):
            best = _best(picture, best, name, values)
    best = _refined(picture, best)
    return best if _error(picture, best) < SAME else None


def _refined(picture: np.ndarray, look: Look) -> Look:
    """The look between the places of the grids: their steps are halved HALVINGS times around the best.

    Half a step of a face's width or eyes is enough to find another head in a poor film: lips then differed by 0.13.
    """
    wide, apart, across, down = (
        values[1] - values[0] for values in (HEAD_WIDTHS, EYE_GAPS, GAZES_ACROSS, GAZES_DOWN)
    )
    for _ in range(HALVINGS):
        wide, apart, across, down = wide / 2, apart / 2, across / 2, down / 2
        around = [(x, y) for x in (0, -1, 1) for y in (0, -1, 1)]
        eyes = [
            replace(look, eye_gap=look.eye_gap + x * apart, gaze=(look.gaze[0] + y * across, look.gaze[1]))
            for x, y in around
        ]
        look = min(eyes, key=lambda changed: _error(picture, changed))
        shapes = [
            replace(look, head_width=look.head_width + x * wide, gaze=(look.gaze[0], look.gaze[1] + y * down))
            for x, y in around
        ]
        look = min(shapes, key=lambda changed: _error(picture, changed))
    return look


def _kinds(picture: np.ndarray, start: Look) -> list[Look]:
    """Every hair, prop and glasses, each with the accent that the picture has where such a look shows it."""
    found = []
    for hair_style in HAIR_STYLES:
        for prop in PROPS:
            for glasses in (False, True):
                places = [ACCENT_AT[part] for part in (prop, hair_style) if part in ACCENT_AT]
                accents = [_colour(picture, place) for place in places[:1]]
                if glasses and not places:
                    accents = [_colour(picture, place, around=0) for place in RIMS_AT]
                look = replace(start, hair_style=hair_style, prop=prop, glasses=glasses)
                found += [replace(look, accent=accent) for accent in accents or [start.shirt]]
    return found


def _best(picture: np.ndarray, look: Look, name: str, values: Sequence[Any]) -> Look:
    """The look with that value of one part with which it fits best."""
    return min(
        (replace(look, **{name: value}) for value in values), key=lambda changed: _error(picture, changed)
    )


def _colour(picture: np.ndarray, place: tuple[float, float], around: int = 1) -> Colour:
    """The median colour of the pixels up to `around` beside a place of the portrait."""
    x, y = WIDTH / 2 + place[0] * HEIGHT * 0.2, HEIGHT * 0.42 + place[1] * HEIGHT * 0.2
    column, row = int(x), int(y)
    window = slice(row - around, row + around + 1), slice(column - around, column + around + 1)
    red, green, blue = np.median(picture[window].reshape(-1, 3), 0)
    return round(float(red)), round(float(green)), round(float(blue))


def _error(picture: np.ndarray, look: Look) -> float:
    """Root mean square RGB distance of the picture from the look's portrait."""
    drawn = portrait(look, WIDTH, HEIGHT).astype(np.float32)
    return float(np.sqrt(((drawn - picture) ** 2).sum(-1).mean()))
