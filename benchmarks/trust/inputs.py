"""Hostile recordings, pictures, masks, layouts, boxes and names, straight into the nodes: a sentence or a right result.

In one process, so that a thousand are quick. A trial is a usual cast with one to three inputs exchanged, half of them
for what is unusual and yet means something, the others for what cannot be right. Whatever is accepted goes on through
Encode Characters, and one in SAMPLED casts through the sampler. Right is: names as they were typed; sound of the
video's length; pictures and masks within 0..1; and where an unusual input means the same as a usual one (16-bit
numbers, half precision, without the batch's axis) the conditioning of the usual one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import folder_paths
import torch
from torch import Tensor

from ...interact_core.errors import InteractError
from ...interact_core.guidance import GuidanceSettings
from ...interact_core.host.encode.audio_encoder import load_audio_encoder
from ...interact_core.host.loading import apply_adapter
from ...interact_core.host.sampling import sample
from ...interact_core.preview.manifest import build_manifest
from ...interact_core.preview.overlay import draw_overlay
from ...nodes.characters import InterActCharacter, InterActEncodeCharacters
from ...nodes.people import InterActPickPerson
from ...nodes.speech import InterActEncodeSpeech
from ...tests.support.models import model_files, tiny_wan, tiny_wav2vec2
from ..scenes.result import Figure, at_least
from .campaign import Order, Tally, exact_interval
from .served import sentence_fault

TRIALS = 1000
SAMPLED = 10  # one in so many accepted casts is sampled
WIDTH, HEIGHT, LENGTH, FPS = 64, 48, 9, 25.0
RATE = 16000
WRITTEN = re.compile(r"interact_[0-9a-f]{16}\.(png|jpg|flac)|ComfyUI_temp_[a-z]{5}_\d{5}_\.png")
LONGEST = 2000  # characters of a sentence
SAME = (
    0.02  # how far a conditioning in half precision may be from that in float32, in its standard deviations
)
SENTENCE, ENCODED, SAMPLED_WELL = "a sentence", "encoded right", "sampled right"


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


@torch.no_grad()
def run(order: Order) -> None:
    tally, stage = order.tally, Stage(order.folder)
    for number in order.left():
        chance = order.draw(number)
        given = Given.drawn(chance)
        try:
            how = _trial(stage, given, number % SAMPLED == 0)
            fault = None
        except InteractError as error:
            how, fault = SENTENCE, sentence_fault(str(error)) or _leaks(str(error), stage)
        except Exception as error:  # whatever it is, it is what the trial found
            how, fault = "", f"{type(error).__name__}: {str(error)[:200]}"
        fault = fault or _stray_files(stage)
        if fault is None:
            tally.count(number, how)
        else:
            tally.fault(number, "; ".join(given.odd), fault)


def figures(tally: Tally) -> list[Figure]:
    """The share of trials that got beyond every check: a campaign of nothing but refusals would try little."""
    passed, trials = len(tally.kept) - tally.outcomes[SENTENCE] - len(tally.faults), len(tally.kept)
    share = passed / trials if trials else 0.0
    note = "Of all trials: accepted, and the result was right."
    return [at_least("right_result_share", share, exact_interval(passed, trials), trials, 0.25, note)]


# ----------------------------------------------------------------------------------------------- a cast and its odds


@dataclass
class Odd:
    """What is put in instead. same: what it means as a usual input; None where nothing of the kind is known."""

    value: Any
    same: Any = None


@dataclass
class Given:
    """The inputs of a cast by place, such as "image 1"; meant: the same with what the unusual ones mean."""

    people: int
    inputs: dict[str, Any] = field(default_factory=dict)
    meant: dict[str, Any] | None = None
    odd: list[str] = field(default_factory=list)  # what is unusual, for people

    @classmethod
    def drawn(cls, chance: random.Random) -> Given:
        people = chance.randint(1, 3)
        noise = torch.Generator().manual_seed(chance.randrange(2**32))
        given = cls(people, _usual(people, noise))
        given.meant = dict(given.inputs)
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3))):
            what = chance.choice(sorted(ODDS))
            place = what if what == "scene" else f"{what} {chance.randrange(people)}"
            if place in given.inputs:
                drawn = ODDS[what](chance, noise)
                given.inputs[place] = drawn.value
                given.odd.append(f"{place}: {_shown(drawn.value)}")
                if drawn.same is None:
                    given.meant = None
                elif given.meant is not None:
                    given.meant[place] = drawn.same
        return given


def _usual(people: int, noise: torch.Generator) -> dict[str, Any]:
    """Everybody has a picture and a mask of it; all but the third speak, the first has a layout like all others."""
    made: dict[str, Any] = {"scene": None}
    for number in range(people):
        disc = torch.zeros(1, 60, 90)
        disc[:, 10:50, 20:70] = 1.0
        place = torch.zeros(1, HEIGHT, WIDTH)
        place[:, :, 20 * number : 20 * number + 20] = 1.0
        made |= {
            f"name {number}": f"person {number}",
            f"image {number}": torch.rand(1, 60, 90, 3, generator=noise),
            f"mask {number}": disc,
            f"audio {number}": _recording(torch.rand(1, 1, 8000, generator=noise) - 0.5)
            if number < 2
            else None,
            f"layout {number}": place,
            f"start {number}": 0.04 * number,
            f"gain {number}": 1.0,
            f"strength {number}": 1.0,
            f"picked {number}": None,
        }
    return made


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(one)}" for key, one in value.items())
    return f"{list(value.shape)} {value.dtype}" if isinstance(value, Tensor) else repr(value)[:60]


# ----------------------------------------------------------------------------------------------------- what is right


def _trial(stage: Stage, given: Given, to_the_end: bool) -> str:
    made = _encoded(stage, given.people, given.inputs)
    _check(given, made)
    if given.meant is not None:
        usual = _encoded(stage, given.people, given.meant)
        for place, one, two in _pairs(made, usual):
            assert one.shape == two.shape, f"{place} has shape {list(one.shape)}, usually {list(two.shape)}"
            apart = float((one.float() - two.float()).abs().max() / (two.float().std(correction=0) + 1e-3))
            assert apart <= SAME, f"{place} is {apart:.2g} standard deviations from the usual one"
    if not to_the_end:
        return ENCODED
    positive, negative, latent, cast, *_ = made
    settings = GuidanceSettings(mask_source="predicted", stage_boundary=0.0)
    way = {"cfg": 2.0, "sampler": "euler", "scheduler": "simple", "denoise": 1.0, "audio_cfg": 1.0}
    result, record = sample(stage.model, positive, negative, latent, cast, settings, seed=1, steps=2, **way)
    assert bool(result["samples"].isfinite().all()), "the latent is not finite"
    assert _within(draw_overlay(record)), "the overlay is not within 0..1"
    assert _within(record.masks.float()), "the masks are not within 0..1"
    manifest = build_manifest(record, None, stage.temp)
    shown = manifest["scene"]["names"]
    assert shown == list(cast.names), f"the manifest names {shown!r}"
    return SAMPLED_WELL


def _encoded(stage: Stage, people: int, inputs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The outputs of Encode Characters; inputs: those of every node before it, by place."""
    sockets = {}
    for number in range(people):
        name, image, mask, audio, layout, start, gain, strength, picked = (
            inputs[f"{what} {number}"]
            for what in ("name", "image", "mask", "audio", "layout", "start", "gain", "strength", "picked")
        )
        speech = None
        if audio is not None:
            speech = InterActEncodeSpeech.execute(stage.encoder, audio, start, gain).result[0]
        if picked is not None:
            mask = InterActPickPerson.execute(**picked).result[0]
        made = InterActCharacter.execute(image, name, mask, speech, layout, strength)
        sockets[f"character_{number}"] = made.result[0]
    return InterActEncodeCharacters.execute(
        sockets, stage.vae, WIDTH, HEIGHT, LENGTH, FPS, scene_audio=inputs["scene"]
    ).result


def _check(given: Given, made: tuple[Any, ...]) -> None:
    """What holds of whatever was accepted."""
    positive, _, latent, cast, sound, fps = made
    typed = tuple(given.inputs[f"name {number}"].strip() for number in range(given.people))
    assert cast.names == typed, f"the cast names {cast.names!r}"
    assert list(latent["samples"].shape) == [1, 16, 3, HEIGHT // 8, WIDTH // 8], (
        "the latent has another shape"
    )
    samples, expected = sound["waveform"].shape[-1], round(LENGTH / FPS * sound["sample_rate"])
    assert abs(samples - expected) <= 1, f"the sound has {samples} samples, the video {expected}"
    assert bool(sound["waveform"].isfinite().all()), "the sound is not finite"
    for character in cast.characters:
        assert _within(character.image), f"the picture of {character.name[:20]!r} is not within 0..1"
        assert character.mask is None or _within(character.mask), "a mask is not within 0..1"
    assert cast.layouts is None or _within(cast.layouts), "a layout is not within 0..1"
    for place, value in _tensors("positive", positive):
        assert bool(value.isfinite().all()), f"{place} is not finite"
    assert fps == FPS


def _within(values: Tensor) -> bool:
    return bool(values.isfinite().all()) and float(values.min()) >= -1e-4 and float(values.max()) <= 1 + 1e-4


def _pairs(one: tuple[Any, ...], two: tuple[Any, ...]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Tensors of the conditioning, the sound, mixed down to one channel, and the layouts of both."""
    for (place, first), (_, second) in zip(
        _tensors("positive", one[0]), _tensors("positive", two[0]), strict=True
    ):
        yield place, first, second
    yield "sound", one[4]["waveform"].mean(1), two[4]["waveform"].mean(1)
    if two[3].layouts is not None:
        yield "layouts", one[3].layouts, two[3].layouts


def _tensors(place: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield place, value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _tensors(f"{place}.{key}", value[key])
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _tensors(f"{place}.{number}", one)
    elif hasattr(value, "cond"):  # core's comfy.conds
        yield from _tensors(place, value.cond)


def _leaks(sentence: str, stage: Stage) -> str | None:
    """What is typed must not make a sentence endless, and no path of the machine belongs into one."""
    if len(sentence) > LONGEST:
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

SIZES = (0, 1, 15, 16, 17, 48, 64, 100, 257)
NAMES = ("\u202eanna", "\u0645\u0631\u064a\u0645", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "x" * 10_000, "a\nb",
         "\x00", "\ud800", "{name}", "%s%n", "<img src=x onerror=alert(1)>", "../../../etc/passwd", "C:\\Windows\\x",
         "", "   ", "person 0", "  person 7  ", "CON", "a/b", "&amp;", "`$(ls)`", "\u0000\u200b\ufeff")  # fmt: skip
NUMBERS = (0.0, -1.0, 0.36, 3600.0, -3600.0, 1e9, float("nan"), float("inf"), 1e-9)


def _names(chance: random.Random, _: torch.Generator) -> Odd:
    return Odd(chance.choice(NAMES))


def _numbers(chance: random.Random, _: torch.Generator) -> Odd:
    return Odd(chance.choice(NUMBERS))


BAD_RATES = (1, 0, -5, 10**9, 10**400, None, "16000", float("nan"), [16000])


def _recording(wave: Tensor, rate: Any = RATE) -> dict[str, Any]:
    return {"waveform": wave, "sample_rate": rate}


def _audio(chance: random.Random, noise: torch.Generator) -> Odd:
    wave = torch.rand(1, 1, 8000, generator=noise) - 0.5
    wave -= wave.mean()
    if chance.random() < 0.5:
        whole = (wave * 32767).round()
        return chance.choice(
            (
                Odd(_recording(wave.half()), _recording(wave)),
                Odd(_recording(wave.double()), _recording(wave)),
                Odd(_recording(whole.to(torch.int16)), _recording(whole / 32768)),
                Odd(_recording((whole * 65536).to(torch.int32)), _recording(whole / 32768)),
                Odd(_recording(whole), _recording(whole / 32768)),
                Odd(_recording(wave[0]), _recording(wave)),
                Odd(_recording(wave.expand(1, 2, -1)), _recording(wave)),
                Odd(_recording(wave.expand(1, 6, -1)), _recording(wave)),
                Odd(_recording(wave, 16000.0), _recording(wave)),
                Odd(_recording(wave[..., :399])),
                Odd(_recording(wave * 0)),
                Odd(_recording(wave, chance.choice((8000, 11025, 44100, 48000, 22050.5, 96000)))),
                Odd(_recording(torch.rand(1, 1, 400_000, generator=noise) - 0.5, 48000)),
            )
        )
    shape = chance.choice(
        ((1, 1, 0), (1, 1, 1), (2, 1, 8000), (8000,), (0, 1, 9), (1, 0, 9), (1, 1, 1, 8000))
    )
    return chance.choice(
        (
            Odd(_recording(torch.zeros(shape))),
            Odd(_recording(wave * chance.choice((float("nan"), float("inf"), 1e30)))),
            Odd(_recording(chance.choice((wave.to(torch.complex64), wave > 0, wave.long())))),
            Odd(_recording(wave, chance.choice(BAD_RATES))),
            Odd(_recording(chance.choice((None, "a", [0.0] * 99, 3)))),
            Odd(chance.choice(({}, {"waveform": wave}, {"sample_rate": RATE}, "a", 3))),
        )
    )


def _images(chance: random.Random, noise: torch.Generator) -> Odd:
    size = chance.choice(((60, 90), (16, 17), (257, 16), (300, 200), (1, 400), (15, 64), (64, 64)))
    picture = torch.rand(1, *size, 3, generator=noise)
    if chance.random() < 0.5:
        opaque = torch.cat((picture, torch.ones(1, *size, 1)), -1)
        turned = picture.permute(0, 2, 1, 3)
        return chance.choice(
            (Odd(picture, picture), Odd(picture.half(), picture.half().float()), Odd(picture.double(), picture),
             Odd(picture.bfloat16(), picture.bfloat16().float()), Odd(opaque, picture),
             Odd(turned, turned.contiguous()), Odd(torch.cat((picture, picture[..., :1] * 0), -1)),
             Odd(picture * 0 + 1))
        )  # fmt: skip
    shape = chance.choice(
        ((1, *size, 1), (2, *size, 3), (0, *size, 3), (1, *size, 5), (*size, 3), size, (1,), ())
    )
    return chance.choice((Odd(torch.rand(shape, generator=noise)), *_impossible(picture, chance), Odd(None)))


def _masks(chance: random.Random, noise: torch.Generator) -> Odd:
    size = chance.choice(((60, 90), (48, 64), (16, 17), (257, 16), (1, 1)))
    mask = torch.zeros(1, *size)
    mask[:, : max(1, size[0] // 2), : max(1, size[1] // 2)] = 1.0
    if chance.random() < 0.5:
        return chance.choice(
            (Odd(mask, mask), Odd(mask[0], mask), Odd(mask.half(), mask), Odd(mask.double(), mask),
             Odd(mask > 0.5, mask), Odd(mask * 0.6, mask * 0.6), Odd(None),
             Odd(torch.rand(1, *size, generator=noise)), Odd(mask.expand(LENGTH, -1, -1)))
        )  # fmt: skip
    shape = chance.choice(((3, *size), (1, 1, *size), (0, *size), (1,), (), (1, chance.choice(SIZES), 0)))
    return chance.choice((Odd(torch.ones(shape)), Odd(mask * 0), *_impossible(mask, chance)))


def _impossible(values: Tensor, chance: random.Random) -> tuple[Odd, Odd]:
    """The same in numbers that are none of a picture."""
    spoilt = values.clone()
    spoilt.view(-1)[chance.randrange(spoilt.numel())] = chance.choice(
        (float("nan"), float("inf"), -float("inf"))
    )
    made = chance.choice(
        (values * -3, values * 255, (values * 255).to(torch.uint8), values.to(torch.complex64))
    )
    return Odd(spoilt), Odd(made)


def _picked(chance: random.Random, noise: torch.Generator) -> Odd:
    number = chance.choice((1, 1, 2, 0, 65, -1))
    if chance.random() < 0.5:
        return Odd({"person": number, "masks": _masks(chance, noise).value})
    box = {key: chance.choice((0, 10, 30, *NUMBERS, "3", None)) for key in ("x", "y", "width", "height")}
    usual = {"x": 5, "y": 5.5, "width": 30, "height": 40}
    boxes = chance.choice(
        ([usual], usual, [[usual], [box]], [usual, box], box, [], [[]], [None], {}, "box", 3)
    )
    picture = chance.choice(
        (torch.rand(1, 60, 90, 3), torch.rand(1, 60, 90, 3), _images(chance, noise).value)
    )
    return Odd({"person": number, "boxes": boxes, "image": picture})


ODDS: dict[str, Callable[[random.Random, torch.Generator], Odd]] = {
    "name": _names, "image": _images, "mask": _masks, "audio": _audio, "scene": _audio, "layout": _masks,
    "picked": _picked, "start": _numbers, "gain": _numbers, "strength": _numbers,
}  # fmt: skip
"""What can be exchanged, and how the exchange is drawn."""
