"""Rotary position embedding in three axes (time, height, width), split and paired as Wan does it."""

from collections.abc import Sequence

import torch
from torch import Tensor

THETA = 10000.0


def rope_axes(head_width: int) -> tuple[int, int, int]:
    """How many of a head's channels turn with time, height and width.

    Wan's split (Wan2.1 `rope_params`, ComfyUI comfy/ldm/wan/model.py): height and width get 2 * (d // 6)
    each, time the rest. `head_width` is even and at least 6, which AdapterConfig checks.
    """
    spatial = 2 * (head_width // 6)
    return head_width - 2 * spatial, spatial, spatial


def rope_angles(positions: Tensor, head_width: int) -> tuple[Tensor, Tensor]:
    """Positions [..., L, 3] in tokens (t, y, x) -> cos and sin, each [..., L, head_width / 2], float32.

    float32 whatever the model runs in: bfloat16 cannot tell neighbouring tokens apart beyond position 256.
    """
    positions = positions.float()
    angles = []
    for axis, channels in enumerate(rope_axes(head_width)):
        exponent = torch.arange(0, channels, 2, dtype=torch.float32, device=positions.device) / channels
        angles.append(positions[..., axis : axis + 1] * THETA**-exponent)
    angle = torch.cat(angles, dim=-1)
    return angle.cos(), angle.sin()


def rotate(features: Tensor, heads: int, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn neighbouring channel pairs of each head: features [B, L, heads * d], cos, sin [B or 1, L, d / 2].

    The result has the dtype of `features`; the turning itself is done in float32 or better.
    """
    pairs = features.unflatten(-1, (heads, -1, 2))  # [B, L, heads, d / 2, 2]
    even, odd = pairs.unbind(-1)
    cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-3).to(features.dtype)


def grid_positions(
    times: int | Sequence[int], height: int, width: int, device: torch.device | str | None = None
) -> Tensor:
    """Token positions [T * height * width, 3] (t, y, x), float32, in the order Wan flattens its tokens.

    `times` is the number of latent frames (counted from 0) or the time of each one.
    """
    time = torch.arange(times) if isinstance(times, int) else torch.tensor(list(times), dtype=torch.long)
    axes = (time, torch.arange(height), torch.arange(width))
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return grid.reshape(-1, 3).to(device=device, dtype=torch.float32)


def reference_positions(
    count: int, frames: int, height: int, width: int, device: torch.device | str | None = None
) -> Tensor:
    """Positions [count, height * width, 3] of the references behind a video of `frames` latent frames.

    The "time" layout: reference i stands at t = frames + i, as Phantom-Wan and ComfyUI's `time_dim_concat`
    place it in the model's own RoPE. References therefore differ in t alone, and MaskPredictor shows a head
    only ONE of them at a time: which place in the row a person has says nothing about where that person is,
    so a head trained with two references serves four.
    """
    positions = grid_positions(range(frames, frames + count), height, width, device)
    return positions.view(count, height * width, 3)
