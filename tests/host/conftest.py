"""One real ComfyUI server for all host tests of a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from interacthuman.interact_core.theatre.server import ComfyServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, comfy_folder: Path) -> Iterator[ComfyServer]:
    """A running ComfyUI on the CPU, with this pack and no other, ended with the session whatever happens."""
    with ComfyServer(tmp_path_factory.mktemp("comfy_server"), comfy=comfy_folder) as running:
        yield running
