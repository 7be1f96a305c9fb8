"""What saved workflows rely on, and what an artist reads on every node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import interacthuman
import pytest
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)

SNAPSHOT = Path(__file__).parent / "snapshots" / "nodes.json"
VERSION_0_1_0 = SNAPSHOT.with_name("graphs_0_1_0.json")
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
MUTED = 2  # a node's mode
ROOT = "InterActHuman"


def load_nodes() -> list[type]:
    extension = asyncio.run(interacthuman.comfy_entrypoint())
    asyncio.run(extension.on_load())
    return asyncio.run(extension.get_node_list())


NODES = load_nodes()
INFO: dict[str, dict[str, Any]] = {node.GET_SCHEMA().node_id: node.GET_NODE_INFO_V1() for node in NODES}


def inputs_of(info: dict[str, Any]) -> list[tuple[str, str, list]]:
    """(group, name, entry) of every input in the order of the widgets, by which a workflow is saved."""
    return [
        (group, name, info["input"][group][name])
        for group in ("required", "optional")
        for name in info["input_order"].get(group, [])
    ]


def keys(info: dict[str, Any]) -> dict[str, list[list[str]]]:
    """Everything that a saved workflow names a node by."""
    inputs = [
        [name, "COMBO" if isinstance(entry[0], list) else entry[0], group]
        for group, name, entry in inputs_of(info)
    ]
    return {"inputs": inputs, "outputs": [list(pair) for pair in zip(info["output_name"], info["output"])]}


def snapshot_text() -> str:
    """What tests/nodes/snapshots/nodes.json is to hold."""
    rows = []
    for node_id, info in INFO.items():
        parts = []
        for part, entries in keys(info).items():
            lines = ",\n".join(f"      {json.dumps(entry)}" for entry in entries)
            parts.append(f'    "{part}": [\n{lines}\n    ]')
        rows.append(f'  "{node_id}": {{\n' + ",\n".join(parts) + "\n  }")
    return "{\n" + ",\n".join(rows) + "\n}\n"


def test_saved_workflows_find_every_key_where_it_was() -> None:
    """Nodes, inputs, outputs are only ever appended: what the snapshot holds stays first, in its order."""
    for node_id, saved in json.loads(SNAPSHOT.read_text(encoding="utf-8")).items():
        assert node_id in INFO, f"{node_id} has gone: register a replacement (io.NodeReplace) instead"
        present = keys(INFO[node_id])
        for part in ("inputs", "outputs"):
            kept = present[part][: len(saved[part])]
            assert kept == saved[part], f"{part} of {node_id} have changed: only append"


def test_graphs_that_were_saved_with_version_0_1_0_open_as_they_were() -> None:
    """Widget values, saved by position, come to the inputs of then; each is still there, and what is new is optional.

    The file holds what that version shipped in both forms, without places and notes.
    """
    graphs, checked = json.loads(VERSION_0_1_0.read_text(encoding="utf-8")), 0
    for name, forms in graphs.items():
        muted = {node["id"] for node in forms["ui"]["nodes"] if node["mode"] == MUTED}
        links = {link[0]: [str(link[1]), link[2]] for link in forms["ui"]["links"] if link[1] not in muted}
        for node in forms["ui"]["nodes"]:
            if node["type"] not in INFO or node["id"] in muted:
                continue
            inputs = inputs_of(INFO[node["type"]])
            widgets: list[str] = []
            for _, key, entry in inputs:
                if isinstance(entry[0], list) or entry[0] in WIDGETS:
                    widgets += [key, "what comes after a run"] if key == "seed" else [key]
            values = dict(zip(widgets, node.get("widgets_values", [])))
            values.pop("what comes after a run", None)
            values |= {
                entry["name"]: links[entry["link"]] for entry in node["inputs"] if entry["link"] in links
            }
            assert values == forms["api"][str(node["id"])]["inputs"], (name, node["type"])
            given = {key.partition(".")[0] for key in values}
            assert given <= {key for _, key, _ in inputs}, (name, node["type"])
            assert {key for group, key, _ in inputs if group == "required"} <= given, (name, node["type"])
            checked += 1
    assert len(graphs) == 8 and checked == 95


def test_the_snapshot_is_complete() -> None:
    assert SNAPSHOT.read_text(encoding="utf-8") == snapshot_text(), (
        "something was appended: write `snapshot_text()` into tests/nodes/snapshots/nodes.json"
    )


@pytest.mark.parametrize("node_id", INFO)
def test_an_artist_is_told_what_everything_is(node_id: str) -> None:
    info = INFO[node_id]
    assert node_id.startswith("InterAct") and info["display_name"].startswith("InterAct ")
    assert info["category"].split("/")[0] == ROOT
    assert len(info["description"]) > 30 and info["description"].endswith(".")
    assert "interacthuman" in info["search_aliases"] and len(info["search_aliases"]) >= 3
    for _, name, entry in inputs_of(info):
        tooltip = entry[1].get("tooltip", "")
        assert len(tooltip) >= 25 and tooltip.endswith("."), f"{node_id}.{name}: {tooltip!r}"
    assert all(info["output_tooltips"])


@pytest.mark.parametrize("node_id", INFO)
def test_numbers_have_bounds_steps_and_a_default_inside(node_id: str) -> None:
    for _, name, (kind, options) in inputs_of(INFO[node_id]):
        if kind in ("INT", "FLOAT"):
            assert options["min"] <= options["default"] <= options["max"], name
        if kind == "FLOAT":
            assert options["step"] > 0 and options["round"] > 0, name


def test_widgets_and_the_methods_defaults_agree() -> None:
    """The guidance widgets start where GuidanceSettings does, and both nodes offer the same ones."""
    from interacthuman.interact_core.guidance import GuidanceSettings

    names = ("mask_source", "stage_boundary", "stage_one_audio", "mask_smoothing", "mask_gain")
    for node_id in ("InterActSampler", "InterActMaskGuidance"):
        required = INFO[node_id]["input"]["required"]
        defaults = {name: required[name][1]["default"] for name in names}
        assert GuidanceSettings(**defaults) == GuidanceSettings()
    sampler, guidance = INFO["InterActSampler"]["input"], INFO["InterActMaskGuidance"]["input"]
    assert all(sampler["required"][name] == guidance["required"][name] for name in names)


def test_characters_grow_by_number() -> None:
    kind, options = INFO["InterActEncodeCharacters"]["input"]["required"]["characters"]
    template = options["template"]
    assert kind == "COMFY_AUTOGROW_V3"
    assert (template["prefix"], template["min"]) == ("character_", 0) and template["max"] >= 10
