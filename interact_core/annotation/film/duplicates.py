"""Stage 3: near duplicates, by perceptual hashes of frames and by the course of the sound.

Frames are hashed where the sound is loudest within a second on either side. Such moments are the same in two copies
of a shot, however each was cut. Pictures alone would not do: clips of one long shot show the same person before the
same wall, and a dubbed film is no duplicate of the original for a training of lips.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...config_tables import key
from ...errors import InteractError
from ..pipeline.record import FPS, RATE, SOUND, VIDEO, Places, Record, Run, Stage
from .decoding import read_wav, sampled_frames

SIDE = 16
"""The hash's side: 256 signs of the lowest frequencies of a picture of 64 x 64."""
BYTES = SIDE * SIDE // 8
BAND = 4
"""Bytes of a hash that two clips must share to be compared at all."""
AROUND = 1.0
"""Seconds before and behind a moment within which nothing is louder."""
SMOOTHED = 5
"""Frames over which loudness is averaged, so that a copy's other clock moves no moment."""
SLACK = 3
"""Frames by which the time between two moments may differ in a copy."""


@dataclass(frozen=True)
class HashKeys:
    """Stage 3, first half: perceptual hashes, which have no keys."""


@dataclass(frozen=True)
class DuplicateKeys:
    """Stage 3, second half: of clips that are alike, the first by the film's name and the time in it is kept."""

    pictures: float = key(
        0.15, "share of the hash's bits in which frames of duplicates differ at most, on average"
    )
    sound: float = key(0.9, "least correlation of the loudness of duplicates")
    overlap: float = key(0.5, "least share of the shorter clip that both have")

    def __post_init__(self) -> None:
        if not (0 <= self.pictures <= 0.5 and -1 <= self.sound <= 1 and 0 < self.overlap <= 1):
            raise InteractError(
                "[duplicates] wants pictures within 0..0.5, sound within -1..1 and overlap above 0 and at most 1."
            )


def perceptual_hash(picture: np.ndarray) -> np.ndarray:
    """256 bits, uint8 [32], of a picture uint8 BGR [H, W, 3]: whether each of the lowest 16 x 16 frequencies of the
    grey picture of 64 x 64 is above their median (pHash, www.phash.org, with 16 for its 8).
    """
    import cv2

    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (64, 64), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:SIDE, :SIDE].flatten()
    return np.packbits(low > np.median(low[1:]))


def loudness(sound: np.ndarray) -> np.ndarray:
    """uint8 [frames], smoothed root mean square of int16 samples at `RATE`, its largest 255; zeros for silence."""
    each = RATE // FPS
    pieces = sound[: len(sound) // each * each].reshape(-1, each).astype(np.float64)
    if not len(pieces):
        return np.zeros(0, np.uint8)
    level = np.convolve(np.sqrt(np.mean(np.square(pieces), 1)), np.ones(SMOOTHED) / SMOOTHED, mode="same")
    return np.round(level * (255 / max(1.0, level.max()))).astype(np.uint8)


def loudest_moments(level: np.ndarray) -> list[int]:
    """Frames in which it is louder than within `AROUND` before and behind, and louder than a tenth of the loudest."""
    reach = round(AROUND * FPS)
    moments = []
    for number, value in enumerate(level):
        near = level[max(0, number - reach) : number + reach + 1]
        if value > 25 and value == near.max() and (not moments or number - moments[-1] > reach):
            moments.append(number)
    return moments


def make_hashes(keys: HashKeys) -> Run:
    """The stage's function: the text columns `moments` (frames), `hash` (of each) and `loudness`, hexadecimal."""

    def run(record: Record, places: Places) -> Record:
        folder = places.folder(record)
        level = loudness(read_wav(folder / SOUND))
        moments = loudest_moments(level)
        hashes = [
            perceptual_hash(p) for p in sampled_frames(folder / VIDEO, [frame / FPS for frame in moments])
        ]
        return record.having(
            {
                "moments": " ".join(str(frame) for frame in moments[: len(hashes)]),
                "hash": b"".join(found.tobytes() for found in hashes).hex(),
                "loudness": level.tobytes().hex(),
            }
        )

    return run


@dataclass(frozen=True, eq=False)
class Signature:
    """What a clip is compared by. moments int [M], hashes uint8 [M, 32], level float [frames]."""

    moments: np.ndarray
    hashes: np.ndarray
    level: np.ndarray

    @classmethod
    def of(cls, texts: dict[str, str]) -> Signature:
        """From the columns of `make_hashes`."""
        moments = np.array(texts["moments"].split(), int)
        hashes = np.frombuffer(bytes.fromhex(texts["hash"]), np.uint8).reshape(len(moments), BYTES)
        return cls(moments, hashes, np.frombuffer(bytes.fromhex(texts["loudness"]), np.uint8))

    def bands(self) -> list[tuple[int, bytes]]:
        """Every four bytes of every hash, with their place in it."""
        return [(at, each[at : at + BAND].tobytes()) for each in self.hashes for at in range(0, BYTES, BAND)]


def likeness(one: Signature, two: Signature, keys: DuplicateKeys) -> float | None:
    """The share of bits in which the frames of two copies of one shot differ; None where they are none."""
    differs = np.unpackbits(one.hashes[:, None] ^ two.hashes[None], axis=2).mean(2)
    offsets = one.moments[:, None] - two.moments[None]
    alike = differs <= keys.pictures
    for offset in sorted(
        set(offsets[alike].tolist()), key=lambda o: -np.sum(alike & (abs(offsets - o) <= SLACK))
    ):
        first, end = max(0, offset), min(len(one.level), len(two.level) + offset)
        if end - first < keys.overlap * min(len(one.level), len(two.level)):
            continue
        inside = np.sum((one.moments >= first) & (one.moments < end))
        together = abs(offsets - offset) <= SLACK
        if 2 * np.sum(alike & together) < inside:
            return None
        best = max(_correlation(one.level, two.level, offset + shift) for shift in range(-SLACK, SLACK + 1))
        return float(differs[alike & together].mean()) if best >= keys.sound else None
    return None


def _correlation(one: np.ndarray, two: np.ndarray, offset: int) -> float:
    """Of two courses where both are, the second moved by an offset."""
    first, end = max(0, offset), min(len(one), len(two) + offset)
    a, b = one[first:end].astype(float), two[first - offset : end - offset].astype(float)
    if len(a) < 2 or not a.std() or not b.std():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def find_duplicates(rows: list[Record], keys: DuplicateKeys, places: Places) -> list[Record]:
    """All rows, those that are duplicates rejected, with the share of bits that differ.

    Two clips are compared where any four bytes of any two hashes are the same, so that the work grows with the number
    of likenesses and not with its square. Of pairs of frames that differ in a tenth of their bits at random, one in
    four shares such bytes; a clip of five moments has five of them.
    """
    rows = sorted(rows, key=lambda row: (row.source, row.start))
    kept: dict[int, Signature] = {}
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    out: list[Record] = []
    for number, row in enumerate(rows):
        signature = Signature.of(dict(row.texts))
        bands = signature.bands()
        near = sorted({other for band in bands for other in buckets.get(band, ())})
        found = _first_like(signature, near, kept, keys)
        if found is None:
            kept[number] = signature
            for band in bands:
                buckets[band].append(number)
            out.append(row)
        else:
            other, differs = found
            out.append(row.having({"duplicate_of": rows[other].id}).reject("is a near duplicate", differs))
    return out


def _first_like(
    signature: Signature, near: Sequence[int], kept: dict[int, Signature], keys: DuplicateKeys
) -> tuple[int, float] | None:
    for other in near:
        differs = likeness(kept[other], signature, keys)
        if differs is not None:
            return other, differs
    return None


HASHES = Stage("hashes", 2, HashKeys, make_hashes)
DUPLICATES = Stage("duplicates", 2, DuplicateKeys, whole=find_duplicates)
