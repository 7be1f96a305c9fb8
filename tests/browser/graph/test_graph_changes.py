"""Whether a saved workflow says what another one said, as far as one node hears of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from interacthuman.tests.browser.window import Window

CHANGED = 'const m = await import("/web/graph_changes.js"); return m.changedAbove(...arg).sort();'
Flow = dict[str, Any]


def node(number: int, *links: tuple[str, int | None], values: list[Any] | None = None, **more: Any) -> Flow:
    inputs = [{"name": name, "link": link} for name, link in links]
    return {
        "id": number,
        "type": f"type {number}",
        "mode": 0,
        "inputs": inputs,
        "widgets_values": values,
        **more,
    }


def workflow() -> Flow:
    """1 -> 2 -> 6 (a subgraph: 2 -> its 8 -> its 9) -> 4, beside 5, which nothing of 4 hears of."""
    inner = {
        "id": "inside",
        "nodes": [node(8, ("a", 1), values=["x"]), node(9, ("a", 2), ("b", None), values=[7])],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 8, "target_slot": 0},
            {"id": 2, "origin_id": 8, "origin_slot": 0, "target_id": 9, "target_slot": 0},
        ],
        "outputs": [{"linkIds": [3]}],
    }
    inner["links"].append({"id": 3, "origin_id": 9, "origin_slot": 0, "target_id": -20, "target_slot": 0})
    nodes = [
        node(1, values=[1, "fixed"]),
        node(2, ("image", 10)),
        node(6, ("in", 11)) | {"type": "inside"},
        node(4, ("masks", 12), values=[0]),
        node(5, values=["aside"]),
    ]
    links = [[10, 1, 0, 2, 0, "IMAGE"], [11, 2, 0, 6, 0, "IMAGE"], [12, 6, 0, 4, 0, "MASKS"]]
    return {"id": "flow", "nodes": nodes, "links": links, "definitions": {"subgraphs": [inner]}}


def nodes_of(flow: Flow) -> dict[int, Flow]:
    inside = flow["definitions"]["subgraphs"][0]["nodes"]
    return {one["id"]: one for one in (*flow["nodes"], *inside)}


def moved(flow: Flow) -> None:
    for number, one in nodes_of(flow).items():
        one |= {"pos": [number, 0], "size": [1, 2], "properties": {"interact_prompt": "x"}, "title": "new"}


def rewired(flow: Flow) -> None:
    flow["links"][0][1] = 5


def renumbered(flow: Flow) -> None:
    """Links count anew whenever one connects."""
    flow["links"][0][0] = nodes_of(flow)[2]["inputs"][0]["link"] = 99


EDITS: dict[str, tuple[Callable[[Flow], object], list[str]]] = {
    "nothing": (lambda flow: None, []),
    "moved": (moved, []),
    "renumbered": (renumbered, []),
    "a value": (lambda flow: nodes_of(flow)[1].update(widgets_values=[2, "fixed"]), ["1"]),
    "its own value": (lambda flow: nodes_of(flow)[4].update(widgets_values=[3]), ["4"]),
    "aside": (lambda flow: nodes_of(flow)[5].update(widgets_values=["other"]), []),
    "in the subgraph": (lambda flow: nodes_of(flow)[8].update(widgets_values=["y"]), ["6:8"]),
    "muted": (lambda flow: nodes_of(flow)[2].update(mode=2), ["2"]),
    "muted in the subgraph": (lambda flow: nodes_of(flow)[9].update(mode=4), ["6:9"]),
    "rewired": (rewired, ["2"]),
    "unwired": (lambda flow: nodes_of(flow)[2]["inputs"].clear(), ["2"]),
    "unlinked inputs left out": (lambda flow: nodes_of(flow)[9]["inputs"].pop(), []),
}


@pytest.mark.parametrize("name", EDITS)
def test_changes_above_a_node(page: Window, name: str) -> None:
    edit, changed = EDITS[name]
    now = copy.deepcopy(workflow())
    edit(now)
    assert page.js(CHANGED, [workflow(), now, "4"]) == changed


def test_above_a_node_inside(page: Window) -> None:
    now = workflow()
    nodes_of(now)[1].update(widgets_values=[2, "fixed"])
    nodes_of(now)[9].update(widgets_values=[8])
    assert page.js(CHANGED, [workflow(), now, "6:8"]) == ["1"]
    assert page.js(CHANGED, [workflow(), now, "nowhere"]) == []
    assert page.js(CHANGED, [{}, now, "2"]) == ["1", "2"]


def test_the_samplers_above_a_node_of_a_saved_workflow(page: Window) -> None:
    """Through subgraphs, and none that stands beside."""
    asked = (
        'const m = await import("/web/graph_changes.js");'
        "return m.idsAbove(arg[0], arg[1], new Set(arg[2])).sort();"
    )
    assert page.js(asked, [workflow(), "4", ["type 2", "type 9", "type 5"]]) == ["2", "6:9"]
    assert page.js(asked, [workflow(), "77", ["type 2"]]) == []
