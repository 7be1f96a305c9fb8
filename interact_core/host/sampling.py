"""From conditioning to latent and masks, as core's KSampler samples; audio can have a cfg scale of its own."""

import math
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..errors import check_connected
from ..guidance import Cast, GuidanceSettings, MaskHistory
from ..preview.record import RunRecord
from ..preview.recorder import RunRecorder
from .apply import apply_guidance
from .encode.conditioning import Conditioning, with_role
from .forward.call import AudioRole
from .run.live import MaskStream, OpenStream


class VoiceGuider(comfy.samplers.CFGGuider):
    """Three conds: voices, the same with mute everywhere, negative.

    result = negative + cfg * (mute - negative) + audio_cfg * (voices - mute), the sum that core's
    DualCFGGuider forms (comfy_extras/nodes_custom_sampler.py). With audio_cfg = cfg it differs from plain
    guidance only in what mute adds.
    """

    def __init__(self, model: ModelPatcher, cfg: float, audio_cfg: float) -> None:
        super().__init__(model)
        self.cfg = cfg
        self.audio_cfg = audio_cfg

    def set_conds(self, positive: Conditioning, negative: Conditioning) -> None:
        self.inner_set_conds(
            {"positive": positive, "muted": with_role(positive, AudioRole.MUTE), "negative": negative}
        )

    def predict_noise(
        self,
        x: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any] = {},  # noqa: B006 - core's own signature
        seed: int | None = None,
    ) -> Tensor:
        conds: list[Any] = [self.conds.get(name) for name in ("positive", "muted", "negative")]
        voices, muted, negative = conds
        if math.isclose(self.cfg, 1.0) and not model_options.get("disable_cfg1_optimization", False):
            negative = None  # it would cancel out; core's guiders leave it out too
        conds = [negative, muted, voices]
        outputs = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
        text = comfy.samplers.cfg_function(
            self.inner_model,
            outputs[1],
            outputs[0],
            self.cfg,
            x,
            timestep,
            model_options=model_options,
            cond=muted,
            uncond=negative,
        )
        return text + self.audio_cfg * (outputs[2] - outputs[1])


def sample(
    model: ModelPatcher,
    positive: Conditioning,
    negative: Conditioning,
    latent: dict[str, Any],
    cast: Cast,
    settings: GuidanceSettings,
    seed: int,
    steps: int,
    cfg: float,
    audio_cfg: float | None,
    sampler: str,
    scheduler: str,
    denoise: float = 1.0,
    open_stream: OpenStream = MaskStream,
    masks: MaskHistory | None = None,
) -> tuple[dict[str, Any], RunRecord]:
    """Sample `latent` (a LATENT dict) guided for `cast`; returns the LATENT and the masks of the run.

    With `audio_cfg` None it equals core's KSampler on the guided model bit for bit: one scale for text and audio
    together, as in the paper. open_stream, masks: as `apply_guidance` takes them. Raises InteractError as
    `apply_guidance` and the run do.
    """
    check_connected(positive=positive, negative=negative, latent=latent)
    guided, handle = apply_guidance(model, cast, settings, open_stream, masks)
    # Older ComfyUIs take one ratio alone, and none of their nodes gives the other.
    ratios = {key: value for key, value in latent.items() if key.startswith("downscale_ratio_")}
    image = comfy.sample.fix_empty_latent_channels(guided, latent["samples"], **ratios)
    schedule = comfy.samplers.KSampler(
        guided,
        steps=steps,
        device=guided.load_device,
        sampler=sampler,
        scheduler=scheduler,
        denoise=denoise,
        model_options=guided.model_options,
    )
    if audio_cfg is None:
        guider = comfy.samplers.CFGGuider(guided)
        guider.set_cfg(cfg)
    else:
        guider = VoiceGuider(guided, cfg, audio_cfg)
    guider.set_conds(positive, negative)
    samples = guider.sample(
        comfy.sample.prepare_noise(image, seed, latent.get("batch_index")),
        image,
        comfy.samplers.sampler_object(schedule.sampler),
        schedule.sigmas,
        denoise_mask=latent.get("noise_mask"),
        callback=latent_preview.prepare_callback(guided, steps),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    # At denoise 0 there are no steps: core returns the latent and nothing has run.
    history = handle.history or RunRecorder().finish(cast, settings, -1, 0)
    result = {key: value for key, value in latent.items() if not key.startswith("downscale_ratio")}
    # Older ComfyUIs have no type of their own for what lies between nodes: a sampler's result stays as it is.
    dtype = getattr(comfy.model_management, "intermediate_dtype", lambda: samples.dtype)()
    result["samples"] = samples.to(device=comfy.model_management.intermediate_device(), dtype=dtype)
    return result, history
