"""A graph in ComfyUI's API form, and the inputs of it that a table's columns name."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InteractError, one_line

Graph = dict[str, dict[str, Any]]
MOST_LISTED = 30  # inputs that a sentence lists
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Target:
    """An input of a node, by their names in the graph."""

    node: str
    input: str


def read_graph(path: Path) -> Graph:
    """A graph in API form. Raises InteractError for anything else, and says so of a graph as ComfyUI saves it."""
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InteractError(f"{path} cannot be read as a graph: {one_line(error)}.") from error
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise InteractError(
            f"{path} is a graph as ComfyUI saves it: export it in API form (File > Export (API))."
        )
    nodes = graph.values() if isinstance(graph, dict) else ()
    if not nodes or not all(
        isinstance(node, dict) and isinstance(node.get("inputs"), dict) for node in nodes
    ):
        raise InteractError(
            f"{path} is no graph in ComfyUI's API form: nodes by their ids, each with inputs."
        )
    return graph


def title_of(graph: Graph, node: str) -> str:
    """What an artist calls a node: its title, or its type where it has none."""
    found = graph[node]
    return str((found.get("_meta") or {}).get("title") or found.get("class_type"))


def target_of(graph: Graph, column: str) -> Target:
    """The input that a column names as TITLE.INPUT; in place of the title may stand the node's id or type.

    Titles and names of inputs may contain dots. Raises InteractError where no input or more than one is meant, or where
    a wire of the graph gives it.
    """
    found = {
        Target(node, name)
        for node in graph
        for name in graph[node]["inputs"]
        for called in (title_of(graph, node), node, str(graph[node].get("class_type")))
        if column == f"{called}.{name}"
    }
    if len(found) > 1:
        ids = ", ".join(sorted(target.node for target in found))
        raise InteractError(
            f"column {one_line(column)!r} may mean the nodes {ids}: give them titles of their own, or write "
            f"{min(target.node for target in found)}.INPUT."
        )
    if not found:
        free = [f"{title_of(graph, t.node)}.{t.input}" for t in free_targets(graph)]
        more = f" and {len(free) - MOST_LISTED} more" if len(free) > MOST_LISTED else ""
        raise InteractError(
            f"column {one_line(column)!r} is no input of the graph. Its inputs are "
            f"{', '.join(free[:MOST_LISTED])}{more}."
        )
    (target,) = found
    if is_wire(graph, value_of(graph, target)):
        raise InteractError(
            f"column {one_line(column)!r} is given by a wire from {title_of(graph, value_of(graph, target)[0])}: name "
            "an input of that node."
        )
    return target


def free_targets(graph: Graph) -> list[Target]:
    """The inputs that no wire gives."""
    return [
        Target(node, name)
        for node in graph
        for name, value in graph[node]["inputs"].items()
        if not is_wire(graph, value)
    ]


def is_wire(graph: Graph, value: Any) -> bool:
    """Whether an input's value is another node's output."""
    return isinstance(value, list) and len(value) == 2 and str(value[0]) in graph


def value_of(graph: Graph, target: Target) -> Any:
    """What the graph has there."""
    return graph[target.node]["inputs"][target.input]


def as_kind(value: Any, like: Any, where: str) -> Any:
    """A table's value as the kind that the graph has there. Raises InteractError, which begins with `where`."""
    try:
        if isinstance(like, bool):
            return WORDS[str(value).strip().lower().removesuffix(".0")]
        if isinstance(like, int):
            return _whole(value)
        if isinstance(like, float):
            return float(value)
    except (KeyError, ValueError, OverflowError, TypeError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(like)]
        raise InteractError(f"{where} is {one_line(value)!r}, expected {kind}.") from None
    return value if like is None else str(value)


def _whole(value: Any) -> int:
    """An int, also of text and of 6.0, and exact above 2^53. Raises ValueError, OverflowError, TypeError."""
    try:
        return int(str(value))
    except ValueError:
        if float(value) != int(float(value)):
            raise
        return int(float(value))


def with_values(graph: Graph, values: Mapping[Target, Any]) -> Graph:
    """A copy of the graph with other values."""
    changed = copy.deepcopy(graph)
    for target, value in values.items():
        changed[target.node]["inputs"][target.input] = value
    return changed
