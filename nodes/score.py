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
from ..interact_core.metrics.detectors.mediapipe_package import has_package
from ..interact_core.metrics.score import Scorer
from ..interact_core.metrics.sync.tracks import SMOOTHING, TrackRules
from .wires import CATEGORY, CastWire, MasksWire, ScorerWire, linked

NONE = "none"
"""The choice of no file, whose figures are then left out."""

PACKAGE = "mediapipe package"
"""The choice of faces by the Python package, where it is installed."""

DEFAULT = TrackRules()


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
                    tooltip="Where everybody really is, in place of masks or to measure masks by (mask IoU): one MASK "
                    "for each character in the cast's order, or one for each character and frame, all frames of the "
                    "first character first.",
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
    @linked
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
                    options=[*face_places(), *([PACKAGE] if has_package() else []), NONE],
                    tooltip="ComfyUI's MediaPipe face landmarker, from models/detection: without it no mouth of a "
                    "real person is seen. Where the Python package mediapipe is installed, it can be chosen instead.",
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
                *_rule_inputs(),
            ],
            outputs=[ScorerWire.Output(display_name="scorer", tooltip="For InterAct Score.")],
        )

    @classmethod
    @linked
    def execute(
        cls,
        faces: str,
        syncnet: str,
        clip: str,
        dino: str,
        pose_model: Any = None,
        pose_vae: Any = None,
        min_face_frames: int = DEFAULT.min_frames,
        min_face_size: float = DEFAULT.min_size,
        max_missed_frames: int = DEFAULT.max_missed,
        min_face_overlap: float = DEFAULT.min_iou,
    ) -> io.NodeOutput:
        chosen = ScorerFiles(
            _chosen(faces, face_places()),
            _chosen(syncnet, syncnet_places()),
            _chosen(clip, embedder_places("clip")),
            _chosen(dino, embedder_places("dino")),
            package=faces == PACKAGE,
            rules=TrackRules(min_face_overlap, max_missed_frames, min_face_frames, min_face_size),
        )
        return io.NodeOutput(load_scorer(chosen, pose_model, pose_vae))


def _rule_inputs() -> list[io.Input]:
    """Of SyncNet's pipeline: which faces make a track, and which tracks it sees."""
    return [
        io.Int.Input(
            "min_face_frames",
            default=DEFAULT.min_frames,
            min=SMOOTHING,
            max=1000,
            optional=True,
            advanced=True,
            tooltip="SyncNet looks at faces that were found in more frames than this, counted at 25 a second. Its "
            "authors use 100, which leaves a film of 81 frames without Sync-C.",
        ),
        io.Float.Input(
            "min_face_size",
            default=DEFAULT.min_size,
            min=0.0,
            max=1000.0,
            step=1.0,
            round=1.0,
            optional=True,
            advanced=True,
            tooltip="SyncNet looks at faces that are more pixels wide or high than this. Its authors use 100; those of "
            "three people at 832x480 are smaller.",
        ),
        io.Int.Input(
            "max_missed_frames",
            default=DEFAULT.max_missed,
            min=1,
            max=1000,
            optional=True,
            advanced=True,
            tooltip="A face that was not found for more frames than this, counted at 25 a second, counts as another "
            "one when it comes back.",
        ),
        io.Float.Input(
            "min_face_overlap",
            default=DEFAULT.min_iou,
            min=0.0,
            max=0.99,
            step=0.05,
            round=0.01,
            optional=True,
            advanced=True,
            tooltip="How much a face has to overlap itself from one frame to the next (IoU). Lower it where people "
            "move fast.",
        ),
    ]


def _chosen(name: str, places: dict[str, Path]) -> Path | None:
    return None if name in (NONE, PACKAGE) else places[name]
