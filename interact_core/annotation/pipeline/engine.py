"""What runs a stage's rows: this process alone, or Ray Data with a worker for each core or share of a GPU.

Both give the same: a row's result depends on the row alone, and it is read back from the journals, not from here.
"""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ...errors import InteractError
from ...ray_start import start_ray
from .record import Record
from .work import Task, Worker

BLOCKS_EACH = 8  # for each worker, so that one slow block at the end keeps nobody waiting
MOST_ROWS = 64  # of a block
Say = Callable[[str], None]


class Engine(Protocol):
    """Runs rows through a stage."""

    def run(self, task: Task, rows: Sequence[Record], say: Say) -> None:
        """Every row once at least; results go into the journals. Raises InteractError where the run has to stop."""

    def close(self) -> None:
        """Let go of all that was started."""


class OneProcess:
    """Row after row in this process, but for the stages that decode raw films."""

    def run(self, task: Task, rows: Sequence[Record], say: Say) -> None:
        worker, said = Worker(task), time.monotonic()
        try:
            for number, record in enumerate(rows, 1):
                worker(record)
                if time.monotonic() - said > 10 or number == len(rows):
                    said = time.monotonic()
                    say(f"  {task.stage.name}: {number} of {len(rows)}")
        finally:
            worker.close()

    def close(self) -> None:
        pass


class RayWorker:
    """A worker as Ray Data's actors have it: blocks of rows as JSON text."""

    def __init__(self, task: Task) -> None:
        self._worker = Worker(task)

    def __call__(self, block: Any) -> Any:
        """Arrow table with the column `row` -> one with a row's id and whether anything of it goes on."""
        import pyarrow as pa

        records = [Record(**json.loads(text)) for text in block.column("row").to_pylist()]
        done = [self._worker(record) for record in records]
        kept = [any(not row.rejected for row in one.rows) for one in done]
        return pa.table({"id": [record.id for record in records], "kept": kept})


class RayData:
    """Ray Data, here or on a cluster. address: of a cluster, None for this machine alone; store_gb: of Ray's object
    store here, 0 for Ray's own choice; workers: 0 for as many as there are cores.

    Raises InteractError where Ray cannot be used.
    """

    def __init__(self, address: str | None = None, workers: int = 0, store_gb: float = 0.0) -> None:
        alone: dict[str, Any] = {}
        if workers:
            alone["num_cpus"] = workers + 1  # one for Ray Data's own tasks
        if store_gb:
            alone["object_store_memory"] = int(store_gb * 2**30)
        self._ray, self._workers = start_ray(address, **alone), workers

    def run(self, task: Task, rows: Sequence[Record], say: Say) -> None:
        import pyarrow as pa
        from ray.data import ActorPoolStrategy, from_arrow

        gpus, workers = self._share(task)
        workers = min(workers, len(rows))
        each = min(MOST_ROWS, -(-len(rows) // (workers * BLOCKS_EACH)))
        blocks = [
            pa.table({"row": [json.dumps(record.to_row()) for record in rows[first : first + each]]})
            for first in range(0, len(rows), each)
        ]
        done = from_arrow(blocks).map_batches(
            RayWorker,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_args=(task,),
            compute=ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=gpus,
            memory=task.run.memory_gb * 2**30,
        )
        try:
            seen = sum(batch.num_rows for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"))
        except self._ray.exceptions.RayError as error:
            cause = _cause(error)
            if isinstance(cause, InteractError):
                raise InteractError(str(cause)) from error
            raise
        say(f"  {task.stage.name}: {seen} of {len(rows)}")

    def _share(self, task: Task) -> tuple[float, int]:
        """Of a GPU for each worker, and how many workers there are room for."""
        there = self._ray.cluster_resources()
        share = task.run.gpu_share if task.stage.gpu and there.get("GPU") else 0.0
        room = int(there["GPU"] / share) if share else int(there.get("CPU", 1))
        room = min(room, max(1, int(there.get("memory", 0) / (task.run.memory_gb * 2**30))))
        return share, max(1, min(room, self._workers or room))

    def close(self) -> None:
        self._ray.shutdown()


def _cause(error: BaseException) -> BaseException:
    """What a worker raised, below all that Ray wraps around it."""
    found: BaseException = error
    while (inner := getattr(found, "cause", None) or found.__cause__) is not None and inner is not found:
        found = inner
        if isinstance(found, InteractError):
            break
    return found


def engine_of(address: str | None, ray: bool, workers: int, store_gb: float) -> Engine:
    """Ray where it is installed and wanted. Raises InteractError where --address needs it."""
    installed = importlib.util.find_spec("ray") is not None
    if address and not installed:
        raise InteractError("--address needs Ray (the extra `scale`): install it, or leave --address out.")
    return RayData(address, workers, store_gb) if ray and installed else OneProcess()
