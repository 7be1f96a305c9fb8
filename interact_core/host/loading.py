"""Loads the base model and the adapter into ComfyUI's own model management."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.sd
import torch
from comfy.ldm.wan.model import CameraWanModel, HumoWanModel, VaceWanModel, WanModel, WanModel_S2V
from comfy.model_patcher import ModelPatcher

from ..adapter import load_any_adapter
from ..adapter.humo import HumoConfig
from ..adapter.s2v import S2vConfig
from ..errors import InteractError, check_connected, one_line
from ..frames import TEMPORAL_STRIDE
from ..sentences import Sentence, sentence
from ..weights_file import is_out_of_memory, open_weights
from .forward.binding import AdapterBinding, BaseBinding, Binding, describe
from .forward.humo import is_humo
from .forward.s2v import is_s2v
from .install import install
from .keys import ADAPTER_KEY, GUIDANCE_KEY
from .packed_linear import with_small_layers
from .run.guests import check_one_voice_path

logger = logging.getLogger(__name__)

WEIGHT_DTYPES = ("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2")
"""The choices of core's UNETLoader (nodes.py), by the same names."""

SUPPORTED_LOOPS = (
    WanModel.forward_orig,
    VaceWanModel.forward_orig,
    CameraWanModel.forward_orig,
    HumoWanModel.forward_orig,
    WanModel_S2V.forward_orig,
)
"""Block loops whose token order the hooks were written for. Other Wan variants (Animate, SCAIL, ...) place more
tokens around the video."""

OF_THE_FILE = ("Could not detect model type", "Error(s) in loading state_dict")
"""Words of the RuntimeErrors of comfy/sd.py and torch that are about a file's contents."""


def load_dit(path: str | os.PathLike[str], weight_dtype: str = "default") -> ModelPatcher:
    """Load a Wan diffusion model as core's UNETLoader does, with the same choices of weight dtype.

    Raises InteractError for a missing file, a pickle, a file that ComfyUI does not recognise as a model, and a model
    that is not Wan.
    """
    name = os.fspath(path)
    if weight_dtype not in WEIGHT_DTYPES:
        raise InteractError(
            f"The weight dtype is {weight_dtype!r}; choose one of {', '.join(WEIGHT_DTYPES)}."
        )
    with open_weights(name, "a Wan model"):
        pass  # what is missing, a pickle or truncated is told before core reads it
    options: dict[str, object] = {}
    if weight_dtype.startswith("fp8_e4m3fn"):
        options["dtype"] = torch.float8_e4m3fn
        if weight_dtype.endswith("_fast"):
            options["fp8_optimizations"] = True
    elif weight_dtype == "fp8_e5m2":
        options["dtype"] = torch.float8_e5m2
    with recognising(name):
        model = comfy.sd.load_diffusion_model(name, model_options=options)
    check_base(model)
    return model


@contextmanager
def recognising(name: str) -> Iterator[None]:
    """Tells as InteractError what core raises where it cannot tell what the file `name` is or cannot fill it in.

    Everything else passes: out of memory, interrupts, a device that fails say nothing of the file.
    """
    try:
        yield
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        of_the_file = not isinstance(error, RuntimeError) or any(words in str(error) for words in OF_THE_FILE)
        if isinstance(error, InteractError) or not of_the_file or is_out_of_memory(error):
            raise
        raise InteractError(
            f"{name} is not a diffusion model that ComfyUI knows ({one_line(error)}): choose a Wan model."
        ) from error


def load_adapter(path: str | os.PathLike[str]) -> ModelPatcher:
    """Load an adapter of any kind into a patcher of its own; `.model` is a SpeechAdapter.

    Raises InteractError as `load_any_adapter` does, and for one that was made for another VAE. ComfyUI's interrupt
    stops it between two weights.
    """
    adapter, weights = load_any_adapter(
        path,
        comfy.model_management.throw_exception_if_processing_interrupted,
        as_stored=True,
        device=comfy.model_management.unet_offload_device(),
        operations=comfy.ops.manual_cast,
    )
    if adapter.config.temporal_stride != TEMPORAL_STRIDE:
        raise InteractError(
            f"{os.fspath(path)} was made for {adapter.config.temporal_stride} video frames in a latent frame, but Wan "
            f"has {TEMPORAL_STRIDE}: choose an adapter for Wan."
        )
    adapter.eval().requires_grad_(False)
    # By attribute: ComfyUI rebinds the class at start-up when it manages memory dynamically.
    patcher = comfy.model_patcher.CoreModelPatcher(
        adapter,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )
    # Each in the file's own dtype: what is float8, packed or quantised stays small.
    adapter.load_state_dict(with_small_layers(adapter, weights), assign=True)
    return patcher


def apply_adapter(model: ModelPatcher, adapter: ModelPatcher, strength: float = 1.0) -> ModelPatcher:
    """A clone of `model` with the adapter; `model` itself is not changed.

    strength: factor on the audio injection; at 0 nothing is injected, and masks are still predicted. A second
    adapter replaces the first. Raises InteractError for a base model that is not Wan, or of another size than the
    adapter's, and for a MODEL that has mask guidance already.
    """
    check_base(model)
    wan: Any = model.get_model_object("diffusion_model")
    config = adapter.model.config
    if is_humo(model):
        raise InteractError(
            f"The base model is HuMo, which has audio layers of its own, but the adapter is a file ({config.base}): "
            'choose "from the base model (HuMo)" as adapter_name, or load another base model.'
        )
    if is_s2v(model):
        raise InteractError(
            "The base model is Wan2.2 S2V, which has audio layers of its own, but the adapter is a file "
            f'({config.base}): choose "from the base model (S2V)" as adapter_name, or load another base model.'
        )
    if (wan.dim, len(wan.blocks)) != (config.model_width, config.model_blocks):
        trained = f" (trained on {config.base})" if config.base else ""
        raise InteractError(
            f"The adapter{trained} is for a Wan model of width {config.model_width} and "
            f"{config.model_blocks} blocks, but this one has width {wan.dim} and {len(wan.blocks)} blocks: "
            "load the base model that the adapter was trained on."
        )
    return _bound(model, AdapterBinding(adapter, float(strength)))


def apply_base_audio(model: ModelPatcher, strength: float = 1.0) -> ModelPatcher:
    """A clone of `model` that takes voices through its base's own audio layers (HuMo, S2V); as apply_adapter otherwise.

    Raises InteractError for a base that is not Wan or has no audio layers, and for a MODEL that has mask guidance
    already.
    """
    check_base(model)
    wan = model.get_model_object("diffusion_model")
    config = S2vConfig.of(wan) if is_s2v(model) else HumoConfig.of(wan)
    return _bound(model, BaseBinding(config, float(strength)))


def _bound(model: ModelPatcher, binding: Binding) -> ModelPatcher:
    if not math.isfinite(binding.strength):
        raise InteractError(
            f"The adapter strength is {binding.strength}; use a finite number, 1 as it was trained."
        )
    check_one_voice_path(model.model_options)
    if GUIDANCE_KEY in model.model_options["transformer_options"]:
        # Its voices, masks and blocks were checked against the adapter that this one would replace.
        raise InteractError(
            "InterAct Apply Adapter comes after InterAct Mask Guidance on the MODEL wire, but the guidance was checked "
            "against the adapter before it: connect InterAct Apply Adapter before InterAct Mask Guidance."
        )
    clone = model.clone()
    install(clone, binding)
    logger.info("InterAct adapter: %s", " ".join(map(str, describe(binding))))
    return clone


def found(model: ModelPatcher, before: ModelPatcher | None = None) -> list[Sentence]:
    """What is said of the adapter or the audio layers of a MODEL, for its node.

    before: the MODEL that went into it, whose adapter, if it had one, has been replaced.
    """
    said = list(describe(model.model_options["transformer_options"][ADAPTER_KEY]))
    earlier = None if before is None else before.model_options["transformer_options"].get(ADAPTER_KEY)
    if earlier is not None:
        said.append(sentence("adapter_replaces", kind=earlier.config.kind))
    return said


def check_base(model: ModelPatcher) -> None:
    """Raise InteractError unless `model` is a Wan model whose blocks the hooks support."""
    check_connected(model=model)
    wan = getattr(model.model, "diffusion_model", None)
    if not isinstance(wan, WanModel):
        raise InteractError(
            f"The model is a {type(model.model).__name__}, not Wan: load a Wan 2.1 text-to-video model "
            "(Phantom-Wan is trained with reference pictures)."
        )
    if type(wan).forward_orig not in SUPPORTED_LOOPS:
        raise InteractError(
            f"The model is {type(wan).__name__}, a Wan variant with extra tokens, which InterActHuman does "
            "not support: load a Wan 2.1 text-to-video model."
        )


def check_references(model: ModelPatcher) -> None:
    """Raise InteractError if the base cannot take reference pictures among its frames.

    References pass through the patch embedding as plain latents; image-to-video models expect a mask and an image
    in every frame as well, and would crash. HuMo's references get them (forward/humo.py).
    """
    if is_s2v(model):
        raise InteractError(
            "The model is Wan2.2 S2V, which knows everybody by one reference picture and takes no other pictures: make "
            "every character with InterAct Character In Start Image, of the picture that is connected to ref_image of "
            "WanSoundImageToVideo."
        )
    taken, latent = _channels(model)
    if taken != latent and not is_humo(model):
        raise InteractError(
            f"The model is an image-to-video model (its input has {taken} channels, a plain latent {latent}), "
            "which takes no reference pictures: load a text-to-video model such as Phantom-Wan, or make every "
            "character with InterAct Character In Start Image or InterAct People."
        )


def check_start_image(model: ModelPatcher) -> None:
    """Raise InteractError if the base takes no start image, of which characters could be regions."""
    taken, latent = _channels(model)
    if is_humo(model):
        raise InteractError(
            "The characters are regions of a start image, but the model is HuMo, which takes no start image: give "
            "each character a picture with InterAct Character, set use_as of InterAct People to reference pictures, or "
            "load an image-to-video model."
        )
    if taken == latent and not is_s2v(model):
        raise InteractError(
            "The characters are regions of a start image, but the model is a text-to-video model, which takes no "
            "start image: load an image-to-video model, give each character a picture with InterAct Character, or set "
            "use_as of InterAct People to reference pictures."
        )


def _channels(model: ModelPatcher) -> tuple[int, int]:
    """Channels of the model's input and of a latent; the input has more only where a start image goes in."""
    wan: Any = model.get_model_object("diffusion_model")
    latent_format: Any = model.get_model_object("latent_format")
    return wan.in_dim, latent_format.latent_channels
