"""Turns the public `syncnet_v2.model`, a pickled state dict, into safetensors once; nothing else here opens a pickle.

    python dev.py convert syncnet syncnet_v2.model syncnet_v2.safetensors

or, in an installed pack, with ComfyUI's Python in ComfyUI's folder (FOLDER is the pack's under custom_nodes):

    python -m custom_nodes.FOLDER.interact_core.metrics.sync.convert syncnet syncnet_v2.model syncnet_v2.safetensors
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from ...errors import InteractError, one_line
from ...weights_file import check_finite, check_shapes, is_out_of_memory
from .syncnet import WINDOW, SyncNet

# Numbers of the layers in the original's nn.Sequentials; the norm of each has the next number.
CONVS = {"conv1": 0, "conv2": 4, "conv3": 8, "conv4": 11, "conv5": 14, "conv6": 18}
HALVES = {"mouth": ("netcnnlip", "netfclip"), "voice": ("netcnnaud", "netfcaud")}
NORM = ("weight", "bias", "running_mean", "running_var")
EPSILON = 1e-5
COUNTER = ".num_batches_tracked"  # of newer torch; it says nothing of the weights


def convert_syncnet(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Read the public file `source` with torch.load(weights_only=True) and write `target`, whole or not at all.

    Raises InteractError for a file that is missing, a torchscript, of another model, damaged, or with NaN.
    """
    name, target = os.fspath(source), Path(target)
    if target.suffix.lower() != ".safetensors":
        raise InteractError(f"{target} is to be a .safetensors file: give it that ending.")
    state = _read(name)
    check_shapes(name, {key: list(weight.shape) for key, weight in state.items()}, public_shapes())
    for key, weight in state.items():
        check_finite(weight, key, name)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        save_file(folded(state), unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(name: str) -> dict[str, Tensor]:
    wanted = "expected the public syncnet_v2.model, a pickled state dict"
    if not Path(name).is_file():
        raise InteractError(f"{name} does not exist or is not a file; {wanted}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a torchscript, which is refused below
            state = torch.load(name, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        if "TorchScript" in str(error):
            raise InteractError(f"{name} is a torchscript of some model; {wanted}.") from error
        raise InteractError(f"{name} cannot be read as weights ({one_line(error)}); {wanted}.") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InteractError(f"{name} is a pickle of something else; {wanted}.")
    return {key: value for key, value in state.items() if not key.endswith(COUNTER)}


def public_shapes() -> Iterator[tuple[str, list[int]]]:
    """Names and shapes of the public file, without its counters."""
    with torch.device("meta"):
        net = SyncNet()
    for half, (convs, dense) in HALVES.items():
        for layer, number in CONVS.items():
            shape = list(net.get_parameter(f"{half}.{layer}.weight").shape)
            yield f"{convs}.{number}.weight", _original_shape(half, layer, shape)
            yield f"{convs}.{number}.bias", shape[:1]
            yield from ((f"{convs}.{number + 1}.{part}", shape[:1]) for part in NORM)
        for layer, number in (("fc1", 0), ("fc2", 3)):
            shape = list(net.get_parameter(f"{half}.{layer}.weight").shape)
            yield f"{dense}.{number}.weight", shape
            yield f"{dense}.{number}.bias", shape[:1]
        yield from ((f"{dense}.1.{part}", [512]) for part in NORM)


def _original_shape(half: str, layer: str, shape: list[int]) -> list[int]:
    """The mouth's convolutions are over time as well: the first over five frames, the others over one."""
    if half == "voice":
        return shape
    out, channels, *kernel = shape
    return [out, channels // WINDOW, WINDOW, *kernel] if layer == "conv1" else [out, channels, 1, *kernel]


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a SyncNet from the public file's: norms folded into their layers, frames laid into channels."""
    weights: dict[str, Tensor] = {}
    for half, (convs, dense) in HALVES.items():
        for layer, number in CONVS.items():
            weight, bias = _fold(state, f"{convs}.{number}", f"{convs}.{number + 1}", fuse_conv_bn_weights)
            if half == "mouth":
                weight = weight.transpose(1, 2).flatten(1, 2)  # [out, time, colour, h, w]: channel 3 t + c
            weights |= {f"{half}.{layer}.weight": weight, f"{half}.{layer}.bias": bias}
        weight, bias = _fold(state, f"{dense}.0", f"{dense}.1", fuse_linear_bn_weights)
        weights |= {f"{half}.fc1.weight": weight, f"{half}.fc1.bias": bias}
        weights |= {f"{half}.fc2.{part}": state[f"{dense}.3.{part}"] for part in ("weight", "bias")}
    return {key: weight.detach().float().contiguous() for key, weight in weights.items()}


def _fold(state: Mapping[str, Tensor], layer: str, norm: str, fuse) -> tuple[Tensor, Tensor]:
    own = [state[f"{layer}.{part}"].double() for part in ("weight", "bias")]
    scale, shift, mean, variance = (state[f"{norm}.{part}"].double() for part in NORM)
    return fuse(*own, mean, variance, EPSILON, scale, shift)


def main(words: list[str]) -> int:
    """The command line; exit code 1 for a file that cannot be converted."""
    parser = argparse.ArgumentParser(prog="convert", description="The public SyncNet as safetensors.")
    parser.add_argument("model", choices=["syncnet"])
    parser.add_argument("file", help="syncnet_v2.model, as its authors publish it")
    parser.add_argument("out", help="the .safetensors file to write")
    given = parser.parse_args(words)
    try:
        convert_syncnet(given.file, given.out)
    except InteractError as error:
        print(f"convert stopped: {error}", file=sys.stderr)
        return 1
    print(f"{given.out} is written.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
