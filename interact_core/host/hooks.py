"""Attaching the method to a stock Wan model: for sampling through a MODEL, for training through a plain module."""

from typing import Any

import torch
from torch import Tensor

from comfy.patcher_extension import WrapperExecutor, WrappersMP

from ..adapter import Adapter
from ..adapter.model import Attention
from .attention import attention_override, matmul_attention
from .call import CALL_KEY, AudioRole, CallState, Voices, mute_weights, project_tracks, row_index
from .geometry import Geometry, geometry_of_call
from .patches import AudioPatch, MaskPatch

WRAPPER_KEY = "interact"
RUN_KEY = "interact_run"
"""Where the per-run object stands in transformer_options. A plain object: core copies dicts and lists on merge."""


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
    if run is None or audio is None or flag is None:
        return executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)
    time_dim_concat = run.references_for(time_dim_concat, transformer_options)
    geometry = geometry_of_call(executor.class_obj, x, time_dim_concat, transformer_options, kwargs)
    call = run.open_call(geometry, x, audio, flag, transformer_options)
    transformer_options[CALL_KEY] = call
    output = executor(x, timestep, context, clip_fea, time_dim_concat, transformer_options, **kwargs)
    run.close_call(call, output)
    return output


class TrainingRun:
    """Stands where a sampling run would: gives the hooks their weights and keeps every gradient."""

    def __init__(self, adapter: Adapter, weights: Tensor, attention: Attention) -> None:
        self._adapter = adapter
        self._weights = weights
        self._attention = attention

    def references_for(self, time_dim_concat: Tensor | None, options: dict[str, Any]) -> Tensor | None:
        return time_dim_concat

    def open_call(
        self, geometry: Geometry, x: Tensor, audio: Tensor, flag: Tensor, options: dict[str, Any]
    ) -> CallState:
        roles = [AudioRole.of(value) for value in flag.flatten().tolist()]
        hearing = [row for row, role in enumerate(roles) if role is not AudioRole.NONE]
        return CallState(
            geometry=geometry,
            adapter=self._adapter,
            attention=self._attention,
            voices=self._voices(roles, hearing, audio) if hearing else None,
            predict_masks=geometry.references > 0,
        )

    def close_call(self, call: CallState, output: Tensor) -> None:
        pass

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

    adapter: the Adapter itself, on the model's device. weights: [B or 1, S + 1, T*h*w], the share of each track for
    each video token (mute last), for instance `blend_weights` of the true masks. attention: serves the adapter and
    the base model's attention; None takes `matmul_attention`.

    Make a new one for every forward pass, and run it inside `differentiable_host()`::

        options = training_options(adapter, weights)
        with differentiable_host():
            velocity = wan(x, t * 1000, context, time_dim_concat=references, transformer_options=options,
                           interact_audio=audio, interact_flag=flag)
        logits = options["interact_call"].mask_logits    # per mask block [B, N, T*h*w], with gradients

    audio: [B, S + 1, F + 1, L, C], features per video frame, F = 4(T-1)+1, mute track last, one sentinel frame behind
    (its content is never read). flag: [B, 1] of AudioRole values per sample: 1 voices, 0.5 mute, 0 no injection.
    Masks are predicted for every sample whatever its flag.
    """
    attention = attention or matmul_attention
    return {
        RUN_KEY: TrainingRun(adapter, weights, attention),
        "wrappers": {WrappersMP.DIFFUSION_MODEL: {WRAPPER_KEY: [diffusion_model_wrapper]}},
        "patches": {"attn2_patch": [AudioPatch()], "double_block": [MaskPatch()]},
        "optimized_attention_override": attention_override(attention),
    }
