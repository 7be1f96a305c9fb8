"""A random MultiTalk or InfiniteTalk file small enough for seconds, whose heads are as wide as every Wan's."""

from __future__ import annotations

import torch
from interacthuman.interact_core.adapter.multitalk import WAV2VEC2_LAYERS
from interacthuman.tests.support.models import tiny_wan

WIDTH, HEADS, BLOCKS, CHANNELS = 256, 2, 2, 2


def core_patch(seed: int = 0, channels: int = CHANNELS) -> torch.nn.Module:
    """Core's module of such a file, small and with drawn weights, its 40 heads made to fit its width."""
    import comfy.ops
    from comfy.ldm.wan.model_multitalk import MultiTalkAudioProjModel, SingleStreamMultiAttention

    kwargs = {"operations": comfy.ops.disable_weight_init, "dtype": torch.float32}
    sizes = {"blocks": WAV2VEC2_LAYERS, "channels": channels, "intermediate_dim": 24, "out_dim": 20}
    patch = torch.nn.Module()
    patch.audio_proj = MultiTalkAudioProjModel(seq_len=5, seq_len_vf=8, context_tokens=4, **sizes, **kwargs)
    patch.blocks = torch.nn.ModuleList(torch.nn.Module() for _ in range(BLOCKS))
    for block in patch.blocks:
        block.audio_cross_attn = SingleStreamMultiAttention(
            WIDTH, 20, num_heads=HEADS, qkv_bias=True, **kwargs
        )
        block.norm_x = kwargs["operations"].LayerNorm(WIDTH, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in patch.named_parameters():
            fan_in = parameter.shape[1] if parameter.ndim > 1 else 16
            parameter.copy_(tiny_wan.random_like(parameter, generator, fan_in**-0.5))
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return patch
