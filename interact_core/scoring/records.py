"""The record of one scored film, as JSON, and the tables that records add up to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InteractError
from ..metrics.intervals import bootstrap_interval
from ..metrics.types import FilmFigures, PersonFigures
from ..tables import write_table
from ..whole_file import whole_file

Record = dict[str, Any]

FIGURES = (
    "lips",
    "crosstalk",
    "margin",
    "silent_open",
    "sync_c",
    "sync_d",
    "sync_margin",
    "hkc",
    "hkv",
    "clip_i",
    "dino_i",
    "steadiness",
    "mask_iou",
    "seen",
    "flicker",
)
"""Those that are averaged, in the order of tables."""

LOWER_IS_BETTER = ("crosstalk", "silent_open", "sync_d", "flicker")


def record_of(figures: FilmFigures, notes: Sequence[str] = ()) -> Record:
    """A film's record: as JSON gives it back, numbers to five digits, None for what is missing."""
    people = [
        {**_flat(person), "sync_margin": _sync_margin(figures, number)}
        for number, person in enumerate(figures.people)
    ]
    record = {
        "film": figures.name,
        "frames": figures.frames,
        "fps": _rounded(figures.fps),
        "seconds": _rounded(figures.frames / figures.fps),
        "flicker": _rounded(figures.flicker),
        "lips_matrix": _matrix(figures.lips_matrix),
        "sync_matrix": _matrix(figures.sync_matrix),
        "people": people,
        "notes": list(dict.fromkeys([*notes, *figures.notes])),
    }
    return json.loads(json.dumps(record))


def _flat(person: PersonFigures) -> Record:
    values = asdict(person)
    values["margin"] = person.margin
    return {
        name: _rounded(value) if isinstance(value, float) else value for name, value in sorted(values.items())
    }


def _sync_margin(figures: FilmFigures, number: int) -> float | None:
    """Sync-C of a voice with its own face minus that of the best other face."""
    if figures.sync_matrix is None or len(figures.people) < 2:
        return None
    column = figures.sync_matrix[:, number]
    others = np.delete(column, number)
    if not np.isfinite(column[number]) or not np.isfinite(others).any():
        return None
    return _rounded(float(column[number] - np.nanmax(others)))


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 5)


def _matrix(matrix: np.ndarray | None) -> list[list[float | None]] | None:
    return None if matrix is None else [[_rounded(float(value)) for value in row] for row in matrix]


def rows_of(record: Mapping[str, Any]) -> list[Record]:
    """A row for each person of a film, flat: what the tables hold."""
    whole = {name: record[name] for name in ("film", "frames", "fps", "seconds")}
    rows = []
    for person in record["people"]:
        figures = {name: person.get(name) for name in FIGURES if name != "flicker"}
        rows.append(
            {
                **whole,
                "person": person["name"],
                **figures,
                "flicker": record["flicker"],
                "lag": person["lag"],
                "offset": person["offset"],
                "windows": person["windows"],
                "spans": json.dumps(person["spans"]),
                "wrong": json.dumps(person["wrong"], ensure_ascii=False),
                "notes": " ".join([*person["missing"], *record["notes"]]),
            }
        )
    return rows


def failure(film: str, why: str) -> str:
    """Why a film failed, with its name once."""
    return why if why.startswith(film) else f"{film}: {why}"


TEXTS = ("film", "person", "spans", "wrong", "notes")
WHOLE_NUMBERS = ("frames", "lag", "offset", "windows")


def write_tables(rows: Sequence[Record], folder: Path) -> str | None:
    """scores.csv and scores.parquet; a sentence where pyarrow is missing for the latter."""
    columns = list(rows[0]) if rows else ["film", "person"]
    kinds = {
        name: "text" if name in TEXTS else "int" if name in WHOLE_NUMBERS else "float" for name in columns
    }
    return write_table(rows, folder / "scores", kinds)


def summary_of(records: Sequence[Record], failed: Mapping[str, str]) -> Record:
    """Means with bootstrap intervals over films (a film counts by the mean of its people), and what failed."""
    figures: Record = {}
    for name in FIGURES:
        values = [value for record in records if (value := film_mean(record, name)) is not None]
        if values:
            low, high = bootstrap_interval(values)
            figures[name] = {
                "mean": _rounded(float(np.mean(values))),
                "low": _rounded(low),
                "high": _rounded(high),
                "films": len(values),
            }
    return {"films": len(records), "failed": dict(failed), "figures": figures}


def film_mean(record: Mapping[str, Any], name: str) -> float | None:
    """A film's figure: its own, or the mean over those of its people who have it."""
    if name == "flicker":
        return record["flicker"]
    values = [person[name] for person in record["people"] if person.get(name) is not None]
    return float(np.mean(values)) if values else None


def badness(record: Mapping[str, Any]) -> float:
    """For the page's order: the worst person's margin or, without one, lips; high is bad, films without both last."""
    values = [
        person["margin"] if person["margin"] is not None else person["lips"]
        for person in record["people"]
        if person["margin"] is not None or person["lips"] is not None
    ]
    return -min(values) if values else -np.inf


def read_record(path: Path) -> Record | None:
    """A finished record, or None where there is none or a kill left half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Write JSON; the file appears whole."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def check_output(folder: Path, parts: Sequence[str] = ("records", "plots")) -> None:
    """Make the output's folders. Raises InteractError where that cannot be."""
    try:
        for part in parts:
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InteractError(f"{folder} cannot be written to: {error}.") from error
