"""Scoring many films, by one process or several: what is finished is kept, what fails is counted and skipped."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InteractError, one_line
from ..metrics.score import Scorer, score_film
from ..whole_file import whole_file
from .films import open_film, read_person
from .jobs import Job
from .records import Record, read_record, record_of, write_json

if TYPE_CHECKING:
    from ..host.scorer import ScorerFiles

LoadScorer = Callable[[Any], Scorer]
"""A function of a module, so that worker processes find it by name; its argument compares by value."""


VERSION = 2  # of what records hold and how it is measured: a higher one scores finished films again


def settings(files: ScorerFiles) -> str:
    """What changes figures, as text."""
    return json.dumps({"version": VERSION, **files.identity()}, sort_keys=True)


@dataclass(frozen=True)
class Outcome:
    """One film that is done: its record, or the sentence why there is none. kept: it was finished in an earlier run."""

    key: str
    film: str
    record: Record | None
    failed: str | None = None
    seconds: float = 0.0
    kept: bool = False


def score_job(job: Job, scorer: Scorer) -> tuple[Record, Any]:
    """The record of one film, and its plot uint8 RGB [H, W, 3]: a pure function of the files.

    Raises InteractError for a file that cannot be read.
    """
    from ..preview.score_plot import draw_score

    opened = open_film(job.film)
    people, notes = [], list(opened.notes)
    for files in job.people:
        person, said = read_person(files, opened.film)
        people.append(person)
        notes += said
    figures = score_film(opened.film, people, scorer)
    return record_of(figures, notes), draw_score(figures)


def run_jobs(
    jobs: Sequence[Job], folder: Path, load: LoadScorer, files: Any, settings: str, workers: int
) -> Iterator[Outcome]:
    """Outcomes as they come: first what an earlier run has finished, then the rest.

    folder: with `records` and `plots` in it; load: makes the scorer of `files`, once in each process; settings: what
    changes figures, so that a record of others is not taken for finished.
    """
    left = []
    for job in jobs:
        key = job.key(settings)
        record = read_record(folder / "records" / f"{key}.json")
        if record is None:
            left.append((key, job))
        else:
            yield Outcome(key, job.film.name, record, kept=True)
    if workers <= 1:
        for key, job in left:
            yield _finish(key, job, folder, _loaded(load, files))
    elif left:
        yield from _in_processes(left, folder, load, files, workers)


def _in_processes(
    left: Sequence[tuple[str, Job]], folder: Path, load: LoadScorer, files: Any, workers: int
) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")  # torch and its threads do not survive a fork
    waiting = list(reversed(left))
    running: dict[Future[Outcome], tuple[str, Job]] = {}
    with ProcessPoolExecutor(workers, context, initializer=_begin_worker, initargs=(workers,)) as pool:
        while waiting or running:
            while waiting and len(running) < 2 * workers:
                key, job = waiting.pop()
                running[pool.submit(_in_worker, key, job, folder, load, files)] = (key, job)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                key, job = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool as error:
                    raise InteractError(
                        f"a worker was killed, perhaps for lack of memory, near {job.film.name}: run the same "
                        "command again with fewer --workers; what is finished is kept."
                    ) from error


def _begin_worker(workers: int) -> None:
    """In a new process, which knows nothing yet: ComfyUI is set up before `load` is looked for in its module."""
    import os

    import torch

    from ..host.standalone import prepare_comfy

    prepare_comfy()

    from ..host.folders import register_folders

    register_folders()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
    parent = multiprocessing.parent_process()
    if parent is not None:  # killed, it could not end its workers, and they would wait for work for ever
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _in_worker(key: str, job: Job, folder: Path, load: LoadScorer, files: Any) -> Outcome:
    return _finish(key, job, folder, _loaded(load, files))


@lru_cache(maxsize=1)
def _loaded(load: LoadScorer, files: Any) -> Scorer:
    """The scorer of this process."""
    return load(files)


def _finish(key: str, job: Job, folder: Path, scorer: Scorer) -> Outcome:
    """Score one film and keep its record and plot; a film that fails is an outcome, too."""
    began = time.perf_counter()
    try:
        record, plot = score_job(job, scorer)
    except InteractError as error:
        return Outcome(key, job.film.name, None, str(error), time.perf_counter() - began)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # a thousand films are not lost to one of them
        why = f"{type(error).__name__}: {one_line(error)}"
        return Outcome(key, job.film.name, None, why, time.perf_counter() - began)
    _write_plot(folder / "plots" / f"{key}.png", plot)
    write_json(folder / "records" / f"{key}.json", record)
    return Outcome(key, job.film.name, record, seconds=time.perf_counter() - began)


def _write_plot(path: Path, plot: Any) -> None:
    from PIL import Image

    with whole_file(path) as partial:
        Image.fromarray(plot).save(partial, format="png")
