"""A real ComfyUI server for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.support.models import model_files


@contextmanager
def tiny_server(folder: Path, comfy: Path, *extra: str, cpu: bool = True) -> Iterator[ComfyServer]:
    """A running ComfyUI with this pack and the tests' stand-in nodes; `extra` are options of its main.py.

    It finds the models of model_files beside the pack's own, and files of two people as inputs.
    """
    models = model_files.write_models(folder)
    (folder / "input").mkdir()
    model_files.write_inputs(folder / "input")
    nodes = ("--whitelist-custom-nodes", "interacthuman", model_files.STAND_IN_NODES.name)
    extra = ("--extra-model-paths-config", str(models), *nodes, *extra)
    with ComfyServer(folder, comfy=comfy, cpu=cpu, extra=extra) as running:
        yield running
