"""Checkpoints of a run on any number of processes, each of which writes its own shard
(torch.distributed.checkpoint).

A checkpoint is a folder, renamed to its final name when it is complete. It holds the trained weights, the
optimisers and the EMA, and in run.json a checksum of each file, as torch keeps none. There is no random state: every
random draw follows from the step (data/samples.py).

torch writes part of it as pickles. They are read by names that are listed here and by torch's weights_only, so that a
folder of somebody else's runs no code.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from ..errors import InteractError, one_line
from ..weights_file import is_out_of_memory
from .config import TrainingConfig, check_same_run
from .ema import EMA

log = logging.getLogger(__name__)
TRAINED = StateDictOptions(ignore_frozen_params=True, strict=False)
FAILURES = (OSError, RuntimeError, CheckpointException)
UNREADABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    pickle.UnpicklingError,
)  # by damaged files
PARTIAL = ".partial"
INFO = "run.json"
WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch's own switch: its planner asks for any pickle
META = "torch.distributed.checkpoint.metadata"
NAMES = {
    (META, "BytesStorageMetadata"),
    (META, "ChunkStorageMetadata"),
    (META, "Metadata"),
    (META, "MetadataIndex"),
    (META, "StorageMeta"),
    (META, "TensorProperties"),
    (META, "TensorStorageMetadata"),
    (META, "_MEM_FORMAT_ENCODING"),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch.serialization", "_get_layout"),
    ("torch", "Size"),
    ("collections", "OrderedDict"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("pathlib._local", "PosixPath"),
    ("pathlib._local", "WindowsPath"),
}
"""All that torch's list of a checkpoint (.metadata) is made of, beside types of numbers."""


class ListedNames(pickle.Unpickler):
    """Raises UnpicklingError for every name that is not of NAMES, before it is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        number = module == "torch" and isinstance(vars(torch).get(name), torch.dtype)
        if number or (module, name) in NAMES:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a checkpoint")


def _check_list(path: Path) -> None:
    """Raise UnpicklingError where torch's list of a checkpoint would run code. torch reads it after that: it passes
    over what goes wrong there, and says something else.
    """
    with (path / ".metadata").open("rb") as file:
        ListedNames(file).load()


def checksums(folder: Path) -> dict[str, int]:
    """crc32 of every file of a checkpoint but run.json, by name."""
    sums = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and path.name != INFO):
        value = 0
        with path.open("rb") as file:
            while chunk := file.read(2**22):
                value = zlib.crc32(chunk, value)
        sums[path.name] = value
    return sums


@contextmanager
def _weights_only() -> Iterator[None]:
    """What torch.load reads meanwhile holds tensors and plain values."""
    earlier = os.environ.get(WEIGHTS_ONLY)
    os.environ[WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if earlier is None:
            del os.environ[WEIGHTS_ONLY]
        else:
            os.environ[WEIGHTS_ONLY] = earlier


@contextmanager
def _no_single_process_warning() -> Iterator[None]:
    """torch.distributed.checkpoint warns at every call that there is a single process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _state(model: nn.Module, optimisers: Mapping[str, Any], ema: EMA) -> dict[str, Any]:
    state = {"model": get_model_state_dict(model, options=TRAINED), "average": ema.values}
    for name, optimiser in optimisers.items():
        state[f"optimiser_{name}"] = get_optimizer_state_dict(model, optimiser, options=TRAINED)
    return state


def checkpoint_steps(folder: Path) -> dict[int, Path]:
    """Complete checkpoints of a run, by step, oldest first."""
    found = (path for path in folder.glob("step_*") if path.suffix != PARTIAL and (path / INFO).exists())
    return dict(sorted((int(path.name.removeprefix("step_")), path) for path in found))


def save_run(
    folder: Path,
    step: int,
    config: TrainingConfig,
    model: nn.Module,
    optimisers: Mapping[str, Any],
    ema: EMA,
    accelerator: Any,
) -> Path:
    """Write the checkpoint of `step`, then remove what is older than the last `config.run.keep`.

    Raises InteractError if it cannot be written, for instance to a full disk; the incomplete files are then
    removed and the earlier checkpoints stay as they were.
    """
    final = folder / f"step_{step:07d}"
    partial = final.with_suffix(PARTIAL)
    main, failure = accelerator.is_main_process, None
    if main:
        for left in folder.glob(f"step_*{PARTIAL}"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
    accelerator.wait_for_everyone()
    try:
        with _no_single_process_warning():
            dcp.save(_state(model, optimisers, ema), checkpoint_id=partial)
        if main:
            info = {"step": step, "config": config.entries(), "checksums": checksums(partial)}
            (partial / INFO).write_text(json.dumps(info), encoding="utf-8")
            shutil.rmtree(final, ignore_errors=True)
            partial.replace(final)
    except FAILURES as error:
        failure = error
    accelerator.wait_for_everyone()
    if failure is not None:
        if main:
            shutil.rmtree(partial, ignore_errors=True)
        if is_out_of_memory(failure):
            raise failure
        kept = list(checkpoint_steps(folder).values())
        last = f"{kept[-1].name} is whole and the run goes on from there" if kept else "there is none yet"
        raise InteractError(
            f"The checkpoint of step {step} could not be written to {folder} ({_reason(failure)}): make room "
            f"there and start again; of the checkpoints before it {last}."
        ) from failure
    if main:
        for old in list(checkpoint_steps(folder).values())[: -config.run.keep]:
            shutil.rmtree(old)
    return final


def _reason(failure: BaseException) -> str:
    """The operating system's message, which torch wraps in many lines."""
    if isinstance(failure, CheckpointException) and failure.failures:
        failure = next(iter(failure.failures.values()))[0]
    words = (getattr(failure, "strerror", None) or str(failure)).strip().splitlines()
    return one_line(words[-1] if words else type(failure).__name__)


def _check_sums(path: Path, info: dict[str, Any]) -> None:
    """Raise ValueError for a file that is not as it was written. Earlier checkpoints have no checksums."""
    if "checksums" not in info:
        return
    found = checksums(path)
    for name, value in info["checksums"].items():
        if found.get(name) != value:
            raise ValueError(f"{name} is {'missing' if name not in found else 'not what was written'}")


def resume_run(
    folder: Path, config: TrainingConfig, model: nn.Module, optimisers: Mapping[str, Any], ema: EMA
) -> int:
    """Restore the last complete checkpoint; returns the step to go on with, 0 if there is none.

    Raises InteractError if the checkpoint is of another configuration or cannot be read.
    """
    kept = checkpoint_steps(folder)
    if not kept:
        return 0
    step, path = list(kept.items())[-1]
    state = _state(model, optimisers, ema)
    try:
        info = json.loads((path / INFO).read_text(encoding="utf-8"))
        check_same_run(info["config"], config, folder)
        _check_sums(path, info)
        _check_list(path)
        with _no_single_process_warning(), _weights_only():
            dcp.load(state, checkpoint_id=path)
    except (*FAILURES, *UNREADABLE) as error:
        if isinstance(error, InteractError) or is_out_of_memory(error):
            raise
        raise InteractError(
            f"The checkpoint {path} cannot be read ({_reason(error)}): delete it, to go on from the one before it."
        ) from error
    set_model_state_dict(model, state["model"], options=TRAINED)
    for name, optimiser in optimisers.items():
        set_optimizer_state_dict(model, optimiser, state[f"optimiser_{name}"], options=TRAINED)
    return step
