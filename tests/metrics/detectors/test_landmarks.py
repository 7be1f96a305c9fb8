"""Mouth openings from landmarks whose places are known."""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.interact_core.metrics.detectors.landmarks import IBUG, MESH, Layout, box_around, opening


def face(layout: Layout, gap: float, size: int = 478) -> np.ndarray:
    """Eyes 90 apart, the nose's base 40 below, inner lips `gap` apart."""
    points = np.full((size, 2), 500.0)
    points[list(layout.eyes)] = [[55, 100], [145, 100]]
    points[layout.nose] = [100, 140]
    for k, (upper, lower) in enumerate(layout.gaps):
        points[upper] = 95 + 5 * k, 160
        points[lower] = 95 + 5 * k, 160 + gap
    return points


@pytest.mark.parametrize("layout", [MESH, IBUG], ids=["mesh", "ibug"])
@pytest.mark.parametrize("gap", [0.0, 12.0, 60.0])
def test_opening_is_the_gap_over_the_size_of_the_face(layout, gap):
    points = face(layout, gap)
    assert opening(points, layout) == pytest.approx(gap / 60)  # 60 = sqrt(90 x 40)
    turned = points @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    assert opening(3.7 * turned + 11, layout) == pytest.approx(gap / 60)


def test_the_jaw_and_the_mouths_width_do_not_count():
    points = face(MESH, 12.0)
    points[[152, 61, 291, 78, 308]] += 30  # chin and corners of the mouth
    assert opening(points, MESH) == pytest.approx(0.2)


def test_no_face_has_no_opening():
    assert opening(np.zeros((478, 2)), MESH) is None
    points = face(MESH, 12.0)
    points[13] = np.nan
    assert opening(points, MESH) is None


def test_the_box_of_landmarks():
    assert box_around(np.array([[3.0, 8.0], [1.0, 9.0], [2.0, 4.0]])) == (1, 4, 3, 9)
