"""The metrics of the theatre: who is on screen, who looks like their reference, whose mouth follows which
voice.

Everything is measured from finished frames, with what is known of the puppets (metrics/puppets),
and from the recordings (metrics/loudness.py). NumPy and OpenCV; no ComfyUI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...metrics import regions
from ...metrics.intervals import bootstrap_interval
from ...metrics.lips import crosstalk, silent_open, sync
from ...metrics.puppets import faces
from ...metrics.puppets.drawing import (
    STRIPE_PERIOD,
    SUPERSAMPLE,
    Canvas,
    Colour,
    Look,
    Pose,
    colour_distance,
    draw_puppet,
    random_look,
)
from ...metrics.puppets.faces import Heads
from ...metrics.puppets.reading import ClipReading, mouth_openings, read_clip
from ...metrics.puppets.segmentation import palette, segment
from ...metrics.puppets.tints import SAME_COLOUR

__all__ = [
    "ClipReading",
    "Likeness",
    "bootstrap_interval",
    "crosstalk",
    "identity",
    "mask_iou",
    "mouth_openings",
    "read_clip",
    "segment",
    "silent_open",
    "sync",
]

ON_SCREEN_AREA = 0.015  # of the frame: half of the smallest head that scenes.py draws
ON_SCREEN_FRAMES = 0.8
DISTRACTORS = 12
SAME_FACE = 75.0  # RGB distance per pixel of a face and the reference's drawing


@dataclass(frozen=True)
class Likeness:
    """Whether a puppet is there and looks like its reference.

    on_screen: share of frames in which it is large enough; colour: the largest RGB distance of its felt, hair
    and shirt from the reference's; face: RGB distance of its face from the reference's drawing; rival: the
    same for the best of the distractors.
    """

    on_screen: float
    colour: float
    face: float
    rival: float

    @property
    def found(self) -> bool:
        return self.on_screen >= ON_SCREEN_FRAMES

    @property
    def alike(self) -> bool:
        return self.found and self.colour <= SAME_COLOUR and self.face < min(self.rival, SAME_FACE)


def identity(
    frames: np.ndarray, looks: Sequence[Look], reading: ClipReading, seed: int = 0
) -> tuple[Likeness, ...]:
    """Whether each puppet is on screen and looks like its reference.

    Its face must fit its own look's drawing better than those of distractors: the rest of the cast,
    DISTRACTORS random looks of this seed, and its own colours with another hair.
    """
    rng = np.random.default_rng(seed)
    distractors = [random_look(rng) for _ in range(DISTRACTORS)]
    found = []
    for i, look in enumerate(looks):
        twin = replace(look, hair_style="mop" if look.hair_style == "bald" else "bald")
        rivals = [twin, *distractors, *(other for other in looks if other is not look)]
        others, sample = reading.others(i), _some(reading.heads[i].found)
        distances = [
            faces.face_distance(frames[sample], rival, reading.heads[i].at(sample), others[sample])
            for rival in (look, *rivals)
        ]
        found.append(
            Likeness(
                on_screen=float((reading.masks[i].mean((1, 2)) >= ON_SCREEN_AREA).mean()),
                colour=_colour_error(frames[sample], look, reading.heads[i].at(sample), others[sample]),
                face=distances[0],
                rival=min(distances[1:]),
            )
        )
    return tuple(found)


def mask_iou(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union of each character's mask and truth over a whole clip, float [N].

    predicted: [N, T, h, w] in 0..1 on the token grid; truth: [N, F, H, W], pooled to that grid (a token is
    16x16 pixels of video frames 4t-3..4t, the first of frame 0 alone). Both count from 0.5. 1 where both are
    empty.
    """
    import torch

    from ...guidance.layout import layouts_on_grid

    frames, height, width = truth.shape[1:]
    pooled = np.stack(
        [
            layouts_on_grid(torch.from_numpy(np.asarray(t, np.float32)), frames, width, height).numpy()
            for t in truth
        ]
    )
    return np.array([regions.mask_iou(a, b) for a, b in zip(predicted, pooled)])


def _some(found: np.ndarray, count: int = 5) -> np.ndarray:
    """Indices of a few frames, evenly among those in which the head was found."""
    at = np.flatnonzero(found)
    return at[np.linspace(0, len(at) - 1, min(count, len(at))).astype(int)] if at.size else at


def _colour_error(frames: np.ndarray, look: Look, heads: Heads, others: np.ndarray) -> float:
    """Largest RGB distance of a main colour's median from the reference's, where the drawing has it."""
    drawings = [_draw_at(look, heads, f, frames.shape[1:3]) for f in range(len(frames))]
    errors = []
    for colour in palette(look):
        rows = _stripe_shifts(heads.radius) if colour == look.shirt and look.prop == "stripes" else [0]
        per_frame = [
            _pixels_like(frame, drawing, hidden, colour, rows)
            for frame, drawing, hidden in zip(frames, drawings, others)
        ]
        pixels = np.concatenate(per_frame) if per_frame else np.zeros((0, 3))
        if len(pixels) < 20:  # behind another puppet or the frame's border: this colour cannot be judged
            continue
        measured: Colour = tuple(np.median(pixels, 0))
        errors.append(colour_distance(measured, colour))
    return max(errors, default=np.inf)


def _stripe_shifts(radius: float) -> range:
    """Pixels by which a striped shirt may sit lower or higher than it is drawn: half a stripe's way to the
    next.

    A body is drawn where the head was found. A stripe is 5 pixels high, and one that is 5 pixels off is no
    other shirt (nor, then, are stripes whose two colours have changed places).
    """
    half = round(STRIPE_PERIOD / 2 * radius)
    return range(-half, half + 1)


def _pixels_like(
    frame: np.ndarray, drawing: np.ndarray, hidden: np.ndarray, colour: Colour, rows: Sequence[int]
) -> np.ndarray:
    """The frame's pixels [n, 3] where the drawing has this colour, moved down by that of `rows` which fits
    best.
    """
    place = np.abs(drawing - np.array(colour, float)).max(-1) < 2
    found = []
    for down in rows:
        moved = np.zeros_like(place)
        moved[max(0, down) : len(place) + min(0, down)] = place[max(0, -down) : len(place) - max(0, down)]
        found.append(frame[moved & ~hidden])
    return min(
        found,
        key=lambda pixels: colour_distance(tuple(np.median(pixels, 0)), colour) if len(pixels) else np.inf,
    )


def _draw_at(look: Look, heads: Heads, f: int, size: tuple[int, int]) -> np.ndarray:
    """The look drawn alone at a found head, float [H, W, 3]: where its colours should be."""
    import cv2

    height, width = size
    image = np.zeros((height * SUPERSAMPLE, width * SUPERSAMPLE, 3), np.uint8)
    draw_puppet(Canvas(image), look, Pose(heads.x[f], heads.y[f], heads.radius))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(float)
