"""GGUF files as converters write them: matrices packed where they fit the blocks, else in 16 bits; the rest whole."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

CAN_PACK = ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")
"""What the package can pack itself; of the others it reads what somebody else wrote."""


def write_gguf(
    path: Path, weights: dict[str, Tensor], kind: str, reshaped: tuple[str, ...] = (), prefix: str = ""
) -> dict[str, Tensor]:
    """Write a file of which every matrix that fits is of `kind`; the numbers that it holds, as the package reads them.

    reshaped: names of matrices whose rows do not fit the blocks and which are laid into rows that do.
    """
    writer = gguf.GGUFWriter(path, "wan")
    meant = {}
    for key, weight in weights.items():
        numbers, how = weight.float().numpy(), kind
        if key in reshaped:
            writer.add_array(f"comfy.gguf.orig_shape.{prefix}{key}", [int(size) for size in weight.shape])
            numbers = numbers.reshape(-1, 256)
        fits = numbers.ndim == 2 and numbers.shape[1] % gguf.GGML_QUANT_SIZES[kind_of(kind)][0] == 0
        if not fits:
            how = "F16" if numbers.ndim == 2 else "F32"
        data = packed(numbers, how)
        writer.add_tensor(prefix + key, data, raw_dtype=kind_of(how))
        meant[key] = torch.from_numpy(gguf.quants.dequantize(data, kind_of(how))).reshape(weight.shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return meant


def kind_of(name: str) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType[name]


def packed(numbers: np.ndarray, kind: str) -> np.ndarray:
    """Rows of `kind`: the numbers themselves, or others of about their size where the package cannot pack them."""
    if not kind.endswith("_K"):
        return gguf.quants.quantize(numbers, kind_of(kind))
    from interacthuman.interact_core.adapter.packed.unpacking import KINDS

    layout, generator = KINDS[kind], np.random.default_rng(7)
    blocks = generator.integers(0, 256, (numbers.size // layout.values, layout.size), dtype=np.uint8)
    for place in layout.halves:
        blocks[:, place : place + 2] = np.array([numbers.std() / 200], np.float16).view(np.uint8)
    return blocks.reshape(len(numbers), -1)
