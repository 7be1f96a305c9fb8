"""The adapter's file: safetensors, with the configuration in its header, checked before anything is used."""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InteractError, one_line
from ..weights_file import (
    Pause,
    WeightsFile,
    check_finite,
    check_shapes,
    no_pause,
    open_weights,
    save_weights,
    shapes_by_block,
)
from .config import AdapterConfig
from .model import Adapter
from .packed.gguf_file import GgufFile
from .recommended import Recommended

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
SCALES = (".scale_weight", ".weight_scale")
"""Endings of a float8 weight's scale, in the two layouts that ComfyUI reads (comfy/utils.py, convert_old_quants)."""
BESIDE_WEIGHTS = (*SCALES, ".weight_scale_2", ".scale_input", ".input_scale", ".comfy_quant", "scaled_fp8")
WANTED = "an InterAct adapter"


def save_adapter(
    path: str | os.PathLike[str],
    state_dict: Mapping[str, Tensor],
    config: AdapterConfig,
    dtype: torch.dtype | None = None,
    recommended: Recommended | None = None,
) -> None:
    """Write all weights of an Adapter (cast to `dtype` if given) and its configuration as safetensors.

    recommended: the values that it was made for, for those who use the file.

    The file appears whole or not at all, so a training that is stopped leaves its last checkpoint readable.
    Raises InteractError, before writing, where `state_dict` is not that of Adapter(config).
    """
    shapes = {key: tensor.shape for key, tensor in state_dict.items()}
    check_shapes(str(path), shapes, expected_shapes(config))
    tensors = {
        key: tensor.detach().to(device="cpu", dtype=dtype or tensor.dtype).contiguous()
        for key, tensor in state_dict.items()
    }
    unfinished = Path(f"{os.fspath(path)}.{os.getpid()}.part")
    try:
        advice = recommended.to_metadata() if recommended else {}
        save_weights(unfinished, tensors, config.to_metadata() | advice)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_adapter(path: str | os.PathLike[str]) -> tuple[AdapterConfig, dict[str, Tensor]]:
    """Read what `save_adapter` wrote: the configuration and the weights, on the CPU in the file's own dtype.

    Raises InteractError, one sentence naming the file (and the key, what was found and what was expected),
    for a file that is missing, a pickle (refused unopened), foreign, truncated, of another format version, or
    whose configuration, keys or shapes are not those of an Adapter, or whose weights are not finite floats.
    """
    with open_weights(path, WANTED) as file:
        config = AdapterConfig.from_metadata(file.metadata, file.name)
        check_shapes(file.name, shapes_of(file), expected_shapes(config))
        return config, weights_of(file)


def expected_shapes(config: AdapterConfig) -> Iterator[tuple[str, torch.Size]]:
    """Every weight of Adapter(config) with its shape, whatever number of blocks the configuration claims."""
    one = Adapter(replace(config, model_blocks=1, mask_blocks=(0,)), device="meta")
    return shapes_by_block(
        one, {"audio_blocks": range(config.model_blocks), "mask_heads": config.mask_blocks}
    )


def shapes_of(file: WeightsFile | GgufFile) -> dict[str, list[int]]:
    """Of the weights; what a float8 file says of its scales is left out."""
    return {key: shape for key, shape in file.shapes.items() if not key.endswith(BESIDE_WEIGHTS)}


def weights_of(
    file: WeightsFile, pause: Pause = no_pause, without: Collection[str] = ()
) -> dict[str, Tensor]:
    """In the file's own dtype; a weight with a scale beside it comes multiplied by it, as bfloat16.

    without: layers whose weights are not read.
    Raises InteractError, with the file's name, for a weight that is not a finite float, and for a scale that is not
    one number for a weight in float8.
    """
    left_out = {f"{layer}.weight" for layer in without}
    weights = file.weights((key for key in shapes_of(file) if key not in left_out), pause)
    for key in file.shapes:
        if not key.endswith(SCALES) or f"{key.rpartition('.')[0]}.weight" in left_out:
            continue
        scaled, scale = f"{key.rpartition('.')[0]}.weight", file.weights([key], pause)[key]
        if scaled not in weights or weights[scaled].dtype not in FLOAT8 or scale.numel() != 1:
            raise InteractError(
                f"{file.name} is quantised in a way that this pack cannot read (see {one_line(key)}): use the same "
                "model in fp16, bf16 or fp8."
            )
        weights[scaled] = (weights[scaled].float() * scale.float()).to(torch.bfloat16)
        check_finite(weights[scaled], scaled, file.name)
    return weights
