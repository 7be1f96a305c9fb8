"""Ray Data gives what one process gives, whatever dies, and with rows that do not fit into the memory given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from interacthuman.interact_core.annotation.pipeline.config import RunKeys
from interacthuman.interact_core.annotation.pipeline.engine import OneProcess, RayData
from interacthuman.interact_core.annotation.pipeline.manifest import Manifest
from interacthuman.interact_core.annotation.pipeline.record import Places, Record
from interacthuman.interact_core.annotation.pipeline.work import Task
from interacthuman.tests.support.annotation.toy import HEAVY, ToyKeys

STORE_GB = 0.078  # Ray's least is 75 MiB
MEGABYTES = 10


@pytest.fixture
def engine() -> Iterator[RayData]:
    engine = RayData(workers=2, store_gb=STORE_GB)
    yield engine
    engine.close()


def results(engine: OneProcess | RayData, out: Path) -> list[tuple[str, str, dict[str, float]]]:
    """Of 12 rows, one of which kills its worker the first time."""
    rows = [
        Record(
            f"row-{number:02d}", "a.mp4", texts={"load": "x" * (MEGABYTES * 2**20 + number)}, key=str(number)
        )
        for number in range(12)
    ]
    task = Task.of(HEAVY, ToyKeys(), Places(out, out), RunKeys(memory_gb=0.5))
    engine.run(task, rows, lambda line: None)
    done = Manifest(out).settle("heavy", [task.input_key(row) for row in rows])
    return [(one.rows[0].id, one.rows[0].key, dict(one.rows[0].figures)) for one in done.values()]


def test_a_killed_worker_and_too_little_memory_lose_nothing(tmp_path: Path, engine: RayData) -> None:
    """120 MiB of rows in a store of 78."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "died").touch()
    expected = results(OneProcess(), tmp_path / "one")
    assert [row[2]["length"] - MEGABYTES * 2**20 for row in expected] == list(range(12))
    (tmp_path / "ray").mkdir()
    assert results(engine, tmp_path / "ray") == expected
    assert (tmp_path / "ray" / "died").exists()
