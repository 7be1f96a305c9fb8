"""What a run needs of memory: ComfyUI's estimate with the references in it, and a limit that refuses."""

from typing import Any

import comfy.model_management
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrapperExecutor

from ..errors import InteractError
from ..guidance import Cast

WIDE_STATES = 8
"""Tensors of the model's width that a block holds at once, at least: the hidden state, its normed copy, q, k,
v, the attention's output and two of the modulation (comfy/ldm/wan/model.py, WanAttentionBlock)."""


def prepare_sampling_wrapper(
    executor: WrapperExecutor,
    model: ModelPatcher,
    noise_shape: list[int],
    conds: dict[str, list[dict]],
    **kwargs: Any,
) -> Any:
    """PREPARE_SAMPLING: let ComfyUI's estimate of the memory count the references.

    WAN21 estimates from the noise alone (host.md). The references are added to the noise's HEIGHT in
    proportion, not to its frames: core's wrapper for context windows cuts the frames to one window, before or
    after this one.
    """
    references = max((reference_count(cond) for part in conds.values() for cond in part), default=0)
    shape = list(noise_shape)
    if references and len(shape) == 5:
        frames = frames_at_once(shape[2], kwargs.get("model_options"))
        shape[3] = -(-shape[3] * (frames + references) // frames)
    return executor(model, shape, conds, **kwargs)


def reference_count(cond: dict[str, Any]) -> int:
    """Reference pictures in one converted conditioning entry that carries a cast."""
    references = cond.get("time_dim_concat")
    carries_cast = "interact_flag" in cond.get("model_conds", {})
    return references.shape[2] if carries_cast and references is not None else 0


def frames_at_once(frames: int, model_options: dict[str, Any] | None) -> int:
    """Latent frames that one call of the model sees: all of them, or one context window."""
    handler = (model_options or {}).get("context_handler")
    length = getattr(handler, "context_length", None)
    return frames if length is None else min(frames, length)


def check_memory(model: ModelPatcher, cast: Cast, model_options: dict[str, Any]) -> None:
    """Raise InteractError if one step could not fit on the device even with every weight elsewhere.

    A lower bound: one cond at a time, the activations of one block only. ComfyUI's own estimate decides how
    much of the model to unload; this only refuses what would fail after minutes of loading.
    """
    time, height, width = cast.grid
    wan = model.get_model_object("diffusion_model")
    seen = frames_at_once(time, model_options)
    tokens = (seen + cast.references) * height * width
    channels = WIDE_STATES * wan.dim + wan.ffn_dim
    dtype = comfy.model_management.dtype_size(model.model.get_dtype_inference())
    needed = tokens * channels * dtype
    available = comfy.model_management.get_total_memory(model.load_device)
    if needed <= available:
        return
    longest = 4 * max(0, int(available // (channels * dtype * height * width)) - cast.references - 1) + 1
    raise InteractError(
        f"{cast.frames} frames ({cast.frames / cast.fps:.0f} s) at {cast.width}x{cast.height} need at least "
        f"{needed / 2**30:.0f} GiB for one step but the device has {available / 2**30:.0f}: make the video "
        f"shorter (at most {longest} frames), make it smaller, or put ComfyUI's WAN Context Windows on the "
        "model."
    )
