"""The part of a frame that SyncNet looks at: head and shoulders' beginning around a smoothed box, 224 x 224, BGR."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np

from ..ties import Track
from .tracks import SMOOTHING, boxes_of

SIDE = 224
BEYOND = 110  # grey value outside of the frame
SCALE = 0.4  # a crop reaches from -s to (1 + 2 * SCALE) * s in y, and (1 + SCALE) * s to both sides in x


@dataclass(frozen=True, eq=False)
class Path:
    """Where one face is, frame by frame at 25 fps.

    first: number of the first frame; x, y: the face's centre, and half its larger side, in pixels, float [frames].
    """

    first: int
    x: np.ndarray
    y: np.ndarray
    half: np.ndarray

    @property
    def stop(self) -> int:
        """Number of the frame after the last."""
        return self.first + len(self.x)

    def crop(self, frame: np.ndarray, number: int) -> np.ndarray:
        """The face in frame `number`: uint8 BGR [224, 224, 3]."""
        at = number - self.first
        return crop_face(frame, self.x[at], self.y[at], self.half[at])


def path_of(track: Track, shown: np.ndarray) -> Path:
    """The track's boxes at 25 fps, smoothed by a median of 13 as the original does (zeros beyond both ends).

    shown: for each frame at 25 fps the number of the film's frame that is shown then (types.frames_at_rate).
    """
    from scipy.signal import medfilt

    began, last = track.frames[0], track.frames[-1]
    first, stop = (int(np.searchsorted(shown, number)) for number in (began, last + 1))
    boxes = boxes_of(track)[shown[first:stop] - began]
    half = np.maximum(boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]) / 2
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    return Path(first, *(medfilt(values, SMOOTHING) for values in (x, y, half)))


def crop_face(frame: np.ndarray, x: float, y: float, half: float) -> np.ndarray:
    """The face around (x, y) of a frame uint8 RGB [H, W, 3], as uint8 BGR [224, 224, 3]; BEYOND outside of the frame.

    Corners are cut to whole pixels where the original cuts them, after it has added its border.
    """
    import cv2

    border = int(half * (1 + 2 * SCALE))
    middle_x, middle_y = x + border, y + border
    top, bottom, left, right = (
        floor(edge) - border
        for edge in (
            middle_y - half,
            middle_y + half * (1 + 2 * SCALE),
            middle_x - half * (1 + SCALE),
            middle_x + half * (1 + SCALE),
        )
    )
    height, width = frame.shape[:2]
    face = np.full((max(1, bottom - top), max(1, right - left), 3), BEYOND, np.uint8)
    rows = slice(min(max(top, 0), height), max(min(bottom, height), 0))
    columns = slice(min(max(left, 0), width), max(min(right, width), 0))
    inside = frame[rows, columns, ::-1]
    if inside.size:
        at_row, at_column = rows.start - top, columns.start - left
        face[at_row : at_row + inside.shape[0], at_column : at_column + inside.shape[1]] = inside
    return cv2.resize(face, (SIDE, SIDE))
