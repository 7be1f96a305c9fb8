"""`dev.py bench ablation`: the paper's argument, rerun in the theatre, where the truth is known.

Scenes, looks and voices that training never saw; two puppets speak at once, and some head moves at least half
a token (scenes that stand still are drawn again: no mask has to follow there). Every row runs the same scenes
from the same noise. Finished runs are kept in .cache/bench_runs, by weights and code, so that a killed bench
goes on, and a second one only adds what is new.

True masks are the segmentation of the finished predicted run, as shipped: of its first frame for the fixed
masks, of every frame for the ceiling. The video that is then made with them may differ; the column "mask IoU"
says how well the masks that steered a video fit it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...interact_core.theatre.measuring import report
from ..scenes import result
from ..scenes.held_out import MIN_TRAVEL, RunSettings, load_recordings
from ..scenes.runs import trained_variants
from ..scenes.settings import Setting
from ..scenes.store import (
    CACHE,
    ROOT,
    RunTasks,
    ScenePlan,
    Store,
    add_run_arguments,
    open_runs,
    settings_from_arguments,
)
from . import page, tables, texts
from .rows import ARGUMENT, TUNING, Row, groups

FULL = 64  # scenes below which nothing is written into the repository unless --out says so
TUNING_FIRST = 500_000  # numbers of the scenes on which sharpness is chosen: never those it is judged on
PATIENCE = 4  # scenes drawn for each that moves, before the search gives up


@dataclass(frozen=True, eq=False)
class Scenes:
    """Numbers of the scenes that rows are run on; run: adds the records of tasks to the store."""

    plan: ScenePlan
    store: Store
    run: RunTasks
    argument: int
    sweep: int

    @cached_property
    def searched(self) -> list[int]:
        """All scenes of the argument that were run as shipped to find enough that move."""
        return self._search(0, self.argument)

    @cached_property
    def _tuning(self) -> list[int]:
        return self._search(TUNING_FIRST, self.sweep)

    def of(self, which: str) -> list[int]:
        candidates = self._tuning if which == TUNING else self.searched
        wanted = self.argument if which == ARGUMENT else self.sweep
        return [number for number in candidates if self._moves(number)][:wanted]

    def _moves(self, number: int) -> bool:
        return self.store.of(Setting().key, [number])[0]["travel"] >= MIN_TRAVEL

    def _search(self, first: int, wanted: int) -> list[int]:
        numbers: list[int] = []
        while (found := sum(map(self._moves, numbers))) < wanted and len(numbers) < PATIENCE * wanted:
            more = range(first + len(numbers), first + len(numbers) + max(2, wanted - found))
            self.run([self.plan.task(number, Setting()) for number in more])
            done = [number for number in more if self.store.has(Setting().key, [number])]
            numbers += done
            if len(done) < len(more):  # out of time
                break
        return numbers

    def is_finished(self, row: Row) -> bool:
        """Whether a row and the setting that it is compared with were run on all of its scenes."""
        numbers, keys = self.of(row.scenes), [s.key for s in (row.setting, row.against) if s is not None]
        return bool(numbers) and all(self.store.has(key, numbers) for key in keys)


def run_rows(rows: Sequence[Row], scenes: Scenes) -> list[Row]:
    """Run rows, those first whose segmentation becomes true masks. Returns the rows that there was time for."""
    wanted = [
        (number, setting)
        for row in rows
        for setting in (row.setting, row.against)
        if setting is not None
        for number in scenes.of(row.scenes)
    ]
    task = scenes.plan.task
    scenes.run([task(number, setting.source) for number, setting in wanted if setting.needs_truth])
    runnable = [(n, s) for n, s in wanted if not s.needs_truth or scenes.store.has(s.source.key, [n])]
    scenes.run([task(number, setting) for number, setting in runnable])
    return [row for row in rows if scenes.is_finished(row)]


def run_groups(chosen: argparse.Namespace, scenes: Scenes) -> dict[str, list[Row]]:
    """Run the rows asked for, group by group; the group "best" follows from the groups before it."""
    shipped = scenes.plan.run_settings
    finished: dict[str, list[Row]] = {}
    for group, rows in groups(trained_variants(chosen.trained)).items():
        asked = [_normalised(row, shipped) for row in rows]
        if group == "best" and "best" in chosen.only:
            asked = [
                _normalised(row, shipped)
                for row in tables.best_rows(finished, scenes.store, scenes.of(TUNING))
            ]
        if group in ("sharpness", "audio_scale"):  # which contain the shipped setting
            asked = [row for row in asked if row.setting != row.against]
        if group in chosen.only:
            finished[group] = run_rows(asked, scenes)
        if group == "injection" and group in chosen.only:
            scenes.run([scenes.plan.task(number, None) for number in scenes.of(ARGUMENT)])
    return {group: rows for group, rows in finished.items() if rows}


def _normalised(row: Row, shipped: RunSettings) -> Row:
    against = None if row.against is None else row.against.normalised(shipped)
    return replace(row, setting=row.setting.normalised(shipped), against=against)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    known = [*groups(), *tables.ANALYSES]
    parser = argparse.ArgumentParser(prog="dev.py bench ablation", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--scenes", type=int, default=FULL, help="of the argument itself (default: %(default)s)"
    )
    parser.add_argument(
        "--sweep-scenes", type=int, default=12, help="of every other group (default: %(default)s)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=known, metavar="GROUP", help=f"any of {', '.join(known)}"
    )
    parser.add_argument("--frames", type=int, default=49)
    parser.add_argument(
        "--steps", type=int, help="of the schedule, for a quick look (default: the shipped number)"
    )
    add_run_arguments(parser)
    parser.add_argument(
        "--trained", type=Path, help="what `train identity` wrote: for the row with ID embeddings"
    )
    parser.add_argument(
        "--minutes", type=float, help="start no more runs after so many, and write what is finished"
    )
    parser.add_argument(
        "--out", type=Path, help="folder for ablation.json, .md and .html (default: benchmarks/results)"
    )
    parser.add_argument("--readme", action="store_true", help="write docs/results.md and README.md too")
    chosen = parser.parse_args(argv)
    chosen.only = with_needs(chosen.only or known)
    if chosen.readme and "injection" not in chosen.only:
        parser.error("--readme needs the group injection, which is what README.md shows")
    chosen.sweep_scenes = min(chosen.sweep_scenes, chosen.scenes)
    if chosen.out is None:
        whole = chosen.scenes >= FULL and chosen.steps is None
        chosen.out = result.FOLDER if whole else CACHE / "ablation"
    return chosen


def with_needs(only: Sequence[str]) -> list[str]:
    """The groups asked for and those that they are read from."""
    needs = {"best": ("injection", "sharpness", "audio_scale"), "occlusion": ("injection",)}
    return list(dict.fromkeys(name for asked in only for name in (*needs.get(asked, ()), asked)))


def how_long_trained(folder: Path | None) -> str:
    """The sentence of `train identity` on the weights that it wrote into a folder."""
    # Only here: it imports comfy, which scenes/runs.py has configured by now.
    from ...interact_core.theatre.training.id_embedding import DOCUMENT

    documents = [folder / name / DOCUMENT for name in trained_variants(folder)]
    return next((path.read_text(encoding="utf-8").strip() for path in documents if path.exists()), "")


def main() -> None:
    from comfyui_version import __version__ as comfyui

    chosen, began = arguments(), time.perf_counter()
    run_settings = settings_from_arguments(chosen)
    run_settings = replace(run_settings, steps=chosen.steps or run_settings.steps)
    plan = ScenePlan(run_settings, load_recordings(chosen.recordings))
    with open_runs(plan, chosen, chosen.trained, chosen.minutes) as (store, run):
        scenes = Scenes(plan, store, run, chosen.scenes, chosen.sweep_scenes)
        finished = run_groups(chosen, scenes)
    found = tables.findings(finished, scenes.store, scenes.of, scenes.searched, chosen.only)
    found = replace(found, trained=how_long_trained(chosen.trained))
    about = {
        "command": result.command("ablation"),
        "machine": report.machine(),
        "versions": report.versions(comfyui),
        "settings": {**vars(plan.run_settings), "guidance": vars(plan.run_settings.guidance)},
        "weights": store.folder.name,
        "seconds": round(time.perf_counter() - began),
    }
    written = page.write(chosen.out, found, about)
    print(texts.markdown(found, about["command"]))
    print("\n".join(map(str, written)))
    if chosen.readme:
        page.write_readme(ROOT, found, about["command"])


if __name__ == "__main__":
    main()
