"""Bad input on a real server: a sentence before sampling, and nothing lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from interacthuman.interact_core.comfy_client import PromptFailed, PromptRejected
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.tests.support.models.model_files import VAE
from interacthuman.tests.support.tiny_graphs import from_files, id_of, only, tiny_graph

Graph = dict[str, dict[str, Any]]
ENCODE, SAMPLE, PERSON = "InterActEncodeCharacters", "InterActSampler", "InterActCharacter"


@pytest.fixture
def graph(root: Path) -> Graph:
    shipped = json.loads((root / "workflows" / "api" / "two_speakers.json").read_text(encoding="utf-8"))
    return tiny_graph(from_files(shipped))


def give(graph: Graph, class_type: str, name: str, source: str, **inputs: Any) -> None:
    """Put a new node of class `source` on input `name` of the first node of `class_type`."""
    graph["wrong"] = {"class_type": source, "inputs": inputs}
    only(graph, class_type)[name] = ["wrong", 0]


def set_to(class_type: str, **inputs: Any) -> Callable[[Graph], None]:
    return lambda graph: only(graph, class_type).update(inputs)


def two_of_one_name(graph: Graph) -> None:
    for node in graph.values():
        if node["class_type"] == PERSON:
            node["inputs"]["name"] = "Mira"


def nan_sound(graph: Graph) -> None:
    only(graph, "LoadAudio")["audio"] = "nan.wav"


def empty_sound(graph: Graph) -> None:
    give(graph, "InterActEncodeSpeech", "audio", "EmptyAudio", duration=0.0, sample_rate=44100, channels=2)


def one_pixel(graph: Graph) -> None:
    give(graph, PERSON, "image", "EmptyImage", width=1, height=1, batch_size=1, color=0)


def two_pictures(graph: Graph) -> None:
    give(graph, PERSON, "image", "EmptyImage", width=32, height=32, batch_size=2, color=0)


def inverted_mask(graph: Graph) -> None:
    """LoadImage's own MASK of a picture without transparency is black."""
    only(graph, PERSON)["mask"] = [id_of(graph, "LoadImage"), 1]


def layout_of_three_frames(graph: Graph) -> None:
    images = {"width": 64, "height": 48, "batch_size": 3, "color": 0xFFFFFF}
    graph["frames"] = {"class_type": "EmptyImage", "inputs": images}
    give(graph, PERSON, "layout", "ImageToMask", image=["frames", 0], channel="red")


def endless_speech(graph: Graph) -> None:
    only(graph, "InterActEncodeSpeech")["start_time"] = 3600.0
    only(graph, ENCODE).update(length=0, width=4096, height=4096)


def vae_of_pixels(graph: Graph) -> None:
    only(graph, "VAELoader")["vae_name"] = "pixel_space"


def no_adapter(graph: Graph) -> None:
    graph[id_of(graph, "InterActLoadDiT")] = {
        "class_type": "UNETLoader",
        "inputs": {"unet_name": "tiny_wan.safetensors", "weight_dtype": "default"},
    }


def another_cast(graph: Graph) -> None:
    """The latent of one size with the cast of another."""
    inputs = {**only(graph, ENCODE), "width": 96}
    graph["wrong"] = {"class_type": ENCODE, "inputs": inputs}
    only(graph, SAMPLE)["cast"] = ["wrong", 3]


def film_of_another_size(graph: Graph) -> None:
    """A square clip to go on from."""
    encode, settings = id_of(graph, ENCODE), only(graph, SAMPLE)
    clip = {"width": 48, "height": 48, "batch_size": 5, "color": 0}
    graph["clip"] = {"class_type": "EmptyImage", "inputs": clip}
    whole = {"positive": [encode, 0], "negative": [encode, 1], "cast": [encode, 3]}
    more = {"vae": [id_of(graph, "VAELoader"), 0], "length": 9, "overlap": 1, "film": ["clip", 0]}
    graph["wrong"] = {"class_type": "InterActNextPart", "inputs": whole | more}
    settings.update({name: ["wrong", n] for n, name in enumerate(("positive", "negative", "latent", "cast"))})


def scene_without_an_encoder(graph: Graph) -> None:
    give(graph, ENCODE, "scene_audio", "EmptyAudio", duration=0.5, sample_rate=44100, channels=2)
    only(graph, ENCODE)["feed_scene"] = True


def zeroed(graph: Graph) -> None:
    give(graph, SAMPLE, "negative", "ConditioningZeroOut", conditioning=only(graph, SAMPLE)["positive"])


def swapped(graph: Graph) -> None:
    inputs = only(graph, SAMPLE)
    inputs.update(positive=inputs["negative"], negative=inputs["positive"])


def unguided(graph: Graph) -> None:
    settings = only(graph, SAMPLE)
    plain = ("model", "positive", "negative", "seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")
    inputs = {name: settings[name] for name in plain} | {"latent_image": settings["latent"]}
    sampler = id_of(graph, SAMPLE)
    graph["wrong"] = {"class_type": "KSampler", "inputs": inputs}
    only(graph, "VAEDecode")["samples"] = ["wrong", 0]
    del graph[sampler], graph[id_of(graph, "InterActPreviewMasks")]
    for name in [name for name, node in graph.items() if ["50", 0] in node["inputs"].values()]:
        del graph[name]
    for name in ("52", "53"):
        del graph[name]


FAILURES = {
    # what is wrong: (how, the node that says it, words that must be in its sentence)
    "two characters of one name": (two_of_one_name, ENCODE, ("two characters are named 'Mira'", "own")),
    "a character without a name": (set_to(PERSON, name=" "), PERSON, ("no name",)),
    "NaN in the recording": (nan_sound, "InterActEncodeSpeech", ("NaN", "export it again")),
    "an empty recording": (empty_sound, "InterActEncodeSpeech", ("empty",)),
    "a picture of one pixel": (one_pixel, PERSON, ("'Mira'", "1x1", "16x16")),
    "two pictures of one character": (two_pictures, PERSON, ("'Mira'", "one picture")),
    "a mask that shows nobody": (inverted_mask, PERSON, ("'Mira'", "Invert Mask")),
    "a layout of the wrong length": (layout_of_three_frames, ENCODE, ("'Mira'", "3 frames", "has 9")),
    "speech longer than memory allows": (endless_speech, ENCODE, ("GiB", "shorten the speech")),
    "a VAE that is not Wan's": (vae_of_pixels, ENCODE, ("not that of Wan",)),
    "an adapter of another width": (
        set_to("InterActLoadDiT", adapter_name="wider.safetensors"),
        "InterActLoadDiT",
        ("width 96", "width 48"),
    ),
    "an adapter that is a pickle": (
        set_to("InterActLoadDiT", adapter_name="pickle.safetensors"),
        "InterActLoadDiT",
        ("pickle.safetensors", "pickle", "refused"),
    ),
    "a model that is a pickle": (
        set_to("InterActLoadDiT", model_name="pickle.safetensors"),
        "InterActLoadDiT",
        ("pickle.safetensors", "refused"),
    ),
    "a wav2vec2 that is a pickle": (
        set_to("InterActLoadWav2Vec2", audio_encoder_name="pickle.safetensors"),
        "InterActLoadWav2Vec2",
        ("pickle.safetensors", "is a pickle"),
    ),
    "a wav2vec2 folder without weights": (
        set_to("InterActLoadWav2Vec2", audio_encoder_name="no_weights"),
        "InterActLoadWav2Vec2",
        ("no_weights", "no model.safetensors"),
    ),
    "a wav2vec2 folder without configuration": (
        set_to("InterActLoadWav2Vec2", audio_encoder_name=str(Path("no_config") / "model.safetensors")),
        "InterActLoadWav2Vec2",
        ("no_config", "config.json"),
    ),
    "an image-to-video base": (
        set_to("InterActLoadDiT", model_name="image_to_video.safetensors"),
        SAMPLE,
        ("image-to-video", "text-to-video"),
    ),
    "a model without adapter": (no_adapter, SAMPLE, ("no InterAct adapter", "InterAct Apply Adapter")),
    "fixed masks without layouts": (set_to(SAMPLE, mask_source="fixed"), SAMPLE, ("layout mask",)),
    "a film of another size to go on from": (
        film_of_another_size,
        "InterActNextPart",
        ("48x48", "64x48", "scale it"),
    ),
    "a scene to be fed without an encoder": (
        scene_without_an_encoder,
        ENCODE,
        ("feed_scene is on", "audio_encoder is not connected"),
    ),
    "a latent of another size": (another_cast, SAMPLE, ("96x48",)),
    "no characters": (
        lambda graph: remove(graph, ENCODE, "characters.character_"),
        ENCODE,
        ("There are no characters", "connect at least one"),
    ),
    "a negative made of the positive": (zeroed, SAMPLE, ("carries the voices", "ConditioningZeroOut")),
    "positive and negative swapped": (swapped, SAMPLE, ("are swapped",)),
    "nothing from a switch on a picture": (set_to(PERSON, image=None), PERSON, ("'Mira'", "no picture")),
    "characters in a sampler without guidance": (unguided, "KSampler", ("InterAct Mask Guidance",)),
}


@pytest.mark.parametrize("what", FAILURES)
def test_bad_input_ends_in_a_sentence_before_sampling(server: ComfyServer, graph: Graph, what: str) -> None:
    spoil, says, words = FAILURES[what]
    spoil(graph)
    with pytest.raises(PromptFailed) as failure:
        server.run(graph)
    details = failure.value.details
    message = details["exception_message"].strip()
    assert details["node_type"] == says, message
    assert details["exception_type"].endswith("InteractError"), message
    assert all(part in message for part in words), message
    assert message.endswith(".") and "\n" not in message


REJECTIONS = {
    "a character without a picture": ("image", lambda graph: remove(graph, PERSON, "image")),
    "a negative length": ("length", set_to(ENCODE, length=-1)),
    "an adapter that is not there": (
        "adapter_name",
        set_to("InterActLoadDiT", adapter_name="gone.safetensors"),
    ),
}


def remove(graph: Graph, class_type: str, prefix: str) -> None:
    inputs = only(graph, class_type)
    for name in [name for name in inputs if name.startswith(prefix)]:
        del inputs[name]


@pytest.mark.parametrize("what", REJECTIONS)
def test_what_comfyui_refuses_itself_never_starts(server: ComfyServer, graph: Graph, what: str) -> None:
    name, spoil = REJECTIONS[what]
    spoil(graph)
    with pytest.raises(PromptRejected) as refusal:
        server.run(graph)
    told = json.dumps(refusal.value.node_errors)
    assert name in told


def test_nothing_is_lost(server: ComfyServer, graph: Graph) -> None:
    """After all that the graph runs as it is."""
    assert VAE in json.dumps(graph)
    assert server.run(graph)[id_of(graph, "InterActPreviewMasks")]["interact_masks"]
