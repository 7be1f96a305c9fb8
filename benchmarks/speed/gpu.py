"""`dev.py bench speed gpu`: what a GPU has to answer, in one command of fifteen minutes.

Each part's figures are written as soon as it is done, in the order of what is wanted most; what no longer fits into the
time is skipped, and said. Without a GPU all of it runs on models of a few channels, to see that it works: those figures
say nothing about a GPU and stay out of benchmarks/results.
"""

from __future__ import annotations

import argparse
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..scenes import result
from .forward import Bench
from .models import SHAPES, Grid, Shape

SIZE, FRAMES = (832, 480), 81
SMALL_SHAPE, SMALL_GRID = Shape("small", 640, 1280, 40, 2, 1), Grid(96, 64, 9)
"""Core writes 40 heads into its InfiniteTalk."""
SMALL_OUT = Path(__file__).parents[2] / ".cache" / "bench_small" / "speed.json"


@dataclass(frozen=True)
class Part:
    """A comparison of `bench speed`. seconds: what it may take on a GPU, models made and warmed up; a computation from
    the steps measured on an H100.
    """

    name: str
    shape: str
    seconds: float


PARTS = (
    Part("forward", "14B", 120),
    Part("core", "14B", 120),
    Part("kernels", "14B", 60),
    Part("folding", "14B", 40),
    Part("utilisation", "1.3B", 240),
)


class OutOfTime(Exception):
    """The time for all parts is over."""


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench speed gpu", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(p.name for p in PARTS)}; none: all"
    )
    parser.add_argument("--minutes", type=float, default=15.0, help="for all parts (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help="models of a few channels, as without a GPU")
    parser.add_argument(
        "--out", type=Path, help="JSON (default: benchmarks/results/speed.json; if small, .cache)"
    )
    chosen = parser.parse_args(argv)
    unknown = set(chosen.parts) - {part.name for part in PARTS}
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return chosen


def bench_of(part: Part, device: torch.device, small: bool) -> Bench:
    """Where a part is run."""
    large = Bench(
        SHAPES[part.shape], Grid(*SIZE, FRAMES), 4, device, torch.bfloat16, repeats=20, speakers=(2,)
    )
    if not small:
        return large
    return replace(large, shape=SMALL_SHAPE, grid=SMALL_GRID, depth=2, dtype=torch.float32, repeats=2)


def run_parts(
    parts: Sequence[Part],
    seconds: float,
    run: Callable[[Part], None],
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, str]:
    """Run the parts in turn; gives how each ended. A part that fails leaves the others their time."""
    deadline, ended = clock() + seconds, {}
    for part in parts:
        left = deadline - clock()
        if part.seconds > left:
            ended[part.name] = (
                f"skipped: it may take {part.seconds:.0f} s, and {max(0.0, left):.0f} s are left"
            )
        else:
            try:
                with stopping_after(left):
                    run(part)
                ended[part.name] = "done"
            except OutOfTime:
                ended[part.name] = "stopped: the time was over"
            except Exception as error:
                traceback.print_exc()
                ended[part.name] = f"failed: {type(error).__name__}: {str(error).splitlines()[:1]}"
        say(f"[gpu] {part.name}: {ended[part.name]}")
    return ended


@contextmanager
def stopping_after(seconds: float) -> Iterator[None]:
    """Raise OutOfTime within, so many seconds from now, where the system has an alarm."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main(
    argv: Sequence[str], device: torch.device, measure: Callable[[str, str, Bench, Path], None]
) -> dict[str, str]:
    """measure(comparison, title, bench, path) runs one and writes its figures."""
    chosen = arguments(argv)
    small = chosen.small or device.type == "cpu"
    out = chosen.out or (SMALL_OUT if small else result.FOLDER / "speed.json")
    if small:
        print(
            "[gpu] small: models of a few channels, to see that it works. No figure of this says anything of a GPU."
        )
    parts = [part for part in PARTS if not chosen.parts or part.name in chosen.parts]
    if small:
        parts = [replace(part, seconds=0.0) for part in parts]

    def run(part: Part) -> None:
        bench = bench_of(part, device, small)
        people = ", 2 characters" if part.name == "forward" else ""
        title = f"{part.name}, Wan {bench.shape.name}, {bench.grid.tokens} tokens, {device.type}{people}"
        measure(part.name, title, bench, out)
        if device.type == "cuda":
            torch.cuda.empty_cache()

    ended = run_parts(parts, 60 * chosen.minutes, run, lambda line: print(line, flush=True))
    print(f"[gpu] figures: {out}")
    return ended
