"""HuMo models, which have audio layers of their own: where the voices enter, and what else these models need.

HuMo's blocks (comfy/ldm/wan/model.py, WanAttentionBlockAudio) call no `attn2_patch`. In the same place, between
text cross-attention and FFN, they call their own audio layer, so that layer's `forward` is what we patch: an
object patch of the MODEL's clone, as ComfyUI offers it, with the model left as it is.
"""

from typing import Any

import torch
from comfy.ldm.wan.model import HumoWanModel
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...adapter.humo import WINDOW
from ..keys import BASE_KEY, CALL_KEY
from .patches import AudioPatch

LAYER = "audio_cross_attn_wrapper"


def is_humo(model: ModelPatcher) -> bool:
    """Whether the base model is HuMo."""
    return isinstance(model.get_model_object("diffusion_model"), HumoWanModel)


def patch_audio_layers(model: ModelPatcher) -> None:
    """Have every audio layer of `model` (a clone of the caller's own) inject the voices of the call."""
    inject = VoicesInLayer()
    wan: Any = model.get_model_object("diffusion_model")
    for number in range(len(wan.blocks)):
        model.add_object_patch(f"diffusion_model.blocks.{number}.{LAYER}.forward", inject)


class VoicesInLayer:
    """Replaces `forward` of the audio layers; in a call without a cast it runs the original one.

    It holds no state and no module: several copies of a model, one for each device, may call it at once.
    """

    def __init__(self) -> None:
        self._inject: Any = AudioPatch()  # Any: torch.compiler.disable, which decorates it, has no types

    @torch.compiler.disable  # see patches.py
    def __call__(self, x: Tensor, audio: Tensor, transformer_options: dict[str, Any] = {}) -> Tensor:  # noqa: B006
        """x [B, L, D] of the block; audio: the base model's own audio tokens."""
        if CALL_KEY in transformer_options:
            return self._inject({"x": x, "transformer_options": transformer_options})
        block = transformer_options[BASE_KEY].blocks[transformer_options["block_index"]]
        layer = getattr(block, LAYER)
        return type(layer).forward(layer, x, audio, transformer_options=transformer_options)


def references_of_width(references: Tensor | None, channels: int) -> Tensor | None:
    """References [B, C, N, H, W] for a base model with `channels` input channels.

    Larger HuMo models expect a mask and an image after the latent: a reference is given as an image whose mask is 1,
    and a latent of zeros (core's WAN21_HuMo.extra_conds, comfy/model_base.py).
    """
    if references is None or references.shape[1] == channels:
        return references
    mask = torch.ones_like(references[:, :1]).repeat(1, channels - 2 * references.shape[1], 1, 1, 1)
    return torch.cat((torch.zeros_like(references), mask, references), dim=1)


def placeholder_audio(model: HumoWanModel, x: Tensor) -> Tensor:
    """`audio_embed` of one empty frame: without it, the blocks skip their audio layers and so our voices."""
    projector = model.audio_proj
    return x.new_zeros(x.shape[0], 1, WINDOW, projector.blocks, projector.channels)
