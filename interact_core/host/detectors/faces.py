"""ComfyUI's own face landmarker, loaded for metrics/detectors."""

import os
from typing import Any

import comfy.utils
import folder_paths
import torch

from ...errors import InteractError
from ...metrics.detectors.core import VARIANTS, LandmarkerFaces
from ...weights_file import is_out_of_memory, open_weights

FACE_FOLDER = "detection"
FACE_FILE = "mediapipe_face_fp32.safetensors"
NO_FACE_FILE = (
    f"There is no face landmarker, so faces are not searched: put {FACE_FILE} of huggingface.co/Comfy-Org/mediapipe "
    f"(5 MB) into models/{FACE_FOLDER}."
)
"""For whoever leaves the figures of the mouth out."""

MARK = "detector_short.stem.weight"


def face_landmarker_names() -> list[str]:
    """What could be a face landmarker, from models/detection; [] in a ComfyUI that has no such folder."""
    if FACE_FOLDER not in folder_paths.folder_names_and_paths:
        return []
    return [name for name in folder_paths.get_filename_list(FACE_FOLDER) if name.endswith(".safetensors")]


def load_face_landmarker(path: str | os.PathLike[str]) -> LandmarkerFaces:
    """Load a face landmarker as core's LoadMediaPipeFaceLandmarker does (comfy_extras/nodes_mediapipe.py).

    Raises InteractError for a ComfyUI without it, a missing file, a pickle, and a file of another model or with weights
    left out, which core would fill with chance.
    """
    try:
        from comfy_extras.nodes_mediapipe import FaceLandmarkerModel
    except ImportError as error:
        raise InteractError(
            "This ComfyUI has no MediaPipe face landmarker: update ComfyUI, or leave the face landmarker out."
        ) from error
    weights = _weights(path)
    found = set(weights)
    try:
        model = FaceLandmarkerModel(weights)
    except (KeyError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise InteractError(f"{path} is no whole face landmarker: {NO_FACE_FILE}") from error
    expected = {
        key.replace("detector.", f"detector_{variant}.", 1) if key.startswith("detector.") else key
        for variant in VARIANTS
        for key in model.models[variant].state_dict()
    }
    if missing := sorted(expected - found):
        raise InteractError(
            f"{path} is no whole face landmarker ({len(missing)} weights are missing, {missing[0]} for one): "
            f"{NO_FACE_FILE}"
        )
    return LandmarkerFaces(model)


def _weights(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    with open_weights(path, f"the face landmarker {FACE_FILE}") as file:
        if MARK not in file.shapes:
            raise InteractError(f"{path} is another model than the face landmarker. {NO_FACE_FILE}")
    weights: Any = comfy.utils.load_torch_file(
        os.fspath(path), safe_load=True
    )  # core returns more when asked
    return weights
