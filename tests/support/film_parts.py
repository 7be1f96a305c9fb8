"""Films of two speakers on tiny models, for the tests of parts."""

from __future__ import annotations

import math
from typing import Any

import torch
from interacthuman.interact_core.guidance import Character, MaskHistory
from interacthuman.interact_core.host.encode.cast_encoding import EncodedCast, encode_cast
from interacthuman.interact_core.host.encode.parts import EncodedPart, encode_part
from interacthuman.interact_core.preview.record import RunRecord
from interacthuman.interact_core.speech.from_core import SPEECH_KEY
from interacthuman.interact_core.speech.types import Speech
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy
from torch import Tensor

WIDTH, HEIGHT = 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS
RATE = 8000
LENGTH, OVERLAP = 13, 5


def voice(number: int, seconds: float, start: float = 0.0) -> dict[str, Speech]:
    generator = torch.Generator().manual_seed(number)
    features = torch.randn(math.ceil(seconds * 25), tiny_wan.LAYERS, tiny_wan.CHANNELS, generator=generator)
    sound = 0.1 * torch.randn(1, round(seconds * RATE), generator=generator)
    mute = torch.full((tiny_wan.LAYERS, tiny_wan.CHANNELS), 0.5)
    return {SPEECH_KEY: Speech(features, mute, 25.0, sound, RATE, start)}


def film_of(vae: Any, frames: int, fps: float = 25.0) -> EncodedCast:
    """Two speakers, the second of whom begins late."""
    seconds = frames / fps
    people = [
        Character(
            name,
            torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(n)),
            voice(n, seconds * (1 - 0.4 * n), 0.4 * n * seconds),
            None,
        )
        for n, name in enumerate(("Ann", "Bob"))
    ]
    return encode_cast(people, vae, WIDTH, HEIGHT, frames, fps, tiny_wan.text(3), tiny_wan.text(4))


def pictures(frames: int, seed: int = 0) -> Tensor:
    return torch.rand(frames, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(seed))


def history(start: int, frames: int, names: tuple[str, ...] = ("Ann", "Bob")) -> RunRecord:
    """The first is left, more so in each latent frame; the second is right."""
    latents = (frames - 1) // 4 + 1
    masks = torch.zeros(1, len(names), latents, tiny_wan.ROWS, tiny_wan.COLUMNS)
    masks[0, 0, :, :, :3] = (torch.arange(latents).view(-1, 1, 1) + 1) / 16
    masks[0, -1, :, :, 3:] = 1.0
    return RunRecord(
        masks.half(), (3,), (0.1,), boundary_step=1, total_steps=4, names=names, width=WIDTH, height=HEIGHT,
        frames=frames, fps=25.0, start=start,
    )  # fmt: skip


def part_of(made: EncodedCast, vae: Any, finished: Tensor | None, masks: MaskHistory | None) -> EncodedPart:
    return encode_part(made.positive, made.negative, made.cast, vae, LENGTH, OVERLAP, finished, masks)
