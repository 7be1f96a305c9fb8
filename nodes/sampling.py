"""Sampling with mask guidance: in one node, or on a MODEL for ComfyUI's own samplers."""

from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..interact_core.guidance import Cast, GuidanceSettings, MaskHistory
from ..interact_core.guidance.settings import MASK_SOURCES, REFERENCE_TOKENS, STAGE_ONE_AUDIO
from ..interact_core.host.apply import apply_guidance, collect
from ..interact_core.host.node_text import with_text
from ..interact_core.host.run.live import Origin, workflow_id
from ..interact_core.host.run.wrappers import MaskHandle
from ..interact_core.host.sampling import sample
from .wires import CATEGORY, CastWire, ConditioningValue, LatentValue, MaskHandleWire, MasksWire, linked

DEFAULTS = GuidanceSettings()


def run_inputs() -> list[io.Input]:
    """What is sampled, of the nodes that sample by themselves."""
    return [
        io.Model.Input("model", tooltip="From InterAct Load DiT or InterAct Apply Adapter."),
        io.Conditioning.Input(
            "positive",
            tooltip="From InterAct Encode Characters, or InterAct Next Part for a part of a film.",
        ),
        io.Conditioning.Input(
            "negative",
            tooltip="From InterAct Encode Characters, or InterAct Next Part for a part of a film.",
        ),
        io.Latent.Input(
            "latent",
            tooltip="From InterAct Encode Characters, or an encoded video of the same size and length.",
        ),
        CastWire.Input(
            "cast",
            tooltip="Connect positive, negative and cast from the same InterAct Encode Characters (or "
            "InterAct Next Part) node.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip="The same seed gives the same video, another seed another video.",
        ),
        io.Int.Input(
            "steps",
            default=50,
            min=1,
            max=10000,
            tooltip="Denoising steps. The paper uses 50, the theatre 20.",
        ),
        io.Float.Input(
            "cfg",
            default=6.5,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            tooltip="How closely the video follows text and voices. The paper uses 6.5 for both; "
            "the theatre works with 3; use 1 for distilled few-step models.",
        ),
    ]


def schedule_inputs() -> list[io.Input]:
    """How it is sampled, as in KSampler; denoise comes behind."""
    return [
        io.Combo.Input(
            "sampler_name",
            options=comfy.samplers.KSampler.SAMPLERS,
            default="euler",
            tooltip="The sampling algorithm, as in KSampler. euler and uni_pc suit Wan.",
        ),
        io.Combo.Input(
            "scheduler",
            options=comfy.samplers.KSampler.SCHEDULERS,
            default="simple",
            tooltip="How the noise is removed over the steps, as in KSampler. simple suits Wan.",
        ),
    ]


def guidance_inputs() -> list[io.Input]:
    """What InterAct Sampler and InterAct Mask Guidance share; new inputs go behind affinity_recipe_input."""
    return [
        io.Combo.Input(
            "mask_source",
            options=list(MASK_SOURCES),
            default=DEFAULTS.mask_source,
            tooltip="Where the masks come from; they assign each voice to its character. 'predicted': the "
            "adapter predicts them, frame by frame. 'fixed': the layout masks of the characters. "
            "'none': no masks, every voice moves every mouth. 'affinity': similarity to the "
            "reference pictures, for adapters without a mask head (MultiTalk).",
        ),
        io.Float.Input(
            "stage_boundary",
            default=DEFAULTS.stage_boundary,
            min=0.0,
            max=1.0,
            step=0.01,
            round=0.001,
            advanced=True,
            tooltip="How much of the noise schedule passes before masks are used. 0.2 is 10 of 50 steps, "
            "as in the paper. It is a position on the schedule and not a number of steps, so it "
            "also suits few-step models and any sampler.",
        ),
        io.Combo.Input(
            "stage_one_audio",
            options=list(STAGE_ONE_AUDIO),
            default=DEFAULTS.stage_one_audio,
            advanced=True,
            tooltip="The audio before the boundary, while there are no masks yet: 'mute' is silence, 'all' "
            "gives every voice to every character, 'none' switches the audio off.",
        ),
        io.Float.Input(
            "mask_smoothing",
            default=DEFAULTS.mask_smoothing,
            min=0.0,
            max=1.0,
            step=0.05,
            round=0.001,
            advanced=True,
            tooltip="Share of the previous mask that each step keeps. 0 uses the newest prediction only; "
            "raise it if masks flicker from step to step.",
        ),
        io.Float.Input(
            "mask_gain",
            default=DEFAULTS.mask_gain,
            min=0.1,
            max=10.0,
            step=0.1,
            round=0.001,
            advanced=True,
            tooltip="Masks are multiplied by this and clamped to 1 before use. Predicted masks are weak in "
            "early steps: at 1 the mouths open too little, at high values voices spill over to "
            "neighbours.",
        ),
        io.Int.Input(
            "affinity_block",
            default=DEFAULTS.affinity_block,
            min=-1,
            max=99,
            optional=True,
            advanced=True,
            tooltip="Only for mask_source 'affinity': the block of the model whose features are compared "
            "with the reference pictures, counted from 0. -1 uses the block just after the middle.",
        ),
        io.Float.Input(
            "affinity_temperature",
            default=DEFAULTS.affinity_temperature,
            min=0.001,
            max=1.0,
            step=0.005,
            round=0.001,
            optional=True,
            advanced=True,
            tooltip="Only for mask_source 'affinity': how soft the masks are. Lower makes harder masks; "
            "raise it if masks have holes, lower it if no character is found.",
        ),
        io.Combo.Input(
            "reference_tokens",
            options=list(REFERENCE_TOKENS),
            default=DEFAULTS.reference_tokens,
            optional=True,
            advanced=True,
            tooltip="How many tokens of each reference picture the model uses. 'all': the whole picture, "
            "as in training. 'person': the person and some of the white background, which is "
            "faster and takes less memory, the more so the more characters; masks of early steps "
            "get slightly worse.",
        ),
        io.Int.Input(
            "reference_interval",
            default=DEFAULTS.reference_interval,
            min=1,
            max=100,
            optional=True,
            advanced=True,
            tooltip="Every how many steps the reference pictures are computed; in between, the model uses "
            "their cached keys and values. 1 is every step, as in training. 4 is faster, the more "
            "so the more characters, and costs hardly any quality, but the cache takes memory.",
        ),
    ]


def earlier_masks_input() -> io.Input:
    """The input for a run that continues another's; last, so that saved workflows keep their values' order."""
    return MasksWire.Input(
        "masks",
        optional=True,
        tooltip="Only if this sampler continues another one's steps on the same video (KSampler Advanced, Wan 2.2's "
        "two models): the masks of that run, from its InterAct Sampler or InterAct Collect Masks. They steer from "
        "the first step on; if not connected, the first step is without voices.",
    )


def affinity_recipe_input() -> io.Input:
    """Behind all others, as new inputs are."""
    return io.String.Input(
        "affinity_recipe",
        optional=True,
        force_input=True,  # a socket: graphs that do not connect it stay as they are
        tooltip="Only for mask_source 'affinity', and instead of affinity_block: a short JSON text that says which "
        "blocks, features and attention heads of this model are compared. Empty: the hidden features of "
        "affinity_block. In the theatre one attention head is far better than any block.",
    )


# The node id and the workflow, by which the live masks of a run find the viewers of the same graph.
HIDDEN = (io.Hidden.unique_id, io.Hidden.extra_pnginfo)


def origin_of(node: type[io.ComfyNode]) -> Origin:
    """Of the node that is executing. It needs HIDDEN, which only ComfyUI's executor fills."""
    hidden = node.hidden
    if hidden is None:
        return Origin("", "")
    return Origin(str(hidden.unique_id or ""), workflow_id(hidden.extra_pnginfo))


class InterActSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActSampler",
            display_name="InterAct Sampler",
            category=CATEGORY,
            description="Makes the video. While it forms, the model finds each character and assigns it its "
            "own voice.",
            search_aliases=[
                "interacthuman",
                "ksampler",
                "talking video",
                "lip sync",
                "multi speaker",
                "denoise",
            ],
            inputs=[
                *run_inputs(),
                io.Float.Input(
                    "audio_cfg",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    advanced=True,
                    tooltip="0: cfg applies to text and voices together, as in the paper. Above 0: a "
                    "separate scale for the voices, which emphasises the lips without burning the "
                    "picture; takes half as much time again.",
                ),
                *schedule_inputs(),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    round=0.001,
                    tooltip="1 makes a new video; lower values keep more of the input latent, for video to video.",
                ),
                *guidance_inputs(),
                earlier_masks_input(),
                affinity_recipe_input(),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The video as a latent, for VAE Decode."),
                MasksWire.Output(display_name="masks", tooltip="The masks of all characters at each step."),
            ],
            hidden=list(HIDDEN),
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
        audio_cfg: float,
        sampler_name: str,
        scheduler: str,
        denoise: float,
        masks: MaskHistory | None = None,
        **guidance: Any,
    ) -> io.NodeOutput:
        result, record = sample(
            model,
            positive,
            negative,
            latent,
            cast,
            GuidanceSettings(**guidance),
            seed=seed,
            steps=steps,
            cfg=cfg,
            audio_cfg=audio_cfg or None,
            sampler=sampler_name,
            scheduler=scheduler,
            denoise=denoise,
            open_stream=origin_of(cls).open_stream,
            masks=masks,
        )
        return io.NodeOutput(result, record, ui=with_text(record.said))


class InterActMaskGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActMaskGuidance",
            display_name="InterAct Mask Guidance",
            category=CATEGORY,
            description="Adds the mask guidance of InterAct Sampler to a MODEL, for KSampler, "
            "SamplerCustomAdvanced and other samplers.",
            search_aliases=["interacthuman", "model patch", "ksampler", "custom sampling", "guider"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="From InterAct Load DiT or InterAct Apply Adapter; LoRA loaders may stand in "
                    "between.",
                ),
                CastWire.Input(
                    "cast",
                    tooltip="From InterAct Encode Characters. Connect positive and negative of the same "
                    "node to the sampler.",
                ),
                *guidance_inputs(),
                earlier_masks_input(),
                affinity_recipe_input(),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="For one sampler. Every sampler needs an InterAct Mask Guidance node of its own.",
                ),
                MaskHandleWire.Output(display_name="mask_handle", tooltip="For InterAct Collect Masks."),
            ],
            hidden=list(HIDDEN),
            # The handle is filled by a run: two equal nodes must not be given one handle by the cache.
            not_idempotent=True,
        )

    @classmethod
    @linked
    def execute(
        cls, model: io.Model.Type, cast: Cast, masks: MaskHistory | None = None, **guidance: Any
    ) -> io.NodeOutput:
        return io.NodeOutput(
            *apply_guidance(model, cast, GuidanceSettings(**guidance), origin_of(cls).open_stream, masks)
        )


class InterActCollectMasks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActCollectMasks",
            display_name="InterAct Collect Masks",
            category=CATEGORY,
            description="Collects the masks after a sampler with InterAct Mask Guidance has finished.",
            search_aliases=["interacthuman", "masks", "ksampler masks"],
            inputs=[
                io.Latent.Input(
                    "latent",
                    tooltip="The output of that sampler, so that the masks are collected after it has "
                    "finished.",
                ),
                MaskHandleWire.Input(
                    "mask_handle", tooltip="From the InterAct Mask Guidance whose MODEL the sampler uses."
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The same latent."),
                MasksWire.Output(display_name="masks", tooltip="The masks of all characters at each step."),
            ],
        )

    @classmethod
    @linked
    def execute(cls, latent: LatentValue, mask_handle: MaskHandle) -> io.NodeOutput:
        return io.NodeOutput(latent, collect(mask_handle))
