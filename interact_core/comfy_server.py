"""A real ComfyUI server as a child process: started, spoken to over HTTP, and ended whatever happens.

The demo and the host tests run their graphs on it. Standard library only (psutil, which ComfyUI requires, for
one figure). Run as a module it is `dev.py serve`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .comfy_client import ComfyClient, ServerDied

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


class ComfyServer(ComfyClient):
    """ComfyUI with this pack, its user, temp, output and input folders apart from any other's.

        with ComfyServer(folder=Path("output/demo/server")) as server:
            outputs = server.run(graph)

    `folder` gets `user`, `temp`, `output`, `input` and `server.log`; `port` 0 takes a free one. `only_pack`
    leaves out every other custom node; `extra` are further options of ComfyUI's main.py. `echo` lets the
    server write to this terminal instead of to the log. Nothing is started before `start()` or `with`.
    """

    may_forget = False  # when it ends, check_alive tells

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
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.cpu = cpu
        self.only_pack = only_pack
        self.extra = tuple(extra)
        self.echo = echo
        self.start_timeout = start_timeout  # seconds
        self.seconds_to_start = 0.0
        self._child: subprocess.Popen[bytes] | None = None

    # --------------------------------------------------------------------------------------- where things lie

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
            self.check_alive()
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
        self.check_alive()
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

    def check_alive(self) -> None:
        if self._child is None:
            raise ServerDied("The server is not running: call start() first.")
        if self._child.poll() is not None:
            raise ServerDied(f"ComfyUI ended with exit code {self._child.returncode}.\n{self._log_end()}")

    def _log_end(self, lines: int = 40) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    @property
    def pid(self) -> int:
        """Of the running server process."""
        self.check_alive()
        return self._child.pid

    def rss(self) -> int:
        """Resident memory of the server process in bytes."""
        import psutil

        return psutil.Process(self.pid).memory_info().rss


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
