"""Attention functions for the adapter and the base model."""

from collections.abc import Callable
from typing import Any

import torch
from comfy.ldm.modules.attention import optimized_attention_for_device
from torch import Tensor

from ...adapter.model import Attention


def adapter_attention(device: torch.device) -> Attention:
    """ComfyUI's choice for the adapter's many short key sequences.

    It is called without `transformer_options`, so that overrides meant for self-attention do not reach it.
    """
    return optimized_attention_for_device(device, small_input=True)


def matmul_attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Plain softmax attention on [B, L, D] tensors.

    On a CPU at a few hundred tokens its backward pass is twice as fast as torch's fused kernel.
    """
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    return torch.matmul(scores.softmax(dim=-1), v).transpose(1, 2).flatten(-2)


def attention_override(attention: Attention) -> Callable[..., Tensor]:
    """Wrap `attention` as transformer_options["optimized_attention_override"] (comfy's attention.py).

    Calls that it cannot handle (a mask, heads already split) go to the function that core had chosen.
    """

    def override(
        chosen: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any
    ) -> Tensor:
        if (
            options.get("mask") is not None
            or options.get("skip_reshape")
            or options.get("skip_output_reshape")
        ):
            return chosen(q, k, v, heads, **options)
        return attention(q, k, v, heads)

    return override
