"""Boxes and masks of people: how much they overlap, where a mask lies, what a box shows.

NumPy alone, and OpenCV where two masks are of different sizes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .types import Box

SHOWN = 0.5  # of a mask in 0..1: from here on a place belongs to the person


def mask_iou(found: np.ndarray, given: np.ndarray) -> float:
    """Intersection over union of two masks [..., h, w], 0..1; both count from SHOWN. 1 where both are empty.

    Over a whole film (all leading axes at once), so that frames in which the person is small count little.
    """
    a, b = np.asarray(found) >= SHOWN, np.asarray(given) >= SHOWN
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 1.0


def overlap(found: Iterable[np.ndarray], given: Iterable[np.ndarray]) -> np.ndarray:
    """Cells in both and in either of two masks [h, w] in 0..1, frame by frame, summed: int [2].

    The finer of the two is brought to the other's grid by its cells' mean, and both count from SHOWN.
    """
    both = either = 0
    for pair in zip(found, given, strict=True):
        one, other = _on_one_grid(*pair)
        both += np.count_nonzero(one & other)
        either += np.count_nonzero(one | other)
    return np.array([both, either])


def share_of(overlapping: np.ndarray) -> float:
    """Intersection over union of what `overlap` counted; 1 where both masks are empty."""
    both, either = overlapping
    return float(both / either) if either else 1.0


def _on_one_grid(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two masks as bool on the coarser grid of the two."""
    if one.shape != other.shape:
        import cv2

        size = min(one.shape[1], other.shape[1]), min(one.shape[0], other.shape[0])
        one, other = (
            cv2.resize(np.asarray(mask, np.float32), size, interpolation=cv2.INTER_AREA)
            for mask in (one, other)
        )
    return one >= SHOWN, other >= SHOWN


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1; 0 where both are empty."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, across) * max(0.0, down)
    union = _area(a) + _area(b) - shared
    return shared / union if union > 0 else 0.0


def mask_at(mask: np.ndarray, frame: int) -> np.ndarray:
    """The mask [h, w] of one frame, of a mask [F or 1, h, w] (types.Person)."""
    return mask[min(frame, len(mask) - 1)]


def share_in_box(mask: np.ndarray, box: Box, width: int, height: int) -> float:
    """Mean of a mask [h, w] in 0..1 over a box in pixels of a film of width x height; 0 for a box outside of it.

    The mask may be of any size: its cells count by the part of them that lies in the box.
    """
    down, across = _cells_in(box, mask.shape, width, height)
    area = float(down.sum() * across.sum())
    return float(down @ mask @ across) / area if area > 0 else 0.0


def iou_with_box(mask: np.ndarray, box: Box, width: int, height: int) -> float:
    """Intersection over union of a mask [h, w], counted from SHOWN, and a box as in `share_in_box`; 0..1.

    A face's box is a small part of a whole person's mask, so the largest of several values says something, the value
    itself little.
    """
    shown = (mask >= SHOWN).astype(np.float64)
    down, across = _cells_in(box, mask.shape, width, height)
    shared = float(down @ shown @ across)
    union = float(shown.sum() + down.sum() * across.sum()) - shared
    return shared / union if union > 0 else 0.0


def box_of_mask(mask: np.ndarray, width: int, height: int, margin: float = 0.0) -> Box | None:
    """The smallest box, in pixels of a film of width x height, around a mask [h, w] where it is SHOWN or more.

    margin: added on every side, as a share of the box's larger side; the frame's edges cut it. None for an empty mask.
    """
    shown = np.asarray(mask) >= SHOWN
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    if not rows.size:
        return None
    x, y = width / mask.shape[1], height / mask.shape[0]
    left, right = columns[0] * x, (columns[-1] + 1) * x
    top, bottom = rows[0] * y, (rows[-1] + 1) * y
    more = margin * max(right - left, bottom - top)
    return (
        float(max(0.0, left - more)),
        float(max(0.0, top - more)),
        float(min(width, right + more)),
        float(min(height, bottom + more)),
    )


def crop(frame: np.ndarray, box: Box) -> np.ndarray:
    """What a box shows of a frame [H, W, ...], at least one pixel; whole pixels that the box touches, no copy."""
    height, width = frame.shape[:2]
    left, top = (int(np.clip(np.floor(box[k]), 0, size - 1)) for k, size in ((0, width), (1, height)))
    right = int(np.clip(np.ceil(box[2]), left + 1, width))
    bottom = int(np.clip(np.ceil(box[3]), top + 1, height))
    return frame[top:bottom, left:right]


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _cells_in(box: Box, size: tuple[int, ...], width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of each row and of each column of a mask's grid that lies in the box, 0..1: [h], [w]."""
    rows, columns = size
    return (
        _overlaps(box[1] * rows / height, box[3] * rows / height, rows),
        _overlaps(box[0] * columns / width, box[2] * columns / width, columns),
    )


def _overlaps(first: float, last: float, cells: int) -> np.ndarray:
    at = np.arange(cells)
    return np.clip(np.minimum(at + 1, last) - np.maximum(at, first), 0.0, 1.0)
