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
from .regions import mask_at, overlap, share_of
from .sync.tracks import TrackRules, link_faces
from .ties import Tied, tie_to_people
from .types import Film, Person

PART = 128  # frames of puppets that are read at once: their heads keep one size over such a part

Watch = Callable[[int], None]
"""Told how many frames of the film are done."""


@dataclass(frozen=True, eq=False)
class Mouths:
    """Of N people in a film of F frames.

    openings: float [N, F], 0 shut, NaN where the mouth is not seen; seen: share of the frames in which each face was
    found; mask_iou: of each person's masks with where they are, None where that is not known; absent: for each person
    why there is no mouth, or None; notes: sentences about the whole film; tied: faces of real people.
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
    masks = [person.mask if person.predicted is None else person.predicted for person in people]
    overlaps = np.zeros((len(people), 2), int)  # intersection and union, in cells
    done = 0
    for frames in _in_parts(film):
        reading = read_clip(frames, looks)
        openings.append(reading.openings)
        found.append([head.found.mean() * len(frames) for head in reading.heads])
        for number, mask in enumerate(masks):
            if mask is not None:
                given = (mask_at(mask, done + k) for k in range(len(frames)))
                overlaps[number] += overlap(reading.masks[number], given)
        done += len(frames)
        if watch is not None:
            watch(done)
    seen = np.sum(found, axis=0) / done
    absent = [
        None if share > 0 else f"{person.name} was not found in the film, by colours and face."
        for person, share in zip(people, seen, strict=True)
    ]
    iou = [None if mask is None else share_of(both) for mask, both in zip(masks, overlaps, strict=True)]
    return Mouths(
        np.concatenate(openings, axis=1), tuple(float(share) for share in seen), tuple(iou), tuple(absent)
    )


def face_mouths(
    film: Film,
    people: Sequence[Person],
    detector: FaceDetector,
    watch: Watch | None = None,
    rules: TrackRules | None = None,
) -> Mouths:
    """Read the mouths of real people: faces are found, linked into tracks by the rules and tied to people by masks."""
    faces = [
        [
            replace(face, points=None) for face in some
        ]  # hundreds of points a face would fill the memory of a long film
        for some in faces_of(film, detector, watch)
    ]
    tied = tie_to_people(link_faces(faces, film.fps, rules), people, film)
    seen = tuple(tied.seen(number) for number in range(len(people)))
    return Mouths(tied.openings(), seen, predicted_iou(film, people), tied.absent, tied.notes, tied)


def predicted_iou(film: Film, people: Sequence[Person]) -> tuple[float | None, ...]:
    """Mask IoU of each person's predicted masks with where they are by `mask`; None where one of them is missing."""

    def of_frames(mask: np.ndarray) -> Iterator[np.ndarray]:
        return (mask_at(mask, frame) for frame in range(film.frames))

    return tuple(
        None
        if person.mask is None or person.predicted is None
        else share_of(overlap(of_frames(person.predicted), of_frames(person.mask)))
        for person in people
    )


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
