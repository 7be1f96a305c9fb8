"""Whose face is whose, and the overlaps that this is told by."""

from __future__ import annotations

import builtins
from dataclasses import dataclass

import numpy as np
import pytest
from interacthuman.interact_core.metrics import regions
from interacthuman.interact_core.metrics.ties import tie_to_people
from interacthuman.interact_core.metrics.types import Face, Film, Person

WIDTH, HEIGHT, FRAMES = 96, 64, 20
LEFT, RIGHT, MIDDLE = (10.0, 10.0, 30.0, 34.0), (62.0, 8.0, 86.0, 34.0), (40.0, 4.0, 52.0, 18.0)


@dataclass
class DrawnTrack:
    frames: np.ndarray
    faces: tuple[Face, ...]


def track(box, first=0, last=FRAMES, opening=0.1) -> DrawnTrack:
    frames = np.arange(first, last)
    return DrawnTrack(frames, tuple(Face(box, opening=opening + 0.01 * f) for f in frames))


def half(left: bool, value: float = 0.8) -> np.ndarray:
    """A mask of the token grid: the left or the right third of the picture, one for each frame."""
    mask = np.zeros((FRAMES, 4, 6), np.float32)
    mask[:, :, : 2 if left else None] = value if left else 0.0
    if not left:
        mask[:, :, 4:] = value
    return mask


@pytest.fixture
def film() -> Film:
    return Film.of_frames(np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8), 25.0)


@pytest.fixture
def people() -> list[Person]:
    return [Person("Anna", mask=half(True)), Person("Ben", mask=half(False))]


def test_faces_belong_to_whose_mask_they_lie_in(film, people):
    tied = tie_to_people([track(RIGHT, opening=0.5), track(MIDDLE, 3, 9), track(LEFT)], people, film)
    assert tied.owner == (1, None, 0)
    assert tied.evidence[0] == pytest.approx([0, 0.8 * (86 - 64) / 24])
    assert tied.evidence[2] == pytest.approx([0.8, 0])
    assert tied.openings()[:, 4] == pytest.approx([0.14, 0.54])
    assert tied.absent == (None, None) and tied.seen(0) == 1
    (note,) = tied.notes
    assert note.startswith("The face in frames 3 to 8 is nobody's: it lies in no person's mask")


def test_swapped_masks_swap_the_owners(film, people):
    assert tie_to_people([track(LEFT), track(RIGHT)], people[::-1], film).owner == (1, 0)


def test_one_who_comes_back_has_two_tracks_and_never_two_faces_at_a_time(film, people):
    tracks = [track(LEFT, 0, 6), track(LEFT, 9, 20), track((8.0, 40.0, 28.0, 60.0), 10, 14)]
    tied = tie_to_people(tracks, people, film)
    assert tied.owner == (0, 0, None)
    assert tied.seen(0) == pytest.approx(17 / 20)
    assert np.isnan(tied.openings()[0]).nonzero()[0].tolist() == [6, 7, 8]
    assert "who has another face at that time" in tied.notes[0]
    assert tied.absent == (
        None,
        "No face was found in the mask of Ben, so they have no figures of the mouth.",
    )


def test_the_whole_assignment_counts_and_not_the_best_pair(film):
    """A face in both masks goes where the sum is largest: to the one who would otherwise have none."""
    both = np.ones((1, 4, 6), np.float32)
    people = [Person("Anna", mask=both), Person("Ben", mask=0.9 * half(True)[:1] / 0.8)]
    assert tie_to_people([track(LEFT), track(RIGHT)], people, film).owner == (1, 0)


def test_a_second_face_in_ones_mask_is_not_given_to_another_for_want_of_better(film):
    people = [Person("Anna", mask=half(True)), Person("Ben", mask=np.full((1, 4, 6), 0.3, np.float32))]
    twice = [track(LEFT), track((8.0, 36.0, 28.0, 60.0))]
    tied = tie_to_people(twice, people, film)
    assert sorted(tied.owner, key=str) == [0, None] and tied.evidence[:, 1] == pytest.approx(0.3)


def test_without_scipy_the_ties_are_the_same_here(film, people, monkeypatch):
    real = builtins.__import__

    def without_scipy(name, *rest, **more):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    assert tie_to_people([track(RIGHT), track(LEFT, 0, 5), track(LEFT, 8, 20)], people, film).owner == (
        1,
        0,
        0,
    )


def test_drawn_masks_of_faces_are_compared_by_iou(film):
    mask = np.zeros((1, HEIGHT, WIDTH), np.float32)
    mask[:, 10:34, 10:30] = 1
    people = [Person("Anna", mask=mask), Person("Ben", mask=np.ones((1, HEIGHT, WIDTH), np.float32))]
    tied = tie_to_people([track(LEFT)], people, film, by="iou")
    assert tied.evidence[0] == pytest.approx([1, 20 * 24 / (WIDTH * HEIGHT)])
    assert tied.owner == (0,)


def test_without_masks_nobody_is_guessed_but_one_alone(film):
    tracks = [track(LEFT, 0, 5), track(RIGHT)]
    nobody = tie_to_people(tracks, [Person("Anna"), Person("Ben")], film)
    assert nobody.owner == (None, None) and "no person has a mask" in nobody.notes[0]
    assert nobody.absent[0] == "Anna has no mask, so no face can be tied to them: connect masks."
    alone = tie_to_people(tracks, [Person("Anna")], film)
    assert alone.owner == (None, 0) and "was taken for theirs" in alone.notes[0]


def test_no_face_and_no_people_are_no_error(film, people):
    empty = tie_to_people([], people, film)
    assert np.isnan(empty.openings()).all() and empty.openings().shape == (2, FRAMES)
    assert "No face was found in the film" in empty.absent[0]
    assert tie_to_people([track(LEFT)], [], film).openings().shape == (0, FRAMES)


def test_overlaps_in_closed_form():
    assert regions.box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert regions.box_iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0 == regions.box_iou((0, 0, 0, 0), (0, 0, 0, 0))
    mask = np.zeros((2, 4, 4))
    mask[:, :2] = 0.6
    other = np.zeros((2, 4, 4))
    other[:, 1:3] = 1.0
    assert regions.mask_iou(mask, other) == pytest.approx(1 / 3)
    assert regions.mask_iou(0 * mask, 0 * mask) == 1
    # a cell is 16 pixels: the box covers half of the first column and a quarter of the second
    grid = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert regions.share_in_box(grid, (8, 0, 20, 32), 32, 32) == pytest.approx(8 / 12)
    assert regions.share_in_box(grid, (40, 0, 50, 32), 32, 32) == 0
    assert regions.iou_with_box(grid, (0, 0, 16, 16), 32, 32) == pytest.approx(0.5)


def test_boxes_of_masks_and_crops():
    mask = np.zeros((4, 6))
    mask[1:3, 2:4] = 0.7
    assert regions.box_of_mask(mask, 96, 64) == (32, 16, 64, 48)
    assert regions.box_of_mask(mask, 96, 64, margin=0.25) == (24, 8, 72, 56)
    assert regions.box_of_mask(mask, 96, 64, margin=1.0) == (0, 0, 96, 64)
    assert regions.box_of_mask(0 * mask, 96, 64) is None
    frame = np.arange(12 * 20).reshape(12, 20)
    assert (regions.crop(frame, (2.5, 1.0, 5.1, 3.0)) == frame[1:3, 2:6]).all()
    assert regions.crop(frame, (30, 30, 40, 40)).shape == (1, 1)


def test_masks_of_two_sizes_are_compared_on_the_coarser_grid():
    fine = np.zeros((2, 8, 16), np.float16)
    fine[0, :, :8] = 1  # the left half, then nobody
    coarse = np.zeros((2, 2, 4), np.float32)
    coarse[0, :, 1:3] = 1  # the middle half, then nobody
    for one, other in ((fine, coarse), (coarse, fine)):
        counted = regions.overlap(one, other)
        assert counted.tolist() == [2, 6]
        assert regions.share_of(counted) == pytest.approx(1 / 3)
    assert regions.share_of(regions.overlap(fine[1:], coarse[1:])) == 1.0
