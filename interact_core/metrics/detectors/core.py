"""ComfyUI's own models as detectors: the MediaPipe face landmarker and SDPose.

The loaded things are handed in (host/detectors); here is only what their answers mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from ..types import Box, Face
from .interface import HAND_POINTS, Body
from .landmarks import MESH, opening

VARIANTS = ("short", "full")  # faces near the camera, and faces that are far away or small
LEAST_CONFIDENCE = 0.5  # of a face: core's own default
SHOULDERS = (2, 5)  # of OpenPose's 18 points of a body


class Landmarker(Protocol):
    """comfy_extras/nodes_mediapipe.py: FaceLandmarkerModel."""

    def detect_batch(
        self, images: list[np.ndarray], num_faces: int, score_thresh: float, variant: str
    ) -> list[list[dict[str, Any]]]: ...


class LandmarkerFaces:
    """Faces by ComfyUI's port of MediaPipe's face landmarker, 478 landmarks each.

    variants: which of its two searches are asked; of both, each frame keeps what found more faces, the first where
    they are even, as core's node does. confidence: least score of a face.
    """

    def __init__(
        self,
        model: Landmarker,
        variants: Sequence[str] = VARIANTS,
        confidence: float = LEAST_CONFIDENCE,
    ) -> None:
        self.model, self.variants, self.confidence = model, tuple(variants), confidence

    @torch.no_grad()
    def find(self, frames: np.ndarray) -> list[list[Face]]:
        """Faces of each frame; frames: uint8 RGB [n, H, W, 3]."""
        answers = [
            self.model.detect_batch(list(frames), num_faces=0, score_thresh=self.confidence, variant=variant)
            for variant in self.variants
        ]
        return [[_face(found) for found in max(of_frame, key=len)] for of_frame in zip(*answers, strict=True)]


def _face(found: Mapping[str, Any]) -> Face:
    points = np.asarray(found["landmarks_xy"], np.float32)
    left, top, right, bottom = (float(edge) for edge in found["bbox_xyxy"])
    return Face((left, top, right, bottom), float(found["score"]), opening(points, MESH), points)


class PoseHands:
    """Hands and shoulders by a model that answers with OpenPose's keypoints, such as ComfyUI's SDPose.

    ask: gets frames uint8 RGB [n, H, W, 3] and for each a list of boxes, and gives for each frame a dict whose
    "people" are in the boxes' order (comfy_extras/nodes_sdpose.py: _to_openpose_frames).
    """

    def __init__(
        self, ask: Callable[[np.ndarray, Sequence[Sequence[Box]]], Sequence[Mapping[str, Any]]]
    ) -> None:
        self.ask = ask

    @torch.no_grad()
    def find(self, frames: np.ndarray, boxes: Sequence[Sequence[Box]]) -> list[list[Body]]:
        """The body in each box of each frame; a box without a whole pixel in the frame holds an unseen one."""
        height, width = frames.shape[1:3]
        kept = [[k for k, box in enumerate(some) if _has_pixels(box, width, height)] for some in boxes]
        bodies = [[Body.unseen() for _ in some] for some in boxes]
        asked = [
            n for n, some in enumerate(kept) if some
        ]  # without boxes SDPose would look at the whole picture
        if asked:
            answers = self.ask(frames[asked], [[boxes[n][k] for k in kept[n]] for n in asked])
            for n, answer in zip(asked, answers, strict=True):
                for k, person in zip(kept[n], answer["people"], strict=True):
                    bodies[n][k] = body_of(person)
        return bodies


def body_of(person: Mapping[str, Any]) -> Body:
    """From one person of OpenPose's format: flat lists of x, y and score."""
    pose = _points(person["pose_keypoints_2d"])
    hands = [
        _points(person[f"hand_{side}_keypoints_2d"]).reshape(HAND_POINTS, 3) for side in ("right", "left")
    ]
    return Body(pose[list(SHOULDERS)], np.stack(hands))


def _points(flat: Sequence[float]) -> np.ndarray:
    points = np.array(flat, np.float32).reshape(-1, 3)
    lost = (points[:, :2] < 0).any(1) | ~np.isfinite(points).all(1)  # -1, -1: not found
    points[lost] = 0.0
    points[:, 2] = points[:, 2].clip(0.0, 1.0)
    return points


def _has_pixels(box: Box, width: int, height: int) -> bool:
    """As core cuts a box: whole pixels within the frame."""
    left, top = max(0, int(box[0])), max(0, int(box[1]))
    return min(width, int(box[2])) > left and min(height, int(box[3])) > top
