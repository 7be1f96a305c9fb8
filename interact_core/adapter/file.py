"""The adapter's file: safetensors, with the configuration in its header, checked before anything is used."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import InteractError
from .config import AdapterConfig
from .model import Adapter

# torch.save's zip archive, and bare pickles of protocol 2 to 5
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
SCALES = (".scale_weight", ".weight_scale")
"""Endings of a float8 weight's scale, in the two layouts that ComfyUI reads (comfy/utils.py, convert_old_quants)."""
BESIDE_WEIGHTS = (*SCALES, ".scale_input", ".input_scale", ".comfy_quant", "scaled_fp8")


def save_adapter(
    path: str | os.PathLike[str],
    state_dict: Mapping[str, Tensor],
    config: AdapterConfig,
    dtype: torch.dtype | None = None,
) -> None:
    """Write all weights of an Adapter (cast to `dtype` if given) and its configuration as safetensors.

    The file appears whole or not at all, so a training that is stopped leaves its last checkpoint readable.
    Raises InteractError, before writing, where `state_dict` is not that of Adapter(config).
    """
    shapes = {key: tensor.shape for key, tensor in state_dict.items()}
    check_keys(str(path), shapes, Adapter(config, device="meta"))
    tensors = {
        key: tensor.detach().to(device="cpu", dtype=dtype or tensor.dtype).contiguous()
        for key, tensor in state_dict.items()
    }
    unfinished = Path(f"{os.fspath(path)}.{os.getpid()}.part")
    try:
        save_file(tensors, unfinished, metadata=config.to_metadata())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_adapter(path: str | os.PathLike[str]) -> tuple[AdapterConfig, dict[str, Tensor]]:
    """Read what `save_adapter` wrote: the configuration and the weights, on the CPU in the file's own dtype.

    Raises InteractError, one sentence naming the file (and the key, what was found and what was expected),
    for a file that is missing, a pickle (refused unopened), foreign, truncated, of another format version, or
    whose configuration, keys or shapes are not those of an Adapter.
    """
    name = os.fspath(path)
    with open_adapter_file(name) as file:
        config = AdapterConfig.from_metadata(file.metadata(), name)
        check_keys(name, shapes_of(file), Adapter(config, device="meta"))
        return config, weights_of(file, name)


def shapes_of(file: safetensors.safe_open) -> dict[str, list[int]]:
    """Of the weights; what a float8 file says of its scales is left out."""
    return {key: file.get_slice(key).get_shape() for key in _keys(file) if not key.endswith(BESIDE_WEIGHTS)}


def _keys(file: safetensors.safe_open) -> list[str]:
    return file.keys()  # it is no mapping: `in file` and a loop over it fail


def weights_of(file: safetensors.safe_open, name: str) -> dict[str, Tensor]:
    """In the file's own dtype; a weight with a scale beside it comes multiplied by it, as bfloat16.

    Raises InteractError, with the file's `name`, for a scale that is not one number for a weight in float8.
    """
    weights = {key: file.get_tensor(key) for key in _keys(file) if not key.endswith(BESIDE_WEIGHTS)}
    for key in _keys(file):
        if not key.endswith(SCALES):
            continue
        scaled, scale = f"{key.rpartition('.')[0]}.weight", file.get_tensor(key)
        if scaled not in weights or weights[scaled].dtype not in FLOAT8 or scale.numel() != 1:
            raise InteractError(
                f"{name} is quantised in a way that this pack cannot read (see {key}): use the same model in fp16, "
                "bf16 or fp8."
            )
        weights[scaled] = (weights[scaled].float() * scale.float()).to(torch.bfloat16)
    return weights


@contextmanager
def open_adapter_file(name: str) -> Iterator[safetensors.safe_open]:
    """A safetensors file, open. Raises InteractError for what is missing, a pickle, foreign or truncated."""
    _refuse_foreign(name)
    try:
        with safetensors.safe_open(name, framework="pt") as file:
            yield file
    except safetensors.SafetensorError as error:
        raise InteractError(
            f"{name} is truncated or damaged ({error}); expected a whole safetensors file: fetch it again."
        ) from error


def _refuse_foreign(name: str) -> None:
    """Look at the first bytes only: nothing but a safetensors header is ever handed on."""
    if not Path(name).is_file():
        raise InteractError(
            f"{name} does not exist or is not a file; expected an InterAct adapter (.safetensors)."
        )
    with Path(name).open("rb") as file:
        start = file.read(9)
    if start.startswith(PICKLE_STARTS):
        raise InteractError(
            f"{name} is a pickle, which can run code when it is opened, and was refused; "
            "expected an InterAct adapter in safetensors format."
        )
    if len(start) < 9:
        raise InteractError(
            f"{name} is truncated to {len(start)} bytes; expected a safetensors file, fetch or save it again."
        )
    if start[8:9] != b"{":
        raise InteractError(f"{name} is not a safetensors file; expected an InterAct adapter (.safetensors).")


def check_keys(name: str, shapes: Mapping[str, Sequence[int]], module: nn.Module) -> None:
    """Raise InteractError unless a file has exactly the weights of `module`, which may be on the meta device."""
    expected = {key: tensor.shape for key, tensor in module.state_dict().items()}
    for key, shape in expected.items():
        if key not in shapes:
            raise InteractError(f"{name} lacks the weight {key}, expected with shape {list(shape)}.")
        if list(shapes[key]) != list(shape):
            raise InteractError(
                f"{name}: weight {key} has shape {list(shapes[key])}, expected {list(shape)}."
            )
    for key in shapes:
        if key not in expected:
            raise InteractError(f"{name} has an unexpected weight {key}, which is not in its configuration.")
