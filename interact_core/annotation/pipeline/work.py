"""One stage's worker: rows one after the other, each into the journal as it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import InteractError, one_line
from .config import RunKeys
from .isolate import Cell
from .manifest import ERROR, Done, Journal, Manifest, digest, is_full, no_room, stage_digest
from .record import Places, Record, Rejected, Stage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A stage with all that its workers need; it travels to them."""

    stage: Stage
    keys: Any
    places: Places
    run: RunKeys
    digest: str

    @classmethod
    def of(cls, stage: Stage, keys: Any, places: Places, run: RunKeys) -> Task:
        return cls(stage, keys, places, run, stage_digest(stage, keys))

    def input_key(self, record: Record) -> str:
        """What the stage's result for this row is kept under."""
        return digest(self.digest, record.key)


class Worker:
    """Raises InteractError where the stage cannot work at all, such as for want of a model's files."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._journal = Journal(Manifest(task.places.out).journals(task.stage.name))
        self._cell = self._run = None
        if task.stage.isolated:
            memory = int(task.run.memory_gb * 2**30)
            self._cell = Cell(task.stage, task.keys, task.places, memory)
        else:
            assert task.stage.make is not None
            self._run = task.stage.make(task.keys)

    def __call__(self, record: Record) -> Done:
        """Do one row and keep what came of it. Raises InteractError for a full disk."""
        began = time.perf_counter()
        rows = self._rows(record)
        made_from = self.task.input_key(record)
        finished = tuple(
            replace(row, key=digest(made_from, number), stage=self.task.stage.name if row.rejected else "")
            for number, row in enumerate(rows)
        )
        done = Done(made_from, finished, round(time.perf_counter() - began, 4))
        self._journal.add(done)
        return done

    def _rows(self, record: Record) -> Sequence[Record]:
        try:
            if self._cell is not None:
                limit = self.task.run.limit + self.task.run.limit_each * record.seconds
                return self._cell.run(record, limit)
            rows = self._run(record, self.task.places)
        except Rejected as rejected:
            rows = record.reject(rejected.reason, rejected.figure)
        except Exception as error:  # a million clips are not lost to one of them
            if _out_of_memory(error):
                raise
            if is_full(error):
                raise no_room(self.task.places.out, error) from error
            log.debug("%s", record.id, exc_info=True)
            kind = "" if isinstance(error, InteractError) else f"{type(error).__name__}: "
            rows = record.reject(f"{ERROR}{kind}{one_line(error)}")
        return [rows] if isinstance(rows, Record) else rows

    def close(self) -> None:
        """End the process of its own, where there is one."""
        if self._cell is not None:
            self._cell.close()


def _out_of_memory(error: Exception) -> bool:
    from ...weights_file import is_out_of_memory

    return is_out_of_memory(error)
