"""One real ComfyUI server for all host tests of a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from interacthuman.interact_core.theatre.server import ComfyServer
from interacthuman.tests import nodes_support


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, comfy_folder: Path) -> Iterator[ComfyServer]:
    """A running ComfyUI on the CPU, with this pack and no other, ended with the session whatever happens.

    It finds the tiny models of nodes_support beside the pack's own, and files of two people as inputs.
    """
    folder = tmp_path_factory.mktemp("comfy_server")
    models = nodes_support.write_models(folder)
    (folder / "input").mkdir()
    nodes_support.write_inputs(folder / "input")
    extra = ["--extra-model-paths-config", str(models)]
    with ComfyServer(folder, comfy=comfy_folder, extra=extra) as running:
        yield running
