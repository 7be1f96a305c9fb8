"""Wan2.2 S2V models, which have audio layers of their own: where the voices enter.

S2V's injectors stand behind some of the blocks (comfy/ldm/wan/model.py, WanModel_S2V.forward_orig), right after the
`double_block` patches, and are left out where the conditioning has no `audio_embed`. So a `double_block` patch adds the
voices in the injectors' place, by their weights.
"""

from typing import Any

import torch
from comfy.ldm.wan.model import WanModel_S2V
from comfy.model_patcher import ModelPatcher

from .patches import AdapterPatch, add_voices


def is_s2v(model: ModelPatcher) -> bool:
    """Whether the base model is Wan2.2 S2V."""
    return isinstance(model.get_model_object("diffusion_model"), WanModel_S2V)


class VoicesBehindBlock(AdapterPatch):
    """`double_block`: adds the blended voices to the video tokens behind each block that has an injector."""

    @torch.compiler.disable  # see patches.py
    def __call__(self, args: dict[str, Any]) -> dict[str, Any]:
        """args: img [B, L, D], transformer_options and more; returned, img changed in place."""
        return {**args, "img": add_voices(args["img"], args["transformer_options"])}
