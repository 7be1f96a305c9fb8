"""LoRA on the base model: added for training, and named as ComfyUI's LoRA loaders read it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import InteractError
from .config import BaseKeys, TrainingConfig


def add_lora(base: nn.Module, config: TrainingConfig) -> None:
    """Add LoRA layers by peft to config.base.lora_layers, in place: new ones, seeded by run.seed, or those of
    config.base.lora_start.

    Raises InteractError for layer names that the base does not have and for a LoRA file that does not fit.
    """
    from peft import LoraConfig, inject_adapter_in_model

    keys = config.base
    layers = "|".join(name.replace(".", r"\.") for name in keys.lora_layers)
    lora = LoraConfig(
        r=keys.lora_rank, lora_alpha=keys.lora_alpha, target_modules=rf"blocks\.\d+\.({layers})"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.run.seed)
        try:
            inject_adapter_in_model(lora, base)
        except ValueError as error:
            raise InteractError(
                f"base.lora_layers is {list(keys.lora_layers)}, of which the base has none."
            ) from error
    start = _read_lora(keys) if keys.lora_start else {}
    for name, parameter in base.named_parameters():
        if ".lora_" in name:
            value = start.get(_lora_key(name)) if keys.lora_start else parameter.data
            if value is None or value.shape != parameter.shape:
                raise InteractError(
                    f"{keys.lora_start} (base.lora_start) has no {_lora_key(name)} of shape "
                    f"{list(parameter.shape)}: give the rank and layers that it was trained with."
                )
            parameter.data = value.float()


def _read_lora(keys: BaseKeys) -> dict[str, Tensor]:
    try:
        return load_file(Path(keys.lora_start).expanduser())
    except (OSError, SafetensorError) as error:
        raise InteractError(f"{keys.lora_start} (base.lora_start) cannot be read ({error}).") from error


def _lora_key(name: str) -> str:
    """The key of a LoRA weight in the file, from its name within the base."""
    layer, _, which = name.rpartition(".lora_")
    return f"diffusion_model.{layer}.lora_{which[0]}.weight"


def lora_weights(trained: dict[str, Tensor], keys: BaseKeys) -> dict[str, Tensor]:
    """Trained LoRA weights, by name within the AdaptedModel, renamed to the keys that ComfyUI's LoRA loaders
    read.
    """
    found = {}
    for name, value in trained.items():
        if name.startswith("base.") and ".lora_" in name:
            entry = _lora_key(name.removeprefix("base."))
            found[entry] = value
            found[entry.rpartition(".lora_")[0] + ".alpha"] = torch.tensor(keys.lora_alpha)
    return found
