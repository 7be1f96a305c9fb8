"""The theatre's diffusion model and adapter: sizes, initial weights, and the files that ComfyUI's loaders
read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...adapter import Adapter, AdapterConfig, Recommended, init_adapter, save_adapter
from ..graphs import inputs_of, shipped_graph, whole_schedule
from .growth import vae_width
from .wan_vae import build_wan_vae, channels_last

DIT = {"dim": 256, "ffn_dim": 1024, "num_heads": 4, "num_layers": 4, "freq_dim": 256, "text_dim": 4096}
"""Sizes of a DiT that is trained from nothing; those of a finished one are in its file (`dit_sizes`)."""

ADAPTER = AdapterConfig(
    model_width=256,
    model_blocks=4,
    audio_layers=4,
    audio_width=96,
    audio_frame_width=64,
    audio_window=2,
    audio_hidden=384,
    audio_tokens=4,
    audio_context_width=128,
    audio_heads=4,
    mask_width=96,
    mask_heads=2,
    mask_blocks=(1, 2, 3),
    base="InterActHuman theatre, 256 wide, 4 blocks",
)
"""Sizes of an adapter that is trained from nothing, for DIT."""


def dit_sizes(path: Path) -> dict[str, int]:
    """Sizes of a DiT that `export_dit` wrote, under the names of DIT.

    Raises ValueError for another file: heads cannot be counted from the shapes of weights.
    """
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    sizes = json.loads(metadata.get("config", "{}")).get("transformer", {})
    if not sizes.keys() >= DIT.keys():
        raise ValueError(f"{path} has no sizes in its metadata; choose a file that `train dit` wrote.")
    return {name: sizes[name] for name in DIT}


@torch.no_grad()
def build_dit(seed: int, sizes: Mapping[str, int] = DIT) -> nn.Module:
    """ComfyUI's WanModel in float32 with plain torch layers, at its initial weights."""
    from comfy.ldm.wan.model import WanModel

    torch.manual_seed(seed)
    model = WanModel(
        model_type="t2v",
        in_dim=16,
        out_dim=16,
        cross_attn_norm=True,
        operations=nn,
        dtype=torch.float32,
        **sizes,
    )
    for name, parameter in model.named_parameters():
        if name.endswith("modulation"):
            parameter.normal_(std=0.02)
    model.head.head.weight.zero_()
    model.head.head.bias.zero_()
    # Prompts have no effect until training learns them (theatre/prompts.py).
    model.text_embedding[0].weight.zero_()
    return model


def build_adapter(seed: int, config: AdapterConfig = ADAPTER) -> Adapter:
    return init_adapter(Adapter(config), torch.Generator().manual_seed(seed))


def _bfloat16(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: value.detach().to(torch.bfloat16).contiguous() for name, value in module.state_dict().items()
    }


def export_dit(model: nn.Module, path: Path) -> None:
    """Write bfloat16 weights with the keys that ComfyUI detects as Wan 2.1 T2V, and the sizes in the metadata,
    where ComfyUI's detection reads them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = _bfloat16(model)
    sizes = {name: getattr(model, name) for name in DIT}
    save_file(weights, path, metadata={"config": json.dumps({"transformer": sizes})})


def export_adapter(adapter: Adapter, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = _bfloat16(adapter)
    save_adapter(path, weights, adapter.config, recommended=theatre_values())


def theatre_values() -> Recommended:
    """What the theatre's models are at their best with: as in the shipped graph."""
    graph = shipped_graph()
    size, sampled = inputs_of(graph, "InterActEncodeCharacters"), inputs_of(graph, "InterActSampler")
    return Recommended(
        **{name: size[name] for name in ("width", "height", "fps", "negative_references")},
        steps=whole_schedule(sampled),
        **{
            name: sampled[name]
            for name in ("cfg", "audio_cfg", "sampler_name", "stage_boundary", "mask_gain")
        },
        shift=inputs_of(graph, "ModelSamplingSD3")["shift"],
    )


def export_vae(vae: nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(_bfloat16(vae), path)


def load_vae(path: Path) -> nn.Module:
    """A VAE written by `export_vae`, in float32 for the one-pass functions of wan_vae.py."""
    weights = {name: value.float() for name, value in load_file(path).items()}
    vae = build_wan_vae(vae_width(weights))
    vae.load_state_dict(weights)
    return channels_last(vae).eval()
