"""Faces linked into tracks, what is dropped and why, and how a track is cut out."""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.sync.crop import BEYOND, crop_face, path_of
from interacthuman.interact_core.metrics.sync.tracks import (
    ORIGINAL,
    Track,
    TrackRules,
    boxes_of,
    link_faces,
    why_dropped,
)
from interacthuman.interact_core.metrics.types import Face, frames_at_rate


def face(x: float, y: float = 50, size: float = 60) -> Face:
    return Face((x, y, x + size, y + size))


def test_two_faces_are_two_tracks_in_whatever_order_they_are_found() -> None:
    faces = [[face(10 + n), face(300 - n)][:: 1 if n % 2 else -1] for n in range(30)]
    one, two = sorted(link_faces(faces, 25), key=lambda track: track.faces[0].box[0])
    assert one.frames.tolist() == two.frames.tolist() == list(range(30))
    assert [f.box[0] for f in one.faces] == [10 + n for n in range(30)]
    assert [f.box[0] for f in two.faces] == [300 - n for n in range(30)]


def test_the_boxes_have_to_overlap_by_more_than_half() -> None:
    """A step of 20 of 60 pixels is an IoU of exactly one half."""
    assert len(link_faces([[face(0)], [face(20)]], 25)) == 2
    assert len(link_faces([[face(0)], [face(19.9)]], 25)) == 1


@pytest.mark.parametrize("fps, missed, tracks", [(25, 24, 1), (25, 25, 2), (12.5, 11, 1), (12.5, 12, 2)])
def test_a_face_may_be_away_for_a_second(fps: float, missed: int, tracks: int) -> None:
    faces = [[face(0)], *[[] for _ in range(missed)], [face(0)]]
    assert len(link_faces(faces, fps)) == tracks


def test_of_two_that_overlap_it_the_nearer_goes_on_and_the_other_begins_anew() -> None:
    faces = [[face(0)], [face(12), face(2)]]
    first, second = link_faces(faces, 25)
    assert first.faces[1].box[0] == 2 and second.frames.tolist() == [1]


def test_missed_boxes_lie_on_a_line() -> None:
    track = Track([3, 7], [face(0), face(8, size=68)])
    assert boxes_of(track)[:, 0].tolist() == [0, 2, 4, 6, 8]
    assert boxes_of(track)[:, 2].tolist() == [60, 64, 68, 72, 76]


def still(frames: int, size: float = 60) -> Track:
    numbers = list(range(frames))
    return Track(numbers, [face(0, size=size) for _ in numbers])


def test_short_and_small_tracks_are_dropped_with_a_reason() -> None:
    rules = TrackRules()
    assert why_dropped(still(51), 25, rules) is None
    assert why_dropped(still(50), 25, rules) == (
        "the face in frames 0 to 49 was left out by SyncNet: it was found for 2.0 s, and more than 2.0 s are needed."
    )
    assert why_dropped(still(30), 12, rules) is None  # 2.5 s
    assert "50 pixels large, and more than 50" in why_dropped(still(90, size=50), 25, rules)
    assert "more than 4.0 s" in why_dropped(still(100, size=200), 25, ORIGINAL)
    assert "more than 100 are needed" in why_dropped(still(101, size=100), 25, ORIGINAL)


@pytest.mark.parametrize(
    "rules", [{"min_iou": 1.0}, {"max_missed": 0}, {"min_frames": 12}, {"min_size": float("nan")}]
)
def test_rules_that_cannot_be_met_are_refused(rules: dict) -> None:
    with pytest.raises(InteractError, match=next(iter(rules))):
        TrackRules(**rules)


def test_a_path_is_smoothed_and_stands_where_its_frames_are_shown() -> None:
    """At 12.5 fps every frame is shown twice; one box that jumps is smoothed away."""
    faces = [face(5 * (n == 15)) for n in range(30)]
    track = Track(list(range(10, 40)), faces)
    path = path_of(track, frames_at_rate(50, 12.5, 25))
    assert (path.first, path.stop) == (20, 80)
    assert (path.x == 30).all() and (path.half == 30).all()


def test_the_crop_reaches_from_s_above_to_18_s_below() -> None:
    """Each pixel says where it is: 4 times as large, so that the corners of the crop can be read off."""
    across = np.tile(np.arange(200, dtype=np.uint8), (180, 1))
    down = np.tile(np.arange(180, dtype=np.uint8)[:, None], (1, 200))
    frame = np.stack([across, down, np.full_like(across, 7)], -1)
    found = crop_face(frame, 100, 80, 40)
    assert found.shape == (224, 224, 3) and (found[..., 0] == 7).all()  # BGR
    assert (found[0, 0, 1], found[-1, -1, 1]) == (40, 151)  # y from 80 - 40, below 80 + 72
    assert (found[0, 0, 2], found[-1, -1, 2]) == (44, 155)  # x from 100 - 56, below 100 + 56


def test_beyond_the_frame_is_grey() -> None:
    frame = np.zeros((50, 60, 3), np.uint8)
    found = crop_face(frame, 0, 0, 30)
    assert (found[:78] == BEYOND).all() and (found[:, :110] == BEYOND).all() and (found[82:, 114:] == 0).any()
    assert (crop_face(frame, -400, 900, 30) == BEYOND).all()  # a detector's box that lies outside
