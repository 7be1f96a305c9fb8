"""Training through the very hooks that sampling uses: a run that keeps every gradient, on a plain Wan module."""

from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...adapter import Adapter
from ...adapter.model import Attention
from ..keys import RUN_KEY, WRAPPER_KEY
from ..tokens.geometry import Geometry
from ..tokens.reference_cache import CachedReferences
from .attention import attention_override, matmul_attention
from .call import AudioRole, CallState, Voices, mute_weights, row_index
from .hooks import diffusion_model_wrapper
from .patches import AudioPatch, MaskPatch
from .voice_tracks import VoiceTracks


class TrainingRun:
    """The ForwardRun of training: gives the hooks their weights and keeps every gradient."""

    def __init__(self, adapter: Adapter, weights: Tensor, attention: Attention) -> None:
        self._adapter = adapter
        self._weights = weights
        self._attention = attention

    def references_for(self, time_dim_concat: Tensor | None, options: dict[str, Any]) -> Tensor | None:
        return time_dim_concat

    def shorten(
        self, geometry: Geometry, options: dict[str, Any], device: torch.device
    ) -> tuple[Geometry, CachedReferences | None]:
        return geometry, None

    def open_call(
        self,
        geometry: Geometry,
        x: Tensor,
        audio: Tensor | None,
        flag: Tensor,
        options: dict[str, Any],
        cached: CachedReferences | None = None,
    ) -> CallState:
        roles = [AudioRole.of(value) for value in flag.flatten().tolist()]
        injected = [row for row, role in enumerate(roles) if role is not AudioRole.NONE]
        return CallState(
            geometry=geometry,
            positions=geometry.positions(x.device),
            adapter=self._adapter,
            attention=self._attention,
            voices=self._voices(roles, injected, audio) if injected and audio is not None else None,
            mask_heads=self._adapter.mask_heads if geometry.references else {},
        )

    def close_call(self, call: CallState) -> None:
        """Nothing to do: the caller takes the logits from the CallState."""

    def _voices(self, roles: list[AudioRole], injected: list[int], audio: Tensor) -> Voices:
        rows = row_index(injected, len(roles), audio.device)
        tracks = VoiceTracks.unpack(audio if rows is None else audio[rows])
        tokens = tracks.project(self._adapter)  # [S + 1, R, T, n, context]
        weights = self._weights.to(audio.device).transpose(0, 1)  # [S + 1, B or 1, L]
        if rows is not None and weights.shape[1] > 1:
            weights = weights[:, rows]
        muted = torch.tensor([roles[row] is AudioRole.MUTE for row in injected], device=audio.device)
        weights = torch.where(muted[None, :, None], mute_weights(len(weights), audio.device), weights)
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

    audio: packed VoiceTracks, one entry per video frame, F = 4(T-1)+1. flag: [B, 1] of AudioRole values per sample:
    1 voices, 0.5 mute, 0 no injection. Masks are predicted for every sample whatever its flag.
    """
    attention = attention or matmul_attention
    return {
        RUN_KEY: TrainingRun(adapter, weights, attention),
        "wrappers": {WrappersMP.DIFFUSION_MODEL: {WRAPPER_KEY: [diffusion_model_wrapper]}},
        "patches": {"attn2_patch": [AudioPatch()], "double_block": [MaskPatch()]},
        "optimized_attention_override": attention_override(attention),
    }
