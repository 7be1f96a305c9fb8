"""A run: every stage in its order over all rows, as far as they are not made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import InteractError
from .config import Config
from .engine import Engine
from .manifest import ERROR, Done, Manifest, digest, write_parquet
from .record import Places, Record, Stage
from .work import Task

FILM_ENDINGS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".wmv")


@dataclass(frozen=True)
class Passed:
    """What a stage did. rows: all that came out of it; fresh: how many rows were made in this run, of `given`;
    seconds: work of its workers, those of earlier runs included.
    """

    stage: str
    given: int
    fresh: int
    seconds: float
    rows: tuple[Record, ...]

    @property
    def kept(self) -> list[Record]:
        return [row for row in self.rows if not row.rejected]


def find_films(raw: Path) -> list[Record]:
    """A row for each film below a folder, by its path. Raises InteractError where there is no folder or no film."""
    if not raw.is_dir():
        raise InteractError(f"{raw} is no folder: name the folder of your raw films.")
    found = sorted(path for path in raw.rglob("*") if path.suffix.lower() in FILM_ENDINGS and path.is_file())
    if not found:
        raise InteractError(
            f"{raw} holds no film ({', '.join(FILM_ENDINGS)}): name the folder of your raw films."
        )
    films = []
    for path in found:
        source, state = path.relative_to(raw).as_posix(), path.stat()
        name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in path.stem)[:40]
        name = f"{name}-{digest(source)[:8]}"
        key = digest(source, state.st_size, state.st_mtime_ns)
        films.append(Record(name, source, folder=f"films/{name}", key=key))
    return films


def annotate(
    places: Places,
    stages: Sequence[Stage],
    config: Config,
    engine: Callable[[], Engine],
    say: Callable[[str], None],
    again: bool = False,
) -> list[Passed]:
    """Take the raw films through all stages; gives what each stage did, and writes `clips.parquet`, every clip with its
    figures and, where it was rejected, stage, reason and figure.

    engine: makes what runs the rows, asked for only where there are any to run. again: rows that ended in an error are
    tried once more. Raises InteractError for what is wrong before the first film, and for a disk that is full.
    """
    rows = clips = find_films(places.raw)
    at_work = [stage for stage in stages if not stage.idle(config.tables[stage.name])]
    for stage in at_work:
        stage.check(config.tables[stage.name])
    manifest, started = Manifest(places.out), []
    passed = []
    try:
        for stage in at_work:
            task = Task.of(stage, config.tables[stage.name], places, config.run)
            if stage.whole is not None:
                passed.append(_at_once(task, rows, manifest))
            else:
                passed.append(_row_by_row(task, rows, manifest, engine, started, say, again))
            rows = passed[-1].kept
            clips = clips if stage.of_shards else rows
            say(_line(passed[-1]))
    finally:
        for one in started:
            one.close()
    of_clips = [one for one, stage in zip(passed, at_work, strict=True) if not stage.of_shards]
    rejected = [row for one in of_clips for row in one.rows if row.rejected]
    write_parquet(
        [row.to_row() for row in sorted([*clips, *rejected], key=_order)], places.out / "clips.parquet"
    )
    return passed


def _order(record: Record) -> tuple[str, float]:
    return record.source, record.start


def _row_by_row(
    task: Task,
    rows: Sequence[Record],
    manifest: Manifest,
    engine: Callable[[], Engine],
    started: list[Engine],
    say: Callable[[str], None],
    again: bool,
) -> Passed:
    name = task.stage.name
    wanted = {task.input_key(row): row for row in rows}
    done = manifest.settle(name, list(wanted), again)
    left = [row for key, row in wanted.items() if key not in done]
    if left:
        if not started:
            started.append(engine())
        say(f"{name}: {len(left)} to do{f', {len(done)} done before' if done else ''}")
        try:
            started[0].run(task, left, say)
        except KeyboardInterrupt:
            raise InteractError(
                "interrupted. Run the same command again; what is finished is kept."
            ) from None
        done = manifest.settle(name, list(wanted))
    if len(done) < len(wanted):
        raise InteractError(
            f"{len(wanted) - len(done)} rows of {name} have no result: run the same command again; what is finished is "
            "kept."
        )
    _check_errors(task, list(done.values()), len(left))
    out = tuple(row for key in wanted for row in done[key].rows)
    return Passed(name, len(rows), len(left), sum(one.seconds for one in done.values()), out)


def _check_errors(task: Task, done: Sequence[Done], fresh: int) -> None:
    """A stage in which every row of many ends in an error is broken itself."""
    words = [row.rejected for one in done for row in one.rows if row.rejected.startswith(ERROR)]
    if fresh and len(done) >= 10 and len(words) == sum(len(one.rows) for one in done):
        raise InteractError(
            f"all {len(done)} rows of {task.stage.name} ended in an error, the first in: "
            f"{words[0].removeprefix(ERROR)}. Put that right, and run the command again with --again."
        )


def _at_once(task: Task, rows: Sequence[Record], manifest: Manifest) -> Passed:
    """A stage that looks at all rows together. A row's key changes by what becomes of it alone, so that a new film
    does not make the clips of all others anew.
    """
    stage, began = task.stage, time.perf_counter()
    assert stage.whole is not None
    out = tuple(
        replace(
            row,
            key=digest(task.digest, row.key, row.rejected),
            stage=stage.name if row.rejected else "",
        )
        for row in stage.whole(list(rows), task.keys, task.places)
    )
    seconds = time.perf_counter() - began
    manifest.write(stage.name, [Done(row.key, (row,), seconds / max(1, len(out))) for row in out])
    return Passed(stage.name, len(rows), len(rows), seconds, out)


def _line(passed: Passed) -> str:
    rejected = len(passed.rows) - len(passed.kept)
    return f"{passed.stage}: {len(passed.kept)} go on, {rejected} rejected"
