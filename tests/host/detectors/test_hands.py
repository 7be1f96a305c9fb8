"""Hands in the format that ComfyUI's own SDPose answers with."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from comfy_extras.nodes_sdpose import _to_openpose_frames
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.host.detectors.hands import sdpose_hands
from interacthuman.interact_core.metrics.detectors.core import PoseHands
from interacthuman.interact_core.metrics.detectors.interface import bodies_of
from interacthuman.interact_core.metrics.types import Film

LEFT_SHOULDER, RIGHT_SHOULDER = 5, 6  # of COCO-WholeBody's 133 points, which SDPose's heat maps are of
HANDS = 91, 112  # where each begins


def answers(frames, boxes):
    """What core makes of 133 points in each box: their place is their number, their score a hundredth of it."""
    points, scores = [], []
    for some in boxes:
        points.append([np.stack([np.arange(133) + box[0], np.full(133, box[1])], 1) for box in some])
        scores.append([np.arange(133) / 200 for _ in some])
    height, width = frames.shape[1:3]
    return _to_openpose_frames(points, scores, height, width)


def test_hands_and_shoulders_of_everybody_in_the_boxes_order():
    frames = np.zeros((2, 60, 400, 3), np.uint8)
    first, second = (0.0, 7.0, 40.0, 50.0), (200.0, 9.0, 390.0, 50.0)
    (one, two), (three,) = PoseHands(answers).find(frames, [[first, second], [second]])
    for hand, begin in zip(one.hands, HANDS, strict=True):
        assert hand[:, 0].tolist() == list(range(begin, begin + 21))
        assert hand[:, 2] == pytest.approx((np.arange(21) + begin) / 200)
    assert (one.shoulders[:, 0] == [RIGHT_SHOULDER, LEFT_SHOULDER]).all() and (one.shoulders[:, 1] == 7).all()
    assert two.hands[0, 0, :2].tolist() == [200 + HANDS[0], 9] == three.hands[0, 0, :2].tolist()


def test_a_box_outside_of_the_frame_holds_nobody():
    frames = np.zeros((2, 60, 400, 3), np.uint8)
    inside, outside = (0.0, 7.0, 40.0, 50.0), (500.0, 7.0, 600.0, 50.0)
    (nobody, body), (alone,) = PoseHands(answers).find(frames, [[outside, inside], [outside]])
    assert not nobody.hands.any() and not alone.hands.any()
    assert body.hands[0, 0, 0] == HANDS[0]


def test_points_that_were_not_found_have_no_confidence():
    def lost(frames, boxes):
        (frame,) = answers(frames, boxes)
        frame["people"][0]["hand_left_keypoints_2d"][:3] = [-1.0, -1.0, 0.9]
        frame["people"][0]["hand_right_keypoints_2d"][3:6] = [
            np.nan,
            5.0,
            np.nan,
        ]  # a network that overflowed
        return [frame]

    ((body,),) = PoseHands(lost).find(np.zeros((1, 60, 400, 3), np.uint8), [[(0.0, 7.0, 40.0, 50.0)]])
    assert body.hands[1, 0, 2] == 0 and body.hands[1, 1, 2] > 0
    assert body.hands[0, 1].tolist() == [0.0, 0.0, 0.0] and np.isfinite(body.hands).all()


def test_a_film_is_asked_in_chunks_and_only_where_it_should():
    film = Film.of_frames(np.zeros((40, 60, 400, 3), np.uint8), 25.0)
    asked = []

    def ask(frames, boxes):
        asked.append(len(frames))
        return answers(frames, boxes)

    box = (0.0, 7.0, 40.0, 50.0)
    found = dict(bodies_of(film, PoseHands(ask), lambda n: [box] if n < 30 else [], every=4))
    assert list(found) == list(range(0, 30, 4)) and max(asked) <= 4
    assert all(bodies[0].hands[0, 0, 0] == HANDS[0] for bodies in found.values())


def test_another_model_is_refused():
    other = SimpleNamespace(model=SimpleNamespace(diffusion_model=object()))
    with pytest.raises(
        InteractError, match="no SDPose.*sdpose_wholebody_fp16.safetensors.*models/checkpoints"
    ):
        sdpose_hands(other, None)
