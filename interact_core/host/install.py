"""Putting the method's hooks on a stock MODEL: wrappers around a run and a call, patches inside the blocks."""

from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from .forward.binding import BaseBinding, Binding
from .forward.hooks import diffusion_model_wrapper
from .forward.humo import is_humo, patch_audio_layers
from .forward.patches import AdapterPatch, AudioPatch, MaskPatch
from .forward.s2v import VoicesBehindBlock
from .keys import ADAPTER_KEY, WRAPPER_KEY
from .run.wrappers import (
    outer_sample_wrapper,
    predict_noise_wrapper,
    prepare_sampling_wrapper,
    sampler_sample_wrapper,
)


def install(model: ModelPatcher, binding: Binding) -> None:
    """Put the hooks on `model` (a clone of the caller's own), replacing those of an earlier adapter."""
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
    if not isinstance(binding, BaseBinding):
        model.set_model_attn2_patch(AudioPatch(binding.patchers))
    elif is_humo(model):
        patch_audio_layers(model)
    else:
        model.set_model_double_block_patch(VoicesBehindBlock())
    model.set_model_double_block_patch(MaskPatch(binding.patchers))
    # ComfyUI batches conds while their estimated memory fits, and does not count the references in it.
    counted: Any = model.get_model_object("memory_usage_factor_conds")
    if "time_dim_concat" not in counted:
        model.add_object_patch("memory_usage_factor_conds", (*counted, "time_dim_concat"))
