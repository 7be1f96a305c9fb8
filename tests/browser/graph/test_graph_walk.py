"""From a viewer's node to its sampler, on small graphs made of plain objects as LiteGraph has them."""

from __future__ import annotations

from typing import Any

import pytest
from interacthuman.tests.browser.graph.plain_graphs import PLAIN
from interacthuman.tests.browser.window import Window

BUILD = (
    PLAIN
    + """
const graph = build(...arg[0]);
const find = (graph, id) => {
  for (const { node, path } of walk.places(graph)) if (walk.executionId({ node, path }) === id) return node;
};
const viewer = find(graph, arg[1]);
return [walk.samplersOf(graph, viewer), walk.executionIds(graph, viewer)];
"""
)

MASKS, HANDLE = "INTERACT_MASKS", "INTERACT_MASK_HANDLE"
SAMPLER = ["31", "InterActSampler", [["MODEL"]]]
GUIDANCE = ["7", "InterActMaskGuidance", []]
COLLECT = ["9", "InterActCollectMasks", [["LATENT", "8", 0], [HANDLE, "7", 1]]]
KSAMPLER = ["8", "KSampler", [["MODEL", "7", 0]]]


def viewer(*masks: Any, name: str = "50") -> list[Any]:
    return [name, "InterActPreviewMasks", [[MASKS, *masks], ["IMAGE"]]]


CASES = {
    "straight": ([[SAMPLER, viewer("31", 1)]], "50", ["31"], ["50"]),
    "unconnected": ([[SAMPLER, viewer()]], "50", [], ["50"]),
    "reroutes": (
        [[SAMPLER, ["2", "Reroute", [["*", "31", 1]]], ["3", "Reroute", [["*", "2", 0]]], viewer("3", 0)]],
        "50",
        ["31"],
        ["50"],
    ),
    "stock sampler": ([[GUIDANCE, KSAMPLER, COLLECT, viewer("9", 1)]], "50", ["7"], ["50"]),
    "muted": ([[["31", "InterActSampler", [], {"mode": 2}], viewer("31", 1)]], "50", [], ["50"]),
    "bypassed": ([[["31", "InterActSampler", [], {"mode": 4}], viewer("31", 1)]], "50", [], ["50"]),
    "a circle": (
        [[["2", "Reroute", [["*", "3", 0]]], ["3", "Reroute", [["*", "2", 0]]], viewer("3", 0)]],
        "50",
        [],
        ["50"],
    ),
    "sampler in a subgraph": (
        [[["5", "uuid", [], {"inside": [[["1", "InterActSampler", []]], [["1", 0], ["1", 1]]]}], viewer("5", 1)]],
        "50",
        ["5:1"],
        ["50"],
    ),
    "viewer in a subgraph": (
        [[SAMPLER, ["5", "uuid", [[MASKS, "31", 1]], {"inside": [[viewer(-10, 0, name="2")]]}]]],
        "5:2",
        ["31"],
        ["5:2"],
    ),
    "both in nested subgraphs": (
        [
            [
                ["5", "uuid", [], {"inside": [[["1", "InterActSampler", []]], [["1", 1]]]}],
                ["6", "uuid", [[MASKS, "5", 0]], {
                    "inside": [[["4", "uuid", [[MASKS, -10, 0]], {"inside": [[viewer(-10, 0, name="2")]]}]]]
                }],
            ]
        ],
        "6:4:2",
        ["5:1"],
        ["6:4:2"],
    ),
    "through a subgraph": (
        [[SAMPLER, ["5", "uuid", [[MASKS, "31", 1]], {"inside": [[], [[-10, 0]]]}], viewer("5", 0)]],
        "50",
        ["31"],
        ["50"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_viewer_finds_its_sampler(page: Window, name: str) -> None:
    graph, which, samplers, ids = CASES[name]
    assert page.js(BUILD, [graph, which]) == [samplers, ids]


def test_a_subgraph_that_is_used_twice(page: Window) -> None:
    """Its nodes are the same objects in both places."""
    body = BUILD.replace(
        "const find",
        "graph.nodes.find((n) => n.id === '6').subgraph = graph.nodes.find((n) => n.id === '5').subgraph; const find",
    )
    inside = [[["1", "InterActSampler", []], viewer("1", 1, name="2")]]
    graph = [[["5", "uuid", [], {"inside": inside}], ["6", "uuid", []]]]
    assert page.js(body, [graph, "5:2"]) == [["5:1", "6:1"], ["5:2", "6:2"]]


def test_a_sampler_that_was_put_into_a_subgraph_has_its_runs_of_before(page: Window) -> None:
    """But not where another node has the id by which it ran."""
    moved = """
    const place = (nodes) => ({ nodes });
    const inner = place([{ id: 31, type: "InterActSampler" }]);
    const around = { id: 5, type: "around", subgraph: inner };
    const ask = (nodes, now, earlier) => walk.alsoMoved(place(nodes), now, earlier);
    return [
      ask([around], ["5:31"], ["31", "7", "5:31"]),
      ask([around, { id: 31, type: "other" }], ["5:31"], ["31"]),
      ask([{ id: 31, type: "InterActSampler" }], ["31"], ["5:31", "5:7"]),
    ];
    """
    assert page.js(moved) == [["5:31", "31"], ["5:31"], ["31", "5:31"]]
