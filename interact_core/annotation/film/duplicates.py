"""Stage 3: near duplicates, by perceptual hashes of several frames and by the course of the sound.

The pictures alone would not do: clips of one long shot show the same person before the same wall, and a dubbed
film is no duplicate of the original for a training of lips.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ...config_tables import key
from ...errors import InteractError
from ..pipeline.record import SOUND, VIDEO, Places, Record, Run, Stage
from .decoding import read_wav, sampled_frames

FRAMES = 5
"""Of a clip that are hashed: at a tenth of its length, three tenths, and so on."""
SIDE = 16
"""The hash's side: 256 signs of the lowest frequencies of a picture of 64 x 64."""
PIECES = 64
"""Of a clip's sound, each louder than the median of all or not."""
BAND = 4
"""Bytes of a hash that two clips must share to be compared at all."""


@dataclass(frozen=True)
class HashKeys:
    """Stage 3, first half: perceptual hashes, which have no keys."""


@dataclass(frozen=True)
class DuplicateKeys:
    """Stage 3, second half: of clips that are alike the first by the film's name and the time in it is kept."""

    pictures: float = key(
        0.1, "share of the hash's bits in which duplicates differ at most, on average over frames"
    )
    sound: float = key(0.2, "the same of the sound's course; 1: clips with another sound are duplicates, too")

    def __post_init__(self) -> None:
        if not (0 <= self.pictures <= 0.5 and 0 <= self.sound <= 1):
            raise InteractError("[duplicates] pictures must be within 0..0.5 and sound within 0..1.")


def perceptual_hash(picture: np.ndarray) -> np.ndarray:
    """256 bits, uint8 [32], of a picture uint8 BGR [H, W, 3]: whether each of the lowest 16 x 16 frequencies of the
    grey picture of 64 x 64 is above their median (pHash, www.phash.org, with 16 for its 8).
    """
    import cv2

    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (64, 64), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:SIDE, :SIDE].flatten()
    return np.packbits(low > np.median(low[1:]))


def sound_course(sound: np.ndarray) -> np.ndarray:
    """64 bits, uint8 [8]: whether each 64th of a recording is louder than the median of all; zeros for silence."""
    pieces = np.array_split(sound.astype(np.float64), PIECES)
    loud = np.array([np.sqrt(np.mean(np.square(piece))) if len(piece) else 0.0 for piece in pieces])
    return np.packbits(loud > np.median(loud))


def make_hashes(keys: HashKeys) -> Run:
    """The stage's function: adds the text columns `hash` and `course`, hexadecimal."""

    def run(record: Record, places: Places) -> Record:
        folder = places.folder(record)
        seconds = [record.seconds * (2 * number + 1) / (2 * FRAMES) for number in range(FRAMES)]
        hashes = [perceptual_hash(picture) for picture in sampled_frames(folder / VIDEO, seconds)]
        course = sound_course(read_wav(folder / SOUND))
        return record.having(
            {"hash": np.concatenate(hashes).tobytes().hex(), "course": course.tobytes().hex()}
        )

    return run


def find_duplicates(rows: list[Record], keys: DuplicateKeys, places: Places) -> list[Record]:
    """All rows, those that are duplicates rejected, with the share of bits that differ.

    Two clips are compared where any four bytes of a hash are the same at the same place, so that the work grows
    with the number of likenesses and not with its square. Of pairs that differ in a tenth of their bits at random,
    three in four share such bytes; of those that differ in a fiftieth, as re-encoded ones do, all.
    """
    rows = sorted(rows, key=lambda row: (row.source, row.start))
    hashes = [np.frombuffer(bytes.fromhex(row.texts["hash"]), np.uint8) for row in rows]
    courses = [np.frombuffer(bytes.fromhex(row.texts["course"]), np.uint8) for row in rows]
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    out = []
    for number, each in enumerate(rows):
        row = each
        bands = [(at, hashes[number][at : at + BAND].tobytes()) for at in range(0, len(hashes[number]), BAND)]
        near = sorted({other for band in bands for other in buckets.get(band, ())})
        same = [other for other in near if len(hashes[other]) == len(hashes[number])]
        differs = _shares(hashes[number], [hashes[other] for other in same])
        sounds = _shares(courses[number], [courses[other] for other in same])
        found = [n for n in range(len(same)) if differs[n] <= keys.pictures and sounds[n] <= keys.sound]
        if found:
            first = rows[same[found[0]]]
            row = row.having({"duplicate_of": first.id}).reject("is a near duplicate", differs[found[0]])
        else:
            for band in bands:
                buckets[band].append(number)
        out.append(row)
    return out


def _shares(one: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """Of the bits in which each differs."""
    if not others:
        return np.zeros(0)
    return np.unpackbits(np.stack(others) ^ one, axis=1).mean(1)


HASHES = Stage("hashes", 1, HashKeys, make_hashes)
DUPLICATES = Stage("duplicates", 1, DuplicateKeys, whole=find_duplicates)
