"""What tests of the training data share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from interacthuman.tests.support.training import write_drawn


def spoil(path: Path, fault: Callable[[bytes], bytes]) -> None:
    path.write_bytes(fault(path.read_bytes()))


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Three shards: of two samples the first is broken, one is cut off, one is good."""
    paths = write_drawn(tmp_path, range(6), each=2)
    spoil(paths[0], lambda content: content.replace(b'"concepts": 2', b'"concepts": 0', 1))
    spoil(paths[1], lambda content: content[: len(content) // 2])
    return paths
