"""What finds faces and hands: two small protocols, so that figures know no detector by name.

A detector gets some frames of a film at a time and keeps nothing, so that a film may be of any length
(`faces_of`, `bodies_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..types import Box, Face, Film

HAND_POINTS = 21
"""Wrist, and four of each finger from the thumb on: the order of OpenPose, MediaPipe and COCO-WholeBody."""


@dataclass(frozen=True, eq=False)
class Body:
    """What hands are measured by, of one person in one frame.

    shoulders: float32 [2, 3]; hands: float32 [2, 21, 3]; each x, y in pixels of the frame and confidence 0..1. Which
    of the two is the left one is the detector's choice, the same in all frames. What was not found has confidence 0,
    and its place means nothing.
    """

    shoulders: np.ndarray
    hands: np.ndarray

    @classmethod
    def unseen(cls) -> Body:
        """Of somebody of whom nothing was found."""
        return cls(np.zeros((2, 3), np.float32), np.zeros((2, HAND_POINTS, 3), np.float32))


class FaceDetector(Protocol):
    """Finds all faces in frames."""

    def find(self, frames: np.ndarray) -> list[list[Face]]:
        """Faces of each frame, in any order; frames: uint8 RGB [n, H, W, 3]."""
        ...


class HandDetector(Protocol):
    """Finds the hands of people whose place is known."""

    def find(self, frames: np.ndarray, boxes: Sequence[Sequence[Box]]) -> list[list[Body]]:
        """For each frame and each of its boxes the body in it; frames: uint8 RGB [n, H, W, 3]."""
        ...


def faces_of(
    film: Film, detector: FaceDetector, watch: Callable[[int], None] | None = None
) -> list[list[Face]]:
    """The faces of every frame of a film; only the faces are kept. watch: told how many frames are done."""
    found: list[list[Face]] = []
    for chunk in film.chunks():
        found += detector.find(chunk)
        if watch is not None:
            watch(len(found))
    return found


def bodies_of(
    film: Film, detector: HandDetector, boxes: Callable[[int], Sequence[Box]], every: int = 1
) -> Iterator[tuple[int, list[Body]]]:
    """Frame numbers and the bodies in their boxes, of every `every`-th frame of a film.

    boxes: the people's boxes in a frame, by its number; a frame without boxes is left out.
    """
    first = 0
    for chunk in film.chunks():
        numbers = [n for n in range(first, first + len(chunk)) if n % every == 0 and len(boxes(n))]
        if numbers:
            picked = chunk[[n - first for n in numbers]]
            yield from zip(numbers, detector.find(picked, [boxes(n) for n in numbers]), strict=True)
        first += len(chunk)
