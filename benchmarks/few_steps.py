"""`dev.py bench few_steps`: what a short schedule costs. The same scenes in the shipped number of steps and in fewer.

Each scene has two speakers and is one that training never saw, drawn as `bench theatre` draws it. It is played
from the same noise with the shipped number of steps and with each of the fewer; differences are taken within a
scene, so that they say more than two means would.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..interact_core.host.standalone import prepare_comfy

prepare_comfy()

from ..interact_core.theatre import report
from ..interact_core.theatre.measure import bootstrap_interval
from ..interact_core.theatre.rehearsal import MODELS, Direction, shipped_direction
from . import _result
from ._result import Figure
from .theatre import FULL, Case, Played, draw_case, play_all, recordings

FEWER = (8, 4)
BOUNDED, LIMIT = 8, 0.1  # so many steps may lose so much sync
PAIRED = "Sync of the shipped number of steps minus that of so many, within each scene."


def figures_of(played: Mapping[int, Sequence[Played]], shipped: int) -> list[Figure]:
    """Figures of every number of steps, and the sync that is lost against `shipped` ones, scene by scene.

    played: by number of steps the same scenes in the same order.
    """
    table = [
        mean(f"{name}_{steps}", [figure(scene) for scene in scenes])
        for steps, scenes in played.items()
        for name, figure in MEASURES.items()
    ]
    for steps, scenes in played.items():
        if steps == shipped:
            continue
        pairs = zip(played[shipped], scenes)
        lost = mean(
            f"sync_lost_in_{steps}", [_sync(before) - _sync(after) for before, after in pairs], PAIRED
        )
        if steps == BOUNDED:
            lost = replace(lost, bound=f"<= {LIMIT}", holds=lost.value <= LIMIT)
        table.append(lost)
    return table


def mean(name: str, values: Sequence[float], note: str = "") -> Figure:
    return Figure(name, float(np.mean(values)), bootstrap_interval(values), len(values), note=note)


def _sync(played: Played) -> float:
    return played.mean(lambda c: c.sync)


MEASURES: dict[str, Callable[[Played], float]] = {
    "sync": _sync,
    "crosstalk": lambda played: played.mean(lambda c: c.crosstalk),
    "mask_iou_last": lambda played: played.mean(lambda c: c.mask_iou[-1]),
    "identity": lambda played: played.mean(lambda c: c.likeness.alike),
}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench few_steps", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--scenes", type=int, default=FULL, help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, nargs="+", default=FEWER, help="(default: %(default)s)")
    parser.add_argument("--sampler", help="for the fewer steps, such as lcm (default: the shipped one)")
    parser.add_argument("--shift", type=float, help="for the fewer steps (default: the shipped one)")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument(
        "--recordings", type=Path, help="a folder of recordings, used in turn with espeak-ng's voices"
    )
    parser.add_argument(
        "--models", type=Path, default=MODELS, help="a models folder (default: the shipped one)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that share the cores (default: %(default)s)"
    )
    parser.add_argument(
        "--bf16-vae",
        action="store_true",
        help="as ComfyUI's option: three times as fast on processors with AMX",
    )
    parser.add_argument("--pictures", type=Path, help="write six frames of every clip into this folder")
    parser.add_argument("--out", type=Path, help="JSON (default: few_steps.json in benchmarks/results)")
    return parser.parse_args(words)


def play_in(
    steps: int, shipped: int, cases: Sequence[Case], direction: Direction, chosen: argparse.Namespace
) -> list[Played]:
    """The cases in so many steps; the shipped number has the shipped sampler and shift."""
    told = replace(direction, steps=steps)
    if steps != shipped:
        told = replace(told, sampler=chosen.sampler or told.sampler, shift=chosen.shift or told.shift)
    pictures = None if chosen.pictures is None else chosen.pictures / str(steps)
    here = argparse.Namespace(**{**vars(chosen), "pictures": pictures})
    played = []
    for run in play_all(cases, [("predicted",)] * len(cases), told, here):
        played.append(run["predicted"])
        print(f"{steps} steps [{len(played)}/{len(cases)}] sync {_sync(played[-1]):.2f}", flush=True)
    return played


def main() -> None:
    from comfyui_version import __version__ as comfyui

    chosen = arguments()
    direction = shipped_direction(chosen.frames)
    spoken = recordings(chosen.recordings)
    cases = [draw_case(number, direction, spoken, silent=False) for number in range(chosen.scenes)]
    began = time.perf_counter()
    counts = (direction.steps, *(steps for steps in chosen.steps if steps != direction.steps))
    played = {steps: play_in(steps, direction.steps, cases, direction, chosen) for steps in counts}
    figures = figures_of(played, direction.steps)
    print(_result.table(figures))
    path = chosen.out or (_result.FOLDER / "few_steps.json" if chosen.scenes >= FULL else None)
    if path is not None:
        _result.write(
            path,
            figures,
            report.machine(),
            report.versions(comfyui),
            _result.command("few_steps"),
            settings={**vars(direction), "guidance": vars(direction.guidance)},
            fewer={"sampler": chosen.sampler, "shift": chosen.shift},
            seconds=round(time.perf_counter() - began),
        )


if __name__ == "__main__":
    main()
