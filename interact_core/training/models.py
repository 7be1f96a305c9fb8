"""The base model and the adapter in training: loaded through ComfyUI, trained or frozen part by part."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..adapter import Adapter, AdapterConfig, init_adapter, read_adapter, sdpa_attention
from ..errors import InteractError
from ..host.forward.call import CALL_KEY
from ..host.forward.hooks import training_options
from ..host.loading import check_base, check_references
from .config import AdapterKeys, BaseKeys, TrainingConfig
from .data.samples import TrainingBatch

log = logging.getLogger(__name__)
TIMESTEPS = 1000  # Wan's timestep of noise level 1


def load_base(keys: BaseKeys) -> nn.Module:
    """A Wan text-to-video model by ComfyUI's own detection, of plain torch layers, on the CPU.

    Raises InteractError for a file that is missing, no safetensors file, not Wan, an image-to-video Wan, or scaled
    fp8, whose weights are not numbers that could be trained on.
    """
    path = Path(keys.file).expanduser()
    if path.suffix != ".safetensors" or not path.is_file():
        raise InteractError(
            f"base.file is {keys.file!r}: name a Wan 2.1 text-to-video model, a .safetensors file."
        )
    cpu = torch.device("cpu")
    # torch.nn and not comfy.ops: its layers may leave their weights unloaded until the server wants them.
    options = {
        "dtype": getattr(torch, keys.dtype),
        "custom_operations": nn,
        "load_device": cpu,
        "offload_device": cpu,
    }
    weights, metadata = comfy.utils.load_torch_file(str(path), return_metadata=True)
    if any(name.endswith(("scale_weight", "scaled_fp8", "weight_scale")) for name in weights):
        raise InteractError(
            f"{path} holds scaled fp8 weights: train on the bf16 or fp16 file of the same model."
        )
    try:
        model = comfy.sd.load_diffusion_model_state_dict(weights, options, metadata, disable_dynamic=True)
    except (RuntimeError, KeyError) as error:
        raise InteractError(f"{path} is not a diffusion model that ComfyUI knows ({error}).") from error
    if model is None:
        raise InteractError(f"{path} is not a diffusion model that ComfyUI knows: name a Wan 2.1 model.")
    check_base(model)
    check_references(model)
    return model.model.diffusion_model.requires_grad_(False)


def base_name(path: str, base: nn.Module) -> str:
    """What an adapter's file says of the base it was trained on."""
    return f"{Path(path).name}, {base.dim} wide, {len(base.blocks)} blocks"


def derive_config(base: nn.Module, keys: AdapterKeys, mute: Tensor, fps: float, name: str) -> AdapterConfig:
    """Sizes of a new adapter: from the base its width, depth and heads, from the encoding of silence [L, C] the
    audio's, all else from `keys`.
    """
    blocks = len(base.blocks)
    return AdapterConfig(
        model_width=base.dim,
        model_blocks=blocks,
        audio_layers=mute.shape[0],
        audio_width=mute.shape[1],
        audio_frame_width=keys.audio_frame_width,
        audio_window=keys.audio_window,
        audio_hidden=keys.audio_hidden,
        audio_tokens=keys.audio_tokens,
        audio_context_width=keys.audio_context_width,
        audio_heads=base.num_heads,
        mask_width=keys.mask_width,
        mask_heads=keys.mask_heads_each,
        mask_blocks=_mask_blocks(keys, blocks),
        fps=fps,
        base=name,
    )


def make_adapter(base: nn.Module, config: TrainingConfig, mute: Tensor) -> Adapter:
    """A new adapter for this base, or the one to go on from. Raises InteractError where that does not fit."""
    keys, name = config.adapter, base_name(config.base.file, base)
    if not keys.start:
        sizes = derive_config(base, keys, mute, config.shards.fps, name)
        return init_adapter(Adapter(sizes), torch.Generator().manual_seed(config.run.seed))
    sizes, weights = read_adapter(Path(keys.start).expanduser())
    found = (sizes.model_width, sizes.model_blocks, sizes.audio_layers, sizes.audio_width)
    wanted = (base.dim, len(base.blocks), *mute.shape)
    if found != wanted:
        raise InteractError(
            f"{keys.start} (adapter.start) is for a base {found[0]} wide with {found[1]} blocks and audio of "
            f"{found[2]} layers of {found[3]}, but here these are {wanted[0]}, {wanted[1]}, {wanted[2]} and {wanted[3]}."
        )
    sizes = replace(sizes, base=name)
    if keys.new_heads:
        blocks = _mask_blocks(keys, sizes.model_blocks)
        heads = {"mask_width": keys.mask_width, "mask_heads": keys.mask_heads_each, "mask_blocks": blocks}
        sizes = replace(sizes, **heads)
        fresh = init_adapter(Adapter(sizes), torch.Generator().manual_seed(config.run.seed))
        hearing = {name: value for name, value in weights.items() if not name.startswith("mask_heads.")}
        weights = {**hearing, **fresh.mask_heads.state_dict(prefix="mask_heads.")}
    adapter = Adapter(sizes)
    adapter.load_state_dict(weights)
    return adapter.float()


def _mask_blocks(keys: AdapterKeys, blocks: int) -> tuple[int, ...]:
    """ "The last several layers" (InterActHuman); which, it does not say."""
    return keys.mask_blocks or tuple(range(blocks - max(1, blocks // 4), blocks))


class AdaptedModel(nn.Module):
    """Base and adapter as one module, for one optimiser, one wrapping and one running average."""

    def __init__(self, base: nn.Module, adapter: Adapter, config: TrainingConfig) -> None:
        super().__init__()
        self.base, self.adapter = base, adapter
        _set_trainable(self, config)
        if config.base.checkpointing:
            for block in base.blocks:
                block.forward = checkpointed(block.forward)

    def forward(self, noisy: Tensor, shown: TrainingBatch) -> tuple[Tensor, list[Tensor]]:
        """noisy [B, 16, T, h8, w8] -> velocity of the same shape and, per mask block, logits [B, N, T*h*w].

        Runs inside `differentiable_host()`, and so does its backward pass: blocks may be computed again in it.
        """
        dtype = self.base.patch_embedding.weight.dtype
        # The plain softmax that is fastest on a CPU keeps every score; a GPU has kernels that keep none.
        attention = sdpa_attention if noisy.is_cuda else None
        options = training_options(self.adapter, shown.weights, attention)
        velocity = self.base(
            noisy.to(dtype),
            shown.t * TIMESTEPS,
            shown.text.to(dtype),
            time_dim_concat=shown.references.to(dtype),
            transformer_options=options,
            interact_audio=shown.audio,
            interact_flag=shown.flag,
        )
        return velocity, options[CALL_KEY].mask_logits


def checkpointed(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A Wan block's forward that keeps its input only, and is run again in the backward pass.

    By then core's loop is over: the block number in transformer_options is the last one's, and the hooks have noted
    that this block has had its audio. Both are put back, or the second run would leave the voices out.
    """

    def run(x: Tensor, *, transformer_options: dict[str, Any], **rest: Any) -> Tensor:
        index = transformer_options["block_index"]

        def again(x: Tensor) -> Tensor:
            options = {**transformer_options, "block_index": index}
            if CALL_KEY in options:
                options[CALL_KEY].injected.discard(index)
            return forward(x, transformer_options=options, **rest)

        return checkpoint(again, x, use_reentrant=False, preserve_rng_state=False)

    return run


def _set_trainable(actor: AdaptedModel, config: TrainingConfig) -> None:
    adapter, keys = actor.adapter, config.adapter
    adapter.audio_projector.requires_grad_(keys.audio_projector)
    adapter.audio_blocks.requires_grad_(keys.audio_blocks)
    adapter.mask_heads.requires_grad_(keys.mask_heads)
    if config.base.train == "full":
        actor.base.requires_grad_(True)
    elif config.base.train == "lora":
        _add_lora(actor.base, config)


def _add_lora(base: nn.Module, config: TrainingConfig) -> None:
    """LoRA by peft, the library that its authors' successors keep: starting values, casting and names are its own."""
    from peft import LoraConfig, inject_adapter_in_model

    keys = config.base
    layers = "|".join(name.replace(".", r"\.") for name in keys.lora_layers)
    chosen = LoraConfig(
        r=keys.lora_rank, lora_alpha=keys.lora_alpha, target_modules=rf"blocks\.\d+\.({layers})"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.run.seed)
        try:
            inject_adapter_in_model(chosen, base)
        except ValueError as error:
            raise InteractError(
                f"base.lora_layers is {list(keys.lora_layers)}, of which the base has none."
            ) from error
    begun = _read_lora(keys) if keys.lora_start else {}
    for name, parameter in base.named_parameters():
        if ".lora_" in name:
            value = begun.get(_lora_key(name)) if keys.lora_start else parameter.data
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
    """Trained LoRA weights, by name within the AdaptedModel, under the keys that ComfyUI's LoRA loaders read."""
    found = {}
    for name, value in trained.items():
        if name.startswith("base.") and ".lora_" in name:
            entry = _lora_key(name.removeprefix("base."))
            found[entry] = value
            found[entry.rpartition(".lora_")[0] + ".alpha"] = torch.tensor(keys.lora_alpha)
    return found
