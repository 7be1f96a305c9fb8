"""The shipped graphs: their two forms say the same, and a ComfyUI knows every node and input of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.theatre.server import ComfyServer
from interacthuman.tests.host.make_workflows import GRAPHS, WORKFLOWS, api_text

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}
PAPER = {"MarkdownNote", "Note"}  # nodes of the frontend alone


def ui_form(name: str) -> dict[str, Any]:
    return json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))


def api_form(ui: dict[str, Any], server: ComfyServer) -> dict[str, Any]:
    """What the frontend would send for a flat graph saved in UI form: class_type and inputs by node id.

    Widget values are saved by position, in the order of the node's definition; a seed is followed by what
    happens to it after a run, which is never sent.
    """
    links = {link[0]: [str(link[1]), link[2]] for link in ui["links"]}
    graph = {}
    for node in ui["nodes"]:
        if node["type"] in PAPER:
            continue
        info = server.object_info(node["type"])
        linked = {
            entry["name"]: links[entry["link"]] for entry in node["inputs"] if entry["link"] is not None
        }
        values = dict(zip(widget_names(info), node.get("widgets_values", [])))
        inputs = {name: value for name, value in values.items() if name is not None} | linked
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return graph


def widget_names(info: dict[str, Any]) -> Iterator[str | None]:
    """Names of a node's widgets in order, None for one whose value is not sent."""
    for group in ("required", "optional"):
        for name in info["input_order"].get(group, []):
            kind, *options = info["input"][group][name]
            settings = options[0] if options else {}
            if not (isinstance(kind, list) or kind in WIDGETS) or settings.get("forceInput"):
                continue
            yield name
            if settings.get("control_after_generate"):
                yield None


def plain(graph: dict[str, Any]) -> dict[str, Any]:
    """Without the titles."""
    return {name: {key: node[key] for key in ("class_type", "inputs")} for name, node in graph.items()}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_api_form_is_as_written_in_python(name: str) -> None:
    path = WORKFLOWS / "api" / f"{name}.json"
    assert path.read_text(encoding="utf-8") == api_text(name), "run make_workflows.py"


@pytest.mark.parametrize("name", GRAPHS)
def test_the_ui_form_converts_to_exactly_the_api_form(server: ComfyServer, name: str) -> None:
    assert api_form(ui_form(name), server) == plain(GRAPHS[name]()), "run make_ui_workflows.py"


@pytest.mark.parametrize("name", GRAPHS)
def test_the_ui_form_is_tidy(name: str) -> None:
    """No node lies on another, each stands in a named box or is the note, and the seed stays as it is."""
    ui = ui_form(name)
    for number, node in enumerate(ui["nodes"]):
        for other in ui["nodes"][:number]:
            assert not overlap(node, other), (node["type"], other["type"])
        inside = [group for group in ui["groups"] if holds(group["bounding"], node)]
        assert len(inside) == (0 if node["type"] in PAPER else 1), node["type"]
    assert sum(node["type"] in PAPER for node in ui["nodes"]) == 1
    (sampler,) = (node for node in ui["nodes"] if node["type"] == "InterActSampler")
    assert "fixed" in sampler["widgets_values"]


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two nodes share a place, each with its title bar of 30 above it."""
    return all(
        one["pos"][axis] - title < other["pos"][axis] + other["size"][axis]
        and other["pos"][axis] - title < one["pos"][axis] + one["size"][axis]
        for axis, title in ((0, 0), (1, 30))
    )


def holds(box: list[float], node: dict[str, Any]) -> bool:
    return all(
        box[axis] <= node["pos"][axis] and node["pos"][axis] + node["size"][axis] <= box[axis] + box[axis + 2]
        for axis in (0, 1)
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_every_choice_of_the_shipped_graph_exists(server: ComfyServer, name: str, root: Path) -> None:
    """Models as well, where they lie in models/; the example files come with the demo."""
    for node in GRAPHS[name]().values():
        info = server.object_info(node["class_type"])
        known = {**info["input"]["required"], **info["input"].get("optional", {})}
        for key, value in node["inputs"].items():
            kind, *options = known[key.split(".")[0]]
            choices = kind if isinstance(kind, list) else (options[0].get("options") if options else None)
            if (
                node["class_type"] in ("LoadImage", "LoadAudio")
                or not choices
                or isinstance(choices[0], dict)
            ):
                continue
            assert value in choices, (node["class_type"], key, value)
