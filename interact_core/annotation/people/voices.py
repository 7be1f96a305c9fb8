"""Stage 7: which voice is whose. Kept are clips in which every voice fits one face and that face alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...config_tables import key
from ...metrics.sync.tracks import TrackRules
from ...metrics.types import Film, Person
from ...scoring.records import write_json
from ..models.folders import identity_of
from ..models.talker import Faces, Talker, load_talker, talker_files
from ..models.theatre import TheatreTalker, read_cast
from ..pipeline.record import RATE, Places, Record, Rejected, Stage
from .captions import read_answer
from .clips import (
    DEVICE,
    KIND,
    KINDS,
    LOOKS,
    SILENT,
    clip_sound,
    device_of,
    frames_in,
    level_of,
    open_clip,
    spans_of,
    write_whole,
)
from .masks import read_masks
from .speaking import Speaking, who_speaks

VOICE_FILE, FACE_FILE = "voices.json", "faces.npz"


@dataclass(frozen=True)
class VoiceKeys:
    """Which voice is whose: mouths beside the sound, and SyncNet."""

    kind: str = key("public", KIND, KINDS)
    faces: str = key("", "ComfyUI's face landmarker (.safetensors); empty: what lies in models/detection")
    syncnet: str = key(
        "", "SyncNet, converted (docs/metrics.md); empty: what lies in models/interact_metrics, if it does"
    )
    looks: str = key("", LOOKS)
    device: str = key("", DEVICE)
    min_size: float = key(50.0, "pixels of a face's box; smaller faces are not compared")
    least_fit: float = key(
        0.5, "correlation of mouths with the sound from which they explain it; drawn mouths reach 0.85"
    )
    least_margin: float = key(0.1, "by which a voice's own mouth has to fit it better than every other mouth")
    least_sync: float = key(1.5, "least Sync-C of every voice's own face, where there is SyncNet")
    most_off_screen: float = key(0.1, "largest share of the speech that may be of nobody who is seen")
    most_overlap: float = key(0.5, "largest share of the speech in which several speak at once")


def find_voices(record: Record, places: Places, keys: VoiceKeys, talker: Talker) -> Record:
    """voices.json and faces.npz, and the columns speakers, off_screen, overlap (shares of the speech), margin and, with
    SyncNet, sync. Rejected: clips of nobody who is heard, with voices from outside of the picture, and those whose
    matrix of voices and faces is not diagonal.
    """
    folder = places.folder(record)
    film, sound = open_clip(record, places), clip_sound(record, places)
    if np.abs(sound).max(initial=0.0) < SILENT:
        raise Rejected("there is no sound", 0)
    masks, _ = read_masks(folder)
    answer = read_answer(folder)
    people = [Person(entity.phrase, mask=mask > 0) for entity, mask in zip(answer.people, masks, strict=True)]
    faces = talker.faces(film, people)
    found = who_speaks(faces.openings, level_of(sound, film), film.fps, faces.open_from, keys.least_fit)
    off_screen, overlap = _check_speech(found, keys)
    margin = _check_lips(found, keys)
    sync = talker.matrix(film, _with_voices(people, found, film, sound), faces)
    if sync is not None:
        _check_sync(sync, found, keys)
    write_json(folder / VOICE_FILE, _as_json(found, film, sync))
    _write_faces(folder, faces)
    columns = {
        "speakers": len(found.speakers),
        "off_screen": off_screen,
        "overlap": overlap,
        "margin": margin,
    }
    if sync is not None:
        columns["sync"] = float(min(sync[n, n] for n in found.speakers))
    return record.having(**columns)


def _check_speech(found: Speaking, keys: VoiceKeys) -> tuple[float, float]:
    """Shares of the speech that are of nobody who is seen, and of several at once."""
    if not found.heard.any():
        raise Rejected("nobody is heard", 0)
    off_screen = float(found.off_screen.sum() / found.heard.sum())
    if off_screen > keys.most_off_screen:
        raise Rejected("a voice is of nobody who is seen: more off screen than most_off_screen", off_screen)
    overlap = float(found.overlap.sum() / found.heard.sum())
    if overlap > keys.most_overlap:
        raise Rejected("voices overlap more than most_overlap", overlap)
    return off_screen, overlap


def _check_lips(found: Speaking, keys: VoiceKeys) -> float:
    """How much better, at least, a voice's own mouth fits it than any other."""
    margins = []
    for voice in found.speakers:
        others = np.nan_to_num(np.delete(found.matrix[:, voice], voice))
        margins.append(float(found.matrix[voice, voice] - others.max(initial=0.0)))
    if min(margins) < keys.least_margin:
        raise Rejected("another mouth fits a voice as well: margin below least_margin", min(margins))
    return min(margins)


def _check_sync(sync: np.ndarray, found: Speaking, keys: VoiceKeys) -> None:
    for voice in found.speakers:
        own, column, row = sync[voice, voice], sync[:, voice], sync[voice]
        if not own >= keys.least_sync:  # NaN, too: a face that is too small or not seen long enough
            raise Rejected("SyncNet does not find a voice in its face: below least_sync", float(own))
        if own < np.nanmax(column) or own < np.nanmax(row):
            raise Rejected("the matrix of voices and faces is not diagonal", float(own))


def _with_voices(people: list[Person], found: Speaking, film: Film, sound: np.ndarray) -> list[Person]:
    """People with their voices: the sound in their spans, silence elsewhere."""
    some = []
    for person, active in zip(people, found.active, strict=True):
        if not active.any():
            some.append(person)
            continue
        spans = spans_of(active, film.fps)
        frames = tuple((round(first * film.fps), round(last * film.fps)) for first, last in spans)
        some.append(replace(person, voice=gated(sound, spans), spans=frames))
    return some


def gated(sound: np.ndarray, spans: list[tuple[float, float]]) -> np.ndarray:
    """The sound float32 [samples] at RATE within spans of seconds, silence elsewhere."""
    heard = np.zeros_like(sound)
    for first, last in spans:
        part = slice(round(first * RATE), round(last * RATE))
        heard[part] = sound[part]
    return heard


def _as_json(found: Speaking, film: Film, sync: np.ndarray | None) -> dict[str, Any]:
    def rounded(matrix: np.ndarray) -> list[list[float | None]]:
        return [[round(float(v), 4) if np.isfinite(v) else None for v in row] for row in matrix]

    return {
        "people": [spans_of(active, film.fps) for active in found.active],
        "overlap": spans_of(found.overlap, film.fps),
        "off_screen": spans_of(found.off_screen, film.fps),
        "lag": found.lag,
        "lips": rounded(found.matrix),
        "sync": None if sync is None else rounded(sync),
    }


def _write_faces(folder: Path, faces: Faces) -> None:
    write_whole(
        folder / FACE_FILE, lambda file: np.savez_compressed(file, boxes=faces.boxes.astype(np.float32))
    )


def read_faces(folder: Path) -> np.ndarray:
    """Boxes around faces in pixels, float32 [N, F, 4], NaN where a face is not seen."""
    with np.load(folder / FACE_FILE, allow_pickle=False) as arrays:
        return arrays["boxes"]


def read_voices(folder: Path) -> list[list[tuple[float, float]]]:
    """For each person the seconds of the clip in which they speak; [] for those who are silent."""
    about = json.loads((folder / VOICE_FILE).read_text(encoding="utf-8"))
    return [[(float(first), float(last)) for first, last in spans] for spans in about["people"]]


def speech_of(folder: Path, frames: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Bool [F]: where one voice alone is heard, and where it is not clear who speaks: overlap, or nobody in sight."""
    about = json.loads((folder / VOICE_FILE).read_text(encoding="utf-8"))
    spoken = np.array([frames_in(spans, frames, fps) for spans in about["people"]])
    unclear = frames_in(about["overlap"], frames, fps) | frames_in(about["off_screen"], frames, fps)
    return spoken.any(0) & ~unclear, unclear


def _files(keys: VoiceKeys) -> Any:
    faces, syncnet = (Path(name) if name else None for name in (keys.faces, keys.syncnet))
    return talker_files(faces, syncnet)


def _check(keys: VoiceKeys) -> None:
    if keys.kind == "theatre":
        read_cast(Path(keys.looks))
    else:
        _files(keys)


def _identity(keys: VoiceKeys) -> str:
    if keys.kind == "theatre":
        return ""
    files = _files(keys)
    return identity_of(*(str(path) for path in (files.faces, files.syncnet) if path is not None))


def _make(keys: VoiceKeys) -> Callable[[Record, Places], Record]:
    talker: Talker
    if keys.kind == "theatre":
        talker = TheatreTalker(read_cast(Path(keys.looks)))
    else:
        rules = TrackRules(min_size=keys.min_size)
        talker = load_talker(_files(keys), device_of(keys.device), rules)
    return lambda record, places: find_voices(record, places, keys, talker)


VOICES = Stage("voices", 2, VoiceKeys, _make, _check, gpu=True, identity=_identity)
