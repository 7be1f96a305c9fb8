"""`dev.py bench ablation`: the paper's argument, rerun in the theatre, where the truth is known.

Scenes, looks and voices that training never saw; two puppets speak at once, and some head goes at least half a
token (scenes that stand still are drawn again: no mask has to follow there). Every row plays the same scenes
from the same noise. Whatever is played is kept in .cache/plays, by weights and code, so that a run that was killed
goes on, and a second one only adds what is new.

Masks are called true that are the segmentation of the finished predicted run, as shipped: of its first frame for
the fixed ones, of every frame for the ceiling. The video that is then made with them may go other ways; the column
"mask IoU" says how well the masks that steered fit the video that came of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...interact_core.theatre import report
from ..scenes import result as _result
from ..scenes.held_out import TRAVEL, Direction, recordings
from ..scenes.runs import trained_weights
from ..scenes.settings import Setting
from ..scenes.store import CACHE, ROOT, Programme, Run, Store, add_play_arguments, directed, playing
from . import page, tables
from . import texts as words
from .settings import ARGUMENT, TUNING, Row, groups

FULL = 64  # scenes below which nothing is written into the repository unless --out says so
TUNING_FIRST = 500_000  # numbers of the scenes on which sharpness is chosen: never those it is judged on
PATIENCE = 4  # scenes drawn for each that moves, before the search gives up


@dataclass(frozen=True, eq=False)
class Scenes:
    """Numbers of the scenes that rows are played on."""

    programme: Programme
    store: Store
    run: Run
    argument: int
    sweep: int

    @cached_property
    def drawn(self) -> list[int]:
        """All that were played as shipped to find enough that move, of the argument."""
        return self._search(0, self.argument)

    @cached_property
    def _tuning(self) -> list[int]:
        return self._search(TUNING_FIRST, self.sweep)

    def of(self, which: str) -> list[int]:
        searched = self._tuning if which == TUNING else self.drawn
        wanted = self.argument if which == ARGUMENT else self.sweep
        return [number for number in searched if self._moves(number)][:wanted]

    def _moves(self, number: int) -> bool:
        return self.store.of(Setting().key, [number])[0]["travel"] >= TRAVEL

    def _search(self, first: int, wanted: int) -> list[int]:
        numbers: list[int] = []
        while (found := sum(map(self._moves, numbers))) < wanted and len(numbers) < PATIENCE * wanted:
            more = range(first + len(numbers), first + len(numbers) + max(2, wanted - found))
            self.run([self.programme.task(number, Setting()) for number in more])
            played = [number for number in more if self.store.has(Setting().key, [number])]
            numbers += played
            if len(played) < len(more):  # out of time
                break
        return numbers

    def played(self, row: Row) -> bool:
        """Whether a row was played on all of its scenes, and what it is compared with too."""
        numbers, keys = self.of(row.scenes), [s.key for s in (row.setting, row.against) if s is not None]
        return bool(numbers) and all(self.store.has(key, numbers) for key in keys)


def play_rows(rows: Sequence[Row], scenes: Scenes) -> list[Row]:
    """Whatever masks are drawn from comes first. Returns the rows that there was time for."""
    wanted = [
        (number, setting)
        for row in rows
        for setting in (row.setting, row.against)
        if setting is not None
        for number in scenes.of(row.scenes)
    ]
    task = scenes.programme.task
    scenes.run([task(number, setting.source) for number, setting in wanted if setting.drawn])
    drawable = [(n, s) for n, s in wanted if not s.drawn or scenes.store.has(s.source.key, [n])]
    scenes.run([task(number, setting) for number, setting in drawable])
    return [row for row in rows if scenes.played(row)]


def play_groups(chosen: argparse.Namespace, scenes: Scenes) -> dict[str, list[Row]]:
    """The rows asked for, played group by group; each strategy at the best of what was tried after that was."""
    shipped = scenes.programme.direction
    played: dict[str, list[Row]] = {}
    for group, rows in groups(trained_weights(chosen.trained)).items():
        told = [_told_as(row, shipped) for row in rows]
        if group == "best" and "best" in chosen.only:
            told = [
                _told_as(row, shipped) for row in tables.best_rows(played, scenes.store, scenes.of(TUNING))
            ]
        if group in ("sharpness", "audio_scale"):  # in which one of the ways is the shipped one
            told = [row for row in told if row.setting != row.against]
        if group in chosen.only:
            played[group] = play_rows(told, scenes)
        if group == "injection" and group in chosen.only:
            scenes.run([scenes.programme.task(number, None) for number in scenes.of(ARGUMENT)])
    return {group: rows for group, rows in played.items() if rows}


def _told_as(row: Row, shipped: Direction) -> Row:
    against = None if row.against is None else row.against.told_as(shipped)
    return replace(row, setting=row.setting.told_as(shipped), against=against)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
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
    add_play_arguments(parser)
    parser.add_argument(
        "--trained", type=Path, help="what `train identity` wrote: for the row with ID embeddings"
    )
    parser.add_argument(
        "--minutes", type=float, help="begin no more plays after so many, and write what is whole"
    )
    parser.add_argument(
        "--out", type=Path, help="folder for ablation.json, .md and .html (default: benchmarks/results)"
    )
    parser.add_argument("--readme", action="store_true", help="put table and figure into README.md as well")
    chosen = parser.parse_args(words)
    chosen.only = with_needs(chosen.only or known)
    if chosen.readme and "injection" not in chosen.only:
        parser.error("--readme needs the group injection, which is what README.md shows")
    chosen.sweep_scenes = min(chosen.sweep_scenes, chosen.scenes)
    if chosen.out is None:
        whole = chosen.scenes >= FULL and chosen.steps is None
        chosen.out = _result.FOLDER if whole else CACHE / "ablation"
    return chosen


def with_needs(only: Sequence[str]) -> list[str]:
    """The groups asked for and those that they are read from."""
    needs = {"best": ("injection", "sharpness", "audio_scale"), "occlusion": ("injection",)}
    return list(dict.fromkeys(name for asked in only for name in (*needs.get(asked, ()), asked)))


def how_long_trained(folder: Path | None) -> str:
    """What `train identity` says of the weights that it left in a folder."""
    # Only here: it brings comfy, which _plays has prepared by now.
    from ...interact_core.theatre.training.id_embedding import DOCUMENT

    documents = [folder / name / DOCUMENT for name in trained_weights(folder)]
    return next((path.read_text(encoding="utf-8").strip() for path in documents if path.exists()), "")


def main() -> None:
    from comfyui_version import __version__ as comfyui

    chosen, began = arguments(), time.perf_counter()
    direction = directed(chosen)
    direction = replace(direction, steps=chosen.steps or direction.steps)
    programme = Programme(direction, recordings(chosen.recordings))
    with playing(programme, chosen, chosen.trained, chosen.minutes) as (store, run):
        scenes = Scenes(programme, store, run, chosen.scenes, chosen.sweep_scenes)
        played = play_groups(chosen, scenes)
    found = tables.findings(played, scenes.store, scenes.of, scenes.drawn, chosen.only)
    found = replace(found, trained=how_long_trained(chosen.trained))
    about = {
        "command": _result.command("ablation"),
        "machine": report.machine(),
        "versions": report.versions(comfyui),
        "settings": {**vars(programme.direction), "guidance": vars(programme.direction.guidance)},
        "weights": store.folder.name,
        "seconds": round(time.perf_counter() - began),
    }
    written = page.write(chosen.out, found, about)
    print(words.markdown(found, about["command"]))
    print("\n".join(map(str, written)))
    if chosen.readme:
        page.write_readme(ROOT, found, about["command"])


if __name__ == "__main__":
    main()
