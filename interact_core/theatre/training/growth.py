"""Larger models that begin by computing what smaller ones do, so that training goes on instead of starting over.

A wider VAE has more channels in every layer, a deeper DiT more blocks. What is new is silent at first, and
its weights are such that gradients reach it (Net2Net, arXiv 1511.05641, does the same by copies).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...adapter import AdapterConfig
from .wan_vae import build_wan_vae, channels_last

READER_SCALE = 0.5  # of 1 / sqrt(fan in): the random weights by which old channels read new ones
SILENT_OUTPUTS = ("self_attn.o", "cross_attn.o", "ffn.2")  # last layers of the three branches of a Wan block
SILENT_AUDIO_OUTPUT = "o"  # of the adapter's audio cross-attention


@torch.no_grad()
def widen_vae(vae: nn.Module, dim: int, seed: int = 0) -> nn.Module:
    """A Wan VAE of base width `dim` that computes what the narrower `vae` does, up to rounding.

    New channels come out 0 and are read by random weights, so that the first step already changes what they
    come out as. RMS normalisation multiplies by the root of the width and attention divides by it: the old
    channels' gammas are scaled down, the queries up.

    Raises ValueError if `dim` is less than the width that `vae` has.
    """
    old = vae.state_dict()
    width = vae_width(old)
    if dim < width:
        raise ValueError(f"A VAE of base width {width} cannot be widened to {dim}.")
    wide = build_wan_vae(dim)
    generator = torch.Generator().manual_seed(seed)
    wide.load_state_dict(
        {
            name: _widened(name, old[name].float().cpu(), value.shape, generator)
            for name, value in wide.state_dict().items()
        }
    )
    return channels_last(wide).train(vae.training).to(next(vae.parameters()).device)


def vae_width(weights: Mapping[str, Tensor]) -> int:
    """Base width of a Wan VAE, by the shapes of its weights, as comfy/sd.py finds it."""
    return weights["decoder.head.0.gamma"].shape[0]


def _widened(name: str, old: Tensor, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """A tensor of this shape for the wider VAE."""
    if old.shape == shape:
        return old.clone()
    if name.endswith("gamma"):
        gamma = torch.ones(shape)
        gamma[: len(old)] = old * math.sqrt(len(old) / shape[0])
        return gamma
    if "to_qkv" in name:
        query, key, value = (_larger(part, shape[0] // 3, shape[1:], generator) for part in old.chunk(3))
        query *= math.sqrt(shape[0] / len(old))
        if key.ndim > 1:  # new queries are 0; with new keys of 0 as well, neither would ever get a gradient
            new = key[len(old) // 3 :]
            new.copy_(torch.randn(new.shape, generator=generator) / math.sqrt(new[0].numel()))
        return torch.cat((query, key, value))
    # A decoder's time_conv makes two frames of one: its outputs are two stacks of channels.
    stacks = 2 if name.startswith("decoder") and "time_conv" in name else 1
    return torch.cat([_larger(part, shape[0] // stacks, shape[1:], generator) for part in old.chunk(stacks)])


def _larger(old: Tensor, outputs: int, rest: Sequence[int], generator: torch.Generator) -> Tensor:
    """Weights [outputs, *rest] or a bias [outputs]: the old ones, new outputs 0, new inputs random."""
    new = torch.zeros(outputs, *rest)
    if old.ndim == 1:
        new[: len(old)] = old
        return new
    shape = (len(old), *rest)
    new[: len(old)] = torch.randn(shape, generator=generator) * READER_SCALE / math.sqrt(math.prod(rest))
    new[: len(old), : old.shape[1]] = old
    return new


def block_places(old: int, new: int) -> tuple[int, ...]:
    """The numbers that `old` blocks get among `new`, evenly spread; the first and the last stay at the ends.

    Raises ValueError if `new` is less than `old`.
    """
    if new < old:
        raise ValueError(f"A model of {old} blocks cannot be deepened to {new}.")
    return tuple(round(k * (new - 1) / max(1, old - 1)) for k in range(old))


def deepen_dit(weights: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """The state dict of a Wan DiT with more blocks and, exactly, the same velocity.

    A new block is a copy of the old one before it, but for the output projections of its self-attention, its
    cross-attention and its FFN, which are 0.
    """
    return _deepened(weights, "blocks", _count(weights, "blocks"), blocks, SILENT_OUTPUTS)


def deepen_adapter(
    weights: Mapping[str, Tensor], config: AdapterConfig, blocks: int
) -> tuple[dict[str, Tensor], AdapterConfig]:
    """State dict and configuration of an adapter for a DiT that `deepen_dit` made, with the same output.

    The audio cross-attention of a new block is a copy whose output projection is 0. Mask heads stay with
    their blocks, under their new numbers; new blocks have none.
    """
    places = block_places(config.model_blocks, blocks)
    deeper = _deepened(weights, "audio_blocks", config.model_blocks, blocks, (SILENT_AUDIO_OUTPUT,))
    heads = {name: value for name, value in deeper.items() if name.startswith("mask_heads.")}
    for name in heads:
        del deeper[name]
    for name, value in heads.items():
        _, block, layer = name.split(".", 2)
        deeper[f"mask_heads.{places[int(block)]}.{layer}"] = value
    return deeper, deeper_config(config, blocks)


def deeper_config(config: AdapterConfig, blocks: int) -> AdapterConfig:
    """The configuration of an adapter for more blocks, with as many mask heads."""
    places = block_places(config.model_blocks, blocks)
    return replace(
        config,
        model_blocks=blocks,
        mask_blocks=tuple(places[block] for block in config.mask_blocks),
        base=re.sub(r"\b\d+ blocks\b", f"{blocks} blocks", config.base),
    )


def _count(weights: Mapping[str, Tensor], room: str) -> int:
    return 1 + max(int(name.split(".")[1]) for name in weights if name.startswith(f"{room}."))


def _deepened(
    weights: Mapping[str, Tensor], room: str, old: int, new: int, silent: Sequence[str]
) -> dict[str, Tensor]:
    """Weights with `new` blocks under `room`.N. instead of `old`; in new blocks the layers `silent` are 0."""
    places = block_places(old, new)
    deeper = {name: value for name, value in weights.items() if not name.startswith(f"{room}.")}
    layers: dict[int, dict[str, Tensor]] = {}
    for name, value in weights.items():
        if name.startswith(f"{room}."):
            _, block, layer = name.split(".", 2)
            layers.setdefault(int(block), {})[layer] = value
    for block in range(new):
        source = max(k for k in range(old) if places[k] <= block)
        for layer, value in layers[source].items():
            mute = block not in places and layer.rsplit(".", 1)[0] in silent
            deeper[f"{room}.{block}.{layer}"] = torch.zeros_like(value) if mute else value.clone()
    return deeper
