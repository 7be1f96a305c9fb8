"""One ComfyUI that makes films, one after another: started here, or reached by its address."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..comfy_client import ComfyClient, PromptFailed, PromptRejected, ServerDied
from ..comfy_server import ComfyServer
from ..errors import one_line
from .graph import Graph, Target, title_of, with_values

INPUTS = "interact_render"  # the folder below the server's input that files are put into
SILENCE = 60.0  # seconds without an answer after which a server at an address counts as dead


@dataclass(frozen=True)
class Order:
    """What a server needs for one film; it may run on another machine, so files are bytes.

    graph: with the film's values; files: the name and bytes of those that its inputs take.
    """

    graph: Graph
    files: Mapping[Target, tuple[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What came of an order: names and bytes of the files, or the sentence why there are none."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    failed: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class ServerPlan:
    """How a server is come by.

    address: of one that runs, else one is started with `extra` options of ComfyUI's main.py, on the CPU with `cpu`;
    limit: seconds that a film may take; keep: titles of the nodes whose files are kept, all without any.
    """

    address: str | None = None
    extra: tuple[str, ...] = ()
    cpu: bool = True
    limit: float = 3600.0
    keep: tuple[str, ...] = ()


class FilmServer:
    """Makes films on one ComfyUI; nothing is started before `start`."""

    def __init__(self, plan: ServerPlan) -> None:
        self.plan = plan
        self._client: ComfyClient | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._sent: dict[str, str] = {}  # digest -> what the server calls the file

    def start(self) -> str:
        """Begin, anew where it ran before, and return the address. Raises ServerDied where nothing answers."""
        self.stop()
        if self.plan.address is not None:
            self._client = ComfyClient(self.plan.address)
            try:
                self._client.get("/system_stats")
            except OSError as error:
                raise ServerDied(f"Nothing answers at {self.plan.address}: {error}.") from error
            return self._client.address
        self._folder = tempfile.TemporaryDirectory(prefix="interact_render_", ignore_cleanup_errors=True)
        server = ComfyServer(
            Path(self._folder.name), cpu=self.plan.cpu, only_pack=None, extra=self.plan.extra
        )
        server.start()
        self._client = server
        return server.address

    def stop(self) -> None:
        """End the server that was started here, and all that it wrote."""
        client, self._client = self._client, None
        folder, self._folder = self._folder, None
        self._sent.clear()
        if isinstance(client, ComfyServer):
            client.stop()
        if folder is not None:
            folder.cleanup()

    def make(self, order: Order) -> Made:
        """Make one film. Raises ServerDied; what is wrong with the film itself is told in the answer."""
        began = time.monotonic()
        client = self._client
        if client is None:
            raise ServerDied("The server is not running.")
        try:
            values = {target: self._send(client, *file) for target, file in order.files.items()}
            graph = with_values(order.graph, values)
            outputs = self._run(client, graph)
            files = {
                name: client.download(file) for name, file in named_files(graph, outputs, self.plan.keep)
            }
        except PromptRejected as refusal:
            return Made(failed=why_refused(order.graph, refusal), seconds=time.monotonic() - began)
        except PromptFailed as failure:
            return Made(failed=why_failed(order.graph, failure), seconds=time.monotonic() - began)
        except OSError as error:
            raise ServerDied(f"{client.address} did not answer: {error}.") from error
        failed = None if files else "the graph ran to its end and saved no file: add a Save node to it."
        return Made(files, failed, time.monotonic() - began)

    def _send(self, client: ComfyClient, name: str, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()[:16]
        known = f"{digest}_{name}"
        if known not in self._sent:
            self._sent[known] = client.upload(known, data, INPUTS)
        return self._sent[known]

    def _run(self, client: ComfyClient, graph: Graph) -> dict[str, Any]:
        prompt = client.post_prompt(graph)
        try:
            return client.outputs_of(client.wait(prompt, self.plan.limit, SILENCE))
        except TimeoutError:
            client.cancel(prompt)
            details = {
                "exception_message": f"it took longer than --limit {self.plan.limit:.0f} s and was ended."
            }
            raise PromptFailed("execution_interrupted", details, {}) from None


def named_files(
    graph: Graph, outputs: Mapping[str, Any], keep: Sequence[str]
) -> list[tuple[str, dict[str, str]]]:
    """The saved files of a run, each with a name that tells its node: TITLE.mp4, TITLE 2.mp4.

    outputs: ComfyUI's, by node id. Previews, which lie in the temp folder, are left out.
    """
    used: set[str] = set()
    saved = (
        (title_of(graph, node) if node in graph else node, file)
        for node in sorted(outputs, key=lambda node: (len(node), node))
        for value in outputs[node].values()
        for file in (value if isinstance(value, list) else ())
        if isinstance(file, dict) and file.get("filename") and file.get("type") == "output"
    )
    return [
        (_unused(title, Path(file["filename"]).suffix.lower(), used), file)
        for title, file in saved
        if not keep or title in keep
    ]


def _unused(title: str, suffix: str, used: set[str]) -> str:
    plain = "".join(c if c.isalnum() or c in " -_()" else "" for c in title).strip()[:80] or "file"
    name, number = f"{plain}{suffix}", 1
    while name.lower() in used:
        number += 1
        name = f"{plain} {number}{suffix}"
    used.add(name.lower())
    return name


def why_refused(graph: Graph, refusal: PromptRejected) -> str:
    """The sentence of a graph that ComfyUI did not take."""
    for node, errors in refusal.node_errors.items():
        for error in errors.get("errors", []):
            called = title_of(graph, node) if node in graph else node
            return one_line(f"{called}: {error.get('message', '')} ({error.get('details', '')})", 400)
    return one_line(f"ComfyUI refused the graph: {refusal.error.get('message', 'it gave no reason')}", 400)


def why_failed(graph: Graph, failure: PromptFailed) -> str:
    """The sentence of a run that ended early."""
    node = str(failure.details.get("node_id", ""))
    called = f"{title_of(graph, node)}: " if node in graph else ""
    return one_line(f"{called}{failure.details.get('exception_message', 'it was interrupted')}", 400)
