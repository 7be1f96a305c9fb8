"""Hostile recordings, pictures, masks, layouts, boxes and names, straight into the nodes: a sentence or a right result.

In one process, so that a thousand are quick. Whatever is accepted goes on through Encode Characters, and one in
SAMPLED casts through the sampler, whose result has to be finite.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import folder_paths
import torch

from ...interact_core.errors import InteractError
from ...interact_core.guidance import GuidanceSettings
from ...interact_core.host.encode.audio_encoder import load_audio_encoder
from ...interact_core.host.loading import apply_adapter
from ...interact_core.host.sampling import sample
from ...interact_core.preview.manifest import build_manifest
from ...interact_core.preview.overlay import draw_overlay
from ...nodes.characters import InterActCharacter, InterActEncodeCharacters, InterActRegion
from ...nodes.people import InterActPickPerson
from ...nodes.speech import InterActEncodeSpeech
from ...tests.support.models import model_files, tiny_wan, tiny_wav2vec2
from ..scenes.result import Figure
from .campaign import Order, Tally
from .served import sentence_fault

TRIALS = 1000
SAMPLED = 10  # one in so many accepted casts is sampled
WIDTH, HEIGHT, LENGTH, FPS = 64, 48, 9, 25.0
WRITTEN = re.compile(r"interact_[0-9a-f]{16}\.(png|jpg)|ComfyUI_temp_[a-z]{5}_\d{5}_\.png")
SIZES = (0, 1, 2, 15, 16, 17, 48, 64, 100, 257)

Made = Any


class Stage:
    """The tiny models that every trial shares."""

    def __init__(self, folder: Path) -> None:
        self.temp = folder / "temp"
        self.temp.mkdir(parents=True)
        folder_paths.set_temp_directory(str(self.temp))
        encoder = tiny_wav2vec2.random_wav2vec2(**model_files.ENCODER)
        self.encoder = load_audio_encoder(
            tiny_wav2vec2.save_folder(encoder, folder / "speech", do_normalize=True)
        )
        self.vae = model_files.tiny_vae(folder)
        shape = {"audio_layers": model_files.AUDIO_LAYERS, "audio_width": model_files.ENCODER["hidden_size"]}
        adapter = tiny_wan.load_tiny_adapter(folder, **shape)
        self.model = apply_adapter(tiny_wan.load_tiny(folder), adapter)


def run(order: Order) -> None:
    tally, stage = order.tally, Stage(order.folder)
    for number in order.left():
        chance = order.draw(number)
        torch.manual_seed(chance.randrange(2**32))
        tried: list[str] = []
        try:
            how = _trial(stage, chance, tried, number % SAMPLED == 0)
        except InteractError as sentence:
            fault = sentence_fault(str(sentence)) or _leaks(str(sentence), stage)
            how = "a sentence"
        except Exception as error:
            fault = f"{type(error).__name__}: {str(error)[:200]}"
        else:
            fault = None
        fault = fault or _stray_files(stage)
        if fault is None:
            tally.count(number, how)
        else:
            tally.fault(number, "; ".join(tried), fault)


def figures(tally: Tally) -> list[Figure]:
    """None but the share of faults."""
    return []


def _trial(stage: Stage, chance: random.Random, tried: list[str], to_the_end: bool) -> str:
    def note(what: str, value: Any) -> Any:
        shape = f"{list(value.shape)} {value.dtype}" if isinstance(value, torch.Tensor) else repr(value)[:60]
        tried.append(f"{what} {shape}")
        return value

    def maybe(what: str, draw: Callable[[random.Random], Any], share: float) -> Any:
        return note(what, draw(chance)) if chance.random() < share else None

    people = []
    for _ in range(chance.randint(1, 3)):
        name = note("name", names(chance))
        speech = None
        if chance.random() < 0.6:
            recording = note("audio", audio(chance)) if chance.random() < 0.5 else plain_audio()
            start, gain = chance.choice((0.0, -1.0, 3600.0, 1e9)), chance.choice((1.0, 0.0, 10.0))
            speech = InterActEncodeSpeech.execute(stage.encoder, recording, start, gain).result[0]
        mask = maybe("mask", masks, 0.3)
        if chance.random() < 0.2:
            found = InterActPickPerson.execute(chance.randint(1, 3), masks=masks(chance), boxes=None)
            mask = note("picked", found.result[0])
        layout = maybe("layout", masks, 0.2)
        if chance.random() < 0.15:
            made = InterActRegion.execute(note("region", masks(chance)), name, speech, layout=layout)
        else:
            picture = note("image", images(chance)) if chance.random() < 0.6 else torch.rand(1, 60, 90, 3)
            made = InterActCharacter.execute(picture, name, mask, speech, layout)
        people.append(made.result[0])
    sockets = {f"character_{number}": person for number, person in enumerate(people)}
    scene = maybe("scene", audio, 0.1)
    made = InterActEncodeCharacters.execute(
        sockets, stage.vae, WIDTH, HEIGHT, LENGTH, FPS, scene_audio=scene
    ).result
    positive, negative, latent, cast, sound, _ = made
    assert bool(sound["waveform"].isfinite().all()), "the sound is not finite"
    if not to_the_end:
        return "encoded"
    settings = GuidanceSettings(mask_source="predicted", stage_boundary=0.0)
    result, record = sample(
        stage.model,
        positive,
        negative,
        latent,
        cast,
        settings,
        seed=1,
        steps=2,
        cfg=2.0,
        sampler="euler",
        scheduler="simple",
        denoise=1.0,
    )
    assert bool(result["samples"].isfinite().all()), "the latent is not finite"
    assert bool(draw_overlay(record).isfinite().all()), "the overlay is not finite"
    build_manifest(record, None, stage.temp)
    return "sampled"


def _leaks(sentence: str, stage: Stage) -> str | None:
    """What is typed must not make a sentence endless, and no path of the machine belongs into one."""
    if len(sentence) > 2000:
        return f"a sentence of {len(sentence)} characters"
    return f"a path: {sentence[:200]!r}" if str(stage.temp.parent) in sentence else None


def _stray_files(stage: Stage) -> str | None:
    """Every file of the temp folder is named by its content or by ComfyUI, never by what was typed."""
    for file in stage.temp.rglob("*"):
        if not WRITTEN.fullmatch(file.name):
            return f"a file {file.name[:80]!r}"
        file.unlink()
    return None


# ------------------------------------------------------------------------------------------------- what is put in


def names(chance: random.Random) -> Any:
    return chance.choice(
        (
            "Mira",
            f"person {chance.randrange(1000)}",
            "",
            "   ",
            "<img src=x onerror=alert(1)>",
            "../../../etc/passwd",
            "C:\\Windows\\x",
            "\u202eanna",
            "\u0645\u0631\u064a\u0645",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "x" * 10_000,
            "a\nb",
            "\x00",
            "{name}",
            "%s%n",
            "\ud800",
        )
    )


def plain_audio() -> dict[str, Any]:
    return {"waveform": torch.rand(1, 1, 8000) - 0.5, "sample_rate": 16000}


def audio(chance: random.Random) -> Any:
    shape = chance.choice(
        (
            (1, 1, 0),
            (1, 1, 1),
            (1, 2, 399),
            (1, 2, 8000),
            (1, 6, 8000),
            (2, 1, 8000),
            (8000,),
            (1, 8000),
            (0, 1, 9),
        )
    )
    wave = torch.rand(shape) - 0.5
    spoil: Callable[[torch.Tensor], torch.Tensor] = chance.choice(
        (
            lambda wave: wave,
            lambda wave: wave * float("nan"),
            lambda wave: wave * float("inf"),
            lambda wave: wave * 1e30,
            lambda wave: wave * 0,
            lambda wave: wave.half(),
            lambda wave: (wave * 30000).to(torch.int16),
            lambda wave: wave.double(),
            lambda wave: wave.to(torch.complex64),
            lambda wave: wave > 0,
        )
    )
    rate = chance.choice((16000, 8000, 44100, 1, 0, -5, 10**9, 16000.5, None, "16000"))
    return chance.choice(
        (
            {"waveform": spoil(wave), "sample_rate": rate},
            {"waveform": spoil(wave), "sample_rate": 16000},
            {},
            None,
            "a",
        )
    )


def images(chance: random.Random) -> Any:
    size = chance.choice(SIZES), chance.choice(SIZES)
    shape = chance.choice(
        ((1, *size, 3), (1, *size, 4), (1, *size, 1), (2, *size, 3), (0, *size, 3), (*size, 3), size)
    )
    return _spoilt(torch.rand(shape), chance)


def masks(chance: random.Random) -> Any:
    size = chance.choice(SIZES), chance.choice(SIZES)
    shape = chance.choice(
        ((1, *size), (1, *size), size, (LENGTH, *size), (3, *size), (1, 1, *size), (0, *size), (1,))
    )
    return _spoilt((torch.rand(shape) > chance.choice((0.0, 0.5, 0.99, 1.0))).float(), chance)


def _spoilt(values: torch.Tensor, chance: random.Random) -> Any:
    return chance.choice(
        (
            values,
            values,
            values,
            values * float("nan"),
            values * float("inf"),
            values * -3,
            values * 255,
            values.half(),
            values.to(torch.uint8),
            values.to(torch.complex64),
            values > 0.5,
        )
    )
