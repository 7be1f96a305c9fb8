"""Faces of single frames linked into tracks, by the rules of joonson/syncnet_python; NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...errors import InteractError
from .. import ties
from ..regions import box_iou
from ..types import Face

SYNC_FPS = 25.0  # frames per second that SyncNet was trained on, and that its rules count in
SMOOTHING = 13  # frames of the median filter over a track's boxes


@dataclass(frozen=True)
class TrackRules:
    """Which faces make a track, and which tracks are measured.

    min_iou: two faces belong together above this overlap of their boxes; max_missed: frames at 25 fps without the face
    after which its track ends; min_frames: a track needs more frames in which the face was found; min_size: and more
    pixels in width or height, mean over its frames. ORIGINAL has the original's 100 frames and 100 pixels, by which
    most faces of a film of 81 frames, or of three people at 832x480, fall away; the defaults are those of public
    benches. Raises InteractError for rules that cannot be met.
    """

    min_iou: float = 0.5
    max_missed: int = 25
    min_frames: int = 50
    min_size: float = 50.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_iou < 1:
            raise InteractError(f"min_iou is {self.min_iou}; two boxes overlap by 0 to 1, so use 0.5, say.")
        if self.max_missed < 1:
            raise InteractError(f"max_missed is {self.max_missed}; use 1 or more, 25 as the original does.")
        if self.min_frames < SMOOTHING:
            raise InteractError(
                f"min_frames is {self.min_frames}; boxes are smoothed over {SMOOTHING} frames, so use {SMOOTHING} or "
                "more."
            )
        if not self.min_size >= 0:
            raise InteractError(f"min_size is {self.min_size}; use 0 pixels or more.")


ORIGINAL = TrackRules(min_frames=100, min_size=100.0)


@dataclass(eq=False)
class Track:
    """One face through a film: the numbers of the frames in which it was found, rising, and its face in each."""

    numbers: list[int] = field(default_factory=list)
    found: list[Face] = field(default_factory=list)

    @property
    def frames(self) -> np.ndarray:
        """Numbers of the film's frames, int [n]."""
        return np.array(self.numbers)

    @property
    def faces(self) -> tuple[Face, ...]:
        """One for each of `frames`."""
        return tuple(self.found)


def boxes_of(track: ties.Track) -> np.ndarray:
    """Boxes in all frames from a track's first to its last, [last - first + 1, 4]; those that were missed on a line."""
    found = np.array([face.box for face in track.faces], float)
    every = np.arange(track.frames[0], track.frames[-1] + 1)
    return np.stack([np.interp(every, track.frames, side) for side in found.T], 1)


def link_faces(faces: Sequence[Sequence[Face]], fps: float, rules: TrackRules | None = None) -> list[Track]:
    """All tracks of a film, the shortest and smallest ones, too; in the order in which they begin.

    faces: what was found in each frame of the film; fps: its rate. A face goes on with the oldest track whose last
    face it overlaps by more than rules.min_iou, of several faces of one frame the one that overlaps it most, and only
    one. (The original takes the first, and more than one; its detector leaves no two that overlap.) A cut is not seen:
    somebody else at the same place goes on with the track.
    """
    rules = rules or TrackRules()
    tracks: list[Track] = []
    running: list[Track] = []
    for number, here in enumerate(faces):
        running = [t for t in running if (number - t.numbers[-1]) * SYNC_FPS / fps <= rules.max_missed]
        left = list(here)
        for track in running:
            overlaps = [box_iou(face.box, track.found[-1].box) for face in left]
            best = int(np.argmax(overlaps)) if left else -1
            if best >= 0 and overlaps[best] > rules.min_iou:
                track.numbers.append(number)
                track.found.append(left.pop(best))
        begun = [Track([number], [face]) for face in left]
        tracks += begun
        running += begun
    return tracks


def why_dropped(track: ties.Track, fps: float, rules: TrackRules) -> str | None:
    """A sentence that says why a track of a film of `fps` cannot be measured by these rules, or None if it can."""
    face = f"the face in frames {track.frames[0]} to {track.frames[-1]} was left out by SyncNet:"
    found = len(track.frames) * SYNC_FPS / fps
    if found <= rules.min_frames:
        return (
            f"{face} it was found for {found / SYNC_FPS:.1f} s, and more than "
            f"{rules.min_frames / SYNC_FPS:.1f} s are needed."
        )
    boxes = boxes_of(track)
    size = max((boxes[:, 2] - boxes[:, 0]).mean(), (boxes[:, 3] - boxes[:, 1]).mean())
    if size <= rules.min_size:
        return f"{face} it is {size:.0f} pixels large, and more than {rules.min_size:.0f} are needed."
    return None
