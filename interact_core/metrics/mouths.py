"""How far everybody's mouth is open in every frame: of puppets by their drawings, of real people by landmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from .detectors.interface import FaceDetector, faces_of
from .puppets.drawing import Look
from .puppets.reading import read_clip
from .puppets.recognition import look_of
from .regions import SHOWN, mask_at
from .sync.tracks import link_faces
from .ties import Tied, tie_to_people
from .types import Film, Person

PART = 128  # frames of puppets that are read at once: their heads keep one size over such a part

Watch = Callable[[int], None]
"""Told how many frames of the film are done."""


@dataclass(frozen=True, eq=False)
class Mouths:
    """Of N people in a film of F frames.

    openings: float [N, F], 0 shut, NaN where the mouth is not seen; seen: share of the frames in which each face was
    found; mask_iou: of each person's found mask with the given one, None where one is missing; absent: for each
    person why there is no mouth, or None; notes: sentences about the whole film; tied: faces of real people.
    """

    openings: np.ndarray
    seen: tuple[float, ...]
    mask_iou: tuple[float | None, ...]
    absent: tuple[str | None, ...]
    notes: tuple[str, ...] = ()
    tied: Tied | None = None


def looks_of(people: Sequence[Person]) -> tuple[Look, ...] | None:
    """The looks of a cast of puppets, by their reference pictures; None if one of them is no puppet."""
    looks = []
    for person in people:
        look = None if person.reference is None else look_of(person.reference)
        if look is None:
            return None
        looks.append(look)
    return tuple(looks)


def puppet_mouths(
    film: Film, people: Sequence[Person], looks: Sequence[Look], watch: Watch | None = None
) -> Mouths:
    """Read the mouths of puppets, as the theatre's benches do (puppets/reading.py)."""
    openings, found = [], []
    overlaps = np.zeros((len(people), 2))  # intersection and union, in cells
    done = 0
    for frames in _in_parts(film):
        reading = read_clip(frames, looks)
        openings.append(reading.openings)
        found.append([head.found.mean() * len(frames) for head in reading.heads])
        overlaps += [
            _overlap(masks, person, done) for masks, person in zip(reading.masks, people, strict=True)
        ]
        done += len(frames)
        if watch is not None:
            watch(done)
    seen = np.sum(found, axis=0) / done
    absent = [
        None if share > 0 else f"{person.name} was not found in the film, by colours and face."
        for person, share in zip(people, seen, strict=True)
    ]
    iou = [
        None if person.mask is None else float(both / either) if either else 1.0
        for person, (both, either) in zip(people, overlaps, strict=True)
    ]
    return Mouths(
        np.concatenate(openings, axis=1), tuple(float(share) for share in seen), tuple(iou), tuple(absent)
    )


def face_mouths(
    film: Film, people: Sequence[Person], detector: FaceDetector, watch: Watch | None = None
) -> Mouths:
    """Read the mouths of real people: faces are found, linked into tracks and tied to people by masks."""
    faces = [
        [
            replace(face, points=None) for face in some
        ]  # hundreds of points a face would fill the memory of a long film
        for some in faces_of(film, detector, watch)
    ]
    tied = tie_to_people(link_faces(faces, film.fps), people, film)
    seen = tuple(tied.seen(number) for number in range(len(people)))
    return Mouths(tied.openings(), seen, (None,) * len(people), tied.absent, tied.notes, tied)


def _in_parts(film: Film) -> Iterator[np.ndarray]:
    """The film in parts of PART frames, uint8 [n, H, W, 3]; the last is longer rather than very short."""
    sizes = [PART] * (film.frames // PART)
    rest = film.frames - sum(sizes)
    if sizes and rest < PART // 2:
        sizes[-1] += rest
    elif rest:
        sizes.append(rest)
    frames = film.each()
    for size in sizes:
        # No name for the list of frames: it would hold them while the next part is read.
        yield np.stack(list(islice(frames, size)))


def _overlap(found: np.ndarray, person: Person, first: int) -> tuple[float, float]:
    """Cells in both and in either of a found mask, bool [n, H, W], and the given one, from frame `first` on."""
    import cv2

    if person.mask is None:
        return 0.0, 0.0
    both = either = 0
    for number, mask in enumerate(found):
        given = mask_at(person.mask, first + number) >= SHOWN
        size = given.shape[1], given.shape[0]
        shown = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= SHOWN
        both += np.count_nonzero(given & shown)
        either += np.count_nonzero(given | shown)
    return float(both), float(either)
