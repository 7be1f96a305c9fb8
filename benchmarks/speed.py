"""`dev.py bench speed`: what the method costs beside the bare model, and beside core's InfiniteTalk.

One process, passes in turn, medians of ratios of neighbouring passes with bootstrap intervals. Models have the
true widths and random weights, and as many blocks as fit; times are taken apart by section and put together
again at the full number of blocks (see benchmarks/README.md). Each comparison can be run by itself, and its
figures replace its earlier ones in results/speed.json.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from ..interact_core.host.standalone import prepare_comfy

prepare_comfy()

from comfy.cli_args import args as comfy_args  # noqa: E402  (only now: comfy has to be told first)

comfy_args.use_pytorch_cross_attention = True  # what ComfyUI takes on a GPU; on a CPU it has a slower default

import comfy.model_management  # noqa: E402

from ..interact_core.theatre import report  # noqa: E402
from . import _result, _speed_forward  # noqa: E402
from ._speed_clock import all_cores  # noqa: E402
from ._speed_forward import Bench  # noqa: E402
from ._speed_models import SHAPES, Grid  # noqa: E402

SIZE = (832, 480)
FRAMES = {"cpu": 21, "cuda": 81}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench speed", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "comparisons",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(_speed_forward.COMPARISONS)}; none: all",
    )
    parser.add_argument("--shape", nargs="+", choices=tuple(SHAPES), default=("14B", "1.3B"))
    parser.add_argument("--frames", type=int, help="of the 832x480 video (default: 21 on a CPU, 81 on a GPU)")
    parser.add_argument("--characters", type=int, nargs="+", default=(1, 2, 4, 8))
    parser.add_argument("--depth", type=int, help="blocks (default: 1 on a CPU, 4 on a GPU)")
    parser.add_argument("--repeats", type=int, help="passes of each kind (default: 3 on a CPU, 20 on a GPU)")
    parser.add_argument("--out", type=Path, help="JSON (default: benchmarks/results/speed.json)")
    chosen = parser.parse_args(words)
    unknown = set(chosen.comparisons) - set(_speed_forward.COMPARISONS)
    if unknown:
        parser.error(f"there is no comparison {', '.join(sorted(unknown))}")
    chosen.comparisons = chosen.comparisons or list(_speed_forward.COMPARISONS)
    return chosen


def main(words: Sequence[str] | None = None) -> None:
    from comfyui_version import __version__ as comfyui

    chosen = arguments(words)
    device = comfy.model_management.get_torch_device()
    on_cpu = device.type == "cpu"
    grid = Grid(*SIZE, chosen.frames or FRAMES["cpu" if on_cpu else "cuda"])
    path = chosen.out or _result.FOLDER / "speed.json"
    with all_cores():
        for name in chosen.comparisons:
            for shape in chosen.shape:
                if name == "core" and shape != "14B":
                    continue  # core writes 40 heads, which is 14B
                bench = Bench(
                    SHAPES[shape],
                    grid,
                    chosen.depth or (1 if on_cpu else 4),
                    device,
                    torch.bfloat16,
                    chosen.repeats or (3 if on_cpu else 20),
                    tuple(chosen.characters),
                )
                figures = _speed_forward.COMPARISONS[name](bench)
                title = f"{name}, Wan {shape}, {grid.tokens} tokens, {device.type}"
                print(f"\n{title}\n\n{_result.table(figures, 'passes')}", flush=True)
                settings = {"shape": asdict(bench.shape), "grid": asdict(grid), "depth": bench.depth}
                _result.merge(
                    path,
                    title,
                    figures,
                    report.machine(),
                    report.versions(comfyui),
                    _result.command("speed"),
                    counted="passes",
                    when=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
                    settings={**settings, "precision": str(bench.dtype)},
                )


if __name__ == "__main__":
    main()
