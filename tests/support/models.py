"""Random models for whole graphs, small enough for seconds, in folders that a server can be given."""

from __future__ import annotations

import json
import shutil
import struct
import wave
from pathlib import Path
from typing import Any

import torch
from interacthuman.interact_core.adapter import save_adapter
from interacthuman.interact_core.theatre.company import assemble
from interacthuman.interact_core.theatre.graphs import cast_players
from interacthuman.tests.support import host as world  # before anything of comfy
from interacthuman.tests.support import speech as speech_support
from PIL import Image
from safetensors.torch import save_file

ENCODER = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
AUDIO_LAYERS = ENCODER["num_hidden_layers"] + 1
WAN, ADAPTER, VAE, SPEECH = (
    "tiny_wan.safetensors",
    "tiny_adapter.safetensors",
    "tiny_vae.safetensors",
    "tiny_w2v",
)
FOLDERS = ("diffusion_models", "interact", "vae", "audio_encoders", "loras", "model_patches", "custom_nodes")
STAND_INS = Path(__file__).with_name("stand_ins.py")
RATE = 16000


def write_models(folder: Path) -> Path:
    """The four models of a graph under `folder`/models, wrong ones beside them, STAND_INS; the YAML that names them.

    The YAML is for main.py's --extra-model-paths-config.
    """
    models = folder / "models"
    places = {name: models / name for name in FOLDERS}
    for place in places.values():
        place.mkdir(parents=True)
    world.write_wan(places["diffusion_models"] / WAN)
    world.write_wan(places["diffusion_models"] / "image_to_video.safetensors", in_dim=36)
    write_adapter(places["interact"] / ADAPTER)
    write_adapter(places["interact"] / "wider.safetensors", model_width=2 * world.WIDTH)
    write_vae(places["vae"] / VAE)
    encoder = speech_support.random_wav2vec2(**ENCODER)
    speech_support.save_folder(encoder, places["audio_encoders"] / SPEECH, do_normalize=True)
    write_broken_encoders(places["audio_encoders"], encoder)
    for name in FOLDERS[:4]:
        torch.save({"weight": torch.zeros(2)}, places[name] / "pickle.safetensors")
    shutil.copy(STAND_INS, places["custom_nodes"])
    config = folder / "extra_model_paths.yaml"
    lines = [f"  {name}: {json.dumps(str(place))}" for name, place in places.items()]
    config.write_text("\n".join(["tiny:", *lines]) + "\n", encoding="utf-8")
    return config


def write_adapter(path: Path, **changes: object) -> None:
    shape = {"audio_layers": AUDIO_LAYERS, "audio_width": ENCODER["hidden_size"]}
    adapter = world.random_adapter(world.adapter_config(**{**shape, **changes}))
    save_adapter(path, adapter.state_dict(), adapter.config)


def write_vae(path: Path) -> None:
    """A random Wan 2.1 VAE of base width 1 as core's VAELoader reads it."""
    from comfy.ldm.wan.vae import WanVAE

    vae = WanVAE(dim=1, z_dim=16, num_res_blocks=2, temperal_downsample=[False, True, True])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # core's layers come without values
        for name, parameter in vae.named_parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
            drawn = world.random_like(parameter, generator, fan_in**-0.5)
            parameter.copy_(1.0 + drawn if name.endswith("gamma") else drawn)
    save_file({key: value.contiguous() for key, value in vae.state_dict().items()}, path)


def tiny_vae(folder: Path) -> Any:
    """The VAE of `write_vae`, as core's VAELoader gives it."""
    import comfy.sd
    import comfy.utils

    write_vae(folder / VAE)
    return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(folder / VAE)))


def write_broken_encoders(folder: Path, encoder: torch.nn.Module) -> None:
    """A folder without weights, and one without its configuration."""
    whole = speech_support.save_folder(encoder, folder / "no_weights")
    speech_support.save_folder(encoder, folder / "no_config")
    (whole / "model.safetensors").unlink()
    (folder / "no_config" / "config.json").unlink()


def write_inputs(folder: Path) -> None:
    """Pictures and recordings of two people, in sizes and shapes that do not fit the video."""
    for number, (name, size) in enumerate((("mira", (90, 60)), ("tobi", (40, 120)))):
        Image.new("RGB", size, (200, 80 * number, 40)).save(folder / f"interact_{name}.png")
        sound = speech_support.syllables(0.3 + 0.2 * number, RATE, seed=number)
        write_wav(folder / f"interact_{name}.wav", sound)
    write_float_wav(folder / "nan.wav", torch.full((RATE // 4,), float("nan")))


def write_wav(path: Path, sound: torch.Tensor) -> None:
    """[samples] in -1..1 as 16 bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound.clamp(-1, 1) * 32767).to(torch.int16).numpy().tobytes())


def write_float_wav(path: Path, sound: torch.Tensor) -> None:
    """[samples] as 32 bit float mono, which can hold NaN."""
    samples = sound.float().numpy().tobytes()
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, RATE, 4 * RATE, 4, 32)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", len(samples)) + samples
    path.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)


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
    return cast_players(api, assemble([Path("mira.wav"), Path("tobi.wav")], seed=1))


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
