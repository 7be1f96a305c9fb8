"""The configuration of a run: a TOML file with a table for the run and one for each stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config_tables import apply_settings, describe_tables, key, read_entries, tables_of, wrong_choices
from ...errors import InteractError
from .record import Stage

RUN = "run"


@dataclass(frozen=True)
class RunKeys:
    """The run itself: nothing here changes what is made."""

    workers: int = key(0, "processes; 0: one for each core, and for each GPU share where a stage uses GPUs")
    gpu_share: float = key(1.0, "of a GPU for each worker of a stage that uses one: 0.25 puts four on a card")
    limit: float = key(120.0, "seconds that a film or clip may take in the stages that decode raw films, ...")
    limit_each: float = key(4.0, "... and how many more for each second that it lasts")
    memory_gb: float = key(4.0, "memory that a worker may take; raw films that need more are rejected")
    store_gb: float = key(
        0.0, "Ray's object store on this machine; 0: Ray's own choice. What is over goes to disk"
    )

    def __post_init__(self) -> None:
        if self.workers < 0 or not 0 < self.gpu_share <= 1 or self.limit <= 0 or self.memory_gb <= 0:
            raise InteractError(
                "[run] wants workers of 0 or more, a gpu_share above 0 and at most 1, a limit and memory_gb above 0."
            )


@dataclass(frozen=True)
class Config:
    """A whole file. tables: by the stage's name, of its own keys."""

    run: RunKeys
    tables: dict[str, Any]


def defaults(stages: Sequence[Stage]) -> dict[str, Any]:
    """Every table with its defaults."""
    return {RUN: RunKeys(), **{stage.name: stage.keys() for stage in stages}}


def read_config(path: Path | None, settings: Sequence[str], stages: Sequence[Stage]) -> Config:
    """Read a file, or take the defaults where path is None, and apply "table.key=value" settings.

    Raises InteractError, one sentence, for a file that is missing or not TOML, an unknown key, and a value of the wrong
    type or range.
    """
    entries: dict[str, Any] = {}
    if path is None:
        apply_settings(entries, settings)
    else:
        entries = read_entries(path, settings, "configuration of annotate (--explain prints one)")
    name = str(path) if path else "--set"
    try:
        tables = tables_of(entries, defaults(stages), name)
    except InteractError as error:
        raise error if str(error).startswith(name) else InteractError(f"{name}: {error}") from error
    for where, value, advice in wrong_choices(tables):
        raise InteractError(f"{name}: {where} is {value!r}; {advice}.")
    return Config(tables.pop(RUN), tables)


def describe(stages: Sequence[Stage]) -> str:
    """A whole file as text: every key with its default and its explanation."""
    return describe_tables(defaults(stages))
