"""Whose mouth is open how far, and how well each face fits each voice: InterAct Score's own detectors and SyncNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...errors import InteractError
from ...metrics.detectors import landmarks
from ...metrics.detectors.interface import FaceDetector
from ...metrics.mouths import face_mouths
from ...metrics.sync.film import score_sync
from ...metrics.sync.syncnet import SyncNet
from ...metrics.sync.tracks import TrackRules
from ...metrics.ties import Tied
from ...metrics.types import Film, Person

if TYPE_CHECKING:  # with ComfyUI, which theatre's runs do without
    from ...host.scorer import ScorerFiles

NO_FACES = (
    "There is nothing to find faces with: name ComfyUI's face landmarker by faces in the table [voices] "
    "(docs/metrics.md says which file), or install the package mediapipe 0.10.21."
)


@dataclass(frozen=True, eq=False)
class Faces:
    """Of N people in a clip of F frames.

    openings: float [N, F], how far the mouth is open, NaN where it is not seen; boxes: float [N, F, 4] around the face,
    in pixels, NaN where it is not seen; open_from: the opening from which a mouth is clearly open, in the same units;
    tied: the tracks behind them, where a face detector found them.
    """

    openings: np.ndarray
    boxes: np.ndarray
    open_from: float
    tied: Tied | None = None


class Talker(Protocol):
    """Looks at faces, and compares them with voices."""

    def faces(self, film: Film, people: Sequence[Person]) -> Faces:
        """Mouths and faces of people whose masks are known."""
        ...

    def matrix(self, film: Film, people: Sequence[Person], faces: Faces) -> np.ndarray | None:
        """How well every face, by row, fits every voice, by column: float [N, N], higher is better, NaN for a voice
        that is not there or a face that is not seen; None where nothing but lips can be compared.
        """
        ...


class FaceTalker:
    """A face detector with landmarks, and SyncNet where there is one (metrics/detectors, metrics/sync)."""

    def __init__(self, detector: FaceDetector, syncnet: SyncNet | None, rules: TrackRules) -> None:
        self.detector, self.syncnet, self.rules = detector, syncnet, rules

    def faces(self, film: Film, people: Sequence[Person]) -> Faces:
        """Mouths and faces, tied to people by their masks."""
        mouths = face_mouths(film, people, self.detector, rules=self.rules)
        assert mouths.tied is not None  # of real people it always is
        boxes = np.full((len(people), film.frames, 4), np.nan)
        for number in range(len(people)):
            for frame, face in enumerate(mouths.tied.faces(number)):
                if face is not None:
                    boxes[number, frame] = face.box
        return Faces(mouths.openings, boxes, landmarks.OPEN, mouths.tied)

    def matrix(self, film: Film, people: Sequence[Person], faces: Faces) -> np.ndarray | None:
        """Sync-C of every face with every voice."""
        if self.syncnet is None or faces.tied is None:
            return None
        return score_sync(film, people, faces.tied, self.syncnet, self.rules).confidence


def talker_files(faces: Path | None, syncnet: Path | None) -> ScorerFiles:
    """What `load_talker` loads: the named files, and what lies in ComfyUI's folders in place of None.

    Raises InteractError for a file that is not there, and where there is nothing to find faces with.
    """
    from ...host.standalone import prepare_comfy

    prepare_comfy()
    from ...host.folders import register_folders
    from ...host.scorer import ScorerFiles

    register_folders()
    for name, path in (("faces", faces), ("syncnet", syncnet)):
        if path is not None and not path.is_file():
            raise InteractError(
                f"[voices] {name} is {path}, which is no file: docs/metrics.md says which it is."
            )
    found = ScorerFiles(faces, syncnet).found()
    if found.faces is None and not found.package:
        raise InteractError(NO_FACES)
    return replace(found, clip=None, dino=None)  # those compare looks, which nobody asks here


def load_talker(files: ScorerFiles, device: str, rules: TrackRules) -> FaceTalker:
    """A face landmarker and SyncNet, if there is one, of `talker_files`.

    Raises InteractError for files that are not what they should be.
    """
    from ...host.scorer import load_scorer

    scorer = load_scorer(replace(files, device=device))
    assert scorer.faces is not None
    return FaceTalker(scorer.faces, scorer.syncnet, rules)
