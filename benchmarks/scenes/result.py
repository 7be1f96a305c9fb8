"""A bench's figures: the table that it prints and the JSON that is committed."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...interact_core.whole_file import whole_file

FOLDER = Path(__file__).parents[1] / "results"


@dataclass(frozen=True)
class Figure:
    """One figure: value, 95 % bootstrap interval, and the bound that the project set itself, if it did.

    bound: as text, such as ">= 0.85"; holds: whether the value keeps it, None without bound. note: how it is
    to be read, one line.
    """

    name: str
    value: float
    interval: tuple[float, float]
    count: int  # of scenes, or of whatever was repeated
    bound: str | None = None
    holds: bool | None = None
    note: str = ""


def at_least(
    name: str, value: float, interval: tuple[float, float], count: int, bound: float, note: str = ""
) -> Figure:
    return Figure(name, value, interval, count, f">= {bound}", value >= bound, note)


def at_most(
    name: str, value: float, interval: tuple[float, float], count: int, bound: float, note: str = ""
) -> Figure:
    return Figure(name, value, interval, count, f"<= {bound}", value <= bound, note)


def table(figures: Sequence[Figure], counted: str = "scenes") -> str:
    """The figures as a Markdown table."""
    lines = [f"| figure | value | 95 % interval | bound | holds | {counted} |", "|---|---|---|---|---|---|"]
    for f in figures:
        holds = {True: "yes", False: "NO", None: ""}[f.holds]
        interval = f"{f.interval[0]:.3f} to {f.interval[1]:.3f}"
        lines.append(f"| {f.name} | {f.value:.3f} | {interval} | {f.bound or ''} | {holds} | {f.count} |")
    return "\n".join(lines)


def write(
    path: Path,
    figures: Sequence[Figure],
    machine: dict[str, Any],
    versions: dict[str, str],
    command: str,
    **more: Any,
) -> None:
    """Write NAME.json: each figure with value, interval and bound, then what it was measured with."""
    _save(path, _record(figures, "scenes", machine=machine, versions=versions, command=command, **more))


def merge(
    path: Path,
    title: str,
    figures: Sequence[Figure],
    machine: dict[str, Any],
    versions: dict[str, str],
    command: str,
    counted: str,
    **more: Any,
) -> None:
    """Put one comparison into NAME.json, in place of its earlier self and beside those of other titles.

    Each is measured by itself, so each carries its own machine, versions and command. counted: what a
    figure's count counts.
    """
    with _alone(path):
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        record[title] = _record(figures, counted, machine=machine, versions=versions, command=command, **more)
        _save(path, dict(sorted(record.items())))


def _alone(path: Path) -> FileLock:
    """No other process merges into this file meanwhile."""
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir()) / f"interact_{name}.lock")


def _record(figures: Sequence[Figure], counted: str, **more: Any) -> dict[str, Any]:
    rows = {
        f.name: {
            "value": round(f.value, 4),
            "interval": [round(edge, 4) for edge in f.interval],
            "bound": f.bound,
            "holds": f.holds,
            counted: f.count,
            **({"note": f.note} if f.note else {}),
        }
        for f in figures
    }
    return {"figures": rows, **more}


def _save(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


PLACES = ("--out", "--pictures", "--films", "--folder")
"""Options that say where something is written: paths of one machine, on which no figure depends."""


def command(name: str, argv: Sequence[str] | None = None) -> str:
    """The command line as a person typed it (or `argv` behind the bench's name), without PLACES."""
    argv = sys.argv[1:] if argv is None else argv
    kept = [
        word
        for before, word in zip(("", *argv), argv)
        if before not in PLACES and word.partition("=")[0] not in PLACES
    ]
    return " ".join(["python dev.py bench", name, *kept])
