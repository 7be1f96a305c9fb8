"""What is said of a finished clip: every character's figures, and what they were measured with."""

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

from ..guidance import MaskHistory
from . import measure
from .measure import Likeness, Reading
from .puppets import Look


@dataclass(frozen=True)
class Performance:
    """One character in one finished clip.

    sync, crosstalk: correlations, -1..1, with its own voice and with the others'; both 0 for a silent
    character. crosstalk_at_own_lag: the same at the lag of sync, so that chance does not lift it. chance: the
    crosstalk that its own recording has with the others', so that of a perfect mouth. silent_open: share of
    frames in which the mouth is open, None for a character that speaks. mask_iou: one value for every
    recorded step of the run, 0..1.
    """

    name: str
    sync: float
    crosstalk: float
    crosstalk_at_own_lag: float
    chance: float
    silent_open: float | None
    likeness: Likeness
    mask_iou: tuple[float, ...]


def judge(
    frames: np.ndarray, looks: Sequence[Look], voices: np.ndarray, history: MaskHistory, reading: Reading
) -> tuple[Performance, ...]:
    """Figures of every character of a clip.

    frames: uint8 RGB [F, H, W, 3]; voices: float [N, F], the recordings' voices.mouth_opening, zeros for
    silence; history: the masks of the run that made the clip; reading: measure.read_clip of the frames.
    """
    likenesses = measure.identity(frames, looks, reading)
    overlaps = np.stack([measure.mask_iou(step.float().numpy(), reading.masks) for step in history.masks], 1)
    performances = []
    for i, name in enumerate(history.names):
        opening, own, others = reading.openings[i], voices[i], np.delete(voices, i, 0)
        speaks = bool(own.any())
        performances.append(
            Performance(
                name=name,
                sync=measure.sync(opening, own),
                crosstalk=measure.crosstalk(opening, others) if speaks else 0.0,
                crosstalk_at_own_lag=measure.crosstalk(opening, others, own) if speaks else 0.0,
                chance=measure.crosstalk(own, others),
                silent_open=None if speaks else measure.silent_open(opening[reading.heads[i].found]),
                likeness=likenesses[i],
                mask_iou=tuple(float(value) for value in overlaps[i]),
            )
        )
    return tuple(performances)


def boundary_record(history: MaskHistory) -> int:
    """Index into `history.steps` of the masks that stand when stage two begins: of the last step before it.

    Of the next earlier one where that step was not recorded; 0 where all steps are of stage two.
    """
    last = history.boundary_step - 1 if history.boundary_step >= 0 else history.total_steps - 1
    return max((k for k, step in enumerate(history.steps) if step <= last), default=0)


def character_record(performance: Performance, steps: Sequence[int]) -> dict[str, Any]:
    """One character of report.json. steps: the recorded steps, counted from 0; written counted from 1."""
    record: dict[str, Any] = {
        "name": performance.name,
        "sync": rounded(performance.sync),
        "crosstalk": rounded(performance.crosstalk),
        "crosstalk_at_own_lag": rounded(performance.crosstalk_at_own_lag),
        "crosstalk_of_a_perfect_mouth": rounded(performance.chance),
        "looks_like_its_reference": performance.likeness.alike,
        "on_screen": rounded(performance.likeness.on_screen),
        "mask_iou": {str(step + 1): rounded(value) for step, value in zip(steps, performance.mask_iou)},
    }
    if performance.silent_open is not None:
        record["silent_open"] = rounded(performance.silent_open)
    return record


def rounded(value: float) -> float:
    return round(float(value), 4)


def versions(comfyui: str) -> dict[str, str]:
    """Versions of all that had a part in a figure."""
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
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
    """Its name, and whether it has units for products of bfloat16, which make theatre and training three times as
    fast (Linux; elsewhere the architecture).
    """
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    name = re.search(r"^model name\s*: (.+)$", told, re.MULTILINE)
    units = [unit for unit in ("avx512_bf16", "amx_bf16") if re.search(rf"\b{unit}\b", told)]
    return ", ".join([name.group(1) if name else platform.machine(), *units])


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
