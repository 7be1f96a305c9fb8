"""How far a mouth is open, read off the landmarks of a face. NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import Box


@dataclass(frozen=True)
class Layout:
    """Which landmark is what.

    gaps: pairs of points on the edges of the upper and the lower lip that face each other; eyes: outer corners;
    nose: its base.
    """

    gaps: tuple[tuple[int, int], ...]
    eyes: tuple[int, int]
    nose: int


OPEN = 0.1  # from here on a mouth is clearly open; of those that rest, none came above 0.06

MESH = Layout(gaps=((82, 87), (13, 14), (312, 317)), eyes=(33, 263), nose=2)
"""MediaPipe's face mesh of 468 or 478 points: the middle three of the inner lips' nine pairs."""

IBUG = Layout(gaps=((61, 67), (62, 66), (63, 65)), eyes=(36, 45), nose=33)
"""The 68 points of iBUG 300-W, counted from 0, as SDPose, OpenPose and COCO-WholeBody have them."""


def opening(points: np.ndarray, layout: Layout) -> float | None:
    """Distance of the inner lips over the size of the face: 0 shut, in speech up to 0.1 to 0.6.

    points: [n, 2], pixels. Size is the geometric mean of two lengths that the jaw does not move: from eye to eye, and
    from the middle between them to the base of the nose. A head that turns shortens the first, one that nods the
    second. None where they are 0 or a point is not finite.
    """
    eyes = points[list(layout.eyes)]
    across = np.linalg.norm(eyes[1] - eyes[0])
    down = np.linalg.norm(points[layout.nose] - eyes.mean(0))
    gaps = [np.linalg.norm(points[lower] - points[upper]) for upper, lower in layout.gaps]
    size = np.sqrt(across * down)
    value = float(np.mean(gaps) / size) if size > 0 else np.nan
    return value if np.isfinite(value) else None


def box_around(points: np.ndarray) -> Box:
    """The smallest box around landmarks [n, 2]."""
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return float(left), float(top), float(right), float(bottom)
