"""A Ray cluster that was started before, as on several machines: its workers know the pack, and a token is sent."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest
from interacthuman.interact_core.rendering.__main__ import parse, plans_of

pytest.importorskip("ray")

TOKEN = "0123456789abcdef" * 4
ASK = """
import sys
from interacthuman.interact_core.ray_start import start_ray

def found():
    from interacthuman.interact_core import errors
    return errors.__name__

ray = start_ray(sys.argv[1])
print(ray.get(ray.remote(found).remote(), timeout=60), ray.cluster_resources()["CPU"])
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def cluster() -> Iterator[str]:
    """The address of a head with one worker that has no idea of the pack, and wants a token."""
    port, folder = free_port(), tempfile.mkdtemp(prefix="ray")  # short: Ray's sockets lie in it
    plain = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "INTERACT_COMFYUI")
    }
    words = ["start", "--head", "--block", f"--port={port}", "--num-cpus=3", "--include-dashboard=false"]
    head = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            *words,
            "--disable-usage-stats",
            f"--temp-dir={folder}",
        ],
        env={**plain, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()
        try:
            head.wait(30)
        finally:
            if head.poll() is None:
                os.killpg(head.pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(sys.platform == "win32", reason="clusters of Ray are not for Windows")
def test_a_cluster_is_joined_with_its_token(cluster: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    said, until = None, time.monotonic() + 120
    while time.monotonic() < until:
        said = subprocess.run(
            [sys.executable, "-c", ASK, cluster],
            env={**environment, "RAY_AUTH_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode == 0:
            break
        time.sleep(1)  # the head is not there yet
    assert said is not None and said.returncode == 0, said
    assert said.stdout.split() == ["interacthuman.interact_core.errors", "3.0"]


@pytest.mark.parametrize("more, cpu", [([], False), (["--gpus", "1"], False), (["--gpus", "0"], True)])
def test_servers_of_a_cluster_are_on_its_processors_if_they_get_no_gpu(more: list[str], cpu: bool) -> None:
    """Whatever this machine has."""
    options = parse(["films.csv", "graph.json", "--address", "auto", "--workers", "2", *more])
    assert [plan.cpu for plan in plans_of(options, 5)] == [cpu, cpu]


def test_a_server_here_that_gets_no_gpu_is_on_processors_too() -> None:
    options = parse(["films.csv", "graph.json", "--gpus", "0"])
    assert [plan.cpu for plan in plans_of(options, 1)] == [True]
