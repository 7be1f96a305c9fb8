"""Masks of a run: a preview, conversion to MASK, and which part of a model would find given ones."""

import folder_paths
import torch
from comfy_api.latest import io

from ..interact_core.errors import check_connected
from ..interact_core.guidance import Cast, MaskHistory
from ..interact_core.host.node_text import with_text, with_view
from ..interact_core.host.probe.run import probe_blocks
from ..interact_core.preview.contact_sheet import draw_contact_sheet
from ..interact_core.preview.manifest import build_manifest, said_of_full
from ..interact_core.preview.masks import masks_as_video
from ..interact_core.preview.overlay import draw_overlay
from ..interact_core.preview.place_plot import draw_places
from ..interact_core.preview.record import RunRecord
from .sampling import run_inputs, schedule_inputs
from .wires import CATEGORY, ConditioningValue, LatentValue, MasksWire, linked

MAX_STEP = 10000


def step_input(shown_as: str = "step") -> io.Int.Input:
    """The choice of a step, the same in both nodes of this file but for the name that is shown."""
    return io.Int.Input(
        "step",
        display_name=shown_as,
        default=0,
        min=0,
        max=MAX_STEP,
        tooltip="Which denoising step's masks, counted from 1; 0 is the last step, which belongs to the "
        "finished video.",
    )


class InterActPreviewMasks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActPreviewMasks",
            display_name="InterAct Preview Masks",
            category=CATEGORY,
            description="Shows the masks of all characters: over the video, and step by step on a contact "
            "sheet.",
            search_aliases=[
                "interacthuman",
                "mask preview",
                "overlay",
                "contact sheet",
                "segmentation",
                "debug",
            ],
            inputs=[
                MasksWire.Input("masks", tooltip="From InterAct Sampler or InterAct Collect Masks."),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The decoded video (or one picture) to draw the masks on. If not connected: a "
                    "dark background.",
                ),
                step_input("overlay_step"),  # the viewer shows any step, and says which
            ],
            outputs=[
                io.Image.Output(
                    display_name="overlay",
                    tooltip="Every frame with the masks as tints with outlines, one colour for each "
                    "character.",
                ),
                io.Image.Output(
                    display_name="contact_sheet",
                    tooltip="One picture: steps from top to bottom, frames from left to right, with a line "
                    "where masks start to steer the voices.",
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    @linked
    def execute(cls, masks: RunRecord, step: int = 0, image: io.Image.Type | None = None) -> io.NodeOutput:
        check_connected(masks=masks)
        overlay = draw_overlay(masks, step, image)
        sheet = draw_contact_sheet(masks, image)
        # No "images" in the ui output: ComfyUI's own preview would take space from the viewer.
        temp = folder_paths.get_temp_directory()
        said = said_of_full(masks, image)
        shown = with_view(said, lambda: {"interact_masks": [build_manifest(masks, image, temp)]})
        return io.NodeOutput(overlay, sheet, ui=shown)


class InterActMasksToMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActMasksToMask",
            display_name="InterAct Masks To Mask",
            category=CATEGORY,
            description="Converts one character's masks to ordinary MASKs at video size, one per frame.",
            search_aliases=["interacthuman", "mask", "segmentation", "matte", "convert masks"],
            inputs=[
                MasksWire.Input("masks", tooltip="From InterAct Sampler or InterAct Collect Masks."),
                io.String.Input(
                    "character",
                    default="",
                    tooltip="The name of the character, as in its InterAct Character. If empty: all "
                    "characters together.",
                ),
                step_input(),
                io.Combo.Input(
                    "edges",
                    options=["soft", "thresholded"],
                    default="soft",
                    tooltip="'soft' keeps the model's uncertainty as grey; 'thresholded' is black and white.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    round=0.001,
                    advanced=True,
                    tooltip="The value from which grey becomes white if edges is 'thresholded'. Lower "
                    "makes the mask larger.",
                ),
            ],
            outputs=[io.Mask.Output(tooltip="One MASK per video frame, at the size of the video.")],
        )

    @classmethod
    @linked
    def execute(
        cls, masks: MaskHistory, character: str, step: int, edges: str, threshold: float = 0.5
    ) -> io.NodeOutput:
        check_connected(masks=masks)
        return io.NodeOutput(
            masks_as_video(masks, character, step, threshold if edges == "thresholded" else None)
        )


class InterActProbeBlocks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActProbeBlocks",
            display_name="InterAct Probe Blocks",
            category=CATEGORY,
            description="Samples a video whose masks you have as layouts, and finds out which block or attention "
            "head of the model knows best who is where: a recipe for mask_source 'affinity'.",
            search_aliases=["interacthuman", "affinity recipe", "attention heads", "probe", "iou", "blocks"],
            inputs=[
                *run_inputs(),
                *schedule_inputs(),
                io.Float.Input(
                    "denoise",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    round=0.001,
                    tooltip="Below 1 people stay where they are in the video that is connected to latent, and so "
                    "where the masks have them. 1 is for start images.",
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The video of this run, for VAE Decode."),
                io.String.Output(
                    display_name="recipe",
                    tooltip="The best place, a short JSON text for affinity_recipe of InterAct Sampler.",
                ),
                io.String.Output(
                    display_name="table",
                    tooltip="Every place with its IoU at each noise level, the best first, for Preview as Text.",
                ),
                io.Image.Output(
                    display_name="plot",
                    tooltip="Blocks from top to bottom; hidden features and attention heads from left to right.",
                ),
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        model: io.Model.Type,
        positive: ConditioningValue,
        negative: ConditioningValue,
        latent: LatentValue,
        cast: Cast,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        denoise: float,
    ) -> io.NodeOutput:
        check_connected(positive=positive, negative=negative, latent=latent)
        found = probe_blocks(
            model, positive, negative, latent, cast, seed=seed, steps=steps, cfg=cfg, sampler=sampler_name,
            scheduler=scheduler, denoise=denoise,
        )  # fmt: skip
        scores = found.scores
        plot = torch.from_numpy(draw_places(scores).astype("float32") / 255)[None]
        return io.NodeOutput(
            found.latent, scores.recipe().to_text(), scores.table(), plot, ui=with_text(found.said)
        )
