"""`dev.py bench score`: what its figures are of, and that the stand-ins cost what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.benchmarks.score import lips, stand_ins


def record(own: float, apart: float) -> dict:
    """Two puppets of a scene; the second one's node figure is off by `apart`."""
    pairs = [[own, own], [own, own + apart]]
    return {
        order: {"lips": pairs, "crosstalk": [[0.1, 0.1], [0.1, 0.1]]} for order in (lips.RIGHT, lips.SWAPPED)
    }


def test_the_largest_difference_of_anybody_is_what_is_held_against_the_bound() -> None:
    figures = {f.name: f for f in lips.figures([record(0.8, 0.0), record(0.6, -0.03)])}
    right = figures["lips_right"]
    assert right.value == pytest.approx(0.03) and right.holds is False and right.count == 2
    assert figures["crosstalk_swapped"].holds and figures["bench_lips_right"].value == pytest.approx(0.7)
    assert figures["bench_lips_right"].interval == pytest.approx((0.6, 0.8))


def test_a_figure_that_the_node_lacks_is_no_agreement() -> None:
    lacking = record(0.8, 0.0)
    lacking["right"]["lips"][1][1] = None
    figures = {f.name: f for f in lips.figures([lacking])}
    assert figures["lips_right"].value == np.inf and not figures["lips_right"].holds


def test_spots_lie_where_the_search_without_a_network_finds_faces() -> None:
    (frame,) = stand_ins.frames(1, 320, 192)
    ((left, right),) = stand_ins.NoSearch(320, 192).find(frame[None])
    for face in (left, right):
        x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
        assert frame[round(y), round(x)].min() == 250 and face.box[2] - face.box[0] == 60
    assert np.count_nonzero((frame == 250).all(-1)) < 0.01 * frame[..., 0].size
