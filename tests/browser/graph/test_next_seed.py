"""Where the seed of a run is found in a graph, and which one comes next."""

from __future__ import annotations

from typing import Any

import pytest
from interacthuman.tests.browser.graph.plain_graphs import PLAIN
from interacthuman.tests.browser.window import Window

FIND = (
    PLAIN
    + """
const { seedWidget } = await import("/web/next_seed.js");
const graph = build(arg[0]);
return seedWidget(graph, graph.getNodeById("50"), arg[1])?.title ?? null;
"""
)

MASKS, HANDLE = "INTERACT_MASKS", "INTERACT_MASK_HANDLE"


def seeded(title: str, name: str = "seed") -> dict[str, Any]:
    return {
        "widgets": [{"name": "steps", "value": 3, "title": "no"}, {"name": name, "value": 7, "title": title}]
    }


def viewer(*masks: Any) -> list[Any]:
    return ["50", "InterActPreviewMasks", [[MASKS, *masks]]]


GUIDANCE = ["7", "InterActMaskGuidance", []]
COLLECT = ["9", "InterActCollectMasks", [["LATENT", "8", 0], [HANDLE, "7", 1]]]
INSIDE = [[["1", "InterActSampler", [["INT:seed", -10, 0]], seeded("inside")]], [["1", 0], ["1", 1]]]
CASES = {
    "of the sampler": (
        [["31", "InterActSampler", [["INT:seed"]], seeded("own")], viewer("31", 1)],
        "31",
        "own",
    ),
    "of core's sampler": (
        [GUIDANCE, ["8", "KSampler", [["MODEL", "7", 0]], seeded("core's")], COLLECT, viewer("9", 1)],
        "7",
        "core's",
    ),
    "of a noise": (
        [
            GUIDANCE,
            ["6", "RandomNoise", [], seeded("noise", "noise_seed")],
            ["8", "SamplerCustomAdvanced", [["NOISE", "6", 0], ["MODEL", "7", 0]]],
            COLLECT,
            viewer("9", 1),
        ],
        "7",
        "noise",
    ),
    "wired": (
        [
            ["2", "PrimitiveInt", [], seeded("wired", "value")],
            ["31", "InterActSampler", [["INT:seed", "2", 0]], seeded("own")],
            viewer("31", 1),
        ],
        "31",
        "wired",
    ),
    "on a subgraph": (
        [["5", "uuid", [["INT:seed"]], {**seeded("around"), "inside": INSIDE}], viewer("5", 1)],
        "5:1",
        "around",
    ),
    "nowhere": ([["31", "InterActSampler", []], viewer("31", 1)], "31", None),
}


@pytest.mark.parametrize("nodes, source, title", CASES.values(), ids=CASES)
def test_the_widget_of_a_seed_is_found(
    page: Window, nodes: list[Any], source: str, title: str | None
) -> None:
    assert page.js(FIND, [nodes, source]) == title


def test_the_next_seed_is_one_more_unless_there_is_another_already(page: Window) -> None:
    left = page.js(
        """
        const { putNextSeed } = await import("/web/next_seed.js"), told = [];
        const put = (value, seed, options) => {
          const widget = { value, options, callback: (now) => told.push(now) };
          putNextSeed(widget, seed);
          return widget.value;
        };
        const last = put(2 ** 53, "9007199254740992");
        return [put(7, "7"), put(99, "7"), put(7, null), put(9, "9", { max: 9 }), last, told];
        """
    )
    assert left == [8, 99, 8, 0, 0, [0, 8, 8, 0]]
