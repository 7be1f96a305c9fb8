"""`dev.py bench speed`: what the method costs beside the bare model, and beside core's InfiniteTalk.

One process, passes in turn, medians of ratios of neighbouring passes with bootstrap intervals. Models have
the true widths and random weights, and as many blocks as fit; times are taken apart by section and put
together again at the full number of blocks (see benchmarks/README.md). Each comparison can be run by itself,
and its figures replace its earlier ones in results/speed.json.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from ...interact_core.host.standalone import prepare_comfy

prepare_comfy()

import comfy.model_management  # noqa: E402  (comfy has to be configured first)

from ...interact_core.theatre.measuring import report  # noqa: E402
from ..scenes import result  # noqa: E402
from ..scenes.result import Figure  # noqa: E402
from . import gpu  # noqa: E402
from .audio_features import audio_features  # noqa: E402
from .folding import folding  # noqa: E402
from .forward import COMPARISONS, Bench  # noqa: E402
from .kernels import kernels  # noqa: E402
from .models import SHAPES, Grid, adapter_config  # noqa: E402
from .pack_import import pack_import  # noqa: E402
from .reference_quality import reference_quality  # noqa: E402
from .roofline import roofline  # noqa: E402
from .server_run import server  # noqa: E402
from .timing import all_cores  # noqa: E402
from .training_step import training_step  # noqa: E402
from .utilisation import utilisation  # noqa: E402

SIZE = (832, 480)
SERVER_FRAMES = 5  # on a CPU, where a server computes in float32


SHAPED: dict[str, Callable[[Bench], Sequence[Figure]]] = {
    **COMPARISONS,
    "parts": roofline,
    "kernels": kernels,
    "folding": folding,
    "utilisation": utilisation,
    "server": server,
}
UNSHAPED: dict[str, Callable[[Bench], Sequence[Figure]]] = {
    "hearing": audio_features,
    "imports": pack_import,
    "training": training_step,
    "price": reference_quality,
}
"""Comparisons that do not depend on the shape of the diffusion model, by their names on the command line."""

EVERY = (*SHAPED, *UNSHAPED)
GPU = "gpu"
"""The word for all that a GPU has to answer (gpu.py)."""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench speed", description=__doc__.split("\n\n")[0])
    parser.add_argument("comparisons", nargs="*", metavar="NAME", help=f"of {', '.join(EVERY)}; none: all")
    parser.add_argument("--shape", nargs="+", choices=tuple(SHAPES), default=("14B", "1.3B"))
    parser.add_argument("--frames", type=int, help="of the 832x480 video (default: 21 on a CPU, 81 on a GPU)")
    parser.add_argument(
        "--characters",
        type=int,
        nargs="+",
        default=(1, 2, 4, 8),
        help="for forward; for core those of 1 and 2",
    )
    parser.add_argument("--depth", type=int, help="blocks (default: 1 on a CPU, 4 on a GPU)")
    parser.add_argument("--repeats", type=int, help="passes of each kind (default: 3 on a CPU, 20 on a GPU)")
    parser.add_argument("--out", type=Path, help="JSON (default: benchmarks/results/speed.json)")
    chosen = parser.parse_args(argv)
    unknown = set(chosen.comparisons) - set(EVERY)
    if unknown:
        parser.error(f"there is no comparison {', '.join(sorted(unknown))}")
    chosen.comparisons = chosen.comparisons or EVERY
    return chosen


def benches(name: str, chosen: argparse.Namespace, bench: Bench) -> Iterator[tuple[str, Bench]]:
    """What a comparison is run on, each with its title."""
    if name == "server" and bench.device.type == "cpu":
        bench = replace(bench, grid=replace(bench.grid, frames=SERVER_FRAMES))
    where = f"{bench.grid.tokens} tokens, {bench.device.type}"
    if name in UNSHAPED:
        yield f"{name}, {bench.device.type}", bench
        return
    for shape in chosen.shape:
        shaped = replace(bench, shape=SHAPES[shape])
        if name == "core" and shape != "14B":
            continue  # core's InfiniteTalk writes 40 heads, which is 14B
        if name == "utilisation" and (shape != "1.3B" or bench.device.type == "cpu"):
            continue  # what is wanted is of 1.3B, all of whose blocks a CPU would train for hours
        if name == "core":
            yield f"{name}, Wan {shape}, {where}", replace(shaped, speakers=core_speakers(chosen))
        elif name == "forward":
            for count in chosen.characters:
                people = f"{count} character" + "s" * (count > 1)
                yield f"{name}, Wan {shape}, {where}, {people}", replace(shaped, characters=count)
        else:
            yield f"{name}, Wan {shape}, {where}", shaped


def core_speakers(chosen: argparse.Namespace) -> tuple[int, ...]:
    """Core's InfiniteTalk knows one speaker and two."""
    return tuple(count for count in (1, 2) if count in chosen.characters) or (1, 2)


def main(argv: Sequence[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    device = comfy.model_management.get_torch_device()
    if argv[:1] == [GPU]:
        with all_cores():
            gpu.main(argv[1:], device, measure)
        return
    chosen = arguments(argv)
    cpu = device.type == "cpu"
    path = chosen.out or result.FOLDER / "speed.json"
    standard = Bench(
        shape=SHAPES["14B"],
        grid=Grid(*SIZE, chosen.frames or (21 if cpu else 81)),
        depth=chosen.depth or (1 if cpu else 4),
        device=device,
        dtype=torch.bfloat16,
        repeats=chosen.repeats or (3 if cpu else 20),
    )
    with all_cores():
        for name in chosen.comparisons:
            for title, bench in benches(name, chosen, standard):
                measure(name, title, bench, path)


def measure(name: str, title: str, bench: Bench, path: Path) -> None:
    """Run one comparison, print its table and put it into the JSON at `path`."""
    from comfyui_version import __version__ as comfyui

    figures = {**SHAPED, **UNSHAPED}[name](bench)
    print(f"\n{title}\n\n{result.table(figures, 'passes')}", flush=True)
    settings = {
        "shape": asdict(bench.shape),
        "grid": asdict(bench.grid),
        "depth": bench.depth,
        "precision": str(bench.dtype),
        "adapter": asdict(adapter_config(bench.shape, bench.depth)),
    }
    result.merge(
        path,
        title,
        figures,
        report.machine(),
        report.versions(comfyui),
        result.command("speed"),
        counted="passes",
        when=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
        **({} if name in UNSHAPED else {"settings": settings}),
    )


if __name__ == "__main__":
    main()
