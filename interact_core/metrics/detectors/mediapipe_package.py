"""Faces and hands by the package `mediapipe`, where somebody has installed it: its wheel carries the models.

Never required and never installed by this pack: 0.10.21, the last version with models inside, wants NumPy below 2 and
Python below 3.13, which most ComfyUI environments are not. Where it is installed and ComfyUI's own models (core.py) are
not there, host/scorer.py takes it, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...errors import InteractError
from ..regions import box_iou, crop
from ..types import Box, Face
from .interface import HAND_POINTS, Body
from .landmarks import MESH, opening

AROUND = 0.5  # of a found face's box that is added on every side before its landmarks are looked for
SAME = 0.3  # intersection over union from which two searches have found one face
LEAST_SIDE = 32  # pixels of a picture; smaller ones are not searched
POSE_SHOULDERS = (11, 12)  # of MediaPipe's 33 points of a body
NO_PACKAGE = (
    "There is no package mediapipe with models inside, so faces and hands are not searched with it: install mediapipe "
    "0.10.21 from PyPI into an environment of its own (it wants NumPy below 2), or use ComfyUI's own face landmarker."
)


def has_package() -> bool:
    """Whether a mediapipe with models inside is installed; nothing of it is imported."""
    found = find_spec("mediapipe")
    return found is not None and any(
        Path(place, "python", "solutions").is_dir() for place in found.submodule_search_locations or ()
    )


def solutions() -> ModuleType:
    """The part of the package that has models inside; InteractError without the package and for versions without."""
    try:
        from mediapipe import solutions as found  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InteractError(NO_PACKAGE) from error
    return found


class MediaPipeFaces:
    """Faces by MediaPipe: two searches, for near and for far faces, and 478 landmarks in what each finds.

    Every frame is looked at by itself, as a track's own smoothing would lag behind a mouth. confidence: least score.
    """

    def __init__(self, confidence: float = 0.5) -> None:
        of = solutions()
        self._searches = [
            of.face_detection.FaceDetection(model_selection=kind, min_detection_confidence=confidence)
            for kind in (0, 1)
        ]
        self._mesh = of.face_mesh.FaceMesh(
            static_image_mode=True,
            max_num_faces=1,
            refine_landmarks=True,
            min_detection_confidence=confidence,
        )

    def find(self, frames: np.ndarray) -> list[list[Face]]:
        """Faces of each frame; frames: uint8 RGB [n, H, W, 3]."""
        return [[self._face(frame, box, score) for box, score in self._boxes(frame)] for frame in frames]

    def _boxes(self, frame: np.ndarray) -> list[tuple[Box, float]]:
        """All faces of both searches, the surest first, each once."""
        height, width = frame.shape[:2]
        found = []
        for search in self._searches:
            for one in search.process(np.ascontiguousarray(frame)).detections or ():
                place = one.location_data.relative_bounding_box
                left, top = place.xmin * width, place.ymin * height
                box = left, top, left + place.width * width, top + place.height * height
                found.append((box, float(one.score[0])))
        kept: list[tuple[Box, float]] = []
        for box, score in sorted(found, key=lambda pair: -pair[1]):
            if all(box_iou(box, other) < SAME for other, _ in kept):
                kept.append((box, score))
        return kept

    def _face(self, frame: np.ndarray, box: Box, score: float) -> Face:
        around = _widened(box, AROUND, frame.shape)
        picture = np.ascontiguousarray(crop(frame, around))
        if min(picture.shape[:2]) < LEAST_SIDE:
            return Face(box, score)
        answer = self._mesh.process(picture).multi_face_landmarks
        if not answer:
            return Face(box, score)
        points = _in_frame(answer[0].landmark, picture, around)[:, :2]
        return Face(box, score, opening(points, MESH), points)


class MediaPipeHands:
    """Hands and shoulders by MediaPipe, each person in the box that is known of them.

    A hand's 21 points all have the confidence of the hand, as MediaPipe gives no other: HKC then says less than
    SDPose's.
    """

    def __init__(self, confidence: float = 0.5) -> None:
        of = solutions()
        self._hands = of.hands.Hands(
            static_image_mode=True, max_num_hands=2, min_detection_confidence=confidence
        )
        self._pose = of.pose.Pose(static_image_mode=True, min_detection_confidence=confidence)

    def find(self, frames: np.ndarray, boxes: Sequence[Sequence[Box]]) -> list[list[Body]]:
        """The body in each box of each frame."""
        return [[self._body(frame, box) for box in some] for frame, some in zip(frames, boxes, strict=True)]

    def _body(self, frame: np.ndarray, box: Box) -> Body:
        body = Body.unseen()
        inside = _widened(box, 0.0, frame.shape)
        picture = np.ascontiguousarray(crop(frame, inside))
        if min(picture.shape[:2]) < LEAST_SIDE:
            return body
        pose = self._pose.process(picture).pose_landmarks
        if pose is not None:
            points = _in_frame(pose.landmark, picture, inside)
            body.shoulders[:] = [(*points[k, :2], float(pose.landmark[k].visibility)) for k in POSE_SHOULDERS]
        answer = self._hands.process(picture)
        for marks, side in zip(answer.multi_hand_landmarks or (), answer.multi_handedness or (), strict=True):
            which = 0 if side.classification[0].label == "Left" else 1
            score = float(side.classification[0].score)
            if score > body.hands[which, 0, 2]:
                points = _in_frame(marks.landmark, picture, inside)[:, :2]
                body.hands[which] = np.column_stack([points, np.full(HAND_POINTS, score)])
        return body


def _widened(box: Box, by: float, shape: tuple[int, ...]) -> Box:
    """The box with `by` of its sides added on every side, in whole pixels within the frame."""
    more = by * (box[2] - box[0]), by * (box[3] - box[1])
    height, width = shape[:2]
    left, top = (float(np.clip(np.floor(box[k] - more[k]), 0, size)) for k, size in ((0, width), (1, height)))
    right, bottom = (
        float(np.clip(np.ceil(box[k + 2] + more[k]), 0, size)) for k, size in ((0, width), (1, height))
    )
    return left, top, right, bottom


def _in_frame(landmarks: Any, picture: np.ndarray, at: Box) -> np.ndarray:
    """Landmarks of a crop as pixels of the frame, float32 [n, 2]."""
    height, width = picture.shape[:2]
    return np.array([(at[0] + mark.x * width, at[1] + mark.y * height) for mark in landmarks], np.float32)
