"""The graphs that need public weights: they say so, name just those files, and run on tiny models in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.adapter.multitalk import WAV2VEC2_LAYERS
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.media import read_frames
from interacthuman.tests.support.models import model_files, tiny_multitalk, tiny_wan, tiny_wav2vec2
from interacthuman.tools import make_public_workflows as public
from interacthuman.tools.make_public_workflows import CARD, PAGES, PUBLIC, PUBLIC_FILES, files_of
from interacthuman.tools.make_workflows import GRAPHS, WORKFLOWS, Graph, nodes_of
from PIL import Image

SIZES = {public.WIDTH: 64, public.WIDTH // 2: 32, public.HEIGHT: 48, public.LENGTH: 9}
STEPS = 2
# Of the tiny wav2vec2: single files are known by public sizes, of which this is the smallest.
SPEECH_WIDTH = 64


def shrunk(graph: Graph) -> Graph:
    """The graph at a size and in so many steps that it takes seconds.

    Its two large encoders are those of tests/support/stand_in_nodes.py.
    """
    made = {}
    for name, one in graph.items():
        inputs, kind = dict(one["inputs"]), one["class_type"]
        for key in ("width", "height", "length", "x"):
            inputs[key] = SIZES.get(inputs.get(key), inputs.get(key))
        inputs = {key: value for key, value in inputs.items() if value is not None}
        if "steps" in inputs:
            inputs["steps"] = STEPS
        if kind in ("CLIPTextEncode", "AudioEncoderLoader"):
            kind, inputs = {"CLIPTextEncode": "TestEmptyText"}.get(kind, "TestWhisper"), {}
        made[name] = {"class_type": kind, "inputs": inputs}
    return {name: one for name, one in made.items() if one["class_type"] != "CLIPLoader"}


@pytest.fixture(scope="module")
def with_files(server: ComfyServer) -> ComfyServer:
    """The server with random models of the true layout under the public names, but for the two large encoders."""
    import torch
    from comfy.ldm.wan.model import HumoWanModel

    places = {name: server.folder / "models" / folder / name for name, folder in PUBLIC_FILES.items()}
    sizes = {"in_dim": 36, "width": tiny_multitalk.WIDTH, "blocks": tiny_multitalk.BLOCKS}
    tiny_wan.write_wan(places[public.I2V], model_type="i2v", **sizes)
    tiny_wan.write_wan(places[public.HUMO], cls=HumoWanModel, **sizes)
    lora = {
        f"diffusion_model.blocks.0.ffn.0.lora_{part}.weight": 0.01 * torch.randn(*shape)
        for part, shape in (("A", (2, tiny_multitalk.WIDTH)), ("B", (2 * tiny_multitalk.WIDTH, 2)))
    }
    tiny_wav2vec2.save_file(places[public.FEW_STEPS], lora)
    patch = tiny_multitalk.core_patch(channels=SPEECH_WIDTH).half()
    tiny_wav2vec2.save_file(places[public.INFINITETALK], patch.state_dict())
    model_files.write_vae(places[public.VAE])
    sizes = {"hidden_size": SPEECH_WIDTH, "num_hidden_layers": WAV2VEC2_LAYERS}
    encoder = tiny_wav2vec2.random_wav2vec2(**{**model_files.ENCODER, **sizes})
    tiny_wav2vec2.save_file(places[public.WAV2VEC2], tiny_wav2vec2.plain_weights(encoder))
    return server


@pytest.mark.parametrize("name", PUBLIC)
def test_the_api_form_is_as_written_in_python(name: str) -> None:
    path = WORKFLOWS / "api" / f"{name}.json"
    assert path.read_text(encoding="utf-8") == public.api_text(name), "run make_public_workflows.py"


@pytest.mark.parametrize("name", PUBLIC)
def test_it_says_what_it_needs(name: str, root: Path) -> None:
    """In its name, in its note, on its card and on the page for users; and it needs no other file."""
    assert name.startswith("needs_weights_") and not set(PUBLIC) & set(GRAPHS)
    graph, note = PUBLIC[name](), PAGES[name].note
    assert "needs public files that do not come with the pack" in note
    page = (root / "docs" / "public-weights.md").read_text(encoding="utf-8")
    for file, folder in files_of(graph).items():
        assert f"`{folder}/{file}`" in note and file in page
    choosers = ("unet_name", "lora_name", "clip_name", "vae_name", "audio_encoder_name", "adapter_name")
    asked = {one["inputs"][key] for one in graph.values() for key in choosers if key in one["inputs"]}
    assert asked - {public.FROM_BASE} == set(files_of(graph))
    assert not {one["class_type"] for one in graph.values()} & {"LoadImage", "LoadAudio", "LoadVideo"}
    picture = WORKFLOWS / f"{name}.jpg"
    assert picture.stat().st_size < 60_000, "run make_public_workflows.py"
    with Image.open(picture) as opened:
        assert opened.format == "JPEG" and opened.size == CARD


@pytest.mark.parametrize("name", PUBLIC)
def test_a_comfyui_knows_every_node_and_choice(server: ComfyServer, name: str) -> None:
    """But for the files."""
    for one in PUBLIC[name]().values():
        said = server.object_info(one["class_type"])["input"]
        known = {**said["required"], **said.get("optional", {})}
        assert set(said["required"]) <= {key.split(".")[0] for key in one["inputs"]}, one["class_type"]
        for key, value in one["inputs"].items():
            kind, *options = known[key.split(".")[0]]
            choices = kind if isinstance(kind, list) else (options[0].get("options") if options else None)
            if choices and not isinstance(choices[0], dict) and value not in PUBLIC_FILES:
                assert value in choices, (one["class_type"], key, value)


@pytest.mark.parametrize("name", PUBLIC)
def test_it_runs_on_tiny_models_of_the_same_layout(with_files: ComfyServer, name: str) -> None:
    """The public names and all settings but sizes and steps stay; the adapter is found in models/model_patches."""
    graph = shrunk(PUBLIC[name]())
    outputs: dict[str, Any] = with_files.run(graph)
    for saver in nodes_of(graph, "SaveVideo"):
        (file,) = outputs[saver]["images"]
        assert len(read_frames(with_files.path_of(file))) == SIZES[public.LENGTH]
    (manifest,) = outputs["50"]["interact_masks"]
    assert manifest["scene"]["names"] == ["Mira", "Tobi"] and len(manifest["steps"]) == STEPS
