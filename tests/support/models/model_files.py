"""Files for whole graphs on a server: random models small enough for seconds, pictures and recordings."""

from __future__ import annotations

import json
import shutil
import struct
import wave
from pathlib import Path
from typing import Any

import torch
from interacthuman.interact_core.adapter import save_adapter
from interacthuman.tests.support.models import tiny_wan, tiny_wav2vec2  # tiny_wan before anything of comfy
from interacthuman.tests.support.sounds import RATE, syllables
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
STAND_IN_NODES = Path(__file__).parents[1] / "stand_in_nodes.py"


def write_models(folder: Path) -> Path:
    """Writes the four models of a graph under `folder`/models, wrong ones and STAND_IN_NODES beside them.

    Returns the YAML that names them, for main.py's --extra-model-paths-config.
    """
    models = folder / "models"
    places = {name: models / name for name in FOLDERS}
    for place in places.values():
        place.mkdir(parents=True)
    tiny_wan.write_wan(places["diffusion_models"] / WAN)
    tiny_wan.write_wan(places["diffusion_models"] / "image_to_video.safetensors", in_dim=36)
    write_adapter(places["interact"] / ADAPTER)
    write_adapter(places["interact"] / "wider.safetensors", model_width=2 * tiny_wan.WIDTH)
    write_vae(places["vae"] / VAE)
    encoder = tiny_wav2vec2.random_wav2vec2(**ENCODER)
    tiny_wav2vec2.save_folder(encoder, places["audio_encoders"] / SPEECH, do_normalize=True)
    write_broken_encoders(places["audio_encoders"], encoder)
    for name in FOLDERS[:4]:
        torch.save({"weight": torch.zeros(2)}, places[name] / "pickle.safetensors")
    shutil.copy(STAND_IN_NODES, places["custom_nodes"])
    config = folder / "extra_model_paths.yaml"
    lines = [f"  {name}: {json.dumps(str(place))}" for name, place in places.items()]
    config.write_text("\n".join(["tiny:", *lines]) + "\n", encoding="utf-8")
    return config


def write_adapter(path: Path, **changes: object) -> None:
    shape = {"audio_layers": AUDIO_LAYERS, "audio_width": ENCODER["hidden_size"]}
    adapter = tiny_wan.random_adapter(tiny_wan.adapter_config(**{**shape, **changes}))
    save_adapter(path, adapter.state_dict(), adapter.config)


def write_vae(path: Path) -> None:
    """A random Wan 2.1 VAE of base width 1 as core's VAELoader reads it."""
    from comfy.ldm.wan.vae import WanVAE

    vae = WanVAE(dim=1, z_dim=16, num_res_blocks=2, temperal_downsample=[False, True, True])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # core's layers come without values
        for name, parameter in vae.named_parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
            drawn = tiny_wan.random_like(parameter, generator, fan_in**-0.5)
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
    whole = tiny_wav2vec2.save_folder(encoder, folder / "no_weights")
    tiny_wav2vec2.save_folder(encoder, folder / "no_config")
    (whole / "model.safetensors").unlink()
    (folder / "no_config" / "config.json").unlink()


def write_inputs(folder: Path) -> None:
    """Pictures and recordings of two people, in sizes and shapes that do not fit the video."""
    for number, (name, size) in enumerate((("mira", (90, 60)), ("tobi", (40, 120)))):
        Image.new("RGB", size, (200, 80 * number, 40)).save(folder / f"interact_{name}.png")
        sound = syllables(0.3 + 0.2 * number, RATE, seed=number)
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
