"""Checkpoints of a run on any number of processes, each of which writes its own part (torch.distributed.checkpoint).

A checkpoint is a folder that gets its name when it is whole. It holds what is trained, the optimisers and the running
average; no random state, for all that is drawn follows from the step (data/samples.py).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from ..errors import InteractError
from .config import TrainingConfig, check_same_run

log = logging.getLogger(__name__)
TRAINED = StateDictOptions(ignore_frozen_params=True, strict=False)
FAILURES = (OSError, RuntimeError, CheckpointException)


class EMA:
    """Exponential moving average of what is trained; on each process, of its own part."""

    def __init__(self, model: nn.Module, share: float) -> None:
        self.share = share
        # Without the wrapper's prefix: a run may go on with another number of processes.
        named = ((name.removeprefix("module."), p) for name, p in model.named_parameters())
        self._trained = {name: p for name, p in named if p.requires_grad}
        self.values = {name: p.detach().clone() for name, p in self._trained.items()} if share else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimiser step `step` (0 first). The share rises to its own from (1 + step) / (10 + step), or the
        first thousand steps would be averaged with where the run began.
        """
        share = min(self.share, (1 + step) / (10 + step))
        for name, value in self.values.items():
            value.mul_(share).add_(self._trained[name].detach(), alpha=1 - share)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the trained weights and the average; call again to put them back."""
        for name, value in self.values.items():
            current = self._trained[name].detach().clone()
            self._trained[name].copy_(value)
            value.copy_(current)

    def whole(self) -> dict[str, Tensor]:
        """All averaged weights (the trained ones where nothing is averaged), gathered; every process must call."""
        values = self.values or {name: p.detach() for name, p in self._trained.items()}
        return {name: gathered(value) for name, value in values.items()}


def gathered(value: Tensor) -> Tensor:
    """A weight on the CPU, put together where processes hold a part each; every process must call."""
    value = value.detach()
    return (value.full_tensor() if hasattr(value, "full_tensor") else value).cpu()


@contextmanager
def _alone_is_fine() -> Iterator[None]:
    """The library warns of a single process at every call."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _state(model: nn.Module, optimisers: Mapping[str, Any], average: EMA) -> dict[str, Any]:
    state = {"model": get_model_state_dict(model, options=TRAINED), "average": average.values}
    for name, optimiser in optimisers.items():
        state[f"optimiser_{name}"] = get_optimizer_state_dict(model, optimiser, options=TRAINED)
    return state


def checkpoint_steps(folder: Path) -> dict[int, Path]:
    """Whole checkpoints of a run, oldest first."""
    found = (path for path in folder.glob("step_*") if (path / "run.json").exists())
    return dict(sorted((int(path.name.removeprefix("step_")), path) for path in found))


def save_run(
    folder: Path,
    step: int,
    config: TrainingConfig,
    model: nn.Module,
    optimisers: Mapping[str, Any],
    average: EMA,
    accelerator: Any,
) -> Path:
    """Write the checkpoint of `step`, then remove what is older than the last `config.run.keep`.

    Raises InteractError where it cannot be written, most of all for want of space: then the last good checkpoint is
    as it was, and what was begun is removed.
    """
    final = folder / f"step_{step:07d}"
    partial = final.with_suffix(".partial")
    main, failure = accelerator.is_main_process, None
    if main:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    accelerator.wait_for_everyone()
    try:
        with _alone_is_fine():
            dcp.save(_state(model, optimisers, average), checkpoint_id=partial)
        if main:
            about = {"step": step, "config": config.entries()}
            (partial / "run.json").write_text(json.dumps(about), encoding="utf-8")
            shutil.rmtree(final, ignore_errors=True)
            os.replace(partial, final)
    except FAILURES as error:
        failure = error
    accelerator.wait_for_everyone()
    if failure is not None:
        if main:
            shutil.rmtree(partial, ignore_errors=True)
        kept = list(checkpoint_steps(folder).values())
        last = f"{kept[-1].name} is whole and the run goes on from there" if kept else "there is none yet"
        raise InteractError(
            f"The checkpoint of step {step} could not be written to {folder} ({_reason(failure)}): make room there and "
            f"start again; of the checkpoints before it {last}."
        ) from failure
    if main:
        for old in list(checkpoint_steps(folder).values())[: -config.run.keep]:
            shutil.rmtree(old)
    return final


def _reason(failure: BaseException) -> str:
    """The system's own words, which the library wraps in many lines."""
    if isinstance(failure, CheckpointException) and failure.failures:
        failure = next(iter(failure.failures.values()))[0]
    return (getattr(failure, "strerror", None) or str(failure)).strip().splitlines()[-1]


def resume_run(
    folder: Path, config: TrainingConfig, model: nn.Module, optimisers: Mapping[str, Any], average: EMA
) -> int:
    """Put everything back as the last whole checkpoint has it; returns the step to go on with, 0 without any.

    Raises InteractError for a checkpoint of another configuration.
    """
    kept = checkpoint_steps(folder)
    if not kept:
        return 0
    step, path = list(kept.items())[-1]
    about = json.loads((path / "run.json").read_text(encoding="utf-8"))
    check_same_run(about["config"], config, folder)
    state = _state(model, optimisers, average)
    with _alone_is_fine():
        dcp.load(state, checkpoint_id=path)
    set_model_state_dict(model, state["model"], options=TRAINED)
    for name, optimiser in optimisers.items():
        set_optimizer_state_dict(model, optimiser, state[f"optimiser_{name}"], options=TRAINED)
    return step
