"""Who goes into a cast, and who has a namesake there, on small graphs made of plain objects."""

from __future__ import annotations

from typing import Any

import pytest
from interacthuman.tests.browser.graph.plain_graphs import PLAIN
from interacthuman.tests.browser.window import Window

NAMESAKES = f"""
{PLAIN}
const {{ charactersOf, nameOf, namesakes }} = await import("/web/characters/casts.js");
const graph = build(...arg), found = namesakes(graph);
return charactersOf(graph).map((place) => [nameOf(place) ?? null, found.has(place.node)]);
"""
WHO, MUTED, BYPASSED = "INTERACT_CHARACTER", 2, 4


def person(number: str, name: str, *drive: Any, kind: str = "InterActCharacter", **more: Any) -> list[Any]:
    inputs = [["IMAGE:image"], ["STRING:name", *drive]]
    return [number, kind, inputs, {"widgets": [{"name": "name", "value": name}], **more}]


def encoder(*origins: tuple[str, int]) -> list[Any]:
    sockets = [[f"{WHO}:characters.character_{slot}", *origin] for slot, origin in enumerate(origins)]
    return ["9", "InterActEncodeCharacters", [*sockets, [f"{WHO}:characters.character_{len(origins)}"]]]


def text(value: str, kind: str = "PrimitiveString", **more: Any) -> list[Any]:
    return ["5", kind, [], {"widgets": [{"name": "value", "value": value}], **more}]


ANN, BOB, OTHER_ANN = person("1", "Ann"), person("2", "Bob"), person("3", " Ann ", kind="InterActRegion")
SWITCH = ["7", "Any Switch", [[f"{WHO}:any_1", "1", 0], ["*:any_2", "2", 0]]]
TWINS = encoder(("1", 0), ("3", 0))
CASES = {
    "different": ([ANN, BOB, encoder(("1", 0), ("2", 0))], "Ann Bob"),
    "the same": ([ANN, OTHER_ANN, TWINS], "Ann! Ann!"),
    "in two casts": ([ANN, OTHER_ANN, encoder(("1", 0)), encoder(("3", 0))], "Ann Ann"),
    "not wired": ([ANN, OTHER_ANN, encoder(("1", 0))], "Ann Ann"),
    "one twice": ([ANN, encoder(("1", 0), ("1", 0))], "Ann!"),
    "one muted": ([ANN, person("3", "Ann", mode=MUTED), TWINS], "Ann Ann"),
    "one bypassed": ([ANN, person("3", "Ann", mode=BYPASSED), TWINS], "Ann Ann"),
    "the encoder muted": ([ANN, OTHER_ANN, [*TWINS, {"mode": MUTED}]], "Ann Ann"),
    "through a reroute": (
        [ANN, OTHER_ANN, ["4", "Reroute", [["*", "3", 0]]], encoder(("1", 0), ("4", 0))],
        "Ann! Ann!",
    ),
    "one of two sides": ([ANN, BOB, OTHER_ANN, SWITCH, encoder(("7", 0), ("3", 0))], "Ann Bob Ann"),
    "both sides": (
        [ANN, person("2", "Ann"), OTHER_ANN, SWITCH, encoder(("7", 0), ("3", 0))],
        "Ann! Ann! Ann!",
    ),
    "driven by a text": ([ANN, person("3", "Bob", "5", 0), text("Ann"), TWINS], "Ann! Ann!"),
    "both driven": (
        [person("1", "Ann", "5", 0), person("3", "Bob", "5", 0), text("Eve", "PrimitiveNode"), TWINS],
        "Eve! Eve!",
    ),
    "only a run can tell": ([ANN, person("3", "Ann", "5", 0), text("Ann", "StringJoin"), TWINS], "Ann ?"),
    "in a subgraph": (
        [ANN, ["6", "uuid", [], {"inside": [[OTHER_ANN], [["3", 0]]]}], encoder(("1", 0), ("6", 0))],
        "Ann! Ann!",
    ),
    "named outside of the subgraph": (
        [
            ANN,
            ["6", "uuid", [["STRING:name"]], {
                "widgets": [{"name": "name", "value": "Ann"}],
                "inside": [[person("3", "Bob", -10, 0)], [["3", 0]]],
            }],
            encoder(("1", 0), ("6", 0)),
        ],
        "Ann! Ann!",
    ),
    "the encoder in a subgraph": (
        [ANN, OTHER_ANN, ["6", "uuid", [[WHO, "1", 0], [WHO, "3", 0]], {
            "inside": [[encoder((-10, 0), (-10, 1))]]
        }]],
        "Ann! Ann!",
    ),
    "a circle": ([ANN, ["4", "Reroute", [["*", "4", 0]]], encoder(("1", 0), ("4", 0))], "Ann"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_namesakes_are_found(page: Window, name: str) -> None:
    nodes, said = CASES[name]
    found = page.js(NAMESAKES, [nodes])
    assert " ".join((who or "?") + "!" * twice for who, twice in found) == said


FREE = [
    ("Character", [], "Character 1", 1),
    ("Character", ["Character 1", "Character 3"], "Character 2", 1),
    ("Mira", ["Mira"], "Mira 2", 2),
    ("Mira 2", ["Mira", "Mira 2", "Mira 3"], "Mira 4", 2),
    ("Agent 007", ["Agent 007"], "Agent 8", 2),
    ("2", ["2"], "2 2", 2),
    ("  ", [""], "2", 2),
]


@pytest.mark.parametrize("name, taken, free, first", FREE)
def test_a_free_name(page: Window, name: str, taken: list[str], free: str, first: int) -> None:
    module = 'const { freeName } = await import("/web/characters/free_name.js");'
    assert (
        page.js(f"{module} return freeName(arg[0], new Set(arg[1]), arg[2]);", [name, taken, first]) == free
    )
