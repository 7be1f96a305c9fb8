"""The subgraph blueprint "Talking character", one node of ComfyUI's library: picture and recording in, a character out.

    python -m interacthuman.tools.make_blueprint

writes subgraphs/Talking character.json, which ComfyUI offers by itself (app/subgraph_manager.py). test_blueprint.py
sees that it is up to date.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

NAME = "Talking character"
FILE = Path(__file__).resolve().parents[1] / "subgraphs" / f"{NAME}.json"
ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "interacthuman/talking-character"))
INPUT, OUTPUT = -10, -20  # LiteGraph's ids of a subgraph's two sides

PICTURE, RECORDING, SPEECH, CHARACTER = 1, 2, 3, 4
# Link, from node and slot, to node and slot, type.
LINKS = (
    (1, PICTURE, 0, CHARACTER, 0, "IMAGE"),
    (2, RECORDING, 0, SPEECH, 1, "AUDIO"),
    (3, SPEECH, 0, CHARACTER, 2, "AUDIO_ENCODER_OUTPUT"),
    (4, INPUT, 0, SPEECH, 0, "AUDIO_ENCODER"),
    (5, CHARACTER, 0, OUTPUT, 0, "INTERACT_CHARACTER"),
)
# Shown on the one node, in this order.
WIDGETS = (
    (CHARACTER, "name"),
    (PICTURE, "image"),
    (RECORDING, "audio"),
    (SPEECH, "start_time"),
    (CHARACTER, "audio_strength"),
)


def link_into(node: int, slot: int) -> int | None:
    return next((link for link, _, _, to, at, _ in LINKS if (to, at) == (node, slot)), None)


def links_from(node: int, slot: int) -> list[int]:
    return [link for link, origin, at, _, _, _ in LINKS if (origin, at) == (node, slot)]


def inner(
    node: int,
    kind: str,
    place: tuple[int, int],
    size: tuple[int, int],
    inputs: tuple[tuple[str, str], ...],
    outputs: tuple[tuple[str, str], ...],
    values: list[Any],
) -> dict[str, Any]:
    """A node inside, as the frontend saves it; inputs and outputs: name and type."""
    return {
        "id": node,
        "type": kind,
        "pos": list(place),
        "size": list(size),
        "flags": {},
        "order": node - 1,
        "mode": 0,
        "inputs": [
            {"name": name, "type": type_, "link": link_into(node, slot)}
            for slot, (name, type_) in enumerate(inputs)
        ],
        "outputs": [
            {"name": name, "type": type_, "links": links_from(node, slot)}
            for slot, (name, type_) in enumerate(outputs)
        ],
        "properties": {"Node name for S&R": kind},
        "widgets_values": values,
    }


def side(name: str, type_: str, links: list[int]) -> dict[str, Any]:
    """An input or an output of the subgraph."""
    return {"id": str(uuid.uuid5(uuid.UUID(ID), name)), "name": name, "type": type_, "linkIds": links}


def subgraph() -> dict[str, Any]:
    nodes = [
        inner(
            PICTURE, "LoadImage", (0, 0), (320, 340), (), (("IMAGE", "IMAGE"), ("MASK", "MASK")),
            ["example.png", "image"],
        ),
        inner(RECORDING, "LoadAudio", (0, 400), (320, 140), (), (("AUDIO", "AUDIO"),), [None, None, None]),
        inner(
            SPEECH, "InterActEncodeSpeech", (380, 400), (300, 212),
            (("audio_encoder", "AUDIO_ENCODER"), ("audio", "AUDIO")),
            (("speech", "AUDIO_ENCODER_OUTPUT"), ("end_time", "FLOAT"), ("duration", "FLOAT")), [0.0, 1.0, 0.0],
        ),
        inner(
            CHARACTER, "InterActCharacter", (740, 0), (300, 458),
            (("image", "IMAGE"), ("mask", "MASK"), ("speech", "AUDIO_ENCODER_OUTPUT")),
            (("character", "INTERACT_CHARACTER"),), ["Character", 1.0],
        ),
    ]  # fmt: skip
    return {
        "id": ID,
        "version": 1,
        "state": {"lastGroupId": 0, "lastNodeId": 4, "lastLinkId": len(LINKS), "lastRerouteId": 0},
        "revision": 0,
        "config": {},
        "name": NAME,
        "inputNode": {"id": INPUT, "bounding": [-200, 400, 120, 60]},
        "outputNode": {"id": OUTPUT, "bounding": [1100, 0, 120, 60]},
        "inputs": [side("audio_encoder", "AUDIO_ENCODER", [4])],
        "outputs": [side("character", "INTERACT_CHARACTER", [5])],
        "widgets": [],
        "nodes": nodes,
        "groups": [],
        "links": [
            {
                "id": link, "origin_id": origin, "origin_slot": at, "target_id": to, "target_slot": slot,
                "type": type_,
            }
            for link, origin, at, to, slot, type_ in LINKS
        ],
        "extra": {},
        "category": "InterActHuman",
        "description": "One person of the video: a picture and a recording, for InterAct Encode Characters.",
    }  # fmt: skip


def blueprint() -> dict[str, Any]:
    """A workflow of the one node, as ComfyUI keeps its own blueprints."""
    node = {
        "id": 5,  # none of those within: ComfyUI would number them anew
        "type": ID,
        "pos": [0, 0],
        "size": [320, 420],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [{"name": "audio_encoder", "type": "AUDIO_ENCODER", "link": None}],
        "outputs": [{"name": "character", "type": "INTERACT_CHARACTER", "links": []}],
        "properties": {"proxyWidgets": [[str(node), name] for node, name in WIDGETS]},
        "widgets_values": [],
        "title": NAME,
    }
    return {
        "revision": 0,
        "last_node_id": 5,
        "last_link_id": 0,
        "nodes": [node],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [subgraph()]},
    }


def text() -> str:
    return json.dumps(blueprint(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
