"""Every figure of one film: a pure function of the film, its people and what was loaded to look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InteractError
from . import lips, loudness
from .detectors import landmarks
from .detectors.interface import FaceDetector, HandDetector, bodies_of
from .hands import hand_figures
from .likeness import Embedder, likeness
from .mouths import Mouths, Watch, face_mouths, looks_of, predicted_iou, puppet_mouths
from .regions import box_of_mask, mask_at
from .steadiness import flicker, identity_over_time
from .sync.film import score_sync
from .sync.syncnet import SyncNet
from .sync.tracks import TrackRules
from .types import VOICE_RATE, Box, Film, FilmFigures, Person, PersonFigures

HANDS_EVERY = 5  # frames: a pose network is slow, and hands are to be seen in five frames a second as in 25
PUPPETS = (
    "These are puppets of the theatre: their mouths were read by their drawings, and the figures of real people "
    "(SyncNet, hands) are left out."
)


@dataclass(frozen=True, eq=False)
class Scorer:
    """What looks at a film; a part that is None leaves its figures out, and `missing` says why.

    faces, syncnet, hands: detectors and SyncNet; clip, dino: embedders of pictures; missing: of the parts that are
    None, by their names here, a sentence with file, source and folder; rules: which faces make a track, and which of
    them SyncNet sees; notes: sentences that are said of every film of real people.
    """

    faces: FaceDetector | None = None
    syncnet: SyncNet | None = None
    hands: HandDetector | None = None
    clip: Embedder | None = None
    dino: Embedder | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    rules: TrackRules = field(default_factory=TrackRules)
    notes: tuple[str, ...] = ()

    def why_not(self, *parts: str) -> tuple[str, ...]:
        """Sentences for those of these parts that are None."""
        return tuple(self.missing[p] for p in parts if getattr(self, p) is None and p in self.missing)


def score_film(
    film: Film, people: Sequence[Person], scorer: Scorer | None = None, watch: Watch | None = None
) -> FilmFigures:
    """Measure a film. Nothing is raised for a face, a voice or a file that is missing: that figure is None.

    watch: told how many frames have been searched for mouths. Raises InteractError for nobody, and for two people of
    one name.
    """
    scorer = scorer or Scorer()
    _check(film, people)
    voices = np.stack([_opening_of(person, film) for person in people])
    looks = looks_of(people)
    notes: list[str] = []
    if looks is not None:
        mouths = puppet_mouths(film, people, looks, watch)
        notes.append(PUPPETS)
    elif scorer.faces is not None:
        mouths = face_mouths(film, people, scorer.faces, watch, scorer.rules)
        notes += [*scorer.notes, *mouths.notes]
    else:
        mouths = None
        notes += scorer.why_not("faces")
    overlaps = predicted_iou(film, people) if mouths is None else mouths.mask_iou
    found: list[dict[str, Any]] = [{"missing": [], "mask_iou": iou} for iou in overlaps]
    matrix = None
    if mouths is not None:
        _add_lips(found, people, mouths, voices, film.fps)
        matrix = lips.lips_matrix(mouths.openings, voices)
    sync_matrix = _add_sync(found, film, people, mouths, scorer, notes)
    if looks is None:
        _add_hands(found, film, people, scorer, notes)
    _add_likeness(found, film, people, scorer, notes)
    return FilmFigures(
        name=film.name,
        frames=film.frames,
        fps=film.fps,
        people=tuple(
            PersonFigures(
                name=person.name,
                spans=person.spans or loudness.speaking_spans(voice, film.fps),
                missing=tuple(figures.pop("missing")),
                **figures,
            )
            for person, voice, figures in zip(people, voices, found, strict=True)
        ),
        lips_matrix=matrix,
        sync_matrix=sync_matrix,
        flicker=flicker(film).value,
        openings=None if mouths is None else mouths.openings,
        voices=voices,
        notes=tuple(dict.fromkeys(notes)),
    )


def _check(film: Film, people: Sequence[Person]) -> None:
    if not people:
        raise InteractError(f"{film.name} is scored for nobody: give at least one person.")
    names = [person.name for person in people]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InteractError(f"two people of {film.name} are called {twice!r}: give each a name of its own.")


def _opening_of(person: Person, film: Film) -> np.ndarray:
    if person.voice is None:
        return np.zeros(film.frames, np.float32)
    return loudness.mouth_opening(person.voice, VOICE_RATE, film.fps, film.frames, person.skipped)


def _add_lips(
    found: list[dict[str, Any]], people: Sequence[Person], mouths: Mouths, voices: np.ndarray, fps: float
) -> None:
    """Lips, crosstalk and what goes with them; those who never speak get silent_open."""
    least = lips.OPEN if mouths.tied is None else landmarks.OPEN  # puppets are read in other units
    wrong = lips.wrong_voices([person.name for person in people], mouths.openings, voices, fps)
    for number, (person, figures) in enumerate(zip(people, found, strict=True)):
        opening, own, others = mouths.openings[number], voices[number], np.delete(voices, number, 0)
        figures |= {"seen": mouths.seen[number], "wrong": wrong[number]}
        if mouths.absent[number] is not None:
            figures["missing"].append(mouths.absent[number])
        elif own.any():
            figures["lips"] = lips.sync(opening, own)
            figures["crosstalk"] = lips.crosstalk(opening, others) if others.any() else None
            figures["lag"] = (
                lips.lag_of(opening, own) if figures["lips"] else None
            )  # of a still mouth it is chance
            figures["fits"] = lips.fitting_spans(opening, own, fps)
        else:
            figures["silent_open"] = lips.silent_open(opening, least)
            if person.voice is not None:
                figures["missing"].append(f"The voice of {person.name} is silent within the film.")


def _add_sync(
    found: list[dict[str, Any]],
    film: Film,
    people: Sequence[Person],
    mouths: Mouths | None,
    scorer: Scorer,
    notes: list[str],
) -> np.ndarray | None:
    """Sync-C and Sync-D, where faces were found and SyncNet is there; the matrix of Sync-C."""
    if mouths is None or mouths.tied is None:
        return None
    if scorer.syncnet is None:
        notes += scorer.why_not("syncnet")
        return None
    sync = score_sync(film, people, mouths.tied, scorer.syncnet, scorer.rules)
    notes += sync.notes
    for figures, score, missing in zip(found, sync.scores, sync.missing, strict=True):
        figures["missing"] += [sentence for sentence in missing if sentence not in figures["missing"]]
        if score is not None:
            figures |= {"sync_c": score.confidence, "sync_d": score.distance}
            figures |= {"offset": score.offset, "windows": score.windows}
    return sync.confidence


def _add_hands(
    found: list[dict[str, Any]], film: Film, people: Sequence[Person], scorer: Scorer, notes: list[str]
) -> None:
    if scorer.hands is None:
        notes += scorer.why_not("hands")
        return
    placed = [number for number, person in enumerate(people) if person.mask is not None]

    def boxes(frame: int) -> list[Box]:
        return [_box(people[number], frame, film) for number in placed]

    bodies: list[list[Any]] = [[] for _ in placed]
    for _, some in bodies_of(film, scorer.hands, boxes, HANDS_EVERY):
        for collected, body in zip(bodies, some, strict=True):
            collected.append(body)
    for number, collected in zip(placed, bodies, strict=True):
        hands = hand_figures(collected, people[number].name)
        found[number] |= {"hkc": hands.hkc, "hkv": hands.hkv}
        if hands.missing:
            found[number]["missing"].append(hands.missing)
    for number, person in enumerate(people):
        if number not in placed:
            found[number]["missing"].append(f"{person.name} has no mask, so their hands were not looked for.")


def _box(person: Person, frame: int, film: Film) -> Box:
    """Around the person in a frame; an empty one where the mask is empty."""
    assert person.mask is not None
    return box_of_mask(mask_at(person.mask, frame), film.width, film.height, margin=0.1) or (
        0.0,
        0.0,
        0.0,
        0.0,
    )


def _add_likeness(
    found: list[dict[str, Any]], film: Film, people: Sequence[Person], scorer: Scorer, notes: list[str]
) -> None:
    """CLIP-I and DINO-I against the pictures, and how alike everybody stays."""
    notes += scorer.why_not("clip", "dino")
    for figure, embedder in (("clip_i", scorer.clip), ("dino_i", scorer.dino)):
        if embedder is None:
            continue
        for person, figures in zip(people, found, strict=True):
            value = likeness(film, person, embedder)
            figures[figure] = value.value
            if value.missing:
                figures["missing"].append(value.missing)
    embedder = scorer.dino or scorer.clip
    for person, figures in zip(people, found, strict=True):
        figures["steadiness"] = identity_over_time(film, person, embedder).value
