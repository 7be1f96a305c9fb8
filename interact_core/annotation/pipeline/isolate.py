"""A row in a process of its own: what hangs is ended, what crashes takes nothing else with it.

The process stays for the next row. It speaks JSON lines over its standard input and output.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ...errors import InteractError, one_line
from .manifest import ERROR, is_full
from .record import Places, Record, Rejected, Stage

START_LIMIT = 300.0  # seconds that a process has to begin, which no row's limit counts
GRACE = 30.0  # seconds after its limit when a process ends itself, should whoever started it be gone
START = "import sys; sys.path[:] = [p for p in sys.path if p]; import importlib; importlib.import_module({!r}).serve()"


class Cell:
    """A process that runs one stage. memory: bytes that it may take."""

    def __init__(self, stage: Stage, keys: Any, places: Places, memory: int) -> None:
        make = stage.make
        assert make is not None
        self._order = {
            "make": [make.__module__, make.__qualname__],
            "keys": [type(keys).__module__, type(keys).__qualname__, vars(keys)],
            "places": [str(places.raw), str(places.out)],
            "memory": memory,
        }
        self._child: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def run(self, record: Record, limit: float) -> list[Record]:
        """Raises Rejected for what the stage rejects and for a row that hangs or crashes, InteractError for a full
        disk. limit: seconds.
        """
        try:
            child = self._started()
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(json.dumps({"row": record.to_row(), "limit": limit}).encode() + b"\n")
            child.stdin.flush()
            answer = _line(child.stdout, limit)
        except TimeoutError:
            self.close()
            raise Rejected(f"{ERROR}takes longer than the time limit", limit) from None
        except OSError:
            answer = b""
        if not answer:
            raise Rejected(f"{ERROR}{self._death()}")
        return _told(json.loads(answer), record)

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has died
            self._child = subprocess.Popen(
                [sys.executable, "-c", START.format(__name__)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
            )
            assert self._child.stdin is not None and self._child.stdout is not None
            self._child.stdin.write(json.dumps(self._order).encode() + b"\n")
            self._child.stdin.flush()
            _line(self._child.stdout, START_LIMIT)  # that it is ready
        return self._child

    def _death(self) -> str:
        """How the process ended, and its last words where it has any."""
        child, said = self._child, self._said
        assert child is not None and said is not None
        code = child.wait()
        self._child = None
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"the decoder crashed ({signal.Signals(-code).name})"
        said.seek(0)
        words = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
        return (
            f"the decoder's process ended with {code}: {one_line(words[-1] if words else 'without a word')}"
        )


def _line(stream: IO[bytes], limit: float) -> bytes:
    """The next line, empty at the end of the stream. Raises TimeoutError after `limit` seconds."""
    until, got = time.monotonic() + limit, b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not got.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError
            piece = os.read(stream.fileno(), 65536)
            if not piece:
                return b""
            got += piece
    return got


def _told(answer: Mapping[str, Any], record: Record) -> list[Record]:
    kind = answer["kind"]
    if kind == "rows":
        return [Record(**row) for row in answer["rows"]]
    if kind == "rejected":
        raise Rejected(answer["reason"], answer["figure"])
    if kind == "full":
        raise OSError(errno.ENOSPC, answer["words"])
    raise Rejected(f"{ERROR}{answer['words']}")


def serve() -> None:
    """The process's side: one answer a line until the input ends."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    order = json.loads(sys.stdin.readline())
    _limit_memory(order["memory"])
    (module, name), (keys_module, keys_name, values) = order["make"], order["keys"]
    places = Places(*map(Path, order["places"]))
    keys = getattr(importlib.import_module(keys_module), keys_name)(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    )
    run = getattr(importlib.import_module(module), name)(keys)
    channel.write("ready\n")
    channel.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        # A watchdog outside of Python: a decoder may hold the interpreter while it hangs.
        faulthandler.dump_traceback_later(asked["limit"] + GRACE, exit=True)
        answer = _answer(run, Record(**asked["row"]), places)
        faulthandler.cancel_dump_traceback_later()
        channel.write(json.dumps(answer) + "\n")
        channel.flush()


def _answer(run: Any, record: Record, places: Places) -> dict[str, Any]:
    try:
        rows = run(record, places)
    except Rejected as rejected:
        return {"kind": "rejected", "reason": rejected.reason, "figure": rejected.figure}
    except MemoryError:
        return {"kind": "error", "words": "needs more memory than [run] memory_gb"}
    except Exception as error:
        if is_full(error):
            return {"kind": "full", "words": one_line(error)}
        kind = "" if isinstance(error, InteractError) else f"{type(error).__name__}: "
        return {"kind": "error", "words": f"{kind}{one_line(error)}"}
    rows = [rows] if isinstance(rows, Record) else rows
    return {"kind": "rows", "rows": [row.to_row() for row in rows]}


def _limit_memory(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
