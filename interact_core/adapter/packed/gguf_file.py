"""GGUF files of adapters, read with the package `gguf`, which only they need.

As ComfyUI-GGUF reads a base (city96/ComfyUI-GGUF, loader.py): names are those of the safetensors file, perhaps behind
`model.diffusion_model.`; sizes stand the other way round, and where a matrix was reshaped to fit the blocks, its own
shape stands under `comfy.gguf.orig_shape.NAME`.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InteractError, one_line
from ...weights_file import Pause, check_finite
from .unpacking import KINDS, Packed

MAGIC = b"GGUF"
MOST_READS = 2**18
"""Pieces of a header that are read: an adapter's has 10,000, and a damaged one must not name billions."""

ORIGINAL_SHAPE = "comfy.gguf.orig_shape."
PREFIX = "model.diffusion_model."
DENSE = ("F32", "F16", "BF16")


def is_gguf(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one, by its name or its first bytes; False for what cannot be opened."""
    if os.fspath(path).lower().endswith(".gguf"):
        return True
    try:
        with Path(path).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


class GgufFile:
    """An open GGUF file, to its readers what `WeightsFile` is, but for weights that are packed."""

    def __init__(self, reader: Any, name: str) -> None:
        self.name = name
        self.metadata: Mapping[str, str] = dict(_texts(reader))
        cut = len(PREFIX) if all(one.name.startswith(PREFIX) for one in reader.tensors) else 0
        self._tensors = {one.name[cut:]: one for one in reader.tensors}
        self.shapes: dict[str, list[int]] = {
            one.name[cut:]: _shape(reader, one, name) for one in reader.tensors
        }

    def weights(self, names: Iterable[str], pause: Pause) -> dict[str, Tensor | Packed]:
        """The weights of these names, on the CPU: as they are packed, and else in the file's own data type.

        Raises InteractError, naming the weight, for one that is packed in another way than KINDS, and for NaN and
        infinity.
        """
        found: dict[str, Tensor | Packed] = {}
        for name in names:
            pause()
            found[name] = self._weight(name)
        return found

    def _weight(self, name: str) -> Tensor | Packed:
        tensor, shape = self._tensors[name], torch.Size(self.shapes[name])
        kind = tensor.tensor_type.name
        if kind not in KINDS and kind not in DENSE:
            raise InteractError(
                f"{self.name}: weight {one_line(name)} is packed as {kind}, which this pack cannot unpack: use the "
                f"same model as {', '.join(sorted(KINDS))}, or as safetensors."
            )
        data = torch.from_numpy(np.array(tensor.data))  # a copy, so that the file is closed again
        if kind in DENSE:
            numbers = (data.view(torch.bfloat16) if kind == "BF16" else data).reshape(shape)
            check_finite(numbers, name, self.name)
            return numbers
        packed = Packed(data.reshape(-1, data.shape[-1]), kind, shape)
        if not packed.is_finite():
            check_finite(torch.tensor(math.nan), name, self.name)
        return packed


@contextmanager
def open_gguf(path: str | os.PathLike[str], wanted: str) -> Iterator[GgufFile]:
    """A GGUF file, open; `wanted` as in `open_weights`.

    Raises InteractError for what is missing, foreign, truncated or damaged, and where the package is not installed.
    """
    name = os.fspath(path)
    if not Path(name).is_file():
        raise InteractError(
            f"{name} does not exist or is not a file; expected {wanted} (.safetensors or .gguf)."
        )
    reader = _read(name, wanted)
    yield GgufFile(reader, name)


def _read(name: str, wanted: str) -> Any:
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise InteractError(
            f"{name} is a GGUF file, which is read with the Python package gguf, and that is not installed: install it "
            "into ComfyUI's Python (python -m pip install gguf), or use a safetensors file."
        ) from error

    class BoundedReader(GGUFReader):
        """Ends where a header claims more than the file holds; the package's own would go on for hours."""

        reads = 0

        def _get(self, offset: int, dtype: Any, count: int = 1, *others: Any, **named: Any) -> Any:
            self.reads += 1
            end = int(offset) + np.dtype(dtype).itemsize * int(count)
            if end > len(self.data) or self.reads > MOST_READS:
                raise ValueError("its header names more than the file holds")
            return super()._get(offset, dtype, count, *others, **named)

    try:
        with Path(name).open("rb") as file:
            start = file.read(len(MAGIC))
        reader = BoundedReader(name) if start == MAGIC else None
    except (ValueError, LookupError, ArithmeticError, TypeError, OSError) as error:
        raise InteractError(
            f"{name} is truncated or damaged, not a whole GGUF file ({one_line(error)}): fetch it again."
        ) from error
    if reader is None or reader.byte_order != "I":
        raise InteractError(f"{name} is not a GGUF file that this computer can read; expected {wanted}.")
    return reader


def _texts(reader: Any) -> Iterator[tuple[str, str]]:
    """The header's entries that are text, among them the configuration of an InterAct adapter."""
    for key, field in reader.fields.items():
        if [kind.name for kind in field.types] == ["STRING"]:
            yield key, bytes(field.parts[field.data[-1]]).decode("utf-8", "replace")


def _shape(reader: Any, tensor: Any, name: str) -> list[int]:
    shape = [int(size) for size in reversed(tensor.shape)]
    field = reader.get_field(ORIGINAL_SHAPE + tensor.name)
    if field is None:
        return shape
    original = [int(field.parts[place][0]) for place in field.data]
    if math.prod(original) != math.prod(shape) or any(size < 1 for size in original):
        raise InteractError(
            f"{name}: weight {one_line(tensor.name)} has {math.prod(shape)} numbers but is said to have been "
            f"{one_line(original)}, so the file is damaged: fetch it again."
        )
    return original
