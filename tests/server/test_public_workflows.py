"""The graphs that need public weights: they say so, name just those files, and run on tiny models in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.adapter.multitalk import WAV2VEC2_LAYERS
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.media import read_frames
from interacthuman.tests.support.media.films import write_film
from interacthuman.tests.support.models import model_files, tiny_multitalk, tiny_wan, tiny_wav2vec2
from interacthuman.tests.support.sounds import RATE, syllables
from interacthuman.tools import make_public_workflows as public
from interacthuman.tools.graphs import converted_graphs, public_files, public_graphs
from interacthuman.tools.graphs.parts import FPS, Graph, nodes_of
from interacthuman.tools.graphs.public_files import PUBLIC_FILES, files_of
from interacthuman.tools.make_public_workflows import CARD, PUBLIC
from interacthuman.tools.make_workflows import GRAPHS, TITLES, WORKFLOWS, ui_file
from PIL import Image, ImageDraw
from safetensors.torch import load_file

WIDTH, HEIGHT, SHORT = 64, 48, 9
SIDE = 64  # of square videos: the least that S2V takes with motion frames
SIZES = {public_graphs.WIDTH: WIDTH, public_graphs.WIDTH // 2: WIDTH // 2, public_graphs.HEIGHT: HEIGHT,
         public_graphs.LENGTH: SHORT, converted_graphs.HUMO_SIDE: SIDE, converted_graphs.HUMO_LENGTH: SHORT,
         converted_graphs.MOTION_FRAMES: 5, converted_graphs.WINDOW_OVERLAP: 5,
         converted_graphs.S2V_LENGTH: SHORT, converted_graphs.S2V_PART: 5, converted_graphs.S2V_OVERLAP: 1}  # fmt: skip
SIZED = ("width", "height", "length", "x", "value", "overlap", "context_length", "context_overlap")
STEPS = 2
# Of the tiny wav2vec2: single files are known by public sizes, of which this is the smallest.
SPEECH_WIDTH = 64
S2V = "needs_weights_s2v"
DUBBING = "needs_weights_infinitetalk_dubbing"
OWN = [name for name in PUBLIC if "own_picture" in name or name == S2V]
SQUARE = ("needs_weights_humo_own_picture", S2V)
# Seconds of the two recordings that are uploaded, and the frames of a film in which one follows the other.
SECONDS, IN_TURNS = (0.2, 0.28), 13
FRAMES = {
    **dict.fromkeys(PUBLIC, SHORT),
    "needs_weights_infinitetalk_own_picture": IN_TURNS,
    "needs_weights_phantom_own_pictures": IN_TURNS,
}
FIRST_PART = {"needs_weights_infinitetalk_own_picture": SHORT, S2V: 5}
PAINTED = {"12": "painted_left.png", "22": "painted_right.png"}


def shrunk(graph: Graph) -> Graph:
    """The graph at a size and in so many steps that it takes seconds, with both people painted where it asks for it.

    Its large encoders are those of tests/support/stand_in_nodes.py; ComfyUI's loader of wav2vec2 takes public sizes
    only.
    """
    made = {}
    for name, one in graph.items():
        inputs, kind = dict(one["inputs"]), one["class_type"]
        for key in SIZED:
            if not isinstance(inputs.get(key), list):
                inputs[key] = SIZES.get(inputs.get(key), inputs.get(key))
        inputs = {key: value for key, value in inputs.items() if value is not None}
        if "steps" in inputs:
            inputs["steps"] = STEPS
        if kind == "Painter":
            inputs |= {
                "mask": PAINTED[name],
                "width": 64,
                "height": 64,
            }  # its least; it takes the picture's size
        if kind == "AudioEncoderLoader" and inputs["audio_encoder_name"] == public_files.WAV2VEC2:
            kind = "InterActLoadWav2Vec2"
        if kind in ("CLIPTextEncode", "AudioEncoderLoader"):
            encoder = (
                "TestWhisper"
                if inputs.get("audio_encoder_name") == public_files.WHISPER
                else "TestWav2Vec2Large"
            )
            kind, inputs = {"CLIPTextEncode": "TestEmptyText"}.get(kind, encoder), {}
        if kind == "SAM3_VideoTrack":
            kind, inputs = "TestTrack", {"images": inputs["images"]}
        made[name] = {"class_type": kind, "inputs": inputs}
    return {
        name: one
        for name, one in made.items()
        if one["class_type"] not in ("CLIPLoader", "CheckpointLoaderSimple")
    }


@pytest.fixture(scope="module")
def with_files(server: ComfyServer) -> ComfyServer:
    """The server with random models of the true layout under the public names, but for the two large encoders."""
    places = {name: server.folder / "models" / file.folder / name for name, file in PUBLIC_FILES.items()}
    write_bases(places)
    patch = tiny_multitalk.core_patch(channels=SPEECH_WIDTH).half()
    tiny_wav2vec2.save_file(places[public_files.INFINITETALK], patch.state_dict())
    for name in (public_files.VAE, public_files.VAE_BF16):
        model_files.write_vae(places[name])
    sizes = {"hidden_size": SPEECH_WIDTH, "num_hidden_layers": WAV2VEC2_LAYERS}
    encoder = tiny_wav2vec2.random_wav2vec2(**{**model_files.ENCODER, **sizes})
    tiny_wav2vec2.save_file(places[public_files.WAV2VEC2], tiny_wav2vec2.plain_weights(encoder))
    write_uploads(server.folder / "input")
    return server


def write_bases(places: dict[str, Path]) -> None:
    from comfy.ldm.wan.model import HumoWanModel, WanModel_S2V

    sizes = {"width": tiny_multitalk.WIDTH, "blocks": tiny_multitalk.BLOCKS}
    tiny_wan.write_wan(places[public_files.I2V], model_type="i2v", in_dim=36, **sizes)
    tiny_wan.write_wan(places[public_files.HUMO], cls=HumoWanModel, in_dim=36, **sizes)
    tiny_wan.write_wan(places[public_files.PHANTOM], **sizes)
    tiny_wan.write_wan(places[public_files.S2V], cls=WanModel_S2V, model_type="s2v", **sizes)
    for name in (public_files.FEW_STEPS, public_files.FEW_STEPS_T2V, public_files.FEW_STEPS_22):
        lora = {
            f"diffusion_model.blocks.0.ffn.0.lora_{part}.weight": 0.01 * torch.randn(*shape)
            for part, shape in (("A", (2, tiny_multitalk.WIDTH)), ("B", (2 * tiny_multitalk.WIDTH, 2)))
        }
        tiny_wav2vec2.save_file(places[name], lora)


def write_uploads(folder: Path) -> None:
    """Pictures, recordings and painted masks under the names that the graphs hold."""
    asked = {
        kind: [
            one["inputs"][key]
            for make in public.WHOLE.values()
            for one in make().values()
            if one["class_type"] == kind
        ]
        for kind, key in (("LoadImage", "image"), ("LoadAudio", "audio"))
    }
    for number, name in enumerate(asked["LoadImage"]):
        Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), (200, 40 * number, 90)).save(folder / name)
    for number, name in enumerate(asked["LoadAudio"]):
        model_files.write_wav(folder / name, syllables(SECONDS[number % 2], RATE, seed=number))
    write_film(folder / "pose.mp4", range(SHORT), fps=16)
    write_film(folder / "people_talking.mp4", range(SHORT))
    model_files.write_wav(folder / "another.wav", syllables(SECONDS[1], RATE, seed=9))
    for side, name in enumerate(PAINTED.values()):
        sheet = Image.new("RGBA", (WIDTH, HEIGHT))
        left = side * WIDTH // 2
        ImageDraw.Draw(sheet).rectangle((left, 0, left + WIDTH // 2 - 1, HEIGHT), fill=(0, 0, 0, 255))
        sheet.save(folder / name)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_api_form_is_as_written_in_python(name: str) -> None:
    path = WORKFLOWS / "api" / f"{name}.json"
    assert path.read_text(encoding="utf-8") == public.api_text(name), "run make_public_workflows.py"


@pytest.mark.parametrize("name", PUBLIC)
def test_it_says_what_it_needs(name: str, root: Path) -> None:
    """In its name, in its notes, on its card and on the page for users; and it needs no other file."""
    assert name.startswith("needs_weights_") and not set(PUBLIC) & set(GRAPHS)
    graph, notes = PUBLIC[name](), {note.title: note.text for note in public.ALL_PAGES[name].notes}
    assert "needs public files that do not come with the pack" in notes["Read me"]
    page = (root / "docs" / "public-weights.md").read_text(encoding="utf-8")
    assert f"*{TITLES[name]}*" in page and "needs weights" in TITLES[name]
    for file, place in files_of(*graph.values()).items():
        assert f"[{file}]({place.url(file)})" in notes["Model links"] and file in page
        assert f"📂 {place.folder}/" in notes["Model links"] and place.repository in page
    choosers = (
        "unet_name",
        "lora_name",
        "clip_name",
        "vae_name",
        "audio_encoder_name",
        "adapter_name",
        "ckpt_name",
    )
    asked = {one["inputs"][key] for one in graph.values() for key in choosers if key in one["inputs"]}
    assert asked - {public_graphs.FROM_BASE, public_graphs.FROM_BASE_S2V} == set(files_of(*graph.values()))
    uploads = {one["class_type"] for one in graph.values()} & {"LoadImage", "LoadAudio", "LoadVideo"}
    own = {"LoadVideo" if name == DUBBING else "LoadImage", "LoadAudio"}
    assert uploads == (own if name in (*OWN, DUBBING) else set())
    picture = ui_file(name).with_suffix(".jpg")
    assert picture.stat().st_size < 60_000, "run make_public_workflows.py"
    with Image.open(picture) as opened:
        assert opened.format == "JPEG" and opened.size == CARD


@pytest.mark.parametrize("name", PUBLIC)
def test_a_comfyui_knows_every_node_and_choice(server: ComfyServer, name: str) -> None:
    """But for the files."""
    for one in public.WHOLE[name]().values():
        said = server.object_info(one["class_type"])["input"]
        known = {**said["required"], **said.get("optional", {})}
        assert set(said["required"]) <= {key.split(".")[0] for key in one["inputs"]}, one["class_type"]
        for key, value in one["inputs"].items():
            kind, *options = known[key.split(".")[0]]
            choices = kind if isinstance(kind, list) else (options[0].get("options") if options else None)
            if choices and not isinstance(choices[0], dict) and not is_a_file(one["class_type"], value):
                assert value in choices, (one["class_type"], key, value)


def is_a_file(class_type: str, value: Any) -> bool:
    return class_type in ("LoadImage", "LoadAudio", "LoadVideo") or (
        isinstance(value, str) and value in PUBLIC_FILES
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_it_runs_on_tiny_models_of_the_same_layout(with_files: ComfyServer, name: str) -> None:
    """The public names and all settings but sizes and steps stay; the adapter is found in models/model_patches."""
    graph = shrunk(PUBLIC[name]())
    outputs: dict[str, Any] = with_files.run(graph)
    shown = [outputs[viewer]["interact_masks"][0] for viewer in nodes_of(graph, "InterActPreviewMasks")]
    for saver in nodes_of(graph, "SaveVideo"):
        (file,) = outputs[saver]["images"]
        first_part = saver == "41" and len(shown) == 2
        frames = read_frames(with_files.path_of(file))
        assert len(frames) == (FIRST_PART if first_part else FRAMES)[name]
        if saver != "52":  # masks over the video are enlarged
            assert frames.shape[1:3] == ((SIDE, SIDE) if name in SQUARE else (HEIGHT, WIDTH))
    names = ["Character 1", "Character 2"] if name in (*OWN, DUBBING) else ["Mira", "Tobi"]
    for manifest in shown:
        assert manifest["scene"]["names"] == (names[:1] if "humo_own" in name or name == DUBBING else names)
        assert len(manifest["steps"]) == STEPS


def test_humo_takes_a_second_character_once_it_is_unmuted(with_files: ComfyServer) -> None:
    graph = shrunk(converted_graphs.with_everybody(converted_graphs.humo_with_a_second_character()))
    (manifest,) = with_files.run(graph)["50"]["interact_masks"]
    assert manifest["scene"]["names"] == ["Character 1", "Character 2"]
    assert all(max(peaks) > 0 for peaks in manifest["voices"])


def test_the_second_speaker_begins_when_the_first_has_finished(with_files: ComfyServer) -> None:
    """By wires alone, as long as both recordings together."""
    graph = shrunk(PUBLIC["needs_weights_phantom_own_pictures"]())
    (manifest,) = with_files.run(graph)["50"]["interact_masks"]
    first, second = (torch.tensor(peaks) for peaks in manifest["voices"])  # four for each frame
    turn = round(4 * FPS * SECONDS[0])
    assert manifest["scene"]["frames"] == IN_TURNS
    assert first[:turn].max() > 0 and first[turn:].max() == 0
    assert second[:turn].max() == 0 and second[turn:].max() > 0


@pytest.mark.parametrize("name", OWN)
def test_each_voice_moves_its_own_half(with_files: ComfyServer, name: str) -> None:
    """With masks that are drawn, as what random weights find is anywhere: another recording changes its own side most,
    and recordings that change places change both.
    """
    graph = shrunk(converted_graphs.with_everybody(public.WHOLE[name]()))
    sampler, (first, second) = nodes_of(graph, "InterActSampler")[0], nodes_of(graph, "LoadAudio")
    graph = drawn_halves(graph)
    plain = latent_of(with_files, graph, sampler)
    change = {
        voice: (latent_of(with_files, with_recording(graph, voice, "another.wav"), sampler) - plain).abs()
        for voice in (first, second)
    }
    half = plain.shape[-1] // 2
    for voice, own, other in (
        (first, slice(0, half), slice(half, None)),
        (second, slice(half, None), slice(0, half)),
    ):
        assert change[voice][..., own].mean() > 1.5 * change[voice][..., other].mean() > 0
    names = graph[first]["inputs"]["audio"], graph[second]["inputs"]["audio"]
    swapped = with_recording(with_recording(graph, first, names[1]), second, names[0])
    moved = (latent_of(with_files, swapped, sampler) - plain).abs()
    assert min(moved[..., :half].mean(), moved[..., half:].mean()) > 0


def drawn_halves(graph: Graph) -> Graph:
    """Masks that are fixed: left for the first character, right for the second; both speak from the first frame on."""
    video = next(one["inputs"] for one in graph.values() if one["class_type"] == "InterActEncodeCharacters")
    width, height = (
        graph[video[side][0]]["inputs"]["value"] if isinstance(video[side], list) else video[side]
        for side in ("width", "height")
    )
    half = {"value": 1.0, "width": width // 2, "height": height}
    whole = {"value": 0.0, "width": width, "height": height}
    made = {name: {**one, "inputs": dict(one["inputs"])} for name, one in graph.items()}
    made["nobody"] = {"class_type": "SolidMask", "inputs": whole}
    made["half"] = {"class_type": "SolidMask", "inputs": half}
    speaking = nodes_of(made, "InterActCharacter", "InterActRegion")
    for number, character in enumerate(speaking):
        place = {"destination": ["nobody", 0], "source": ["half", 0], "x": number * width // 2, "y": 0}
        made[f"side {number}"] = {"class_type": "MaskComposite", "inputs": {**place, "operation": "add"}}
        made[character]["inputs"]["layout"] = [f"side {number}", 0]
    for name in nodes_of(made, "InterActSampler"):
        made[name]["inputs"] |= {"mask_source": "fixed", "stage_boundary": 0.0}
    for name in nodes_of(made, "InterActEncodeSpeech"):
        made[name]["inputs"]["start_time"] = 0.0
    return made


def with_recording(graph: Graph, loader: str, file: str) -> Graph:
    return {**graph, loader: {**graph[loader], "inputs": {"audio": file}}}


def latent_of(server: ComfyServer, graph: Graph, sampler: str) -> torch.Tensor:
    """What the sampler makes, [1, 16, T, h, w]; nothing else is run."""
    needed, waiting = {}, [sampler]
    while waiting:
        name = waiting.pop()
        needed[name] = graph[name]
        waiting += [value[0] for value in graph[name]["inputs"].values() if isinstance(value, list)]
    keep = {"class_type": "SaveLatent", "inputs": {"samples": [sampler, 0], "filename_prefix": "halves"}}
    (file,) = server.run({**needed, "keep": keep})["keep"]["latents"]
    return load_file(server.path_of(file))["latent_tensor"]
