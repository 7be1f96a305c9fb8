"""The shipped graph of two speakers, cast anew for one to four players."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .company import Player

SHIPPED = Path(__file__).resolve().parents[2] / "workflows" / "api" / "two_speakers.json"

Graph = dict[str, dict[str, Any]]
EXAMPLE = "InterActExample"
CHAIN = ("LoadImage", "LoadAudio", "InterActEncodeSpeech", "InterActCharacter")


def shipped_graph() -> Graph:
    return json.loads(SHIPPED.read_text(encoding="utf-8"))


def id_of(graph: Graph, class_type: str) -> str:
    """The id of the only node of its class. Raises ValueError where there is none or more than one."""
    found = [name for name, node in graph.items() if node["class_type"] == class_type]
    if len(found) != 1:
        raise ValueError(f"The graph has {len(found)} nodes {class_type}, expected one.")
    return found[0]


def inputs_of(graph: Graph, class_type: str) -> dict[str, Any]:
    """The inputs of the only node of its class, to be changed in place."""
    return graph[id_of(graph, class_type)]["inputs"]


def cast_players(graph: Graph, players: Sequence[Player]) -> Graph:
    """A copy of the graph in which exactly these players speak, in their order, from the input folder."""
    graph = copy.deepcopy(graph)
    free = map(str, itertools.count(max(map(int, graph)) + 1))
    chains = _chains(graph)
    template = [copy.deepcopy(graph[name]) for name in chains[0][2:]]
    for name in {name for chain in chains for name in chain}:
        del graph[name]
    chains += [[next(free) for _ in CHAIN] for _ in players[len(chains) :]]
    for chain, player in zip(chains, players):
        if chain[0] == chain[1]:  # an example is picture and recording in one
            chain[1] = next(free)
        graph |= _speaker(template, chain, player)
    encode = inputs_of(graph, "InterActEncodeCharacters")
    for key in [key for key in encode if key.startswith("characters.")]:
        del encode[key]
    cast = chains[: len(players)]
    encode |= {f"characters.character_{k}": [chain[3], 0] for k, chain in enumerate(cast)}
    return graph


def _chains(graph: Graph) -> list[list[str]]:
    """Ids of picture, recording, speech and character of every speaker, in the order of the cast.

    Picture and recording are LoadImage and LoadAudio, or one and the same example.
    """
    encode = inputs_of(graph, "InterActEncodeCharacters")
    chains = []
    for key in sorted(
        (key for key in encode if key.startswith("characters.")), key=lambda key: int(key.rsplit("_")[-1])
    ):
        character = encode[key][0]
        speech = graph[character]["inputs"]["speech"][0]
        chain = [
            graph[character]["inputs"]["image"][0],
            graph[speech]["inputs"]["audio"][0],
            speech,
            character,
        ]
        if tuple(graph[name]["class_type"] for name in chain) not in (CHAIN, (EXAMPLE, EXAMPLE, *CHAIN[2:])):
            raise ValueError(
                f"{SHIPPED.name}: character {character} is not made of {', '.join(CHAIN)} or an example."
            )
        chains.append(chain)
    return chains


def _speaker(template: Sequence[dict[str, Any]], ids: Sequence[str], player: Player) -> Graph:
    """A player's four nodes; `template`: a speech and a character node with all that is not the player's."""
    speech, character = (copy.deepcopy(node) for node in template)
    speech["inputs"]["audio"] = [ids[1], 0]
    character["inputs"] |= {"image": [ids[0], 0], "speech": [ids[2], 0], "name": player.name}
    nodes = (
        {"class_type": CHAIN[0], "inputs": {"image": player.image_file}},
        {"class_type": CHAIN[1], "inputs": {"audio": player.sound_file}},
        speech,
        character,
    )
    titles = (
        f"Picture of {player.name}",
        f"Recording of {player.name}",
        f"Speech of {player.name}",
        player.name,
    )
    return {name: {**node, "_meta": {"title": title}} for name, node, title in zip(ids, nodes, titles)}
