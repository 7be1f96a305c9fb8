"""A real ComfyUI on tiny models, and what the campaigns on it need: a graph, its result to the bit, its resources."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ...interact_core.comfy_client import PromptFailed
from ...interact_core.comfy_server import ComfyServer, comfy_folder
from ...tests.support.server import tiny_server
from ...tests.support.tiny_graphs import from_files, id_of, only, tiny_graph

Graph = dict[str, dict[str, Any]]

ROOT = Path(__file__).resolve().parents[2]
SAVED = "saved"  # the node that saves the latent of `people`


@contextmanager
def serve(folder: Path, *options: str, comfy: Path | None = None, cpu: bool = True) -> Iterator[ComfyServer]:
    """A running server with tiny models; options are those of ComfyUI's main.py, comfy another ComfyUI."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = (
        "1"  # which the server inherits: threads cost more than such small matrices
    )
    with tiny_server(folder, comfy or comfy_folder(), *options, cpu=cpu) as server:
        yield server


def people(seed: int = 1, names: tuple[str, str] = ("Mira", "Tobi"), **settings: Any) -> Graph:
    """Two people who talk, on tiny models, without the videos; the latent is saved. settings: the sampler's."""
    shipped = json.loads((ROOT / "workflows" / "api" / "two_speakers.json").read_text(encoding="utf-8"))
    graph = tiny_graph(from_files(shipped))
    for node in [name for name, node in graph.items() if node["class_type"] in WITHOUT]:
        del graph[node]
    only(graph, "InterActSampler").update(seed=seed, **settings)
    characters = [node for node in graph.values() if node["class_type"] == "InterActCharacter"]
    for node, name in zip(characters, names, strict=True):
        node["inputs"]["name"] = name
    latent = {"samples": [id_of(graph, "InterActSampler"), 0], "filename_prefix": "trust"}
    graph[SAVED] = {"class_type": "SaveLatent", "inputs": latent}
    return graph


WITHOUT = ("CreateVideo", "SaveVideo", "SaveImage")


def digest(server: ComfyServer, outputs: Mapping[str, Any]) -> str:
    """The bits of a finished `people`: a hash of its latent and of the names of its masks, made from their content."""
    import safetensors.torch

    file = server.path_of(outputs[SAVED]["latents"][0])
    latent = safetensors.torch.load_file(file)["latent_tensor"]
    masks = [
        step["masks"]
        for shown in outputs.values()
        for manifest in shown.get("interact_masks", [])
        for step in manifest["steps"]
    ]
    return hashlib.sha256(latent.numpy().tobytes() + json.dumps(masks).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Held:
    """What a server holds: resident memory in bytes, open files and sockets, the pack's files in its temp folder.

    ComfyUI's PreviewImage, by which a character's picture is shown, writes a new file each time a node of any pack
    runs anew; those are left out.
    """

    memory: int
    handles: int
    temp_files: int

    @classmethod
    def by(cls, server: ComfyServer) -> Held:
        process = psutil.Process(server.pid)
        files = sum(1 for file in server.temp.rglob("interact_*") if file.is_file())
        return cls(process.memory_info().rss, process.num_fds(), files)


def ended(entry: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """How a run ended, of its history entry: "success", or the event that ended it, with ComfyUI's details."""
    for event, details in entry["status"]["messages"]:
        if event in ("execution_error", "execution_interrupted"):
            return event, details
    return "success", {}


def ours(details: Mapping[str, Any]) -> bool:
    """Whether an error of a run is a bug of the pack: neither its sentence for users nor raised by core alone."""
    if details["exception_type"].endswith("InteractError"):
        return False
    return any("interacthuman" in line for line in details.get("traceback", []))


def sentence_fault(message: str) -> str | None:
    """What is wrong with a sentence for users; None if nothing."""
    message = message.strip()
    if not message.endswith((".", "!", "?")):
        return f"no full stop: {message[-80:]!r}"
    if "\n" in message:
        return f"several lines: {message[:120]!r}"
    return None


def error_of(failure: PromptFailed) -> str:
    return f"{failure.details.get('exception_type')}: {failure}"
