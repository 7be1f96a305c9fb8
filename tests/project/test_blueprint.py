"""The subgraph blueprint: ComfyUI finds it, and its nodes have the inputs that it wires."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from interacthuman.tools.make_blueprint import FILE, LINKS, NAME, WIDGETS, subgraph, text
from interacthuman.tools.make_locales import nodes

KNOWN = {name: node.GET_NODE_INFO_V1() for name, node in nodes().items()}


def test_it_is_as_written_in_python_and_comfyui_offers_it(
    monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path
) -> None:
    import folder_paths
    from app.subgraph_manager import SubgraphManager

    assert FILE.read_text(encoding="utf-8") == text(), "run make_blueprint.py"
    (tmp_path / "interacthuman").symlink_to(root, target_is_directory=True)
    monkeypatch.setattr(folder_paths, "get_folder_paths", lambda _: [str(tmp_path)])
    with pytest.raises(
        StopIteration
    ) as finished:  # it waits for nothing, and a browser's loop may be running
        SubgraphManager().get_custom_node_subgraphs([], force_reload=True).send(None)
    (entry,) = finished.value.value.values()
    assert entry["name"] == NAME and entry["info"] == {"node_pack": "custom_nodes.interacthuman"}
    assert json.loads(Path(entry["path"]).read_text(encoding="utf-8"))["nodes"][0]["title"] == NAME


def test_it_wires_inputs_that_the_nodes_have() -> None:
    """By name and by type, as the nodes of this pack define them."""
    inside = {node["id"]: node for node in subgraph()["nodes"]}
    for node in inside.values():
        if node["type"] not in KNOWN:
            continue
        info = KNOWN[node["type"]]
        defined = {**info["input"]["required"], **info["input"].get("optional", {})}
        for entry in node["inputs"]:
            assert defined[entry["name"]][0] == entry["type"], entry
        assert [entry["type"] for entry in node["outputs"]] == info["output"]
        assert [entry["name"] for entry in node["outputs"]] == info["output_name"]
    for link, origin, slot, target, at, type_ in LINKS:
        if origin in inside:
            assert (
                inside[origin]["outputs"][slot]["type"] == type_
                and link in inside[origin]["outputs"][slot]["links"]
            )
        if target in inside:
            assert inside[target]["inputs"][at] == {
                "name": inside[target]["inputs"][at]["name"],
                "type": type_,
                "link": link,
            }
    assert all(node in inside for node, _ in WIDGETS)
