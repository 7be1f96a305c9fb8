"""The shipped graph of two speakers, rebuilt for one to four characters of a demo."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .demo_characters import DemoCharacter

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


def whole_schedule(sampler: dict[str, Any]) -> int:
    """The steps of a sampler from noise: a denoise below 1 takes the last of so many."""
    return round(sampler["steps"] / sampler["denoise"])


def with_characters(graph: Graph, characters: Sequence[DemoCharacter]) -> Graph:
    """A copy of the graph in which exactly these characters speak, in their order, from the input folder."""
    graph = copy.deepcopy(graph)
    free = map(str, itertools.count(max(map(int, graph)) + 1))
    chains = _chains(graph)
    template = [copy.deepcopy(graph[name]) for name in chains[0][2:]]
    for name in {name for chain in chains for name in chain}:
        del graph[name]
    chains += [[next(free) for _ in CHAIN] for _ in characters[len(chains) :]]
    for chain, character in zip(chains, characters):
        if chain[0] == chain[1]:  # an example is picture and recording in one
            chain[1] = next(free)
        graph |= _character_nodes(template, chain, character)
    encode = inputs_of(graph, "InterActEncodeCharacters")
    for key in [key for key in encode if key.startswith("characters.")]:
        del encode[key]
    used = chains[: len(characters)]
    encode |= {f"characters.character_{k}": [chain[3], 0] for k, chain in enumerate(used)}
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


def _character_nodes(
    template: Sequence[dict[str, Any]], ids: Sequence[str], character: DemoCharacter
) -> Graph:
    """The four nodes of a character; template: its speech and character node with the inputs that all share."""
    speech_node, character_node = (copy.deepcopy(node) for node in template)
    speech_node["inputs"]["audio"] = [ids[1], 0]
    character_node["inputs"] |= {"image": [ids[0], 0], "speech": [ids[2], 0], "name": character.name}
    nodes = (
        {"class_type": CHAIN[0], "inputs": {"image": character.image_file}},
        {"class_type": CHAIN[1], "inputs": {"audio": character.sound_file}},
        speech_node,
        character_node,
    )
    titles = (
        f"Picture of {character.name}",
        f"Recording of {character.name}",
        f"Speech of {character.name}",
        character.name,
    )
    return {name: {**node, "_meta": {"title": title}} for name, node, title in zip(ids, nodes, titles)}
