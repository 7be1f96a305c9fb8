"""Random graphs through /prompt: widgets within and beyond their ranges, sockets swapped, left out or of another type.

Each ends in a refusal by ComfyUI, in a sentence of ours, or well; and the good graph runs as before after it.
"""

from __future__ import annotations

import json
import random
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from ...interact_core.comfy_server import ComfyServer
from ..scenes.result import Figure
from .campaign import Order, Tally
from .served import Graph, digest, ended, ours, people, sentence_fault, serve

TRIALS = 1000
GOOD_EVERY = 25  # trials after which the good graph is run again
PATIENCE = 60.0  # seconds after which a run is cancelled: a size within its range can take hours on a CPU
LARGEST = 256  # of a size or a length that is within its range, for the same reason; and of steps 6
EXTREMES = (
    -(2**63),
    -1,
    0,
    1,
    2**31 - 1,
    2**31,
    2**53 + 1,
    2**64,
    1e308,
    -1e-308,
    0.5,
    float("nan"),
    float("inf"),
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    " ",
    "NaN",
    True,
    [[]],
    {"a": 1},
    "../../etc/passwd",
    "x" * 10_000,
)
NAMES = ("Mira", "Tobi", "", "<b>Anna</b>", "\u202eanna", "\U0001f468\u200d\U0001f467", "a" * 5000)
OURS = "InterAct"


def run(order: Order) -> None:
    with serve(order.folder / "server", "--cache-classic") as server:
        run_on(server, order)


def run_on(server: ComfyServer, order: Order) -> None:
    """The trials on a server that runs already."""
    tally, schemas, good = order.tally, server.get("/object_info"), people()
    expected = digest(server, server.run(good))
    since: list[int] = []  # trials since the good graph was run
    for number in order.left():
        chance = order.draw(number)
        graph, done = people(seed=chance.randrange(2**32)), []
        for _ in range(chance.randint(1, 4)):
            change = chance.choice(CHANGES)
            done.append(change(graph, schemas, chance))
        how, fault = _outcome(server, graph)
        if fault is None:
            tally.count(number, how)
        else:
            tally.fault(number, "; ".join(done), fault)
        since.append(number)
        if len(since) == GOOD_EVERY:
            _still_good(tally, since, digest(server, server.run(good)), expected)
    if since:
        _still_good(tally, since, digest(server, server.run(good)), expected)


def _still_good(tally: Tally, since: list[int], found: str, expected: str) -> None:
    """The good graph, after some trials; if it is another, the last of them is a fault. Forgets them."""
    if found != expected:
        tried = f"the good graph after trials {since[0]} to {since[-1]}"
        tally.fault(since[-1], tried, f"{found}, at first {expected}")
    since.clear()


def figures(tally: Tally) -> list[Figure]:
    """None but the share of faults."""
    return []


# ------------------------------------------------------------------------------------------------ what is changed


def _ours(graph: Graph, chance: random.Random) -> tuple[str, dict[str, Any]]:
    return chance.choice([(name, node) for name, node in graph.items() if OURS in node["class_type"]])


def _declared(schemas: dict[str, Any], node: dict[str, Any]) -> dict[str, list[Any]]:
    """Inputs of a node class by name: [type or choices, options]."""
    groups = schemas[node["class_type"]]["input"]
    return {name: spec for group in ("required", "optional") for name, spec in groups.get(group, {}).items()}


def widget(graph: Graph, schemas: dict[str, Any], chance: random.Random) -> str:
    _, node = _ours(graph, chance)
    declared = {key: spec for key, spec in _declared(schemas, node).items() if _is_widget(spec)}
    if not declared:
        return "nothing"
    key = chance.choice(sorted(declared))
    node["inputs"][key] = _drawn(key, declared[key], chance)
    return f"{node['class_type']}.{key} = {str(node['inputs'][key])[:60]!r}"


def _is_widget(spec: list[Any]) -> bool:
    return isinstance(spec[0], list) or spec[0] in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def _drawn(key: str, spec: list[Any], chance: random.Random) -> Any:
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    choices = kind if isinstance(kind, list) else options.get("options")
    if chance.random() < 0.25:
        return chance.choice(ODD_VALUES)
    if choices:
        return chance.choice([*choices, "no such choice"])
    if kind == "BOOLEAN":
        return chance.random() < 0.5
    if kind == "STRING":
        return chance.choice(NAMES)
    if chance.random() < 0.3:
        return chance.choice(EXTREMES)
    low, high = options.get("min", 0), options.get("max", 100)
    if key in ("width", "height", "length"):
        high = min(high, LARGEST)
    if key == "steps":
        high = 6
    return chance.randint(int(low), int(high)) if kind == "INT" else chance.uniform(low, min(high, 100.0))


def rewire(graph: Graph, schemas: dict[str, Any], chance: random.Random) -> str:
    """A link now comes from another output; three times of four from one of the same type."""
    name, node = _ours(graph, chance)
    links = [key for key, value in node["inputs"].items() if _is_link(graph, value)]
    if not links:
        return "nothing"
    key = chance.choice(links)
    source, output = node["inputs"][key]
    kind = schemas[graph[source]["class_type"]]["output"][output]
    offers = [
        [other, place]
        for other, one in graph.items()
        if other != name
        for place, offered in enumerate(schemas[one["class_type"]]["output"])
        if offered == kind or chance.random() < 0.05
    ]
    node["inputs"][key] = chance.choice(offers) if offers and chance.random() < 0.9 else [name, 0]
    return f"{node['class_type']}.{key} from {node['inputs'][key]}"


def _is_link(graph: Graph, value: object) -> bool:
    """And not a list that an earlier change has typed there."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0] in graph


def leave_out(graph: Graph, _: dict[str, Any], chance: random.Random) -> str:
    __, node = _ours(graph, chance)
    if not node["inputs"]:
        return "nothing"
    key = chance.choice(sorted(node["inputs"]))
    del node["inputs"][key]
    return f"{node['class_type']} without {key}"


def odd_input(graph: Graph, _: dict[str, Any], chance: random.Random) -> str:
    """Any input, sockets included, with a value that is none of its type."""
    __, node = _ours(graph, chance)
    key = chance.choice(sorted(node["inputs"]) or ["nothing"])
    node["inputs"][key] = chance.choice(ODD_VALUES)
    return f"{node['class_type']}.{key} = {str(node['inputs'][key])[:60]!r}"


def unknown_input(graph: Graph, _: dict[str, Any], chance: random.Random) -> str:
    __, node = _ours(graph, chance)
    key = chance.choice(("characters.character_99", "characters.", "model_conds", "__class__", "\U0001f600"))
    node["inputs"][key] = chance.choice(ODD_VALUES)
    return f"{node['class_type']} with an unknown {key}"


CHANGES: tuple[Callable[[Graph, dict[str, Any], random.Random], str], ...] = (
    widget,
    widget,
    widget,
    rewire,
    leave_out,
    odd_input,
    unknown_input,
)


# ---------------------------------------------------------------------------------------------- how it is answered


def _outcome(server: ComfyServer, graph: Graph) -> tuple[str, str | None]:
    """How a graph ended, and what is wrong with that."""
    body = json.dumps({"prompt": graph}).encode()
    request = urllib.request.Request(f"{server.address}/prompt", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            prompt = json.loads(answer.read())["prompt_id"]
    except urllib.error.HTTPError as refusal:
        if refusal.code == 400:
            return "refused by ComfyUI", None
        return "", f"/prompt answered {refusal.code}: {refusal.read()[:300]!r}"
    try:
        how, details = ended(server.wait(prompt, PATIENCE))
    except TimeoutError:
        server.interrupt()
        how, details = ended(server.wait(prompt, 5 * PATIENCE))
        if how == "success":
            return "well", None
    if how == "success":
        return "well", None
    if how == "execution_interrupted":
        return "cancelled, as it was large", None
    message = details["exception_message"].strip()
    if ours(details):
        return "", f"{details['node_type']}: {details['exception_type']}: {message[:300]}"
    if not details["exception_type"].endswith("InteractError"):
        return "error of core's own", None
    return "a sentence", sentence_fault(message)
