"""The report of a finished clip: every character's metrics, and the machine and versions they were measured
with.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...guidance import MaskHistory
from ...metrics.puppets.drawing import Look
from . import measure
from .measure import ClipReading, Likeness
from .wholeness import count_parts


@dataclass(frozen=True)
class CharacterMetrics:
    """One character in one finished clip.

    sync, crosstalk: correlations, -1..1, with its own voice and with the others'; both 0 for a silent
    character. crosstalk_at_own_lag: the same at the lag of sync, so that chance does not raise it. chance:
    crosstalk of its own recording with the others', which is that of a perfect mouth. silent_open: share of
    frames in which the mouth is open, None for a character that speaks. mask_iou: one value for every
    recorded step of the run, 0..1. whole: share of the frames that show its head in which it has one head, two
    eyes and one mouth (wholeness.py), None where none shows it.
    """

    name: str
    sync: float
    crosstalk: float
    crosstalk_at_own_lag: float
    chance: float
    silent_open: float | None
    likeness: Likeness
    mask_iou: tuple[float, ...]
    whole: float | None = None


def measure_characters(
    frames: np.ndarray, looks: Sequence[Look], voices: np.ndarray, history: MaskHistory, reading: ClipReading
) -> tuple[CharacterMetrics, ...]:
    """Metrics of every character of a clip.

    frames: uint8 RGB [F, H, W, 3]; voices: float [N, F], the recordings' loudness.mouth_opening, zeros for
    silence; history: the masks of the run that made the clip; reading: measure.read_clip of the frames.
    """
    likenesses = measure.identity(frames, looks, reading)
    overlaps = np.stack([measure.mask_iou(step.float().numpy(), reading.masks) for step in history.masks], 1)
    whole = count_parts(frames, reading).shares()
    characters = []
    for i, name in enumerate(history.names):
        opening, own, others = reading.openings[i], voices[i], np.delete(voices, i, 0)
        speaks = bool(own.any())
        characters.append(
            CharacterMetrics(
                name=name,
                sync=measure.sync(opening, own),
                crosstalk=measure.crosstalk(opening, others) if speaks else 0.0,
                crosstalk_at_own_lag=measure.crosstalk(opening, others, own) if speaks else 0.0,
                chance=measure.crosstalk(own, others),
                silent_open=None if speaks else measure.silent_open(opening[reading.heads[i].found]),
                likeness=likenesses[i],
                mask_iou=tuple(float(value) for value in overlaps[i]),
                whole=None if np.isnan(whole[i]) else float(whole[i]),
            )
        )
    return tuple(characters)


def boundary_index(history: MaskHistory) -> int:
    """Index into `history.steps` of the masks at the stage boundary: those of the last step of stage one.

    Of the next earlier step where that one was not recorded; 0 where all steps are of stage two.
    """
    last = history.boundary_step - 1 if history.boundary_step >= 0 else history.total_steps - 1
    return max((k for k, step in enumerate(history.steps) if step <= last), default=0)


def character_record(character: CharacterMetrics, steps: Sequence[int]) -> dict[str, Any]:
    """One character of report.json. steps: the recorded steps, counted from 0; written counted from 1."""
    record: dict[str, Any] = {
        "name": character.name,
        "sync": rounded(character.sync),
        "crosstalk": rounded(character.crosstalk),
        "crosstalk_at_own_lag": rounded(character.crosstalk_at_own_lag),
        "crosstalk_of_a_perfect_mouth": rounded(character.chance),
        "looks_like_its_reference": character.likeness.alike,
        "on_screen": rounded(character.likeness.on_screen),
        "whole": None if character.whole is None else rounded(character.whole),
        "mask_iou": {str(step + 1): rounded(value) for step, value in zip(steps, character.mask_iou)},
    }
    if character.silent_open is not None:
        record["silent_open"] = rounded(character.silent_open)
    return record


def rounded(value: float) -> float:
    return round(float(value), 4)


def versions(comfyui: str) -> dict[str, str]:
    """Versions of all software that a figure depends on."""
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+?)"', project, re.MULTILINE)
    packages = ("torch", "transformers", "numpy", "opencv-python", "av")
    return {
        "interacthuman": found.group(1) if found else "unknown",
        "comfyui": comfyui,
        "python": platform.python_version(),
        **{package: _version_of(package) for package in packages},
    }


def machine() -> dict[str, Any]:
    """The computer that a figure was measured on."""
    import torch

    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "accelerator": accelerator,
    }


def _processor() -> str:
    """The CPU's name and its bfloat16 instruction sets, with which the theatre runs and trains three times as
    fast.

    Linux only; elsewhere the architecture.
    """
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    name = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    units = [unit for unit in ("avx512_bf16", "amx_bf16") if re.search(rf"\b{unit}\b", cpuinfo)]
    return ", ".join([name.group(1) if name else platform.machine(), *units])


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
