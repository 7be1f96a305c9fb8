"""A real ComfyUI server for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.support import models as nodes_support


@contextmanager
def tiny_server(folder: Path, comfy: Path, *extra: str) -> Iterator[ComfyServer]:
    """A running ComfyUI on the CPU, with this pack and the tests' stand-ins; `extra` are options of its main.py.

    It finds the tiny models of nodes_support beside the pack's own, and files of two people as inputs.
    """
    models = nodes_support.write_models(folder)
    (folder / "input").mkdir()
    nodes_support.write_inputs(folder / "input")
    nodes = ("--whitelist-custom-nodes", "interacthuman", nodes_support.STAND_INS.name)
    extra = ("--extra-model-paths-config", str(models), *nodes, *extra)
    with ComfyServer(folder, comfy=comfy, extra=extra) as running:
        yield running
