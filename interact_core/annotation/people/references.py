"""Stage 8: the window that is trained on, and pictures of everybody from other moments.

A picture from within the window would teach to copy it, so the clip's other moments show what somebody looks like: the
masks followed the same person there, and nobody has to be recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import numpy as np

from ...config_tables import key
from ...errors import InteractError
from ...metrics.regions import box_of_mask, crop
from ...metrics.types import Box, Film
from ..pipeline.record import Places, Record, Rejected, Stage
from .captions import read_answer
from .clips import open_clip, write_whole
from .masks import SURE, read_masks
from .voices import read_faces, speech_of

FOLDER = "references"
KINDS = ("face", "half", "whole")
STEP = 0.2  # seconds between places at which a window is tried
APART = 0.2  # seconds between two pictures of one person
FACE_AROUND = 0.35  # of a face's box that is added on every side: hair and chin belong to a face
HALF_FACES = 2.0  # heights of a face's box from its lower edge to the lower edge of a half body
WHITE = 255
CROWDED = 0.15  # of a crop that other people may fill
GOOD = 0.5  # of the moments that are left, the sharpest, from which pictures are drawn


@dataclass(frozen=True)
class ReferenceKeys:
    """Pictures of everybody, from other moments than those that are trained on."""

    window: float = key(3.24, "seconds of a clip that are trained on: 81 frames; the rest is for pictures")
    gap: float = key(0.4, "seconds between the window and the moment of a picture, at least")
    pictures: int = key(3, "of each person")
    face: float = key(0.7, "share of the pictures that show the face alone (paper; the rest shows the body)")
    half: float = key(
        0.15, "share of the pictures that show half of the body; the rest shows all that is seen"
    )
    least_side: int = key(32, "pixels of a picture's shorter side; smaller ones are not taken")
    seed: int = key(0, "of the draws; each clip has its own")


@dataclass(frozen=True)
class Moment:
    """A picture that could be taken. score: how sharp it is; higher is better."""

    frame: int
    kind: str
    box: Box
    score: float


def choose_references(record: Record, places: Places, keys: ReferenceKeys) -> Record:
    """references/PERSON_KIND_K.png, RGBA on white, and the columns window_start, window_end (seconds of the clip) and
    references (least number of anybody's pictures). Rejected: clips with no other moment of somebody.
    """
    folder = places.folder(record)
    film = open_clip(record, places)
    masks, confidence = read_masks(folder)
    first, last = _window(folder, film, confidence, keys)
    moments = np.ones(film.frames, bool)
    moments[max(0, first - round(keys.gap * film.fps)) : last + round(keys.gap * film.fps)] = False
    if not moments.any():
        raise Rejected(
            "the clip is not longer than window and gap, so there is no other moment", film.seconds
        )
    faces = read_faces(folder)
    _clear(folder)
    counts = []
    for number, entity in enumerate(read_answer(folder).people):
        rng = np.random.default_rng([keys.seed, crc32(record.id.encode()), number])
        usable = moments & (confidence[number] >= SURE)
        found = _moments(film, masks, number, faces[number], usable, keys)
        drawn = _draw(found, keys, rng, round(APART * film.fps))
        if not drawn:
            raise Rejected(f"no other moment shows {entity.who}", 0)
        for place, moment in enumerate(drawn):
            picture = _picture(film, masks[number], moment)
            name = f"{number}_{moment.kind}_{place}.png"
            write_whole(folder / FOLDER / name, lambda file, picture=picture: _save(file, picture))
        counts.append(len(drawn))
    return record.having(window_start=first / film.fps, window_end=last / film.fps, references=min(counts))


def reference_files(folder: Path, person: int) -> list[Path]:
    """The pictures of a person, by their number in the caption."""
    return sorted(
        (folder / FOLDER).glob(f"{person}_*.png"), key=lambda path: int(path.stem.rpartition("_")[2])
    )


def _window(folder: Path, film: Film, confidence: np.ndarray, keys: ReferenceKeys) -> tuple[int, int]:
    """First frame and the one after the last: where most is spoken clearly and everybody is seen."""
    frames = round(keys.window * film.fps)
    if frames > film.frames:
        raise Rejected("the clip is shorter than window", film.seconds)
    clear, unclear = speech_of(folder, film.frames, film.fps)
    worth = clear.astype(float) - 2.0 * unclear + (confidence >= SURE).all(0)
    sums = np.concatenate([[0.0], np.cumsum(worth)])
    starts = range(0, film.frames - frames + 1, max(1, round(STEP * film.fps)))
    best = max(starts, key=lambda start: sums[start + frames] - sums[start])
    return best, best + frames


def _moments(
    film: Film, masks: np.ndarray, number: int, faces: np.ndarray, usable: np.ndarray, keys: ReferenceKeys
) -> list[Moment]:
    """Every picture of a person that could be taken; the film is read once, one frame after the other."""
    found = []
    for frame, picture in enumerate(film.each()):
        if not usable[frame]:
            continue
        face = faces[frame]
        seen = tuple(face.tolist()) if np.isfinite(face).all() else None
        for kind, box in _boxes(masks[number, frame], seen, film).items():
            others = crop(np.asarray(np.delete(masks[:, frame], number, 0).any(0)), box)
            if min(box[2] - box[0], box[3] - box[1]) >= keys.least_side and others.mean() <= CROWDED:
                found.append(Moment(frame, kind, box, _sharpness(crop(picture, box))))
    return found


def _boxes(mask: np.ndarray, face: Box | None, film: Film) -> dict[str, Box]:
    """What each kind of picture would show."""
    whole = box_of_mask(mask > 0, film.width, film.height)
    if whole is None:
        return {}
    boxes = {"whole": whole}
    if face is not None:
        width, height = face[2] - face[0], face[3] - face[1]
        boxes["face"] = (
            max(whole[0], face[0] - FACE_AROUND * width),
            max(whole[1], face[1] - FACE_AROUND * height),
            min(whole[2], face[2] + FACE_AROUND * width),
            min(whole[3], face[3] + FACE_AROUND * height),
        )
        lower = face[3] + HALF_FACES * height
        if lower < whole[3]:
            boxes["half"] = (whole[0], whole[1], whole[2], lower)
    return boxes


def _sharpness(picture: np.ndarray) -> float:
    """Variance of the Laplacian."""
    import cv2

    return float(
        cv2.Laplacian(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), cv2.CV_32F).var()
    )


def _draw(found: Sequence[Moment], keys: ReferenceKeys, rng: np.random.Generator, apart: int) -> list[Moment]:
    """Pictures of the kinds in their shares; where a kind cannot be had, another takes its place."""
    shares = np.array([keys.face, keys.half, max(0.0, 1 - keys.face - keys.half)])
    drawn: list[Moment] = []
    for _ in range(keys.pictures):
        kind = str(rng.choice(KINDS, p=shares / shares.sum()))
        for wanted in (kind, *(other for other in reversed(KINDS) if other != kind)):
            left = [
                m for m in found if m.kind == wanted and all(abs(m.frame - d.frame) >= apart for d in drawn)
            ]
            if left:
                left.sort(key=lambda m: (-m.score, m.frame))
                drawn.append(left[int(rng.integers(max(1, int(GOOD * len(left)))))])
                break
    return drawn


def _picture(film: Film, masks: np.ndarray, moment: Moment) -> np.ndarray:
    """The person cut out, uint8 RGBA, white where they are not."""
    (frame,) = film.pick([moment.frame])
    alpha = crop(masks[moment.frame], moment.box)
    return np.dstack([np.where(alpha[..., None] > 0, crop(frame, moment.box), WHITE), alpha]).astype(np.uint8)


def _save(file: BinaryIO, picture: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(picture).save(file, "PNG")


def _clear(folder: Path) -> None:
    """Pictures of an earlier version of this stage."""
    for path in (folder / FOLDER).glob("*.png"):
        path.unlink()


def _check(keys: ReferenceKeys) -> None:
    if not (keys.face >= 0 and keys.half >= 0 and keys.face + keys.half <= 1):
        raise InteractError(
            f"face and half of [references] are {keys.face} and {keys.half}: shares of 0 to 1, together 1 at most."
        )


def _make(keys: ReferenceKeys) -> Callable[[Record, Places], Record]:
    return lambda record, places: choose_references(record, places, keys)


REFERENCES = Stage("references", 1, ReferenceKeys, _make, _check)
