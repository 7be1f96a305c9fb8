"""`dev.py bench few_steps`: what a short schedule costs. The same scenes in the shipped number of steps and in fewer.

Each scene has two speakers and is one that training never saw, drawn as `bench theatre` draws it. It is played
from the same noise with the shipped number of steps and with each of the fewer; differences are taken within a
scene, so that they say more than two means would.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .scenes import result as _result
from .scenes.held_out import Direction, Excerpt, keep, recordings
from .scenes.result import Figure
from .scenes.runs import Record
from .scenes.settings import Setting
from .scenes.store import Programme, add_play_arguments, directed, playing
from .theatre import FULL, mean_of, spread

FEWER = (8, 4)
BOUNDED, LIMIT = 8, 0.1  # so many steps may lose so much sync
PAIRED = "Sync of the shipped number of steps minus that of so many, within each scene."


def figures_of(played: Mapping[int, Sequence[Record]], shipped: int) -> list[Figure]:
    """Figures of every number of steps, and the sync that is lost against `shipped` ones, scene by scene.

    played: by number of steps the same scenes in the same order.
    """
    table = [
        Figure(f"{name}_{steps}", *spread([mean_of(scene, figure) for scene in scenes]))
        for steps, scenes in played.items()
        for name, figure in MEASURES.items()
    ]
    for steps, scenes in played.items():
        if steps == shipped:
            continue
        pairs = zip(played[shipped], scenes)
        gaps = [mean_of(before, "sync") - mean_of(after, "sync") for before, after in pairs]
        lost = Figure(f"sync_lost_in_{steps}", *spread(gaps), note=PAIRED)
        if steps == BOUNDED:
            lost = replace(lost, bound=f"<= {LIMIT}", holds=lost.value <= LIMIT)
        table.append(lost)
    return table


MEASURES = {"sync": "sync", "crosstalk": "crosstalk", "mask_iou_last": "mask_iou", "identity": "identity"}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench few_steps", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--scenes", type=int, default=FULL, help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, nargs="+", default=FEWER, help="(default: %(default)s)")
    parser.add_argument("--sampler", help="for the fewer steps, such as lcm (default: the shipped one)")
    parser.add_argument("--shift", type=float, help="for the fewer steps (default: the shipped one)")
    parser.add_argument("--frames", type=int, default=49)
    add_play_arguments(parser)
    parser.add_argument("--out", type=Path, help="JSON (default: few_steps.json in benchmarks/results)")
    return parser.parse_args(words)


def in_steps(steps: int, shipped: Direction, chosen: argparse.Namespace) -> Direction:
    """The shipped direction in so many steps; other numbers have the sampler and the shift that were asked for."""
    if steps == shipped.steps:
        return shipped
    sampler, shift = chosen.sampler or shipped.sampler, chosen.shift or shipped.shift
    return replace(shipped, steps=steps, sampler=sampler, shift=shift)


def play(direction: Direction, spoken: Sequence[Excerpt], chosen: argparse.Namespace) -> list[Record]:
    """Every scene with predicted masks."""
    programme = Programme(direction, spoken)
    with playing(programme, chosen) as (store, run):
        run([programme.task(number, Setting()) for number in range(chosen.scenes)])
    return store.of(Setting().key, range(chosen.scenes))


def main() -> None:
    chosen, began = arguments(), time.perf_counter()
    direction, spoken = directed(chosen), recordings(chosen.recordings)
    counts = (direction.steps, *(steps for steps in chosen.steps if steps != direction.steps))
    played = {steps: play(in_steps(steps, direction, chosen), spoken, chosen) for steps in counts}
    figures = figures_of(played, direction.steps)
    path = chosen.out or (_result.FOLDER / "few_steps.json" if chosen.scenes >= FULL else None)
    keep(
        "few_steps", path, figures, direction, began, fewer={"sampler": chosen.sampler, "shift": chosen.shift}
    )


if __name__ == "__main__":
    main()
