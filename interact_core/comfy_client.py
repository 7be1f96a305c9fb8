"""Speaking to a ComfyUI that runs somewhere: queue graphs, wait for them, send files and fetch them.

Standard library only.
"""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any


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


class ComfyClient:
    """A ComfyUI by its address, such as http://127.0.0.1:8188."""

    may_forget = True  # somebody else may start it anew

    def __init__(self, address: str) -> None:
        """Raises ValueError for an address that is not HTTP."""
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise ValueError(f"{address} is no address of a ComfyUI, such as http://127.0.0.1:8188.")
        self.address = address.rstrip("/")

    def check_alive(self) -> None:
        """Raise ServerDied where it is known that the server has ended; from outside nothing is."""

    def _log_end(self) -> str:
        """The end of its log, where there is one to read."""
        return ""

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

    def wait(self, prompt_id: str, timeout: float = 600.0, silence: float = math.inf) -> dict[str, Any]:
        """The history entry of a prompt once it has ended, well or not.

        Raises TimeoutError after `timeout` seconds; ServerDied where the server has ended, no longer knows the prompt,
        or has not answered for `silence` seconds.
        """
        deadline, heard = time.monotonic() + timeout, time.monotonic()
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                entry = self._entry(prompt_id)
                heard = time.monotonic()
            except (
                OSError
            ) as error:  # it just died, which the next round tells, or it is too busy to answer now
                entry = None
                if time.monotonic() - heard > silence:
                    raise ServerDied(
                        f"{self.address} did not answer for {silence:.0f} s: {error}."
                    ) from error
            if entry is not None:
                return entry
            time.sleep(0.1)
        raise TimeoutError(f"Prompt {prompt_id} did not end in {timeout:.0f} s.\n{self._log_end()}")

    def _entry(self, prompt_id: str) -> dict[str, Any] | None:
        """A prompt's history entry, None while it is waited for. Raises ServerDied where the server forgot it."""
        path = f"/history/{prompt_id}"
        entry = self.get(path).get(prompt_id)
        if entry is not None or not self.may_forget or self.is_queued(prompt_id):
            return entry
        entry = self.get(path).get(prompt_id)  # it may have ended between the two
        if entry is None:
            raise ServerDied(f"{self.address} no longer knows the prompt: it was started anew.")
        return entry

    def run(self, graph: dict[str, Any], timeout: float = 600.0) -> dict[str, Any]:
        """Runs a graph to its end; its outputs by node id. Raises PromptRejected, PromptFailed."""
        return self.outputs_of(self.wait(self.post_prompt(graph), timeout))

    @staticmethod
    def outputs_of(entry: dict[str, Any]) -> dict[str, Any]:
        """The outputs by node id of a history entry. Raises PromptFailed for a run that did not end well."""
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

    def is_queued(self, prompt_id: str) -> bool:
        """Whether this prompt is being executed or waits for it."""
        return any(item[1] == prompt_id for items in self.get("/queue").values() for item in items)

    def cancel(self, prompt_id: str) -> None:
        """Takes a prompt out of the queue, or interrupts it if it runs; nobody else's."""
        self.post("/queue", {"delete": [prompt_id]})
        self.post("/interrupt", {"prompt_id": prompt_id})

    def free(self) -> None:
        """Asks the server to unload its models and to drop its cache before the next run."""
        self.post("/free", {"unload_models": True, "free_memory": True})

    # ------------------------------------------------------------------------------------------------- files

    def upload(self, name: str, data: bytes, subfolder: str = "") -> str:
        """Put a file into the server's input folder, over one of the same name; what a widget calls it."""
        fields = {"subfolder": subfolder, "type": "input", "overwrite": "true"}
        body, kind = _form(fields, name, data)
        request = urllib.request.Request(f"{self.address}/upload/image", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=600) as answer:  # the route is one for files of any kind
            stored = json.loads(answer.read())
        return "/".join(part for part in (stored["subfolder"], stored["name"]) if part)

    def download(self, file: dict[str, str]) -> bytes:
        """The bytes of a file that a node's output names by filename, subfolder and type."""
        asked = {key: file.get(key, "") for key in ("filename", "subfolder")} | {
            "type": file.get("type", "output")
        }
        with urllib.request.urlopen(
            f"{self.address}/view?{urllib.parse.urlencode(asked)}", timeout=600
        ) as answer:
            return answer.read()


def _form(fields: dict[str, str], name: str, data: bytes) -> tuple[bytes, str]:
    """A form with one file, and its content type."""
    edge = uuid.uuid4().hex
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    shown = name.replace("\\", "_").replace('"', "_")
    head = f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{shown}"\r\n'
    kind = "Content-Type: application/octet-stream\r\n\r\n"
    return b"".join([*parts, head.encode(), kind.encode(), data, f"\r\n--{edge}--\r\n".encode()]), (
        f"multipart/form-data; boundary={edge}"
    )
