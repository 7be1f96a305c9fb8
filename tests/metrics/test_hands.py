"""Figures of drawn hands, whose movement has a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.interact_core.metrics.detectors.interface import Body
from interacthuman.interact_core.metrics.hands import CONFIDENT, LEAST_FRAMES, SCALE, hand_figures

WIDTH = 80.0  # between the shoulders
FRAMES = 60


def bodies(swing=(0.0, 0.0), frames=FRAMES, zoom=1.0, walk=0.0, confidence=0.9):
    """Hands that swing to both sides by these shares of the shoulder width, on a body that walks and is zoomed."""
    hand = np.random.default_rng(0).uniform(-12, 12, (21, 2))
    made = []
    for f in range(frames):
        middle = np.array([300.0 + walk * f, 200.0])
        points = []
        for side, reach in zip((-1, 1), swing, strict=True):
            at = middle + np.array([side * WIDTH + reach * WIDTH * np.sin(2 * np.pi * f / 20), 120])
            points.append(np.column_stack([zoom * (at + hand), np.full(21, confidence)]))
        edges = np.array([[-WIDTH / 2, 0], [WIDTH / 2, 0]])
        sides = np.column_stack([zoom * (middle + edges), [0.95, 0.95]])
        made.append(Body(sides.astype(np.float32), np.array(points, np.float32)))
    return made


def test_a_swing_has_half_of_its_square_as_variance():
    found = hand_figures(bodies((0.2, 0.4)))
    assert found.hkv == pytest.approx(SCALE * (0.2**2 / 2 + 0.4**2 / 2) / 2, rel=1e-4)
    assert found.hkc == pytest.approx(0.9) and found.left_out == (0, 0) and found.missing is None


@pytest.mark.parametrize("change", [{"zoom": 3.0}, {"walk": 5.0}])
def test_size_and_walking_do_not_count(change):
    assert hand_figures(bodies((0.3, 0.1), **change)).hkv == pytest.approx(
        hand_figures(bodies((0.3, 0.1))).hkv, rel=1e-3
    )


def test_still_hands_have_none():
    assert hand_figures(bodies()).hkv == pytest.approx(0, abs=1e-6)


def test_turning_shoulders_do_not_move_the_hands_much():
    turning = bodies()
    for f, body in enumerate(turning[:20]):  # a third of the film from the side
        middle = body.shoulders[:, :2].mean(0)
        body.shoulders[:, :2] = middle + (body.shoulders[:, :2] - middle) * (1 - 0.03 * f)
    assert hand_figures(turning).hkv == pytest.approx(0, abs=1e-6)


def test_unsure_frames_are_left_out_and_counted():
    some = bodies((0.2, 0.2))
    for body in some[:15]:
        body.hands[0, :, 2] = CONFIDENT / 2
        body.hands[0, :, :2] = 1000.0  # a guess far away
    some[20].shoulders[1, 2] = 0.1
    found = hand_figures(some)
    assert found.counted == (FRAMES - 16, FRAMES - 1) and found.left_out == (16, 1)
    assert found.hkv == pytest.approx(SCALE * 0.2**2 / 2, rel=0.1)
    assert found.hkc == pytest.approx((0.9 * (2 * FRAMES - 15) + 15 * CONFIDENT / 2) / (2 * FRAMES))


def test_one_hand_alone_is_enough_and_too_few_frames_are_not():
    some = bodies((0.2, 0.6))
    for body in some:
        body.hands[1, :, 2] = 0.0
    assert hand_figures(some).hkv == pytest.approx(SCALE * 0.2**2 / 2, rel=1e-4)
    few = hand_figures(bodies((0.2, 0.2), frames=LEAST_FRAMES - 1), "Anna")
    assert few.hkv is None and few.hkc == pytest.approx(0.9)
    assert few.missing.startswith("The hands and shoulders of Anna were seen clearly in 7 frames")
    assert hand_figures([Body.unseen()] * 9, "Anna").missing == "No hands of Anna were found."
