"""Stage 6: where everybody is, in every frame of a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...config_tables import key
from ..models.folders import identity_of, kind_of
from ..models.segmenter import (
    DETECTOR,
    DETECTOR_FILES,
    SAM3,
    TRACKER,
    TRACKER_FILES,
    Segmenter,
    Thresholds,
    load_segmenter,
)
from ..models.theatre import TheatreSegmenter, read_cast
from ..pipeline.record import Places, Record, Rejected, Stage
from .captions import read_answer
from .clips import DEVICE, KIND, KINDS, LOOKS, device_of, open_clip, write_whole

MASK_FILE = "masks.npz"
SURE = 0.5
"""Confidence from which a frame counts: the mask loss leaves out those below (paper)."""


@dataclass(frozen=True)
class MaskKeys:
    """Where everybody is: boxes by phrases, followed through the clip."""

    kind: str = key("public", KIND, KINDS)
    detector: str = key("", f"{DETECTOR}; empty where the tracker is SAM3, which needs none")
    tracker: str = key("", f"{TRACKER}; or {SAM3}")
    looks: str = key("", LOOKS)
    device: str = key("", DEVICE)
    box_threshold: float = key(0.25, "least score of a box (paper)")
    text_threshold: float = key(0.25, "least score of a phrase (paper)")
    least_area: float = key(0.01, "boxes below this share of the frame are nobody (paper)")
    most_people: int = key(3, "clips in which more people are seen at once are rejected (paper)")
    least_sure: float = key(
        0.5, f"least share of the frames in which everybody has a confidence of {SURE} or more"
    )


def find_people(record: Record, places: Places, keys: MaskKeys, segmenter: Segmenter) -> Record:
    """masks.npz, and the columns mask_area (share of the frame) and mask_sure (share of the frames), each of whoever
    has least. Rejected: clips of too many people, and those of which somebody is not found in enough frames.
    """
    film = open_clip(record, places)
    answer = read_answer(places.folder(record))
    found = segmenter.segment(film, [person.phrase for person in answer.people])
    if found.people > keys.most_people:
        raise Rejected("more people are seen than most_people", found.people)
    sure = (found.confidence >= SURE) & found.masks.any((2, 3))
    shares = sure.mean(1)
    if shares.min() < keys.least_sure:
        who = answer.people[int(shares.argmin())].who
        raise Rejected(f"{who} is found in too few frames", float(shares.min()))
    write_masks(places.folder(record), found.masks, found.confidence)
    return record.having(mask_area=found.masks.mean((1, 2, 3)).min(), mask_sure=shares.min())


def write_masks(folder: Path, masks: np.ndarray, confidence: np.ndarray) -> None:
    """masks: bool [N, F, H, W]; confidence: [N, F] in 0..1. Eight pixels lie in a byte."""
    write_whole(
        folder / MASK_FILE,
        lambda file: np.savez_compressed(
            file,
            masks=np.packbits(masks, axis=-1),
            shape=np.array(masks.shape),
            confidence=confidence.astype(np.float32),
        ),
    )


def read_masks(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Masks uint8 [N, F, H, W], 255 inside, and confidence float32 [N, F], people in the caption's order."""
    with np.load(folder / MASK_FILE, allow_pickle=False) as arrays:
        width = int(arrays["shape"][-1])
        bits = np.unpackbits(arrays["masks"], axis=-1, count=width)
        return bits * np.uint8(255), arrays["confidence"]


def _check(keys: MaskKeys) -> None:
    if keys.kind == "theatre":
        read_cast(Path(keys.looks))
    elif keys.detector:
        kind_of(Path(keys.detector), ("grounding-dino",), DETECTOR_FILES, DETECTOR)
        kind_of(Path(keys.tracker), ("sam2_video",), TRACKER_FILES, TRACKER)
    else:
        kind_of(Path(keys.tracker), ("sam3_video",), TRACKER_FILES, f"{SAM3}, or a detector beside SAM2")


def _identity(keys: MaskKeys) -> str:
    return "" if keys.kind == "theatre" else identity_of(keys.detector, keys.tracker)


def _make(keys: MaskKeys) -> Callable[[Record, Places], Record]:
    segmenter: Segmenter
    if keys.kind == "theatre":
        segmenter = TheatreSegmenter(read_cast(Path(keys.looks)))
    else:
        least = Thresholds(keys.box_threshold, keys.text_threshold, keys.least_area)
        detector = Path(keys.detector) if keys.detector else None
        segmenter = load_segmenter(detector, Path(keys.tracker), device_of(keys.device), least)
    return lambda record, places: find_people(record, places, keys, segmenter)


MASKS = Stage("masks", 1, MaskKeys, _make, _check, gpu=True, identity=_identity)
