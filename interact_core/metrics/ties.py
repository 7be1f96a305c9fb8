"""Whose face is it: tracks of faces are tied to people by the people's masks.

We know who is where, so no network has to recognise anybody. A track belongs to one person over all of its frames,
and no person has two faces at a time; tracks in nobody's mask stay nobody's and are reported. NumPy, and SciPy's
Hungarian method where SciPy is installed (ComfyUI asks for it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from .regions import iou_with_box, mask_at, share_in_box
from .types import Box, Face, Film, Person

LEAST_SHARE = (
    0.25  # of a track's face in a person's mask, mean over its frames; masks are soft and faces have hair
)
LEAST_IOU = 0.02  # a face's box is a small part of a whole person's mask
CLEAR = 0.5  # of a track's best evidence: nobody with less may have it, even if they have no other face


class Track(Protocol):
    """One face through a film.

    frames: int [n], rising; faces: one for each of these frames.
    """

    @property
    def frames(self) -> np.ndarray: ...

    @property
    def faces(self) -> Sequence[Face]: ...


@dataclass(frozen=True, eq=False)
class Tied:
    """Tracks and the people that they belong to.

    owner: for each track the index of its person, or None; evidence: float [tracks, people], 0..1, mean over the
    track's frames; length: frames of the film; notes: sentences about tracks of nobody, and about guesses; absent: for
    each person a sentence that says why no face is theirs, or None.
    """

    tracks: tuple[Track, ...]
    owner: tuple[int | None, ...]
    evidence: np.ndarray
    length: int
    notes: tuple[str, ...]
    absent: tuple[str | None, ...]

    def faces(self, person: int) -> list[Face | None]:
        """The person's face in every frame of the film, None where it was not found."""
        found: list[Face | None] = [None] * self.length
        for track, owner in zip(self.tracks, self.owner, strict=True):
            if owner == person:
                for frame, face in zip(track.frames, track.faces, strict=True):
                    if 0 <= frame < self.length:
                        found[int(frame)] = face
        return found

    def openings(self) -> np.ndarray:
        """How far each person's mouth is open, float [people, frames] as types.Face has it; NaN where not seen."""
        return np.array(
            [
                [np.nan if face is None or face.opening is None else face.opening for face in self.faces(n)]
                for n in range(len(self.absent))
            ]
        ).reshape(len(self.absent), self.length)

    def seen(self, person: int) -> float:
        """Share of the film's frames in which the person's face was found, 0..1."""
        return sum(face is not None for face in self.faces(person)) / self.length


def tie_to_people(
    tracks: Sequence[Track],
    people: Sequence[Person],
    film: Film,
    by: Literal["share", "iou"] = "share",
) -> Tied:
    """Give every track to the person whose mask it lies in, or to nobody.

    by: what counts, mean over the track's frames: "share" of the face's box that the mask fills (for the masks of a
    run), or "iou", intersection over union of box and mask (for masks that were drawn, of faces alone, say). The
    assignment makes the sum of evidence times frames largest (Kuhn 1955), in rounds: somebody who leaves and comes
    back has several tracks, each of another time. A film with one person and no mask: all is theirs that can be, the
    longest track first, and a note says so.
    """
    tracks = tuple(track for track in tracks if len(track.frames))
    measure, least = (share_in_box, LEAST_SHARE) if by == "share" else (iou_with_box, LEAST_IOU)
    evidence = np.array([[_evidence(track, person, film, measure) for person in people] for track in tracks])
    evidence = evidence.reshape(len(tracks), len(people))
    notes: list[str] = []
    guessed = len(people) == 1 and people[0].mask is None
    if guessed:
        evidence[:] = 1.0
        if tracks:
            notes.append(
                f"{people[0].name} has no mask, so the face that is seen longest was taken for theirs."
            )
    allowed = (evidence >= least) & (evidence >= CLEAR * evidence.max(1, initial=0.0, keepdims=True))
    lengths = np.array([len(track.frames) for track in tracks]).reshape(-1, 1)
    owner = _assign(evidence * lengths, allowed, _at_a_time(tracks))
    notes += [
        _nobodys(track, share, least, people, by)
        for track, share, person in zip(tracks, evidence, owner, strict=True)
        if person is None
    ]
    absent = tuple(None if n in owner else _why_absent(person, tracks) for n, person in enumerate(people))
    return Tied(tracks, owner, evidence, film.frames, tuple(notes), absent)


def _evidence(
    track: Track, person: Person, film: Film, measure: Callable[[np.ndarray, Box, int, int], float]
) -> float:
    if person.mask is None:
        return 0.0
    values = [
        measure(mask_at(person.mask, int(frame)), face.box, film.width, film.height)
        for frame, face in zip(track.frames, track.faces, strict=True)
    ]
    return float(np.mean(values))


def _at_a_time(tracks: Sequence[Track]) -> np.ndarray:
    """Bool [tracks, tracks]: whether two tracks share a frame."""
    shown = [set(map(int, track.frames)) for track in tracks]
    return np.array([[not a.isdisjoint(b) for b in shown] for a in shown]).reshape(len(tracks), len(tracks))


def _assign(gain: np.ndarray, allowed: np.ndarray, at_a_time: np.ndarray) -> tuple[int | None, ...]:
    """Owners of tracks: gain and allowed [tracks, people], at_a_time [tracks, tracks]."""
    owner: list[int | None] = [None] * len(gain)
    left = allowed.copy()
    while left.any():
        for track, person in _best_pairs(np.where(left, gain, 0.0)):
            if left[track, person]:
                owner[track] = person
                left[track] = False
                left[at_a_time[track], person] = False
    return tuple(owner)


def _best_pairs(gain: np.ndarray) -> list[tuple[int, int]]:
    """At most one person for a track and one track for a person, with the largest sum of gain [tracks, people]."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        track, person = np.unravel_index(gain.argmax(), gain.shape)
        return [(int(track), int(person))]  # the best pair of all first: nearly always the same
    return [(int(a), int(b)) for a, b in zip(*linear_sum_assignment(gain, maximize=True), strict=True)]


def _nobodys(track: Track, share: np.ndarray, least: float, people: Sequence[Person], by: str) -> str:
    first, last = int(track.frames[0]), int(track.frames[-1])
    where = f"The face in frames {first} to {last} is nobody's:"
    if not any(person.mask is not None for person in people):
        return f"{where} no person has a mask."
    best = int(share.argmax())
    name, found = people[best].name, f"{share[best]:.0%}" if by == "share" else f"an IoU of {share[best]:.2f}"
    if share[best] >= least:
        return f"{where} it lies in the mask of {name} ({found}), who has another face at that time."
    return f"{where} it lies in no person's mask (most in that of {name}, {found})."


def _why_absent(person: Person, tracks: Sequence[Track]) -> str:
    if not tracks:
        return f"No face was found in the film, so {person.name} has no figures of the mouth."
    if person.mask is None:
        return f"{person.name} has no mask, so no face can be tied to them: connect masks."
    return f"No face was found in the mask of {person.name}, so they have no figures of the mouth."
