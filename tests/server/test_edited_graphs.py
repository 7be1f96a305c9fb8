"""Graphs as people edit them: a character muted, switched off or null, a batch, two samplers in a row."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.guidance import MaskHistory
from interacthuman.interact_core.preview.manifest import read_history
from interacthuman.tests.support.tiny_graphs import from_files, id_of, on_stock_sampler, only, tiny_graph

Graph = dict[str, dict[str, Any]]
ENCODE, SAMPLE, PREVIEW = "InterActEncodeCharacters", "InterActSampler", "InterActPreviewMasks"


@pytest.fixture
def graph(root: Path) -> Graph:
    """The shipped graph of two speakers, without its videos."""
    shipped = json.loads((root / "workflows" / "api" / "two_speakers.json").read_text(encoding="utf-8"))
    made = tiny_graph(from_files(shipped))
    return {
        name: node for name, node in made.items() if node["class_type"] not in ("CreateVideo", "SaveVideo")
    }


def masks_of(server: ComfyServer, graph: Graph) -> MaskHistory:
    (manifest,) = server.run(graph)[id_of(graph, PREVIEW)]["interact_masks"]
    return read_history(manifest, server.temp)


@pytest.mark.parametrize("muted", [0, 1])
def test_any_character_can_be_muted(server: ComfyServer, graph: Graph, muted: int) -> None:
    """A muted or bypassed node leaves no link: the frontend sends the other socket alone."""
    del only(graph, ENCODE)[f"characters.character_{muted}"]
    assert masks_of(server, graph).names == (("Tobi", "Mira")[muted],)


def test_characters_can_stand_in_another_order(server: ComfyServer, graph: Graph) -> None:
    inputs = only(graph, ENCODE)
    inputs["characters.character_5"] = inputs.pop("characters.character_0")
    assert masks_of(server, graph).names == ("Tobi", "Mira")


def test_a_null_character_is_left_out(server: ComfyServer, graph: Graph) -> None:
    only(graph, ENCODE)["characters.character_0"] = None
    assert masks_of(server, graph).names == ("Tobi",)


def test_a_null_speech_is_a_silent_character(server: ComfyServer, graph: Graph) -> None:
    only(graph, "InterActCharacter")["speech"] = None
    assert masks_of(server, graph).names == ("Mira", "Tobi")


def test_a_batch_of_two_is_previewed(server: ComfyServer, graph: Graph) -> None:
    sampler = only(graph, SAMPLE)
    graph["batch"] = {
        "class_type": "RepeatLatentBatch",
        "inputs": {"samples": sampler["latent"], "amount": 2},
    }
    sampler["latent"] = ["batch", 0]
    assert masks_of(server, graph).names == ("Mira", "Tobi")


def test_masks_go_on_through_two_samplers(server: ComfyServer, graph: Graph) -> None:
    """KSamplerAdvanced 0-2 and 2-4, each with its own Mask Guidance; the second gets the masks of the first."""
    settings = only(graph, SAMPLE)
    steps = {"steps": 4, "noise_seed": settings["seed"]}
    on_stock_sampler(graph)
    ksampler, collect = graph["ksampler"]["inputs"], only(graph, "InterActCollectMasks")
    plain = {name: value for name, value in ksampler.items() if name not in ("seed", "denoise", "steps")}
    graph["second"] = copy.deepcopy(graph["guided"])
    graph["second"]["inputs"]["masks"] = ["first masks", 1]
    for name, model, add_noise, start, end, leftover in (
        ("ksampler", "guided", "enable", 0, 2, "enable"),
        ("ksampler 2", "second", "disable", 2, 4, "disable"),
    ):
        span = {"start_at_step": start, "end_at_step": end, "return_with_leftover_noise": leftover}
        graph[name] = {
            "class_type": "KSamplerAdvanced",
            "inputs": {**plain, **steps, **span, "model": [model, 0], "add_noise": add_noise},
        }
    graph["first masks"] = {
        "class_type": "InterActCollectMasks",
        "inputs": {"latent": ["ksampler", 0], "mask_handle": ["guided", 1]},
    }
    graph["ksampler 2"]["inputs"]["latent_image"] = ["first masks", 0]
    collect.update(latent=["ksampler 2", 0], mask_handle=["second", 1])
    assert masks_of(server, graph).steered == (True, True)
    del graph["second"]["inputs"]["masks"]
    assert masks_of(server, graph).steered == (False, True)
