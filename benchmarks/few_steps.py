"""`dev.py bench few_steps`: what a short schedule costs. The same scenes in the shipped number of steps and
in fewer.

Each scene has two speakers and is one that training never saw, drawn as `bench theatre` draws it. It is run
from the same noise with the shipped number of steps and with each smaller number; differences are taken
within a scene, so that they are more precise than the difference of two means.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .scenes import result
from .scenes.held_out import AudioExcerpt, RunSettings, load_recordings, write_results
from .scenes.result import Figure
from .scenes.runs import Record
from .scenes.settings import Setting
from .scenes.store import ScenePlan, add_run_arguments, open_runs, settings_from_arguments
from .theatre import FULL, mean_of, spread

FEWER = (8, 4)
BOUNDED, LIMIT = 8, 0.1  # so many steps may lose so much sync
PAIRED = "Sync of the shipped number of steps minus that of so many, within each scene."


def figures_of(runs: Mapping[int, Sequence[Record]], shipped: int) -> list[Figure]:
    """Figures of every number of steps, and the sync that is lost against `shipped` ones, scene by scene.

    runs: by number of steps the same scenes in the same order.
    """
    table = [
        Figure(f"{name}_{steps}", *spread([mean_of(scene, figure) for scene in scenes]))
        for steps, scenes in runs.items()
        for name, figure in MEASURES.items()
    ]
    for steps, scenes in runs.items():
        if steps == shipped:
            continue
        pairs = zip(runs[shipped], scenes)
        gaps = [mean_of(before, "sync") - mean_of(after, "sync") for before, after in pairs]
        lost = Figure(f"sync_lost_in_{steps}", *spread(gaps), note=PAIRED)
        if steps == BOUNDED:
            lost = replace(lost, bound=f"<= {LIMIT}", holds=lost.value <= LIMIT)
        table.append(lost)
    return table


MEASURES = {"sync": "sync", "crosstalk": "crosstalk", "mask_iou_last": "mask_iou", "identity": "identity"}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench few_steps", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--scenes", type=int, default=FULL, help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, nargs="+", default=FEWER, help="(default: %(default)s)")
    parser.add_argument("--sampler", help="for the fewer steps, such as lcm (default: the shipped one)")
    parser.add_argument("--shift", type=float, help="for the fewer steps (default: the shipped one)")
    parser.add_argument("--frames", type=int, default=49)
    add_run_arguments(parser)
    parser.add_argument("--out", type=Path, help="JSON (default: few_steps.json in benchmarks/results)")
    return parser.parse_args(argv)


def in_steps(steps: int, shipped: RunSettings, chosen: argparse.Namespace) -> RunSettings:
    """The shipped settings with so many steps; other numbers than the shipped one take the asked sampler and
    shift.
    """
    if steps == shipped.steps:
        return shipped
    sampler, shift = chosen.sampler or shipped.sampler, chosen.shift or shipped.shift
    return replace(shipped, steps=steps, sampler=sampler, shift=shift)


def run_scenes(
    run_settings: RunSettings, recordings: Sequence[AudioExcerpt], chosen: argparse.Namespace
) -> list[Record]:
    """Run every scene with predicted masks."""
    plan = ScenePlan(run_settings, recordings)
    with open_runs(plan, chosen) as (store, run):
        run([plan.task(number, Setting()) for number in range(chosen.scenes)])
    return store.of(Setting().key, range(chosen.scenes))


def main() -> None:
    chosen, began = arguments(), time.perf_counter()
    run_settings, recordings = settings_from_arguments(chosen), load_recordings(chosen.recordings)
    counts = (run_settings.steps, *(steps for steps in chosen.steps if steps != run_settings.steps))
    runs = {steps: run_scenes(in_steps(steps, run_settings, chosen), recordings, chosen) for steps in counts}
    figures = figures_of(runs, run_settings.steps)
    path = chosen.out or (result.FOLDER / "few_steps.json" if chosen.scenes >= FULL else None)
    write_results(
        "few_steps",
        path,
        figures,
        run_settings,
        began,
        fewer={"sampler": chosen.sampler, "shift": chosen.shift},
    )


if __name__ == "__main__":
    main()
