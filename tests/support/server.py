"""A real ComfyUI server for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.support.models import model_files

if TYPE_CHECKING:
    import aiohttp  # ComfyUI's own


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


async def told_of_a_run(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """What a client gets until a prompt has ended and none is left: ComfyUI tells the length of its queue to everybody,
    behind whatever it told of the prompt. Bytes are {"type": "bytes"}.
    """
    messages: list[dict[str, Any]] = []
    left: list[int] = []
    while left[-2:] != [1, 0]:
        message = await socket.receive(timeout=300)
        assert not socket.closed, messages[-3:]
        is_text = isinstance(message.data, str)
        messages.append(json.loads(message.data) if is_text else {"type": "bytes"})
        told = messages[-1]
        if told["type"] == "status" and "sid" not in told["data"]:  # with one, it greets a new client
            left.append(told["data"]["status"]["exec_info"]["queue_remaining"])
    return messages
