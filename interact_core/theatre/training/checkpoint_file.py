"""Checkpoints of the theatre's training: a single file, written by the one process of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...whole_file import whole_file


def save_checkpoint(
    path: Path, parts: dict[str, Any], step: int, rng: np.random.Generator | None = None
) -> None:
    """Write parts (anything with a state_dict), the step and the random states. The old file stays until the
    new one is complete. rng: the generator of a run that draws from a single one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: part.state_dict() for name, part in parts.items()}
    state.update(step=step, torch_rng=torch.get_rng_state())
    if rng is not None:
        state["numpy_rng"] = rng.bit_generator.state
    with whole_file(path) as partial:
        torch.save(state, partial)


def load_checkpoint(path: Path, parts: dict[str, Any], rng: np.random.Generator | None = None) -> int:
    """Restore what `save_checkpoint` wrote; returns the step to go on with, 0 if there is no file."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["torch_rng"])
    if rng is not None:
        rng.bit_generator.state = state["numpy_rng"]
    return state["step"]
