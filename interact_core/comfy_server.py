"""A real ComfyUI server as a child process: started, spoken to over HTTP, and ended whatever happens.

The demo and the host tests run their graphs on it. Standard library only (psutil, which ComfyUI requires, for
one figure). Run as a module it is `dev.py serve`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Runs main.py as `python main.py` does, and ends when the pipe from the parent closes: so no server outlives
# a parent that was killed without a chance to clean up, on any operating system.
_RUN_MAIN = """
import os, runpy, sys, threading
def end_with_parent():
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)
threading.Thread(target=end_with_parent, daemon=True).start()
main = os.path.abspath(sys.argv[1])
sys.path[0] = os.path.dirname(main)
del sys.argv[0]
runpy.run_path(main, run_name="__main__")
"""

# ComfyUI gets the environment of a user's own start: the first two are what dev.py's children import through
# (the pack could be imported twice, under two names), the third would hide main.py's own folder from it.
_NOT_FOR_COMFY = ("PYTHONPATH", "INTERACT_COMFYUI", "PYTHONSAFEPATH")


class ServerDied(RuntimeError):
    """The server ended, or did not answer in time; the message carries the end of its log."""


class PromptRejected(RuntimeError):
    """/prompt refused the graph. `error` is ComfyUI's error, `node_errors` maps node ids to theirs."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.error: dict[str, Any] = answer.get("error") or {}
        self.node_errors: dict[str, Any] = answer.get("node_errors") or {}
        super().__init__(json.dumps(answer))


class PromptFailed(RuntimeError):
    """A run ended by an error or by an interrupt.

    `event` is "execution_error" or "execution_interrupted", `details` what ComfyUI tells with it (node_id,
    node_type, and for errors exception_type, exception_message, traceback), `entry` the whole history entry.
    """

    def __init__(self, event: str, details: dict[str, Any], entry: dict[str, Any]) -> None:
        self.event, self.details, self.entry = event, details, entry
        what = details.get("exception_message", "interrupted").strip()
        super().__init__(f"node {details.get('node_id')} ({details.get('node_type')}): {what}")


def comfy_folder() -> Path:
    """The ComfyUI that dev.py set up, else the one whose custom_nodes this pack was imported from."""
    named = os.environ.get("INTERACT_COMFYUI", "")
    folder = Path(named) if named else Path(__file__).absolute().parents[3]
    if not (folder / "main.py").is_file():
        raise FileNotFoundError(f"No ComfyUI in {folder}: run this through dev.py, which knows where it is.")
    return folder


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class ComfyServer:
    """ComfyUI with this pack, its user, temp, output and input folders apart from any other's.

        with ComfyServer(folder=Path("output/demo/server")) as server:
            outputs = server.run(graph)

    `folder` gets `user`, `temp`, `output`, `input` and `server.log`; `port` 0 takes a free one. `only_pack`
    leaves out every other custom node; `extra` are further options of ComfyUI's main.py. `echo` lets the
    server write to this terminal instead of to the log. Nothing is started before `start()` or `with`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        comfy: Path | None = None,
        port: int = 0,
        cpu: bool = True,
        only_pack: str | None = "interacthuman",
        extra: Sequence[str] = (),
        echo: bool = False,
        start_timeout: float = 300.0,
    ) -> None:
        self.comfy = comfy or comfy_folder()
        self.folder = Path(folder).absolute()
        self.port = port or free_port()
        self.cpu = cpu
        self.only_pack = only_pack
        self.extra = tuple(extra)
        self.echo = echo
        self.start_timeout = start_timeout  # seconds
        self.seconds_to_start = 0.0
        self._child: subprocess.Popen[bytes] | None = None

    # --------------------------------------------------------------------------------------- where things lie

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def user(self) -> Path:
        return self.folder / "user"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def input(self) -> Path:
        return self.folder / "input"

    @property
    def log_file(self) -> Path:
        return self.folder / "server.log"

    def log(self) -> str:
        """All that the server wrote so far; empty with `echo`."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.is_file() else ""

    def path_of(self, file: dict[str, str]) -> Path:
        """The path of a file that a node's output names by filename, subfolder and type."""
        return getattr(self, file.get("type", "output")) / file.get("subfolder", "") / file["filename"]

    # --------------------------------------------------------------------------------------------------- life

    def __enter__(self) -> ComfyServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def command(self) -> list[str]:
        """The command line of the server."""
        main = [sys.executable, "-c", _RUN_MAIN, str(self.comfy / "main.py")]
        places = ["--listen", "127.0.0.1", "--port", str(self.port), "--database-url", "sqlite:///:memory:"]
        for option, place in (("user", self.user), ("output", self.output), ("input", self.input)):
            places += [f"--{option}-directory", str(place)]
        places += ["--temp-directory", str(self.temp.parent)]  # ComfyUI appends "temp" to this one only
        choices = ["--disable-auto-launch"]
        if self.cpu:
            choices += ["--cpu"]
        if self.only_pack:
            choices += ["--disable-all-custom-nodes", "--whitelist-custom-nodes", self.only_pack]
        return [*main, *places, *choices, *self.extra]

    def start(self) -> None:
        """Starts the server and returns when it answers. Raises ServerDied where it does not get that far."""
        if not is_free(self.port):
            raise ServerDied(f"Port {self.port} is taken by another program: choose another one.")
        for place in (self.user, self.temp, self.output, self.input):
            place.mkdir(parents=True, exist_ok=True)
        environment = {key: value for key, value in os.environ.items() if key not in _NOT_FOR_COMFY}
        began = time.perf_counter()
        with self.log_file.open("wb") as log:
            self._child = subprocess.Popen(
                self.command(),
                cwd=self.comfy,
                env={**environment, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=None if self.echo else log,
                stderr=None if self.echo else subprocess.STDOUT,
                start_new_session=True,  # a group of its own, which ends as one; Ctrl-C is ours to pass on
            )
        try:
            self._await_answer(began + self.start_timeout)
        except BaseException:
            self.stop()
            raise
        self.seconds_to_start = time.perf_counter() - began

    def _await_answer(self, latest: float) -> None:
        while not self._answers():
            self._check_alive()
            if time.perf_counter() > latest:
                raise ServerDied(f"No answer in {self.start_timeout:.0f} s.\n{self._log_end()}")
            time.sleep(0.2)

    def stop(self, grace: float = 10.0) -> None:
        """Ends the server and all that it started: politely, and after `grace` seconds by force."""
        child, self._child = self._child, None
        if child is None:
            return
        self._signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
        self._signal_group(child, getattr(signal, "SIGKILL", signal.SIGTERM))
        child.wait()
        if child.stdin:
            child.stdin.close()

    def join(self) -> int:
        """Waits until the server ends by itself; its exit code."""
        self._check_alive()
        return self._child.wait()

    @staticmethod
    def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
        try:
            if hasattr(os, "killpg"):
                os.killpg(child.pid, number)
            else:
                child.terminate()
        except ProcessLookupError:
            pass  # it has ended already

    def _answers(self) -> bool:
        try:
            self.get("/system_stats", timeout=5)
        except (OSError, ValueError):
            return False
        return self._child is not None and self._child.poll() is None  # else somebody else's server answered

    def _check_alive(self) -> None:
        if self._child is None:
            raise ServerDied("The server is not running: call start() first.")
        if self._child.poll() is not None:
            raise ServerDied(f"ComfyUI ended with exit code {self._child.returncode}.\n{self._log_end()}")

    def _log_end(self, lines: int = 40) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    @property
    def pid(self) -> int:
        """Of the running server process."""
        self._check_alive()
        return self._child.pid

    def rss(self) -> int:
        """Resident memory of the server process in bytes."""
        import psutil

        return psutil.Process(self.pid).memory_info().rss

    # ----------------------------------------------------------------------------------------- speaking to it

    def get(self, path: str, timeout: float = 30.0) -> Any:
        """The JSON that GET `path` answers."""
        with urllib.request.urlopen(self.address + path, timeout=timeout) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict[str, Any] | None = None, timeout: float = 60.0) -> Any:
        """Posts JSON to `path`; its JSON answer, or None for an empty one."""
        request = urllib.request.Request(
            self.address + path, json.dumps(body or {}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.loads(answer.read() or b"null")

    def object_info(self, node: str) -> dict[str, Any]:
        """What /object_info says of one node class; empty where the server does not know it."""
        return self.get(f"/object_info/{node}").get(node, {})

    def post_prompt(self, graph: dict[str, Any]) -> str:
        """Queues a graph in API form; its prompt id. Raises PromptRejected where ComfyUI refuses it."""
        try:
            return self.post("/prompt", {"prompt": graph})["prompt_id"]
        except urllib.error.HTTPError as refusal:
            if refusal.code != 400:
                raise
            raise PromptRejected(json.loads(refusal.read())) from None

    def wait(self, prompt_id: str, timeout: float = 600.0) -> dict[str, Any]:
        """The history entry of a prompt once it has ended, well or not. Raises ServerDied or TimeoutError."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self._check_alive()
            try:
                entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            except OSError:  # it just died, which the next round tells, or it is too busy to answer now
                entry = None
            if entry is not None:
                return entry
            time.sleep(0.1)
        raise TimeoutError(f"Prompt {prompt_id} did not end in {timeout:.0f} s.\n{self._log_end()}")

    def run(self, graph: dict[str, Any], timeout: float = 600.0) -> dict[str, Any]:
        """Runs a graph to its end; its outputs by node id. Raises PromptRejected, PromptFailed."""
        entry = self.wait(self.post_prompt(graph), timeout)
        for event, details in entry["status"]["messages"]:
            if event in ("execution_error", "execution_interrupted"):
                raise PromptFailed(event, details, entry)
        return entry["outputs"]

    def interrupt(self) -> None:
        """Interrupts whatever runs now."""
        self.post("/interrupt")

    def is_running(self, prompt_id: str) -> bool:
        """Whether this prompt is the one being executed."""
        return any(item[1] == prompt_id for item in self.get("/queue")["queue_running"])

    def free(self) -> None:
        """Asks the server to unload its models and to drop its cache before the next run."""
        self.post("/free", {"unload_models": True, "free_memory": True})


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def main() -> int:
    """`dev.py serve`: ComfyUI with every custom node of its folder, in this terminal, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="dev.py serve", epilog="Other options go to ComfyUI's main.py.")
    parser.add_argument("--port", type=int, default=8188)
    parser.add_argument("--folder", type=Path, default=Path("output/serve"), help="what the server writes")
    chosen, extra = parser.parse_known_args()
    cpu = "--cpu" not in extra and not _has_accelerator()
    server = ComfyServer(chosen.folder, port=chosen.port, cpu=cpu, only_pack=None, extra=extra, echo=True)
    try:
        with server:
            print(f"ComfyUI is ready at {server.address}", flush=True)
            return server.join()
    except KeyboardInterrupt:
        print("ComfyUI has stopped.", flush=True)
        return 0
    except ServerDied as death:
        print(death, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
