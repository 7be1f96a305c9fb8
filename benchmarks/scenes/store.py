"""Finished records on disk, so that a killed bench goes on and no bench repeats another's runs, and the
worker pool that makes them.
"""

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

from .held_out import (
    MOTION,
    AudioExcerpt,
    Case,
    RunSettings,
    add_model_arguments,
    draw_case,
    shipped_run_settings,
)
from .runs import Record, Task, WorkerSettings, run_task
from .settings import Setting

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench_runs"
ROOMS = (
    "adapter",
    "guidance",
    "host",
    "metrics",
    "speech",
    "theatre",
)  # of interact_core, whose code a run depends on
CODE = sorted(
    [file for room in ROOMS for file in (ROOT / "interact_core" / room).rglob("*.py")]
    + [
        ROOT / "benchmarks" / "scenes" / f"{name}.py"
        for name in ("runs", "held_out", "settings", "sharpening")
    ]
    + [ROOT / "benchmarks" / "ablation" / "caches.py"]
)
FILE = "records.jsonl"
FORMAT = 3  # to be raised when a record's meaning changes

RunTasks = Callable[[Sequence[Task]], None]


def fingerprint(
    models: Sequence[Path], run_settings: RunSettings, recordings: Sequence[AudioExcerpt], bf16: bool
) -> str:
    """Hash of everything that a record depends on besides its setting and scene: weights, code and
    recordings.

    models: folders of weights; documents in them do not count.
    """
    digest = hashlib.sha256(f"{FORMAT} {run_settings} {bf16}".encode())
    for folder in models:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
            digest.update(file.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    for file in CODE:
        digest.update(ast.dump(ast.parse(file.read_bytes())).encode())  # comments do not count
    for recording in recordings:
        digest.update(f"{recording.source} {recording.rate}".encode())
        digest.update(recording.waveform.tobytes())
    return digest.hexdigest()[:16]


class Store:
    """Records by setting and case, as lines of JSON; each is on disk before the next is waited for.

    Records of other weights (Setting.trained) have a folder of their own, so that new ones keep the shipped
    records.
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
        """Whether a setting was run in all of these cases."""
        return all((key, number) in self._records for number in numbers)

    def add(self, record: Record) -> None:
        place = self._trained if "trained=" in record["setting"] else self.folder
        with (place / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._index(record)

    def of(self, key: str, numbers: Iterable[int]) -> list[Record]:
        """The records of a setting in the order of the cases. Raises KeyError where one was not run."""
        return [self._records[key, number] for number in numbers]

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        for line in whole.splitlines():
            self._index(json.loads(line))
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")  # without a half-written last line

    def _index(self, record: Record) -> None:
        self._records[record["setting"], record["case"]] = record


@dataclass(frozen=True, eq=False)
class ScenePlan:
    """Which scenes there are, and the shipped settings that they are run with."""

    run_settings: RunSettings
    recordings: Sequence[AudioExcerpt]
    _cases: dict[tuple[int, int], Case] = field(default_factory=dict)

    def task(self, number: int, setting: Setting | None) -> Task:
        """A case to run with a setting, or None for the case's rendered scene."""
        which = number, 2 if setting is None else setting.speakers
        if which not in self._cases:
            self._cases[which] = draw_case(number, self.run_settings, self.recordings, which[1])
        return Task(number, self._cases[which], setting)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `open_runs` and `settings_from_arguments`."""
    add_model_arguments(parser)
    parser.add_argument(
        "--motion",
        type=float,
        default=MOTION,
        help="motion prompt: how far puppets move, 0 to 1, above 1 farther than any training clip was told; below 0 no "
        "prompt, as in the shipped graphs (default: %(default)s)",
    )
    parser.add_argument("--pictures", type=Path, help="write six frames of every new clip into this folder")


def settings_from_arguments(chosen: argparse.Namespace) -> RunSettings:
    """The shipped settings with the number of frames and the motion prompt of the command line."""
    return replace(shipped_run_settings(chosen.frames), motion=chosen.motion if chosen.motion >= 0 else None)


@contextmanager
def open_runs(
    plan: ScenePlan,
    chosen: argparse.Namespace,
    trained: Path | None = None,
    minutes: float | None = None,
) -> Iterator[tuple[Store, RunTasks]]:
    """The records of these weights, and a function that runs tasks and adds their records.

    chosen: of add_run_arguments; trained: folder of other weights by name; minutes: see `worker_pool`.
    """
    given = plan.run_settings, plan.recordings, chosen.bf16
    own = CACHE / fingerprint([chosen.models], *given)
    store = Store(own, CACHE / fingerprint([chosen.models, trained], *given) if trained else None)
    threads = max(1, (os.cpu_count() or 1) // chosen.workers)
    worker = WorkerSettings(
        chosen.models, threads, chosen.bf16, store.folder / "truth", trained, chosen.pictures
    )
    with worker_pool(store, worker, plan.run_settings, chosen.workers, minutes) as run:
        yield store, run


@contextmanager
def worker_pool(
    store: Store, worker: WorkerSettings, shipped: RunSettings, workers: int, minutes: float | None = None
) -> Iterator[RunTasks]:
    """A function that runs those of its tasks that are not in the store yet, in processes that share the
    cores.

    After so many minutes it starts no more runs, and leaves the rest for another call of the bench.
    """
    work = partial(run_task, worker=worker, shipped=shipped)
    deadline = time.monotonic() + 60 * minutes if minutes else float("inf")
    if workers == 1:

        def run_here(tasks: Sequence[Task]) -> None:
            waiting = missing(store, tasks)
            _store_all(store, len(waiting), (work(task) for task in waiting if time.monotonic() < deadline))

        yield run_here
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:

        def run_in_pool(tasks: Sequence[Task]) -> None:
            futures = [pool.submit(work, task) for task in missing(store, tasks)]
            try:
                _store_all(store, len(futures), _finished(futures, deadline))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

        yield run_in_pool


def _finished(futures: Sequence[Future[Record]], deadline: float) -> Iterator[Record]:
    for future in as_completed(futures):
        if time.monotonic() > deadline:
            for waiting in futures:
                waiting.cancel()  # those that have started run to their end
        if not future.cancelled():
            yield future.result()


def missing(store: Store, tasks: Sequence[Task]) -> list[Task]:
    """Each task without a record, once; tasks of the same weights together, since loading weights takes time."""
    once = {(task.key, task.number): task for task in tasks if task not in store}
    return sorted(once.values(), key=lambda task: task.setting.trained if task.setting else "")


def _store_all(store: Store, count: int, records: Iterable[Record]) -> None:
    began = time.perf_counter()
    for done, record in enumerate(records, 1):
        store.add(record)
        each = (time.perf_counter() - began) / done
        margin = f"margin {record['margin']:.2f}" if "margin" in record else ""
        print(
            f"[{done}/{count}] scene {record['case']}, {record['setting']}: {margin} "
            f"({each:.1f} s each, {each * (count - done) / 60:.0f} min to go)",
            flush=True,
        )
