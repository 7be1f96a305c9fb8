"""The real server that all host tests speak to: it runs, refuses, fails and stops as they rely on."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from interacthuman.interact_core.theatre import server as theatre_server
from interacthuman.interact_core.theatre.server import ComfyServer, PromptFailed, PromptRejected, ServerDied

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
    words = [sys.executable, "-c", theatre_server._RUN_MAIN, str(tmp_path / "main.py")]
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
