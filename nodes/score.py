"""How well a finished film talks: figures, a table and a plot."""

from pathlib import Path
from typing import Any

import torch
from comfy_api.latest import io

from ..interact_core.errors import check_connected
from ..interact_core.guidance import Cast, MaskHistory
from ..interact_core.host.node_text import with_text
from ..interact_core.host.score import score_image
from ..interact_core.host.scorer import (
    ScorerFiles,
    embedder_places,
    face_places,
    load_scorer,
    syncnet_places,
)
from ..interact_core.metrics.score import Scorer
from .wires import CATEGORY, CastWire, MasksWire, ScorerWire

NONE = "none"
"""The choice of no file, whose figures are then left out."""


class InterActScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActScore",
            display_name="InterAct Score",
            category=CATEGORY,
            description="Measures how well everybody in a finished film talks: whether each mouth follows its own "
            "voice, and where a voice went to the wrong mouth.",
            search_aliases=[
                "interacthuman",
                "lip sync score",
                "sync-c",
                "syncnet",
                "metrics",
                "evaluate",
                "quality",
                "best seed",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The decoded video, from VAE Decode."),
                CastWire.Input(
                    "cast",
                    tooltip="From InterAct Encode Characters: who is in the video, and when each voice speaks.",
                ),
                MasksWire.Input(
                    "masks",
                    optional=True,
                    tooltip="From the sampler that made the video: they say whose face is whose. Puppets are "
                    "recognised without them.",
                ),
                io.Mask.Input(
                    "person_masks",
                    optional=True,
                    tooltip="In place of masks: one MASK for each character in the cast's order, or one for each "
                    "character and frame, all frames of the first character first.",
                ),
                ScorerWire.Input(
                    "scorer",
                    optional=True,
                    tooltip="From InterAct Load Scorer, for real people. The example puppets need none.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="plot",
                    tooltip="Each mouth over its voice, green below where they fit and orange where the mouth "
                    "follows somebody else; and every mouth against every voice as a grid.",
                ),
                io.String.Output(
                    display_name="table", tooltip="All figures of each character, and what is missing."
                ),
                io.Float.Output(
                    display_name="margin",
                    tooltip="How much better the mouths follow their own voice than the others', on average: the "
                    "figure to choose a seed by. Not a number (nan) with one voice only.",
                ),
                io.Float.Output(
                    display_name="lips",
                    tooltip="How well the mouths follow their own voice, -1 to 1, on average.",
                ),
                io.Float.Output(
                    display_name="crosstalk",
                    tooltip="How well they follow the other voices; lower is better.",
                ),
                io.Float.Output(
                    display_name="worst_margin", tooltip="The margin of the character who talks worst."
                ),
                io.Float.Output(
                    display_name="sync_c",
                    tooltip="SyncNet's confidence, higher is better; nan without SyncNet or faces.",
                ),
                io.Float.Output(
                    display_name="sync_d",
                    tooltip="SyncNet's distance, lower is better; nan without SyncNet or faces.",
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        image: io.Image.Type,
        cast: Cast,
        masks: MaskHistory | None = None,
        person_masks: torch.Tensor | None = None,
        scorer: Scorer | None = None,
    ) -> io.NodeOutput:
        check_connected(image=image, cast=cast)
        scored = score_image(image, cast, masks, person_masks, scorer)
        return io.NodeOutput(
            scored.plot,
            scored.table,
            scored.number("margin"),
            scored.number("lips"),
            scored.number("crosstalk"),
            scored.worst,
            scored.number("sync_c"),
            scored.number("sync_d"),
            ui=with_text(scored.said),
        )


class InterActLoadScorer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActLoadScorer",
            display_name="InterAct Load Scorer",
            category=CATEGORY,
            description="Loads what InterAct Score looks at real people with. Each file is optional: without it its "
            "figures are left out. Nothing is ever downloaded.",
            search_aliases=["interacthuman", "syncnet", "face landmarker", "mediapipe", "clip score", "dino"],
            inputs=[
                io.Combo.Input(
                    "faces",
                    options=[*face_places(), NONE],
                    tooltip="ComfyUI's MediaPipe face landmarker, from models/detection: without it no mouth of a "
                    "real person is seen.",
                ),
                io.Combo.Input(
                    "syncnet",
                    options=[*syncnet_places(), NONE],
                    tooltip="SyncNet v2 as safetensors, from models/interact_metrics, for Sync-C and Sync-D. "
                    "docs/metrics.md says how to convert the public file.",
                ),
                io.Combo.Input(
                    "clip",
                    options=[*embedder_places("clip"), NONE],
                    tooltip="A folder of models/interact_metrics with a CLIP model, for CLIP-I: likeness to the "
                    "character's picture.",
                ),
                io.Combo.Input(
                    "dino",
                    options=[*embedder_places("dino"), NONE],
                    tooltip="A folder of models/interact_metrics with a DINO model, for DINO-I.",
                ),
                io.Model.Input(
                    "pose_model",
                    optional=True,
                    tooltip="MODEL of SDPose, from Load Checkpoint, for the figures of hands. Slow.",
                ),
                io.Vae.Input(
                    "pose_vae", optional=True, tooltip="VAE of SDPose, from the same Load Checkpoint."
                ),
            ],
            outputs=[ScorerWire.Output(display_name="scorer", tooltip="For InterAct Score.")],
        )

    @classmethod
    def execute(
        cls, faces: str, syncnet: str, clip: str, dino: str, pose_model: Any = None, pose_vae: Any = None
    ) -> io.NodeOutput:
        chosen = ScorerFiles(
            _chosen(faces, face_places()),
            _chosen(syncnet, syncnet_places()),
            _chosen(clip, embedder_places("clip")),
            _chosen(dino, embedder_places("dino")),
        )
        return io.NodeOutput(load_scorer(chosen, pose_model, pose_vae))


def _chosen(name: str, places: dict[str, Path]) -> Path | None:
    return None if name == NONE else places[name]
