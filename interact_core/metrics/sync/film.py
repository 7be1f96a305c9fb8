"""Sync-C and Sync-D of everybody in a film, over the spans in which they speak, and of every voice with every face.

Each span counts as the original counts a film that was cut to it: beyond its ends the voice is a feature of zeros.
Somebody who speaks all through has the very figures of the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..loudness import mouth_opening, speaking_spans
from ..ties import Tied
from ..types import VOICE_RATE, Film, Person, Span, frames_at_rate
from .crop import Path, path_of
from .features import mouth_features, voice_features, window_count
from .scores import SyncScore, distances, margins, score
from .syncnet import WINDOW, SyncNet
from .tracks import SYNC_FPS, TrackRules, why_dropped

LEAST_WINDOWS = 25  # one second of speech; below it Sync-C is mostly chance
SLOW = 20.0  # fps below which lips shown at 25 fps move in visible steps


@dataclass(frozen=True, eq=False)
class SyncFigures:
    """What SyncNet says of a film.

    scores: of each person over their own speaking spans, None where there is none and `missing` says why; confidence,
    distance: Sync-C and Sync-D of every face with every voice, over the windows in which that voice speaks and that
    face is seen, float [N, N], row: whose face, column: whose voice, NaN where there is none; margin: for each voice
    Sync-C of its own face minus the best other, float [N], NaN where one is missing; missing: sentences, for each
    person; notes: sentences about the whole film (another frame rate, faces that were left out).
    """

    scores: tuple[SyncScore | None, ...]
    confidence: np.ndarray
    distance: np.ndarray
    margin: np.ndarray
    missing: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


@dataclass
class _Said:
    """Sentences, collected on the way."""

    missing: list[list[str]]
    notes: list[str] = field(default_factory=list)


def score_sync(
    film: Film, people: Sequence[Person], tied: Tied, net: SyncNet, rules: TrackRules | None = None
) -> SyncFigures:
    """Sync-C and Sync-D of everybody in a film.

    tied: faces of this film, linked by `tracks.link_faces` and tied to these people by `ties.tie_to_people`; rules:
    which of their tracks are long and large enough. A film of another rate is measured at 25 fps, its frames shown
    twice or left out, and a note says so. Nothing is raised for a face or a voice that is missing. The film is read
    once; kept are a few crops and 4 KB a window for each face and voice.
    """
    rules = rules or TrackRules()
    said = _Said([[] for _ in people])
    at_25 = film.at_rate(SYNC_FPS)
    shown = frames_at_rate(film.frames, film.fps, SYNC_FPS)
    _say_rate(film, said)
    paths = _paths(film, people, tied, rules, shown, said)
    speaking = [_speaking_windows(film, person, shown, said.missing[n]) for n, person in enumerate(people)]
    voices = {  # beside its spans a voice is zeros, as if the film had been cut to them
        n: voice_features(heard, at_25.frames, net) * speaking[n][:, None]
        for n, person in enumerate(people)
        if (heard := person.heard) is not None and speaking[n].any()
    }
    mouths = mouth_features(at_25, paths if voices else [() for _ in people], net)
    confidence, distance = (np.full((len(people), len(people)), np.nan) for _ in range(2))
    scores: list[SyncScore | None] = [None] * len(people)
    for voice, heard in voices.items():
        for face, mouth in enumerate(mouths):
            chosen = speaking[voice] & mouth.seen
            found = score(distances(mouth.features, heard), chosen)
            if found is None or found.windows < LEAST_WINDOWS:
                if face == voice and paths[face]:
                    said.missing[face].append(_too_short(people[face].name, int(chosen.sum())))
                continue
            confidence[face, voice], distance[face, voice] = found.confidence, found.distance
            if face == voice:
                scores[face] = found
    margin = margins(torch.from_numpy(confidence)).numpy()
    missing = tuple(tuple(sentences) for sentences in said.missing)
    return SyncFigures(tuple(scores), confidence, distance, margin, missing, tuple(said.notes))


def _say_rate(film: Film, said: _Said) -> None:
    if film.fps == SYNC_FPS:
        return
    note = (
        f"{film.name} has {film.fps:g} frames per second and SyncNet sees 25: frames were shown twice or left out for "
        "it, at the same speed."
    )
    if film.fps < SLOW:
        note += (
            " Lips then move in steps, so compare Sync-C and Sync-D with those of films of this rate only."
        )
    said.notes.append(note)


def _paths(
    film: Film, people: Sequence[Person], tied: Tied, rules: TrackRules, shown: np.ndarray, said: _Said
) -> list[list[Path]]:
    """Each person's paths at 25 fps."""
    paths: list[list[Path]] = [[] for _ in people]
    reasons: list[list[str]] = [[] for _ in people]
    for track, owner in zip(tied.tracks, tied.owner, strict=True):
        if owner is None:
            continue
        reason = why_dropped(track, film.fps, rules)
        if reason:
            reasons[owner].append(f"{people[owner].name}: {reason}")
            continue
        paths[owner].append(path_of(track, shown))
    for n, person in enumerate(people):
        if paths[n]:
            said.notes += reasons[n]
        elif reasons[n]:
            said.missing[n] += reasons[n]
        else:
            said.missing[n].append(tied.absent[n] or f"No face of {person.name} was found.")
    return paths


def _speaking_windows(film: Film, person: Person, shown: np.ndarray, missing: list[str]) -> Tensor:
    """Bool [windows]: whether the person speaks in all frames of a window."""
    windows = torch.zeros(window_count(len(shown)), dtype=torch.bool)
    spans = spans_of(film, person)
    for first, stop in spans:
        begin, end = (int(np.searchsorted(shown, frame)) for frame in (first, stop))
        windows[begin : max(begin, end - WINDOW + 1)] = True
    if person.voice is None:
        missing.append(f"{person.name} has no voice, so there is no Sync-C and Sync-D.")
    elif not spans:
        missing.append(f"The voice of {person.name} is silent, so there is no Sync-C and Sync-D.")
    elif not windows.any():
        missing.append(_too_short(person.name, 0))
    return windows if person.voice is not None else torch.zeros_like(windows)


def spans_of(film: Film, person: Person) -> tuple[Span, ...]:
    """Frames in which a person speaks: those that were given, else by the voice's loudness; () for no voice."""
    if person.spans is not None:
        return person.spans
    if person.voice is None:
        return ()
    opening = mouth_opening(person.voice, VOICE_RATE, film.fps, film.frames, person.skipped)
    return speaking_spans(opening, film.fps)


def _too_short(name: str, windows: int) -> str:
    return (
        f"{name} is seen speaking in {windows} windows of five frames at 25 fps, and Sync-C needs {LEAST_WINDOWS}: "
        "use a longer film."
    )
