"""Rows of a table as films: what each changes in the graph, which files it takes along, and by what it is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InteractError, one_line
from ..scoring.jobs import FILMS, ONLY, PICTURES, SOUNDS, Job, PersonFiles, read_spans, with_own_sound
from ..tables import Row, read_rows
from .graph import Graph, Target, as_kind, free_targets, target_of, value_of

NAME = "film"
SCORE = "score"  # columns score.PERSON.voice and so on, for the figures
SCORED = ("voice", "reference", "mask", "spans", "start")
MEDIA = frozenset((*FILMS, *PICTURES, *SOUNDS))
MODELS = frozenset(
    (
        "UNETLoader",
        "CheckpointLoaderSimple",
        "VAELoader",
        "CLIPLoader",
        "InterActLoadDiT",
        "InterActApplyAdapter",
    )
)


@dataclass(frozen=True)
class Film:
    """One row: the values that it sets, and the files among them, which travel to the server.

    key: the same for the same graph, values and files, unchanged since; models: of loaders' values, so that films that
    share models are made by one server.
    """

    number: int
    name: str
    row: Row
    values: Mapping[Target, Any]
    files: Mapping[Target, Path]
    people: tuple[PersonFiles, ...]
    key: str
    models: str

    def job(self, film: Path) -> Job:
        """What scoring needs of the finished film."""
        return Job(film, tuple(with_own_sound(film, self.people or (PersonFiles(ONLY),))))


def read_films(table: Path, graph: Graph, graph_folder: Path) -> list[Film]:
    """The films of a table (CSV, JSON or Parquet), all of them checked before the first is made.

    Columns: `film`, the film's name (else its row's number); NODE.INPUT, where NODE is a node's title, id or type;
    score.PERSON.voice, .reference, .mask, .spans and .start, for the figures. An empty cell leaves the graph's value. A
    cell of an input that takes a picture, a sound or a film is a file beside the table, or one that the server has.
    Raises InteractError that names row and column.
    """
    rows = read_rows(table)
    if not rows:
        raise InteractError(f"{table} has no rows: give one for each film.")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    targets = {name: target_of(graph, name) for name in columns if not _is_ours(name)}
    shared = _files_of_graph(graph, graph_folder)
    films = [_film(number, row, table, graph, targets, shared) for number, row in enumerate(rows, start=1)]
    seen: dict[str, int] = {}
    for film in films:
        if film.name.lower() in seen:  # some file systems know no difference
            raise InteractError(
                f"rows {seen[film.name.lower()]} and {film.number} are both called {film.name!r}."
            )
        seen[film.name.lower()] = film.number
    return films


def _is_ours(column: str) -> bool:
    if column == NAME:
        return True
    parts = column.split(".")
    return parts[0] == SCORE and len(parts) >= 3 and parts[-1] in SCORED


def _film(
    number: int,
    row: Row,
    table: Path,
    graph: Graph,
    targets: Mapping[str, Target],
    shared: Mapping[Target, Path],
) -> Film:
    values: dict[Target, Any] = {}
    files = dict(shared)
    for column, target in targets.items():
        cell = row.get(column)
        if cell is None or cell == "":
            continue
        where = f"row {number} of {table.name}, column {column!r},"
        values[target] = as_kind(cell, value_of(graph, target), where)
        files.pop(target, None)
        place = table.parent / str(cell)
        if place.suffix.lower() in MEDIA and _is_file(place):
            files[target] = place
    return Film(
        number,
        _name(number, row, table),
        row,
        values,
        files,
        tuple(_people(row, table, number)),
        _key(graph, row.get(NAME), values, files),
        json.dumps({f"{t.node}.{t.input}": values.get(t) for t in targets.values() if _loads(graph, t)}),
    )


def _loads(graph: Graph, target: Target) -> bool:
    """Whether a node loads a model: by its type, or by an input that core and custom loaders call so."""
    return graph[target.node].get("class_type") in MODELS or target.input.endswith(
        ("_name", "_file", "model")
    )


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except (OSError, ValueError):  # a text that is too long for a name, or holds a zero
        return False


def _files_of_graph(graph: Graph, folder: Path) -> dict[Target, Path]:
    """Pictures, sounds and films that the graph names and that lie beside it."""
    found = {}
    for target in free_targets(graph):
        value = value_of(graph, target)
        if isinstance(value, str) and Path(value).suffix.lower() in MEDIA and _is_file(folder / value):
            found[target] = folder / value
    return found


def _name(number: int, row: Row, table: Path) -> str:
    name = str(row.get(NAME) or f"{number:05d}").strip()
    bad = name in ("", ".", "..") or len(name) > 120 or any(c in '<>:"/\\|?*' or ord(c) < 32 for c in name)
    if bad or name.endswith("."):
        raise InteractError(
            f"row {number} of {table.name}: {one_line(name)!r} cannot be a file's name. Use letters, digits, spaces, "
            "- and _, at most 120."
        )
    return name


def _people(row: Row, table: Path, number: int) -> Sequence[PersonFiles]:
    by_name: dict[str, Row] = {}
    for column, cell in row.items():
        if column != NAME and _is_ours(column) and cell not in (None, ""):
            _, *person, what = column.split(".")
            by_name.setdefault(".".join(person), {})[what] = cell
    people = []
    for name, cells in by_name.items():
        files = {
            what: table.parent / str(cells[what]) for what in ("voice", "reference", "mask") if what in cells
        }
        for what, place in files.items():
            if not _is_file(place):
                raise InteractError(
                    f"row {number} of {table.name}: there is no {place} ({SCORE}.{name}.{what})."
                )
        try:
            start = float(cells.get("start", 0.0))
            spans = read_spans(cells.get("spans"))
        except ValueError:
            raise InteractError(
                f"row {number} of {table.name}: {SCORE}.{name}.spans are seconds such as 0-1.5 2-3, .start is a number."
            ) from None
        people.append(PersonFiles(name, **files, spans=spans, start=start))
    return people


def _key(graph: Graph, name: Any, values: Mapping[Target, Any], files: Mapping[Target, Path]) -> str:
    named = {f"{target.node}.{target.input}": value for target, value in values.items()}
    digest = hashlib.sha256(json.dumps([graph, name, named], sort_keys=True).encode())
    for target, path in sorted(files.items(), key=lambda item: (item[0].node, item[0].input)):
        stat = path.stat()
        digest.update(f"{target.node}.{target.input} {path} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]
