"""A small random Wan2.2 S2V of the true key layout, what its encoder and VAE would give, and core's own node on them.

Import this before anything of comfy.
"""

import pathlib
from typing import Any

import torch
from interacthuman.interact_core.host.encode.cast_encoding import (
    EncodedCast,
    encode_cast,
    make_region_character,
)
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

from comfy.ldm.wan.model import WanModel_S2V  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip

WIDTH, HEIGHT = 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS
FPS = 16.0
BLOCKS = 5  # core's injectors stand behind blocks 0, 4, 8, ... and so behind two of these
HALVES = (torch.arange(WIDTH) < WIDTH // 2).float().expand(1, HEIGHT, -1)
EVERYWHERE = torch.ones(1, HEIGHT, WIDTH)


def load(folder: pathlib.Path, **options: Any) -> ModelPatcher:
    """Its audio encoder takes the true 25 layers of 1024 channels, as core knows no others."""
    return tiny_wan.load_tiny(folder, cls=WanModel_S2V, model_type="s2v", **{"blocks": BLOCKS, **options})


def wav2vec2_output(seed: int = 7, frames: int = 4 * (tiny_wan.FRAMES - 1) + 1) -> dict[str, Any]:
    """As core's wav2vec2-large gives it for a recording a little longer than the video."""
    generator = torch.Generator().manual_seed(seed)
    states = int((frames + 8) / FPS * 50)
    layers = [torch.randn(1, states, 1024, generator=generator) for _ in range(25)]
    return {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": 320 * states}


class DrawnVae:
    """A VAE for nodes: latents drawn by the number of frames, whatever is in them."""

    latent_channels, latent_dim = 16, 3

    def encode(self, pictures: Tensor) -> Tensor:
        frames, height, width, _ = pictures.shape
        generator = torch.Generator().manual_seed(frames)
        return torch.randn(1, 16, (frames - 1) // 4 + 1, height // 8, width // 8, generator=generator)


def conds(length: int, motion: bool = False, control: bool = False, **given: Any) -> tuple[list, list]:
    """Of core's WanSoundImageToVideo with a reference picture."""
    from comfy_extras.nodes_wan import WanSoundImageToVideo

    if motion:
        given["ref_motion"] = torch.rand(20, HEIGHT, WIDTH, 3)
    if control:
        given["control_video"] = torch.rand(length, HEIGHT, WIDTH, 3)
    picture = torch.rand(1, HEIGHT, WIDTH, 3)
    size = WIDTH, HEIGHT, length
    made: Any = WanSoundImageToVideo.execute(
        tiny_wan.text(3), tiny_wan.text(4), DrawnVae(), *size, 1, ref_image=picture, **given
    )
    return made.result[0], made.result[1]


def encoded(
    given: tuple[list, list],
    regions: dict[str, Tensor],
    voices: tuple[dict[str, Any] | None, ...],
    length: int,
) -> EncodedCast:
    """InterAct Encode Characters behind core's node: people of its picture."""
    people = [
        make_region_character(name, region, voice)
        for (name, region), voice in zip(regions.items(), voices, strict=True)
    ]
    return encode_cast(people, None, WIDTH, HEIGHT, length, FPS, *given)
