"""`dev.py bench score`: is InterAct Score right on films that the model drew, and what does it take?

`lips` reads the node's figures beside the bench's own of the very same films. `time` is the wall clock for one film,
of a whole process and of the node's own work; `memory` what a long film takes. Each comparison can be run by itself,
and its figures replace its earlier ones in results/score.json.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path

from ..scenes import held_out, result  # isort: skip  (it configures comfy, before anything imports comfy)
from ...interact_core.theatre.measuring import report
from ..scenes.result import Figure
from . import cost, lips

COUNTED = {"lips": "scenes", "time": "runs", "memory": "frames"}
"""The comparisons, and what a figure of each counts."""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench score", description=__doc__.split("\n\n")[0])
    parser.add_argument("comparisons", nargs="*", metavar="NAME", help=f"of {', '.join(COUNTED)}; none: all")
    parser.add_argument("--scenes", type=int, default=16, help="of lips (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=33, help="of each scene of lips (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="of the film of memory (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="of time (default: %(default)s)")
    parser.add_argument("--models", type=Path, default=held_out.MODELS, help="a models folder")
    parser.add_argument("--out", type=Path, help="JSON (default: benchmarks/results/score.json)")
    chosen = parser.parse_args(argv)
    unknown = set(chosen.comparisons) - set(COUNTED)
    if unknown:
        parser.error(f"there is no comparison {', '.join(sorted(unknown))}")
    chosen.comparisons = chosen.comparisons or list(COUNTED)
    return chosen


def measure(name: str, chosen: argparse.Namespace) -> list[Figure]:
    """The figures of one comparison."""
    if name == "lips":
        return lips.compare(chosen.scenes, chosen.frames, chosen.models)
    if name == "time":
        return cost.time_of_one_film(chosen.repeats)
    return cost.memory_of_a_long_film(chosen.minutes)


def main(argv: Sequence[str] | None = None) -> None:
    from comfyui_version import __version__ as comfyui

    chosen = arguments(argv)
    for name in chosen.comparisons:
        figures = measure(name, chosen)
        print(f"\n{name}\n\n{result.table(figures, COUNTED[name])}", flush=True)
        result.merge(
            chosen.out or result.FOLDER / "score.json",
            name,
            figures,
            report.machine(),
            report.versions(comfyui),
            result.command("score"),
            counted=COUNTED[name],
            when=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
        )


if __name__ == "__main__":
    main()
