"""The base model and the adapter in training: loaded through ComfyUI, each part trained or frozen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..adapter import Adapter, AdapterConfig, init_adapter, read_adapter, sdpa_attention
from ..errors import InteractError
from ..host.forward.training_run import training_options
from ..host.keys import CALL_KEY
from ..host.loading import check_base, check_references, recognising
from ..weights_file import open_weights
from .config import AdapterKeys, BaseKeys, TrainingConfig
from .data.samples import TrainingBatch
from .lora import add_lora

log = logging.getLogger(__name__)
TIMESTEPS = 1000  # Wan's timestep at noise level 1


def load_base(keys: BaseKeys) -> nn.Module:
    """A Wan text-to-video model, found by ComfyUI's own detection and built of plain torch layers, on the
    CPU.

    Raises InteractError for a file that is missing or not a safetensors file, is not Wan or an image-to-video
    Wan, or holds scaled fp8 weights, which cannot be trained.
    """
    path = Path(keys.file).expanduser()
    if path.suffix != ".safetensors" or not path.is_file():
        raise InteractError(
            f"base.file is {keys.file!r}: name a Wan 2.1 text-to-video model, a .safetensors file."
        )
    cpu = torch.device("cpu")
    # torch.nn, because comfy.ops' layers may leave their weights unloaded until ComfyUI's server needs them.
    options = {
        "dtype": getattr(torch, keys.dtype),
        "custom_operations": nn,
        "load_device": cpu,
        "offload_device": cpu,
    }
    with open_weights(path, "a Wan model"):
        pass  # what is a pickle or truncated is told before core reads it
    weights, metadata = comfy.utils.load_torch_file(str(path), return_metadata=True)
    if any(name.endswith(("scale_weight", "scaled_fp8", "weight_scale")) for name in weights):
        raise InteractError(
            f"{path} holds scaled fp8 weights: train on the bf16 or fp16 file of the same model."
        )
    with recognising(str(path)):
        model = comfy.sd.load_diffusion_model_state_dict(weights, options, metadata, disable_dynamic=True)
    if model is None:
        raise InteractError(f"{path} is not a diffusion model that ComfyUI knows: name a Wan 2.1 model.")
    check_base(model)
    check_references(model)
    return model.model.diffusion_model.requires_grad_(False)


def base_name(path: str, base: nn.Module) -> str:
    """The name of the base in the metadata of an adapter file."""
    return f"{Path(path).name}, {base.dim} wide, {len(base.blocks)} blocks"


def derive_config(base: nn.Module, keys: AdapterKeys, mute: Tensor, fps: float, name: str) -> AdapterConfig:
    """Sizes of a new adapter: width, depth and audio heads from the base, audio layers and channels from the
    encoding of silence `mute` [L, C], all others from `keys`.
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
    """A new adapter for this base, or the one of adapter.start. Raises InteractError if that does not fit the
    base.
    """
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
            f"{found[2]} layers of {found[3]}, but here these are {wanted[0]}, {wanted[1]}, {wanted[2]} and "
            f"{wanted[3]}."
        )
    sizes = replace(sizes, base=name)
    if keys.new_heads:
        blocks = _mask_blocks(keys, sizes.model_blocks)
        heads = {"mask_width": keys.mask_width, "mask_heads": keys.mask_heads_each, "mask_blocks": blocks}
        sizes = replace(sizes, **heads)
        fresh = init_adapter(Adapter(sizes), torch.Generator().manual_seed(config.run.seed))
        audio_parts = {name: value for name, value in weights.items() if not name.startswith("mask_heads.")}
        weights = {**audio_parts, **fresh.mask_heads.state_dict(prefix="mask_heads.")}
    adapter = Adapter(sizes)
    adapter.load_state_dict(weights)
    return adapter.float()


def _mask_blocks(keys: AdapterKeys, blocks: int) -> tuple[int, ...]:
    """InterActHuman puts mask heads on "the last several layers" and does not say which; here, the last
    quarter.
    """
    return keys.mask_blocks or tuple(range(blocks - max(1, blocks // 4), blocks))


class AdaptedModel(nn.Module):
    """Base and adapter as one module, so that one optimiser, one wrapper and one EMA hold both."""

    def __init__(self, base: nn.Module, adapter: Adapter, config: TrainingConfig) -> None:
        super().__init__()
        self.base, self.adapter = base, adapter
        _set_trainable(self, config)
        if config.base.checkpointing:
            for block in base.blocks:
                block.forward = checkpointed(block.forward)

    def forward(self, noisy: Tensor, batch: TrainingBatch) -> tuple[Tensor, list[Tensor]]:
        """noisy [B, 16, T, h8, w8] -> velocity of the same shape and, per mask block, logits [B, N, T*h*w].

        Run it inside `differentiable_host()`, and its backward pass too: with gradient checkpointing that
        runs the blocks again.
        """
        dtype = self.base.patch_embedding.weight.dtype
        # On a CPU the plain softmax of matmul_attention is fastest; on a GPU, SDPA's kernels do not store the
        # scores.
        attention = sdpa_attention if noisy.is_cuda else None
        options = training_options(self.adapter, batch.weights, attention)
        velocity = self.base(
            noisy.to(dtype),
            batch.t * TIMESTEPS,
            batch.text.to(dtype),
            time_dim_concat=batch.references.to(dtype),
            transformer_options=options,
            interact_audio=batch.audio,
            interact_flag=batch.flag,
        )
        return velocity, options[CALL_KEY].mask_logits


def checkpointed(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Gradient checkpointing of a Wan block's forward: keeps only the input and runs again in the backward
    pass.

    By then ComfyUI's loop over the blocks has ended: block_index in transformer_options is the last block's,
    and the hooks have recorded that this block has had its audio. Both are reset, or the second run would add
    no audio.
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


def _set_trainable(model: AdaptedModel, config: TrainingConfig) -> None:
    adapter, keys = model.adapter, config.adapter
    adapter.audio_projector.requires_grad_(keys.audio_projector)
    adapter.audio_blocks.requires_grad_(keys.audio_blocks)
    adapter.mask_heads.requires_grad_(keys.mask_heads)
    if config.base.train == "full":
        model.base.requires_grad_(True)
    elif config.base.train == "lora":
        add_lora(model.base, config)
