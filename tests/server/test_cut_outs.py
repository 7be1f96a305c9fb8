"""A cut-out PNG through Load Image on a real server: what the node shows is the person on white."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.support.tiny_graphs import from_files, id_of, only, tiny_graph
from PIL import Image

PERSON = "InterActCharacter"
RED = (200, 40, 40)


def test_mask_of_load_image_straight_even_where_only_its_file_tells(server: ComfyServer, root: Path) -> None:
    """The person reaches both upper corners, so that the mask alone could be either way round."""
    pixels = np.full((60, 90, 4), (0, 160, 0, 0), np.uint8)
    pixels[:, 12:78] = pixels[:20] = (*RED, 255)
    Image.fromarray(pixels).save(server.input / "cut_out.png")
    shipped = json.loads((root / "workflows" / "api" / "two_speakers.json").read_text(encoding="utf-8"))
    graph = tiny_graph(from_files(shipped))
    only(graph, "LoadImage")["image"] = "cut_out.png"
    only(graph, PERSON).update(image=[id_of(graph, "LoadImage"), 0], mask=[id_of(graph, "LoadImage"), 1])
    server.free()  # of nodes behind a node that is cached ComfyUI tells nothing
    outputs = server.run(graph)
    shown = {name: outputs[name]["images"] for name, node in graph.items() if node["class_type"] == PERSON}
    assert len(shown) == 2 and all(len(images) == 1 for images in shown.values())
    picture = np.array(Image.open(server.path_of(shown[id_of(graph, PERSON)][0])).convert("RGB")).astype(int)
    assert np.abs(picture[pixels[..., 3] == 255] - RED).max() <= 2
    assert picture[pixels[..., 3] == 0].min() >= 253
