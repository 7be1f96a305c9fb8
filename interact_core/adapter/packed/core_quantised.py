"""Layers in ComfyUI's own quantisation (comfy/quant_ops.py): float8 with a scale, int8, nvfp4 and what else it reads.

Here they are only found and checked; ComfyUI's own layers hold them (host/packed_linear.py). A layer says of itself
how it is stored, in JSON under `LAYER.comfy_quant` or for all in the header; older float8 files only have a scale.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...errors import InteractError, one_line
from ...weights_file import Pause, WeightsFile, check_finite, parse_object

HEADER_KEY = "_quantization_metadata"
OF_A_LAYER = ".comfy_quant"
OLD_SCALE = ".scale_weight"
SCALES = (".weight_scale", ".weight_scale_2", ".input_scale")
MOST_BYTES = 4096  # of a layer's JSON; real ones have some hundred

# How the numbers of each format are stored, by safetensors' names, and how many of a row share an element.
FORMATS = {
    "float8_e4m3fn": ("F8_E4M3", 1),
    "float8_e5m2": ("F8_E5M2", 1),
    "mxfp8": ("F8_E4M3", 1),
    "int8_tensorwise": ("I8", 1),
    "nvfp4": ("U8", 2),
    "convrot_w4a4": ("I8", 2),
}

Layers = Mapping[str, dict[str, Any]]
"""What is said of each quantised layer, by its name."""


def quantised_layers(file: WeightsFile) -> Layers:
    """The layers that are quantised so; none for most files.

    Raises InteractError for what is said wrongly, of formats that are not known, and of weights stored otherwise.
    """
    said: dict[str, dict[str, Any]] = {}
    if HEADER_KEY in file.metadata:
        listed = parse_object(file.metadata[HEADER_KEY], f"{HEADER_KEY} in {file.name}").get("layers")
        said.update(listed if isinstance(listed, dict) else {})
    for key in file.shapes:
        layer = key.removesuffix(OF_A_LAYER)
        if key.endswith(OF_A_LAYER):
            said[layer] = parse_object(_text(file, key), f"{one_line(key)} in {file.name}")
        elif key.endswith(OLD_SCALE):
            layer = key.removesuffix(OLD_SCALE)
            stored = file.dtypes.get(f"{layer}.weight")
            said[layer] = {"format": "float8_e5m2" if stored == "F8_E5M2" else "float8_e4m3fn"}
    for layer, how in said.items():
        _check(file, layer, how)
    return said


def _text(file: WeightsFile, key: str) -> str:
    if file.dtypes[key] != "U8" or math.prod(file.shapes[key]) > MOST_BYTES:
        raise _unknown(file, key)
    return bytes(file.as_stored(key).tolist()).decode("utf-8", "replace")


def _check(file: WeightsFile, layer: str, how: object) -> None:
    """What ComfyUI's layers do not look at themselves: they would convert or fail in the middle of a run."""
    name = how.get("format") if isinstance(how, dict) else None
    stored = FORMATS.get(name, ("", 1))[0] if isinstance(name, str) else ""
    shape = file.shapes.get(f"{layer}.weight", [])
    if file.dtypes.get(f"{layer}.weight") != stored or len(shape) != 2:
        raise _unknown(file, f"{layer}.weight")
    scale = next((f"{layer}{end}" for end in (SCALES[0], OLD_SCALE) if f"{layer}{end}" in file.shapes), "")
    numbers = math.prod(file.shapes[scale]) if scale else 0
    least = {"nvfp4": math.prod(shape) // 8, "mxfp8": math.prod(shape) // 32, "convrot_w4a4": shape[0]}
    right = {"int8_tensorwise": numbers in (1, shape[0])}.get(str(name), numbers == 1)
    if not (numbers >= least[name] > 0 if name in least else right):
        raise _unknown(file, scale or f"{layer}.weight")
    second = file.shapes.get(f"{layer}{SCALES[1]}")
    if (name == "nvfp4") != (second is not None and math.prod(second) == 1):
        raise _unknown(file, f"{layer}{SCALES[1]}")


def _unknown(file: WeightsFile, key: str) -> InteractError:
    return InteractError(
        f"{file.name} is quantised in a way that this pack cannot read (see {one_line(key)}): use the same model in "
        f"fp16, bf16 or fp8, as GGUF, or in a format of ComfyUI's own ({', '.join(FORMATS)})."
    )


def whole_shapes(shapes: Mapping[str, list[int]], layers: Layers) -> dict[str, list[int]]:
    """Shapes of the numbers that are meant: in 4 bits two share an element."""
    found = dict(shapes)
    for layer, how in layers.items():
        *rows, columns = found[f"{layer}.weight"]
        found[f"{layer}.weight"] = [*rows, columns * FORMATS[how["format"]][1]]
    return found


def quantised_weights(file: WeightsFile, layers: Layers, pause: Pause) -> dict[str, Tensor]:
    """The state dict of these layers, as ComfyUI's layers load it: weights as they are stored, scales, and JSON.

    Raises InteractError for a scale that is no finite number.
    """
    found = {}
    for layer, how in layers.items():
        pause()
        found[f"{layer}.weight"] = file.as_stored(f"{layer}.weight")
        for scale in (*SCALES, OLD_SCALE):
            if f"{layer}{scale}" not in file.shapes:
                continue
            value = file.as_stored(f"{layer}{scale}")
            if value.is_floating_point():
                check_finite(value, f"{layer}{scale}", file.name)
            found[f"{layer}{SCALES[0] if scale == OLD_SCALE else scale}"] = value
        said = json.dumps(how).encode()
        found[f"{layer}{OF_A_LAYER}"] = torch.tensor(list(said), dtype=torch.uint8)
    return found
