"""Checkpoints of a training run: everything that the next step depends on, written so that a kill loses
nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch


def save_checkpoint(
    path: Path, parts: dict[str, Any], step: int, rng: np.random.Generator | None = None
) -> None:
    """Write parts (anything with state_dict), the random states and the step; the old file stays until
    the new one is whole. rng: of a run that draws from one generator all along.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: part.state_dict() for name, part in parts.items()}
    state.update(step=step, torch_rng=torch.get_rng_state())
    if rng is not None:
        state["numpy_rng"] = rng.bit_generator.state
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path, parts: dict[str, Any], rng: np.random.Generator | None = None) -> int:
    """Restore what `save_checkpoint` wrote; returns the step to go on from, 0 where there is no file."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["torch_rng"])
    if rng is not None:
        rng.bit_generator.state = state["numpy_rng"]
    return state["step"]
