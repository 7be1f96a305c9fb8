"""ComfyUI's own face landmarker behind our interface, on chance weights of its true layout, against core's node."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from comfy_extras.mediapipe.face_landmarker import FaceLandmarker
from comfy_extras.nodes_mediapipe import FaceLandmarkerModel, MediaPipeFaceLandmarker
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.host.detectors.faces import load_face_landmarker
from interacthuman.interact_core.metrics.detectors.interface import faces_of
from interacthuman.interact_core.metrics.detectors.landmarks import MESH, opening
from interacthuman.interact_core.metrics.types import Film
from safetensors.torch import save_file

PARTS = ("face_oval", "left_eye", "right_eye", "left_eyebrow", "right_eyebrow", "lips", "irises", "nose")


def chance_weights() -> dict[str, torch.Tensor]:
    """Of the layout that core reads; the search for near faces answers with faces nearly as large as the picture."""
    torch.manual_seed(0)
    weights = {f"topology.{part}": torch.zeros(2, 2, dtype=torch.int32) for part in PARTS}
    weights["canonical_vertices"] = torch.rand(468, 3)
    weights["procrustes_indices"] = torch.arange(8, dtype=torch.int32)
    weights["procrustes_weights"] = torch.ones(8)
    for variant in ("short", "full"):
        model = FaceLandmarker(detector_variant=variant)
        for key, value in model.state_dict().items():
            weights[key.replace("detector.", f"detector_{variant}.", 1)] = value.clone()
    weights["detector_full.cls_dw.bias"][:] = -100.0
    weights["detector_short.cls_16.bias"][:] = weights["detector_short.cls_8.bias"][:] = -20.0
    for part in ("cls_16", "cls_8", "reg_8"):
        weights[f"detector_short.{part}.weight"][:] = 0.0
    weights["detector_short.cls_8.bias"][0] = 3.0  # one of six anchors in each of 8 x 8 cells
    weights["detector_short.reg_8.bias"][:] = 0.0
    weights["detector_short.reg_8.bias"][2:4] = 127.0  # width and height, of 128
    weights["detector_short.reg_8.bias"][6] = 20.0  # the second eye lies beside the first
    return {key: value.contiguous() for key, value in weights.items()}


@pytest.fixture(scope="module")
def weights():
    return chance_weights()


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (2, 48, 80, 3), np.uint8)


def test_faces_are_those_of_cores_node(weights, frames, tmp_path):
    save_file(weights, tmp_path / "face.safetensors")
    detector = load_face_landmarker(tmp_path / "face.safetensors")
    frames = frames[:1]
    found = faces_of(Film.of_frames(frames, 25.0), detector)

    images = torch.from_numpy(frames).float() / 255
    with torch.no_grad():
        landmarks, boxes = MediaPipeFaceLandmarker.execute(
            FaceLandmarkerModel(dict(weights)), images, "both", 0, 0.5, "empty"
        ).result
    assert [len(some) for some in found] == [len(some) for some in boxes] and all(boxes)
    for some, expected, drawn in zip(found, boxes, landmarks["frames"], strict=True):
        for face, box, mesh in zip(some, expected, drawn, strict=True):
            left, top, right, bottom = face.box
            assert (left, top, right - left, bottom - top) == pytest.approx(
                (box["x"], box["y"], box["width"], box["height"]), abs=1e-3
            )
            assert face.confidence == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-4)
            assert face.points == pytest.approx(mesh["landmarks_xy"], abs=1e-3)
            assert face.opening == pytest.approx(opening(mesh["landmarks_xy"], MESH), abs=1e-4)


def test_a_picture_without_faces_has_none(weights, frames, tmp_path):
    save_file(weights, tmp_path / "face.safetensors")
    detector = load_face_landmarker(tmp_path / "face.safetensors")
    detector.variants = ("full",)
    assert detector.find(frames) == [[], []]


def test_files_that_are_no_face_landmarker_are_refused(weights, tmp_path):
    with pytest.raises(
        InteractError, match="does not exist.*face landmarker mediapipe_face_fp32.safetensors"
    ):
        load_face_landmarker(tmp_path / "none.safetensors")
    torch.save(weights, tmp_path / "pickle.safetensors")
    with pytest.raises(InteractError, match="is a pickle, which can run code"):
        load_face_landmarker(tmp_path / "pickle.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(
        InteractError,
        match="another model than the face landmarker.*huggingface.co/Comfy-Org/mediapipe.*models/detection",
    ):
        load_face_landmarker(tmp_path / "other.safetensors")
    cut = {key: value for key, value in weights.items() if key != "mesh.head_landmarks.bias"}
    save_file(cut, tmp_path / "cut.safetensors")
    with pytest.raises(InteractError, match=r"1 weights are missing, mesh\.head_landmarks\.bias"):
        load_face_landmarker(tmp_path / "cut.safetensors")
    changed = weights | {"mesh.stem.weight": torch.zeros(3, 3)}
    save_file(changed, tmp_path / "changed.safetensors")
    with pytest.raises(InteractError, match="no whole face landmarker"):
        load_face_landmarker(tmp_path / "changed.safetensors")
