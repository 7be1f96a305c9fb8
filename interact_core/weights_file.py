"""Safetensors files and JSON from anywhere: what they claim is held against their own bytes before it is believed."""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor, nn

from .errors import InteractError, one_line

Pause = Callable[[], None]
"""Called between the tensors of a file; raises where the caller wants to stop, ComfyUI's interrupt for instance."""


def no_pause() -> None:
    """The Pause of somebody who waits for the whole file."""


HEADER_BYTES = 16 * 2**20  # 14B adapters have 0.1 MiB
JSON_CHARACTERS = 2**20  # of a configuration; real ones have a few thousand

# torch.save's zip archive, and bare pickles of protocol 2 to 5
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
"""Data types of weights, by their names in safetensors."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out, of a device or of the computer. That says nothing of the file that was being read.

    torch raises its OutOfMemoryError for a device, and a bare RuntimeError of these words for the computer's own.
    """
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    words = str(error).lower() if isinstance(error, RuntimeError) else ""
    return any(said in words for said in ("out of memory", "can't allocate memory", "not enough memory"))


class WeightsFile:
    """An open safetensors file: shapes and data types of all its tensors, of which none has been read."""

    def __init__(self, file: safetensors.safe_open, name: str) -> None:
        self.name = name
        self.metadata: Mapping[str, str] = file.metadata() or {}
        self._file = file
        slices = {key: file.get_slice(key) for key in _keys(file)}
        self.shapes: dict[str, list[int]] = {key: part.get_shape() for key, part in slices.items()}
        self.dtypes: dict[str, str] = {key: part.get_dtype() for key, part in slices.items()}
        """By their names in safetensors."""

    def weights(self, names: Iterable[str], pause: Pause) -> dict[str, Tensor]:
        """The weights of these names, on the CPU in the file's own data type, mapped and not copied.

        Raises InteractError, naming the weight, for one that is no floating-point number and for NaN and infinity.
        """
        names = list(names)
        for name in names:
            if self.dtypes[name] not in FLOATS:
                raise InteractError(
                    f"{self.name}: weight {one_line(name)} is {self.dtypes[name]}, but weights are floating-point "
                    "numbers (quantised files can have others): use the same model in fp32, fp16, bf16 or fp8."
                )
        found = {}
        for name in names:
            pause()
            found[name] = self._file.get_tensor(name)
            check_finite(found[name], name, self.name)
        return found

    def as_stored(self, name: str) -> Tensor:
        """One weight in whatever data type it has, and unchecked."""
        return self._file.get_tensor(name)


def _keys(file: safetensors.safe_open) -> list[str]:
    return file.keys()  # it is no mapping: `in file` and a loop over it fail


def check_finite(tensor: Tensor, key: str, name: str) -> None:
    """Raise InteractError if a weight of the file `name` holds NaN or infinity."""
    if not _all_finite(tensor):
        raise InteractError(
            f"{name}: weight {one_line(key)} holds NaN or infinity, so the file is damaged or its training failed: "
            "fetch it again or choose another file."
        )


def _all_finite(tensor: Tensor) -> bool:
    """Extremes instead of isfinite, which is twenty times slower for half precision on a CPU."""
    if not tensor.numel():
        return True
    if tensor.element_size() > 1:
        return all(math.isfinite(float(extreme)) for extreme in torch.aminmax(tensor))
    magnitude = tensor.view(torch.uint8) & 0x7F  # torch finds no extremes of float8
    return int(magnitude.max()) < (0x7F if tensor.dtype == torch.float8_e4m3fn else 0x7C)


@contextmanager
def open_weights(path: str | os.PathLike[str], wanted: str) -> Iterator[WeightsFile]:
    """A safetensors file, open; `wanted` says in errors what was expected, such as "an InterAct adapter".

    Raises InteractError for what is missing, a pickle (refused unopened), foreign, truncated or damaged.
    """
    name = os.fspath(path)
    _check_start(name, wanted)
    try:
        with safetensors.safe_open(name, framework="pt") as file:
            yield WeightsFile(file, name)
    except (safetensors.SafetensorError, OSError) as error:
        raise InteractError(
            f"{name} is truncated or damaged, not a whole safetensors file ({one_line(error)}): fetch it again."
        ) from error


def _check_start(name: str, wanted: str) -> None:
    """Look at the first bytes only: nothing but a safetensors header of a likely size is ever handed on."""
    if not Path(name).is_file():
        raise InteractError(f"{name} does not exist or is not a file; expected {wanted} (.safetensors).")
    try:
        with Path(name).open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise InteractError(f"{name} cannot be read ({one_line(error.strerror or error)}).") from error
    if start.startswith(PICKLE_STARTS):
        raise InteractError(
            f"{name} is a pickle, which can run code when it is opened, and was refused; "
            f"expected {wanted} in safetensors format."
        )
    if len(start) < 9:
        raise InteractError(
            f"{name} is truncated to {len(start)} bytes, not a whole safetensors file: fetch or save it again."
        )
    if start[8:9] != b"{":
        raise InteractError(f"{name} is not a safetensors file; expected {wanted} (.safetensors).")
    if int.from_bytes(start[:8], "little") > HEADER_BYTES:
        raise InteractError(
            f"{name} is damaged, not a whole safetensors file (its header would be larger than "
            f"{HEADER_BYTES >> 20} MiB): fetch it again."
        )


def check_shapes(
    name: str,
    shapes: Mapping[str, Sequence[int]],
    expected: Iterable[tuple[str, Sequence[int]]],
    others: bool = False,
) -> None:
    """Raise InteractError unless a file has the expected weights, and no others unless `others` is true.

    Ends at the first that is wrong: `expected` may be drawn from sizes that nobody has checked yet, and be endless.
    """
    seen = set()
    for key, shape in expected:
        if key not in shapes:
            raise InteractError(f"{name} lacks the weight {key}, expected with shape {list(shape)}.")
        if list(shapes[key]) != list(shape):
            raise InteractError(
                f"{name}: weight {key} has shape {list(shapes[key])}, expected {list(shape)}."
            )
        seen.add(key)
    for key in () if others else shapes:
        if key not in seen:
            raise InteractError(
                f"{name} has an unexpected weight {one_line(key)}, which is not in its configuration."
            )


def shapes_by_block(
    one: nn.Module, repeated: Mapping[str, Iterable[int]]
) -> Iterator[tuple[str, torch.Size]]:
    """Names and shapes of a module whose lists of blocks hold but number 0, for the block numbers in `repeated`.

    So a configuration that claims a million blocks costs no more than the first that is not in the file.
    """
    shapes = {key: tensor.shape for key, tensor in one.state_dict().items()}
    starts = {blocks: f"{blocks}.0." for blocks in repeated}
    yield from ((key, shape) for key, shape in shapes.items() if not key.startswith(tuple(starts.values())))
    for blocks, numbers in repeated.items():
        first = starts[blocks]
        inside = [(key.removeprefix(first), shape) for key, shape in shapes.items() if key.startswith(first)]
        for number in numbers:
            yield from ((f"{blocks}.{number}.{rest}", shape) for rest, shape in inside)


def parse_object(text: str, what: str) -> dict[str, Any]:
    """JSON of a configuration; `what` is its subject in errors, such as "The configuration in FILE".

    Raises InteractError for what is not JSON, not an object, nested too deep, too long, or names a field twice.
    """
    if len(text) > JSON_CHARACTERS:
        raise InteractError(
            f"{what} is {len(text)} characters long, far more than any configuration; fetch the file again."
        )
    try:
        fields = json.loads(text, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        raise InteractError(f"{what} is not JSON ({one_line(error)}); fetch the file again.") from error
    if not isinstance(fields, dict):
        raise InteractError(f"{what} is not a JSON object; fetch the file again.")
    return fields


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice")
    return fields


def save_weights(
    path: str | os.PathLike[str], weights: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file of which equal weights and metadata make equal bytes.

    safetensors writes the metadata's entries in another order each time, so they are sorted afterwards: as many bytes.
    """
    from safetensors.torch import save_file

    save_file(dict(weights), path, dict(metadata) if metadata else None)
    if not metadata:
        return
    with Path(path).open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        ordered = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(length)
        assert len(ordered) == length, "safetensors writes its header otherwise"
        file.seek(8)
        file.write(ordered)
