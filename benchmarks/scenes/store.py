"""Finished records on disk, so that a killed bench goes on and none plays anew what another has, and the processes
that make them."""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from .held_out import MOVING, Case, Direction, Excerpt, add_house_arguments, draw_case, shipped_direction
from .runs import House, Record, Task, perform
from .settings import Setting

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "plays"
ROOMS = ("adapter", "guidance", "host", "speech", "theatre")  # of interact_core, which a play goes through
CODE = sorted(
    [file for room in ROOMS for file in (ROOT / "interact_core" / room).rglob("*.py")]
    + [ROOT / "benchmarks" / "scenes" / f"{name}.py" for name in ("runs", "held_out", "settings")]
    + [ROOT / "benchmarks" / "ablation" / "caches.py"]
)
FILE = "records.jsonl"
FORMAT = 3  # to be raised when a record's meaning changes

Run = Callable[[Sequence[Task]], None]


def fingerprint(models: Sequence[Path], direction: Direction, spoken: Sequence[Excerpt], bf16: bool) -> str:
    """Of everything that a record depends on beside its own setting and scene: other weights or other code, other
    records.

    models: folders of weights; documents in them do not count.
    """
    digest = hashlib.sha256(f"{FORMAT} {direction} {bf16}".encode())
    for folder in models:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
            digest.update(file.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    for file in CODE:
        digest.update(ast.dump(ast.parse(file.read_bytes())).encode())  # comments do not count
    for recording in spoken:
        digest.update(f"{recording.source} {recording.rate}".encode())
        digest.update(recording.waveform.tobytes())
    return digest.hexdigest()[:16]


class Store:
    """Records by setting and case, as lines of JSON; each is on disk before the next is waited for.

    What other weights played (Setting.trained) lies in a folder of its own: new ones leave the shipped ones' records.
    """

    def __init__(self, folder: Path, trained: Path | None = None) -> None:
        self.folder = folder
        self._trained = trained or folder
        self._records: dict[tuple[str, int], Record] = {}
        for place in {self.folder, self._trained}:
            place.mkdir(parents=True, exist_ok=True)
            self._read(place / FILE)

    def __contains__(self, task: Task) -> bool:
        return self.has(task.key, [task.number])

    def has(self, key: str, numbers: Iterable[int]) -> bool:
        """Whether a setting was played in all of these cases."""
        return all((key, number) in self._records for number in numbers)

    def add(self, record: Record) -> None:
        place = self._trained if "trained=" in record["setting"] else self.folder
        with open(place / FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._keep(record)

    def of(self, key: str, numbers: Iterable[int]) -> list[Record]:
        """The records of a setting in the order of the cases. KeyError where one was not played."""
        return [self._records[key, number] for number in numbers]

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        for line in whole.splitlines():
            self._keep(json.loads(line))
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")  # without a half-written last line

    def _keep(self, record: Record) -> None:
        self._records[record["setting"], record["case"]] = record


@dataclass(frozen=True, eq=False)
class Programme:
    """Which scenes there are, and how they are played as shipped."""

    direction: Direction
    spoken: Sequence[Excerpt]
    _cases: dict[tuple[int, int], Case] = field(default_factory=dict)

    def task(self, number: int, setting: Setting | None) -> Task:
        """A case played with a setting, or None for the case's drawn scene."""
        which = number, 2 if setting is None else setting.speakers
        if which not in self._cases:
            self._cases[which] = draw_case(number, self.direction, self.spoken, which[1])
        return Task(number, self._cases[which], setting)


def add_play_arguments(parser: argparse.ArgumentParser) -> None:
    """What `playing` is told."""
    add_house_arguments(parser)
    parser.add_argument(
        "--motion",
        type=float,
        default=MOVING,
        help="how far puppets are told to go, 0 to 1; below 0 they are told nothing, as in the shipped graphs "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--pictures", type=Path, help="write six frames of every clip into this folder (that is played now)"
    )


def directed(chosen: argparse.Namespace) -> Direction:
    """The shipped direction at so many frames, told how far its puppets go; chosen: of add_play_arguments, and frames."""
    return replace(shipped_direction(chosen.frames), motion=chosen.motion if chosen.motion >= 0 else None)


@contextmanager
def playing(
    programme: Programme,
    chosen: argparse.Namespace,
    trained: Path | None = None,
    minutes: float | None = None,
) -> Iterator[tuple[Store, Run]]:
    """The records of these weights, and what adds to them.

    chosen: of add_play_arguments; trained: folder of other weights by name; minutes: see `players`.
    """
    given = programme.direction, programme.spoken, chosen.bf16
    own = CACHE / fingerprint([chosen.models], *given)
    store = Store(own, CACHE / fingerprint([chosen.models, trained], *given) if trained else None)
    threads = max(1, (os.cpu_count() or 1) // chosen.workers)
    house = House(chosen.models, threads, chosen.bf16, store.folder / "truth", trained, chosen.pictures)
    with players(store, house, programme.direction, chosen.workers, minutes) as run:
        yield store, run


@contextmanager
def players(
    store: Store, house: House, shipped: Direction, workers: int, minutes: float | None = None
) -> Iterator[Run]:
    """A function that plays whatever of its tasks is not in the store yet, in processes that share the cores.

    After so many minutes it begins no more plays, and leaves the rest for another run.
    """
    work = partial(perform, house=house, shipped=shipped)
    deadline = time.monotonic() + 60 * minutes if minutes else float("inf")
    if workers == 1:

        def play_here(tasks: Sequence[Task]) -> None:
            waiting = missing(store, tasks)
            _keep_all(store, len(waiting), (work(task) for task in waiting if time.monotonic() < deadline))

        yield play_here
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:

        def play_there(tasks: Sequence[Task]) -> None:
            futures = [pool.submit(work, task) for task in missing(store, tasks)]
            try:
                _keep_all(store, len(futures), _finished(futures, deadline))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

        yield play_there


def _finished(futures: Sequence[Future[Record]], deadline: float) -> Iterator[Record]:
    for future in as_completed(futures):
        if time.monotonic() > deadline:
            for waiting in futures:
                waiting.cancel()  # those that are under way go on to their end
        if not future.cancelled():
            yield future.result()


def missing(store: Store, tasks: Sequence[Task]) -> list[Task]:
    """Each task once that has no record; plays of one set of weights together, for loading them takes time."""
    once = {(task.key, task.number): task for task in tasks if task not in store}
    return sorted(once.values(), key=lambda task: task.setting.trained if task.setting else "")


def _keep_all(store: Store, count: int, records: Iterable[Record]) -> None:
    began = time.perf_counter()
    for done, record in enumerate(records, 1):
        store.add(record)
        each = (time.perf_counter() - began) / done
        said = f"margin {record['margin']:.2f}" if "margin" in record else ""
        print(
            f"[{done}/{count}] scene {record['case']}, {record['setting']}: {said} "
            f"({each:.1f} s each, {each * (count - done) / 60:.0f} min to go)",
            flush=True,
        )
