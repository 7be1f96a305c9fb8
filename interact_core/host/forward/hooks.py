"""Attaching the method to a stock Wan model: to a MODEL for sampling, to a plain module for training."""

from typing import Any

import torch
import torch.nn.functional as F
from comfy.ldm.wan.model import HumoWanModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor, WrappersMP
from torch import Tensor

from ...adapter import Adapter
from ...adapter.model import Attention
from ..run.wrappers import (
    ADAPTER_KEY,
    RUN_KEY,
    outer_sample_wrapper,
    predict_noise_wrapper,
    prepare_sampling_wrapper,
    sampler_sample_wrapper,
)
from ..tokens.layout import Geometry, geometry_of_call
from ..tokens.reference_cache import SeenReferences
from ..tokens.sequence import can_shorten, with_sequence
from .attention import attention_override, matmul_attention
from .binding import BaseBinding, Binding
from .call import BASE_KEY, CALL_KEY, AudioRole, CallState, Voices, mute_weights, project_tracks, row_index
from .humo import patch_audio_layers, placeholder_audio, references_of_width
from .patches import AdapterPatch, AudioPatch, MaskPatch

WRAPPER_KEY = "interact"


@torch.compiler.disable(recursive=False)  # as the patches; the model itself is compiled all the same
def diffusion_model_wrapper(
    executor: WrapperExecutor,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    clip_fea: Tensor | None = None,
    time_dim_concat: Tensor | None = None,
    transformer_options: dict[str, Any] = {},  # noqa: B006 - core's own signature
    **kwargs: Any,
) -> Tensor:
    """DIFFUSION_MODEL: open the call's state, let the model run with it, hand the predicted masks to the run.

    The positional order is core's and must stay: EasyCache reads the last positional argument.
    Calls whose conditioning has no characters go straight through.
    """
    run = transformer_options.get(RUN_KEY)
    audio, flag = kwargs.pop("interact_audio", None), kwargs.pop("interact_flag", None)
    transformer_options[BASE_KEY] = executor.class_obj
    if run is None or flag is None:
        return executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)
    time_dim_concat = run.references_for(time_dim_concat, transformer_options)
    geometry = geometry_of_call(executor.class_obj, x, time_dim_concat, transformer_options, kwargs)
    seen = None
    if can_shorten(executor.class_obj, timestep):
        geometry, seen = run.view(geometry, transformer_options, x.device)
    if geometry.references and "vace_context" in kwargs:
        # VACE adds its control to the whole sequence and has none for the references: say nothing there.
        kwargs["vace_context"] = F.pad(kwargs["vace_context"], (0, 0, 0, 0, 0, geometry.references))
    if isinstance(executor.class_obj, HumoWanModel):
        time_dim_concat = references_of_width(time_dim_concat, executor.class_obj.in_dim)
        kwargs["audio_embed"] = placeholder_audio(executor.class_obj, x)
    call = run.open_call(geometry, x, audio, flag, transformer_options, seen)
    transformer_options[CALL_KEY] = call
    if geometry.shortened or seen is not None:
        blocks = len(executor.class_obj.blocks)
        transformer_options.update(with_sequence(transformer_options, geometry, seen, blocks))
    output = executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)
    run.close_call(call)
    return output


def install(model: ModelPatcher, binding: Binding) -> None:
    """Put the hooks on `model` (a clone of the caller's own), in place of an earlier adapter's."""
    wrappers = {
        WrappersMP.OUTER_SAMPLE: outer_sample_wrapper,
        WrappersMP.PREPARE_SAMPLING: prepare_sampling_wrapper,
        WrappersMP.SAMPLER_SAMPLE: sampler_sample_wrapper,
        WrappersMP.PREDICT_NOISE: predict_noise_wrapper,
        WrappersMP.DIFFUSION_MODEL: diffusion_model_wrapper,
    }
    for kind, wrapper in wrappers.items():
        model.remove_wrappers_with_key(kind, WRAPPER_KEY)
        model.add_wrapper_with_key(kind, WRAPPER_KEY, wrapper)
    options = model.model_options["transformer_options"]
    options[ADAPTER_KEY] = binding
    patches = options.get("patches", {})
    for name in patches:
        patches[name] = [patch for patch in patches[name] if not isinstance(patch, AdapterPatch)]
    if isinstance(binding, BaseBinding):
        patch_audio_layers(model)
    else:
        model.set_model_attn2_patch(AudioPatch(binding.patchers))
    model.set_model_double_block_patch(MaskPatch(binding.patchers))
    # ComfyUI batches conds while their estimate fits, and by itself leaves the references out of it too.
    counted = model.get_model_object("memory_usage_factor_conds")
    if "time_dim_concat" not in counted:
        model.add_object_patch("memory_usage_factor_conds", (*counted, "time_dim_concat"))


class TrainingRun:
    """Stands where a sampling run would: gives the hooks their weights and keeps every gradient."""

    def __init__(self, adapter: Adapter, weights: Tensor, attention: Attention) -> None:
        self._adapter = adapter
        self._weights = weights
        self._attention = attention

    def references_for(self, time_dim_concat: Tensor | None, options: dict[str, Any]) -> Tensor | None:
        return time_dim_concat

    def view(
        self, geometry: Geometry, options: dict[str, Any], device: torch.device
    ) -> tuple[Geometry, SeenReferences | None]:
        return geometry, None

    def open_call(
        self,
        geometry: Geometry,
        x: Tensor,
        audio: Tensor,
        flag: Tensor,
        options: dict[str, Any],
        seen: SeenReferences | None,
    ) -> CallState:
        roles = [AudioRole.of(value) for value in flag.flatten().tolist()]
        hearing = [row for row, role in enumerate(roles) if role is not AudioRole.NONE]
        return CallState(
            geometry=geometry,
            positions=geometry.positions(x.device),
            adapter=self._adapter,
            attention=self._attention,
            voices=self._voices(roles, hearing, audio) if hearing else None,
            mask_heads=self._adapter.mask_heads if geometry.references else {},
        )

    def close_call(self, call: CallState) -> None:
        """Nothing to do: the caller takes the logits from the CallState."""

    def _voices(self, roles: list[AudioRole], hearing: list[int], audio: Tensor) -> Voices:
        rows = row_index(hearing, len(roles), audio.device)
        heard = audio if rows is None else audio[rows]
        tokens = project_tracks(self._adapter, heard)  # [S + 1, R, T, n, context]
        weights = self._weights.to(heard.device).transpose(0, 1)  # [S + 1, B or 1, L]
        if rows is not None and weights.shape[1] > 1:
            weights = weights[:, rows]
        muted = torch.tensor([roles[row] is AudioRole.MUTE for row in hearing], device=heard.device)
        weights = torch.where(muted[None, :, None], mute_weights(len(weights), heard.device), weights)
        return Voices(tokens=tokens, weights=weights, rows=rows, strength=1.0)


def training_options(adapter: Adapter, weights: Tensor, attention: Attention | None = None) -> dict[str, Any]:
    """transformer_options under which a plain WanModel trains through the very hooks that sampling uses.

    adapter: the Adapter itself, on the model's device. weights: [B or 1, S + 1, T*h*w], the share of each
    track for each video token (mute last), for instance `blend_weights` of the true masks. attention: serves
    the adapter and the base model's attention; None takes `matmul_attention`.

    Make a new one for every forward pass, and run it inside `differentiable_host()`::

        options = training_options(adapter, weights)
        with differentiable_host():
            velocity = wan(x, t * 1000, context, time_dim_concat=references, transformer_options=options,
                           interact_audio=audio, interact_flag=flag)
        logits = options["interact_call"].mask_logits    # per mask block [B, N, T*h*w], with gradients

    audio: [B, S + 1, F + 1, L, C], features per video frame, F = 4(T-1)+1, mute track last, one sentinel
    frame behind (its content is never read). flag: [B, 1] of AudioRole values per sample: 1 voices, 0.5 mute,
    0 no injection. Masks are predicted for every sample whatever its flag.
    """
    attention = attention or matmul_attention
    return {
        RUN_KEY: TrainingRun(adapter, weights, attention),
        "wrappers": {WrappersMP.DIFFUSION_MODEL: {WRAPPER_KEY: [diffusion_model_wrapper]}},
        "patches": {"attn2_patch": [AudioPatch()], "double_block": [MaskPatch()]},
        "optimized_attention_override": attention_override(attention),
    }
