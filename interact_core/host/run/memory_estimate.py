"""How much memory a run needs: ComfyUI's estimate with the references added, and a check before loading."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import comfy.model_management
from comfy.model_patcher import ModelPatcher

from ...errors import InteractError
from ...guidance import Cast
from ..keys import ROLE_COND

WIDE_STATES = 8
"""Tensors of the model's width that a block holds at once, at least: the hidden state, its normed copy, q, k,
v, the attention's output and two of the modulation (comfy/ldm/wan/model.py, WanAttentionBlock)."""


def shape_to_estimate(
    noise_shape: Sequence[int], conds: Mapping[str, list[dict]], model_options: dict[str, Any]
) -> list[int]:
    """The noise's shape [B, C, T, H, W] with the references added: WAN21 estimates memory from it alone
    (comfy/model_base.py).

    The references are added to its HEIGHT in proportion, not to its frames: core's wrapper for context windows cuts
    the frames to one window, before or after this one.
    """
    references = max((reference_count(cond) for part in conds.values() for cond in part), default=0)
    shape = list(noise_shape)
    if references and len(shape) == 5:
        frames = frames_at_once(shape[2], model_options)
        shape[3] = -(-shape[3] * (frames + references) // frames)
    return shape


def shape_with_reference_cache(
    model: ModelPatcher, shape: Sequence[int], conds: Mapping[str, list[dict]], each: int
) -> list[int]:
    """The same with the reference KV cache added, in proportion again: keys and values of every block.

    each: tokens of a reference that are cached. Core estimates a minimum, for one cond at a time, and what two take;
    the first is right then, and the second a little too large.
    """
    wan: Any = model.get_model_object("diffusion_model")
    dtype = model.model.get_dtype_inference()
    pictures = sum(reference_count(cond) for part in conds.values() for cond in part)
    tokens = shape[0] * pictures * each
    kept = 2 * tokens * wan.dim * len(wan.blocks) * comfy.model_management.dtype_size(dtype)
    share = kept / model.model.memory_required(list(shape))
    return [*shape[:3], math.ceil(shape[3] * (1 + share)), *shape[4:]]


def reference_count(cond: dict[str, Any]) -> int:
    """Reference pictures in one converted conditioning entry with a cast."""
    references = cond.get("time_dim_concat")
    has_cast = ROLE_COND in cond.get("model_conds", {})
    return references.shape[2] if has_cast and references is not None else 0


def frames_at_once(frames: int, model_options: dict[str, Any]) -> int:
    """Latent frames in one call of the model: all of them, or one context window."""
    handler = model_options.get("context_handler")
    length = getattr(handler, "context_length", None)
    return frames if length is None else min(frames, length)


def check_memory(model: ModelPatcher, cast: Cast, model_options: dict[str, Any]) -> None:
    """Raise InteractError if one step could not fit on the device even with all weights offloaded.

    A lower bound: one cond at a time, the activations of one block only. ComfyUI's own estimate decides how much of
    the model to unload; this only refuses what would fail after minutes of loading.
    """
    time, height, width = cast.grid
    wan: Any = model.get_model_object("diffusion_model")
    tokens = (frames_at_once(time, model_options) + cast.references) * height * width
    channels = WIDE_STATES * wan.dim + wan.ffn_dim
    dtype = comfy.model_management.dtype_size(model.model.get_dtype_inference())
    needed = tokens * channels * dtype
    available: Any = comfy.model_management.get_total_memory(model.load_device)
    if needed <= available:
        return
    longest = 4 * max(0, int(available // (channels * dtype * height * width)) - cast.references - 1) + 1
    raise InteractError(
        f"{cast.frames} frames ({cast.frames / cast.fps:.0f} s) at {cast.width}x{cast.height} need at least "
        f"{needed / 2**30:.0f} GiB for one step, but the device has {available / 2**30:.0f} GiB: shorten the "
        f"video (to at most {longest} frames), reduce its size, or put ComfyUI's WAN Context Windows on the "
        "model."
    )
