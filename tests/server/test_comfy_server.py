"""The real server that tests, demo and benches speak to: it runs, refuses, fails and stops as they rely on."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core import comfy_server
from interacthuman.interact_core.comfy_client import PromptFailed, PromptRejected, ServerDied
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.support.aside import run_aside
from interacthuman.tests.support.server import told_of_a_run
from interacthuman.tests.support.tiny_graphs import id_of, on_stock_sampler, only, tiny_graph

PICTURE = {"class_type": "EmptyImage", "inputs": {"width": 32, "height": 16, "batch_size": 1, "color": 255}}


def saved(prefix: str, source: str = "picture") -> dict:
    return {"class_type": "SaveImage", "inputs": {"images": [source, 0], "filename_prefix": prefix}}


def test_a_graph_runs_and_its_files_lie_in_the_servers_own_folder(server: ComfyServer) -> None:
    outputs = server.run({"picture": PICTURE, "save": saved("plain")})
    picture = server.path_of(outputs["save"]["images"][0])
    assert picture.is_file() and picture.is_relative_to(server.output)


def test_a_graph_that_comfyui_refuses_raises_with_the_nodes_errors(server: ComfyServer) -> None:
    with pytest.raises(PromptRejected) as refusal:
        server.run({"picture": {**PICTURE, "inputs": {"width": 32}}, "save": saved("refused")})
    assert "picture" in refusal.value.node_errors


def test_a_graph_that_fails_raises_with_the_node_that_failed(server: ComfyServer) -> None:
    # A filename that leaves the output folder passes validation and fails in the node.
    with pytest.raises(PromptFailed) as failure:
        server.run({"picture": PICTURE, "save": saved("../../outside")})
    assert failure.value.event == "execution_error" and failure.value.details["node_id"] == "save"
    assert server.run({"picture": PICTURE, "save": saved("after")})["save"]["images"]


def test_object_info_of_known_and_unknown_nodes(server: ComfyServer) -> None:
    assert "color" in server.object_info("EmptyImage")["input"]["required"]
    assert server.object_info("NoSuchNode") == {}


def test_the_pack_loads(server: ComfyServer) -> None:
    """What keeps it quick, the packages it leaves alone, is test_packaging's: seconds depend on the machine."""
    found = re.search(r"([\d.]+) seconds( \(IMPORT FAILED\))?: \S*interacthuman", server.log())
    assert found, server.log()
    assert found[2] is None, found[0]


def test_resident_memory_is_that_of_a_comfyui(server: ComfyServer) -> None:
    assert server.rss() > 100 * 2**20


def test_a_start_that_fails_ends_with_the_servers_own_words(tmp_path: Path, comfy_folder: Path) -> None:
    with pytest.raises(ServerDied, match="--no-such-option"):
        ComfyServer(tmp_path, comfy=comfy_folder, extra=["--no-such-option"]).start()


def test_a_taken_port_is_said_before_a_start(server: ComfyServer, tmp_path: Path, comfy_folder: Path) -> None:
    with pytest.raises(ServerDied, match=str(server.port)):
        ComfyServer(tmp_path, comfy=comfy_folder, port=server.port).start()


def test_the_server_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """A main.py that would run for ever ends when the pipe from its parent closes."""
    (tmp_path / "main.py").write_text("import time\nopen('alive', 'w').close()\ntime.sleep(600)\n")
    words = [sys.executable, "-c", comfy_server._RUN_MAIN, str(tmp_path / "main.py")]
    child = subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "alive").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(30) == 0
    finally:
        child.kill()


# --- the live view


async def watched(
    server: ComfyServer, graph: dict, workflow: str
) -> tuple[list[dict], list[dict], list[int]]:
    """Run a graph as a browser does, while another one looks on: both's JSON, and our binary events' kinds.

    (ComfyUI's own GetImageSize tells its size to everybody, in binary.)
    """
    import aiohttp  # ComfyUI's own

    async with aiohttp.ClientSession() as session:
        client, address = uuid.uuid4().hex, f"{server.address}/ws?clientId="
        sockets = [await session.ws_connect(address + name) for name in (client, uuid.uuid4().hex)]
        extra = {"extra_pnginfo": {"workflow": {"id": workflow}}, "preview_method": "latent2rgb"}
        body = {"prompt": graph, "client_id": client, "extra_data": extra}
        prompt = (await asyncio.to_thread(server.post, "/prompt", body))["prompt_id"]
        ours, pictures = [], []
        while not ours or ours[-1]["type"] not in ("execution_success", "execution_error"):
            message = await sockets[0].receive(timeout=300)
            if message.type is aiohttp.WSMsgType.BINARY:
                pictures.append(int.from_bytes(message.data[:4], "big"))
            else:
                ours.append(json.loads(message.data))
        assert ours[-1]["type"] == "execution_success" and ours[-1]["data"]["prompt_id"] == prompt
        theirs = [message for message in await told_of_a_run(sockets[1]) if message["type"] != "bytes"]
        return ours, theirs, pictures


def told(messages: list[dict], event: str) -> list[dict[str, Any]]:
    return [message["data"] for message in messages if message["type"] == event]


@pytest.mark.parametrize("stock", [False, True], ids=["sampler", "ksampler"])
def test_a_run_is_watched_by_the_browser_that_queued_it_and_by_no_other(
    server: ComfyServer, root: Path, stock: bool
) -> None:
    api = json.loads((root / "workflows" / "api" / "two_speakers.json").read_text(encoding="utf-8"))
    graph = tiny_graph(api)
    source, sampling = id_of(graph, "InterActSampler"), only(graph, "InterActSampler")
    if stock:
        on_stock_sampler(graph)
        source, sampling = "guided", only(graph, "KSampler")
    for workflow in ("first", "copy of it"):  # of which the second finds its guided MODEL in the cache
        sampling["seed"] = 900 + len(workflow)
        ours, theirs, pictures = run_aside(watched(server, graph, workflow))
        assert not [message for message in theirs if message["type"].startswith("interact.")]
        steps, (end,) = told(ours, "interact.step"), told(ours, "interact.end")
        assert [step["step"]["index"] for step in steps] == [0, 1, 2, 3] and end["how"] == "done"
        executed = told(ours, "executed")
        shown = next(one["output"] for one in executed if "interact_masks" in one["output"])
        (manifest,) = shown["interact_masks"]
        assert manifest["steps"] == [step["step"] for step in steps]
        for event in (*steps, end):
            assert (event["workflow"], event["source"], event["run"]) == (workflow, source, manifest["run"])
            assert event["prompt"] == told(ours, "execution_success")[0]["prompt_id"]
        for name in (steps[-1]["step"]["masks"], steps[-1]["step"]["frames"]):
            with urllib.request.urlopen(f"{server.address}/view?filename={name}&type=temp") as answer:
                assert len(answer.read()) > 100
        assert {1, 4} & set(pictures)  # and ComfyUI's own preview on the sampler node
