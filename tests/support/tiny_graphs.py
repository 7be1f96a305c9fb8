"""The shipped graphs in API form on tiny models, and edits that tests make to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interacthuman.interact_core.theatre.demo_characters import draw_characters
from interacthuman.interact_core.theatre.graphs import with_characters
from interacthuman.tests.support.models.model_files import ADAPTER, SPEECH, VAE, WAN


def tiny_graph(api: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A shipped graph in API form, on the tiny models, few steps and a small video."""
    graph = json.loads(json.dumps(api))
    changes = {
        "InterActLoadDiT": {"model_name": WAN, "adapter_name": ADAPTER},
        "VAELoader": {"vae_name": VAE},
        "InterActLoadWav2Vec2": {"audio_encoder_name": SPEECH},
        "InterActEncodeCharacters": {"width": 64, "height": 48, "length": 9},
        "InterActSampler": {"steps": 4},
    }
    for node in graph.values():
        node["inputs"].update(changes.get(node["class_type"], {}))
    return graph


def from_files(api: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A shipped graph with the two people of `write_inputs` in place of the examples."""
    return with_characters(api, draw_characters([Path("mira.wav"), Path("tobi.wav")], seed=1))


def only(graph: dict[str, dict[str, Any]], class_type: str) -> dict[str, Any]:
    """The inputs of the first node of this class."""
    return next(node["inputs"] for node in graph.values() if node["class_type"] == class_type)


def id_of(graph: dict[str, dict[str, Any]], class_type: str) -> str:
    return next(name for name, node in graph.items() if node["class_type"] == class_type)


def on_stock_sampler(graph: dict[str, dict[str, Any]]) -> None:
    """Turn the graph into UNETLoader, Apply Adapter, Mask Guidance ("guided"), KSampler, Collect Masks."""
    load, sampler = id_of(graph, "InterActLoadDiT"), id_of(graph, "InterActSampler")
    settings = graph[sampler]["inputs"]
    graph[load] = {"class_type": "UNETLoader", "inputs": {"unet_name": WAN, "weight_dtype": "default"}}
    adapter = {"model": [load, 0], "adapter_name": ADAPTER, "strength": 1.0}
    graph["adapter"] = {"class_type": "InterActApplyAdapter", "inputs": adapter}
    only(graph, "ModelSamplingSD3")["model"] = ["adapter", 0]
    guidance = ("model", "cast", "mask_source", "stage_boundary", "stage_one_audio", "mask_smoothing")
    graph["guided"] = {
        "class_type": "InterActMaskGuidance",
        "inputs": {name: settings[name] for name in (*guidance, "mask_gain")},
    }
    plain = ("positive", "negative", "seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")
    graph["ksampler"] = {
        "class_type": "KSampler",
        "inputs": {name: settings[name] for name in plain}
        | {"model": ["guided", 0], "latent_image": settings["latent"]},
    }
    collect = {"latent": ["ksampler", 0], "mask_handle": ["guided", 1]}
    graph[sampler] = {"class_type": "InterActCollectMasks", "inputs": collect}
