"""One person's mask out of many: which, in what order, and what is no person."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance.people import (
    parted,
    people_in_boxes,
    people_in_masks,
    pick_person,
    same_person,
)
from torch import Tensor

WIDTH, HEIGHT = 160, 96
PLACES = ((100, 20, 150, 90), (10, 10, 40, 90), (55, 30, 85, 80))  # left, top, right, bottom


def box(left: int, top: int, right: int, bottom: int) -> Tensor:
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[top:bottom, left:right] = 1.0
    return mask


PEOPLE = torch.stack([box(*place) for place in PLACES])
SORTED = PEOPLE[[1, 2, 0]]


@pytest.mark.parametrize("shape", ["batch", "with channel", "with black masks"])
def test_a_batch_is_sorted_from_left_to_right(shape: str) -> None:
    given = {
        "batch": PEOPLE,
        "with channel": PEOPLE.unsqueeze(1),
        "with black masks": torch.cat((torch.zeros(2, HEIGHT, WIDTH), PEOPLE)),
    }[shape]
    people = people_in_masks(given)
    assert torch.equal(people, SORTED)
    for number in (1, 2, 3):
        assert torch.equal(pick_person(people, number), SORTED[number - 1 : number])


@pytest.mark.parametrize("dims", [2, 3])
def test_people_who_stand_apart_in_one_mask_are_parted(dims: int) -> None:
    painted = PEOPLE.amax(0)
    people = people_in_masks(painted if dims == 2 else painted[None])
    assert torch.equal(people, SORTED)


def test_one_person_stays_whole() -> None:
    behind_a_table = torch.maximum(box(40, 10, 70, 40), box(45, 60, 75, 90))
    assert torch.equal(parted(behind_a_table)[0], behind_a_table) and len(parted(behind_a_table)) == 1
    stray = torch.maximum(box(40, 10, 90, 90), box(130, 10, 132, 12))
    assert len(parted(stray)) == 1
    ring = box(20, 10, 120, 90) - box(40, 30, 100, 70)
    assert len(parted(ring)) == 1


def test_a_large_mask_is_parted_in_its_own_pixels() -> None:
    mask = torch.zeros(1080, 1920)
    mask[200:1000, 301:777] = 1.0
    mask[100:1000, 1203:1601] = 1.0
    left, right = people_in_masks(mask)
    assert torch.equal(left + right, mask)
    assert torch.equal(left[:, :1000], mask[:, :1000]) and not left[:, 1000:].any()


def test_gaps_within_one_person_are_closed_and_soft_edges_stay_with_the_nearest() -> None:
    mask = torch.zeros(1080, 1920)
    mask[200:1000, 300:700] = 1.0
    mask[200:1000, 500:507] = 0.0  # a brush left seven columns of a thousand out
    mask[200:1000, 1200:1600] = 1.0
    mask[200:1000, 700:800] = 0.3
    mask[200:1000, 1100:1200] = 0.4
    left, right = people_in_masks(mask)
    assert torch.equal(left + right, mask)
    assert torch.equal(left[:, :900], mask[:, :900]) and not left[:, 1000:].any()


def test_pieces_that_touch_at_a_corner_are_one() -> None:
    corner = torch.maximum(box(10, 10, 50, 50), box(50, 50, 90, 90))
    assert len(parted(corner)) == 1
    assert len(parted(torch.maximum(box(10, 10, 50, 50), box(53, 50, 90, 90)))) == 2


def test_without_opencv_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)  # as Python marks a module that cannot be imported
    with pytest.raises(InteractError, match="opencv-python-headless.*or give each person a mask") as said:
        people_in_masks(PEOPLE.amax(0))
    assert str(said.value).endswith(".") and "\n" not in str(said.value)
    assert torch.equal(people_in_masks(PEOPLE), SORTED)  # a mask for each person needs no OpenCV


BOXES = [{"x": x, "y": y, "width": r - x, "height": b - y} for x, y, r, b in PLACES]


@pytest.mark.parametrize("boxes", [BOXES, [BOXES, []], [BOXES[:], BOXES[:1]]], ids=["list", "frames", "more"])
def test_boxes_become_masks(boxes: list) -> None:
    assert torch.equal(people_in_boxes(boxes, WIDTH, HEIGHT), SORTED)


def test_a_box_alone_and_boxes_over_the_edge() -> None:
    assert torch.equal(people_in_boxes(BOXES[0], WIDTH, HEIGHT), PEOPLE[:1])
    over = {"x": -20.0, "y": -5.5, "width": 40.0, "height": 500.0, "label": "face", "score": 0.9}
    assert torch.equal(people_in_boxes([over], WIDTH, HEIGHT)[0], box(0, 0, 20, HEIGHT))


@pytest.mark.parametrize("nobody", [torch.zeros(0, 48, 64), torch.zeros(1, 48, 64), torch.zeros(2, 48, 64)])
def test_a_batch_of_nobody_is_refused(nobody: Tensor) -> None:
    with pytest.raises(InteractError, match="masks is empty, so nobody was found.*lower the threshold"):
        people_in_masks(nobody)


@pytest.mark.parametrize("boxes", [[], [[]], [[], BOXES], [{"x": 500, "y": 0, "width": 9, "height": 9}]])
def test_no_boxes_are_refused(boxes: list) -> None:
    with pytest.raises(InteractError, match="boxes is empty, so nobody was found"):
        people_in_boxes(boxes, WIDTH, HEIGHT)


def test_what_is_no_mask_box_or_number_is_said() -> None:
    with pytest.raises(InteractError, match="NaN"):
        people_in_masks(torch.full((1, 8, 8), math.nan))
    with pytest.raises(InteractError, match=r"shape \[2, 3, 8, 8\]"):
        people_in_masks(torch.ones(2, 3, 8, 8))
    with pytest.raises(InteractError, match="expected x, y, width and height"):
        people_in_boxes([{"left": 3}], WIDTH, HEIGHT)
    with pytest.raises(InteractError, match="person is 4, but 3 people were found: use a number from 1 to 3"):
        pick_person(SORTED, 4)
    with pytest.raises(InteractError, match="person is 2, but one person was found"):
        pick_person(SORTED[:1], 2)


def test_masks_of_the_same_person_are_noticed() -> None:
    assert same_person(SORTED) is None
    frames = torch.stack([box(40 + step, 10, 90 + step, 90) for step in range(4)])
    assert same_person(people_in_masks(frames)) == (1, 2)
