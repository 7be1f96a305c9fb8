"""ComfyUI's own SDPose as a detector of hands, for metrics/detectors."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import comfy.sample  # core's SDPose node calls it, and only the server has imported it by then
import comfy.sd
import numpy as np
import torch

from ...errors import InteractError
from ...metrics.detectors.core import PoseHands
from ...metrics.types import Box
from ...weights_file import open_weights

POSE_FOLDER = "checkpoints"
POSE_FILE = "sdpose_wholebody_fp16.safetensors"
NO_POSE_FILE = (
    f"There is no SDPose, so hands are not measured: put {POSE_FILE} of huggingface.co/Comfy-Org/SDPose (1.9 GB) into "
    f"models/{POSE_FOLDER}, load it with Load Checkpoint, and connect its MODEL and VAE."
)
"""For whoever leaves the figures of hands out."""

MARK = "model.diffusion_model.heatmap_head.final_layer.weight"


def load_sdpose(path: str | os.PathLike[str]) -> PoseHands:
    """Load SDPose from its checkpoint as core's Load Checkpoint does, for runs without a graph.

    Raises InteractError for a missing file, a pickle, and a checkpoint of another model.
    """
    with open_weights(path, f"the checkpoint of SDPose, {POSE_FILE}") as file:
        if MARK not in file.shapes:
            raise InteractError(f"{path} is another model than SDPose. {NO_POSE_FILE}")
    model, _, vae, *_ = comfy.sd.load_checkpoint_guess_config(
        os.fspath(path), output_vae=True, output_clip=False
    )
    return sdpose_hands(model, vae)


def sdpose_hands(model: Any, vae: Any) -> PoseHands:
    """Hands by a MODEL and VAE of SDPose, as core's Load Checkpoint gives them (comfy_extras/nodes_sdpose.py).

    Each person in each frame is one pass of a model of the size of Stable Diffusion: ask few frames.
    Raises InteractError for a ComfyUI without SDPose and for a MODEL that is another.
    """
    try:
        from comfy_extras.nodes_sdpose import SDPoseKeypointExtractor
    except ImportError as error:
        raise InteractError("This ComfyUI has no SDPose: update ComfyUI, or leave the hands out.") from error
    if not hasattr(getattr(model.model, "diffusion_model", None), "heatmap_head"):
        raise InteractError(f"The MODEL for hands is no SDPose. {NO_POSE_FILE}")

    def ask(frames: np.ndarray, boxes: Sequence[Sequence[Box]]) -> Sequence[Mapping[str, Any]]:
        image = torch.from_numpy(frames).float() / 255
        places = [[_place(box) for box in some] for some in boxes]
        answer: Any = SDPoseKeypointExtractor.execute(model, vae, image, batch_size=1, bboxes=places)
        return answer.result[0]

    return PoseHands(ask)


def _place(box: Box) -> dict[str, int]:
    """Core's BOUNDING_BOX, in whole pixels."""
    left, top, right, bottom = (int(edge) for edge in box)
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}
