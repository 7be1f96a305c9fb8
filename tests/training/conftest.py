"""What tests of the trainer share."""

from pathlib import Path

import pytest
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.training import write_drawn


@pytest.fixture(scope="session")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of drawn clips (encoded once for all tests here) and a random Wan of the true keys."""
    folder = tmp_path_factory.mktemp("training")
    write_drawn(folder, range(6))
    write_drawn(folder, range(20, 22), name="held_out")
    tiny_wan.write_wan(folder / "wan.safetensors")
    return folder
