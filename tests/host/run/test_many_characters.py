"""One to eight characters: together, in turns, interrupting, silent; and how strongly text and voices act apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.tests.support.model_calls import Spy
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy
from interacthuman.tests.support.models.model_files import tiny_vae
from torch import Tensor

import comfy.sd  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.guidance import Character, GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.encode.cast_encoding import EncodedCast, encode_cast
from interacthuman.interact_core.host.keys import SIDE_COND
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.sampling import sample
from interacthuman.interact_core.speech.from_core import SPEECH_KEY
from interacthuman.interact_core.speech.types import Speech

RATE = 8000
WIDTH, HEIGHT = 128, 32  # a grid of 8 x 2: everybody has a column
# Seconds from which to which everybody speaks: together, into another's speech, in turn; None for a listener and
# for a thing.
PLAN = ((0.0, 0.9), (0.0, 0.9), (0.3, 0.55), (0.9, 1.2), (1.23, 1.5), (0.11, 0.3), None, None)
SPEAKING = [number for number, turn in enumerate(PLAN) if turn is not None]
MUTE = -1.0


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> comfy.sd.VAE:
    return tiny_vae(tmp_path_factory.mktemp("vae"))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


def level_of(number: int) -> float:
    return 2.0**-number / 8


def voice(number: int, scale: float = 1.0) -> dict[str, Speech] | None:
    """Each speaker sounds all the time between start and end, at a level of their own."""
    if PLAN[number] is None:
        return None
    start, end = PLAN[number]
    frames = round((end - start) * 25)
    features = torch.full((frames, tiny_wan.LAYERS, tiny_wan.CHANNELS), scale * (1.0 + number))
    sound = torch.full((1, round((end - start) * RATE)), level_of(number))
    return {SPEECH_KEY: Speech(features, torch.full(features.shape[1:], MUTE), 25.0, sound, RATE, start)}


def column(number: int) -> Tensor:
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, :, 16 * number : 16 * (number + 1)] = 1.0
    return mask


def everybody(vae: Any, fps: float, frames: int = 0, louder: int | None = None) -> EncodedCast:
    people = [
        Character(
            f"person {n}",
            torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(n)),
            voice(n, 3.0 if n == louder else 1.0),
            column(n),
        )
        for n in range(len(PLAN))
    ]
    return encode_cast(people, vae, WIDTH, HEIGHT, frames, fps, tiny_wan.text(3), tiny_wan.text(4))


@pytest.mark.parametrize("fps", [16.0, 25.0])
def test_eight_are_heard_and_felt_when_it_is_their_turn(vae: comfy.sd.VAE, fps: float) -> None:
    """To one frame: only frames whose middle is half a feature frame or less from an edge may get both."""
    made = everybody(vae, fps)
    frames = made.cast.frames
    assert 0 <= frames / fps - 1.5 < 4 / fps + 1e-9 and frames % 4 == 1
    tracks = made.positive[0][1]["model_conds"]["interact_audio"].cond[0, :, :-1, 0, 0]
    assert tracks.shape == (len(SPEAKING) + 1, frames)
    middles = (torch.arange(frames) + 0.5) / fps
    for track, number in zip(tracks, SPEAKING):
        start, end = PLAN[number]
        inside = (middles > start + 0.021) & (middles < end - 0.021)
        outside = (middles < start - 0.021) | (middles > end + 0.021)
        assert inside.any()
        torch.testing.assert_close(track[inside], torch.full_like(track[inside], 1.0 + number))
        torch.testing.assert_close(track[outside], torch.full_like(track[outside], MUTE))
    assert torch.equal(tracks[-1], torch.full((frames,), MUTE))

    mixed = made.audio["waveform"][0, 0]
    assert mixed.shape[0] == round(frames / fps * RATE)
    expected = torch.zeros_like(mixed)
    for number in SPEAKING:
        start, end = PLAN[number]
        first = round(start * RATE)
        expected[first : first + round((end - start) * RATE)] += level_of(number)
    torch.testing.assert_close(mixed, expected)


def test_each_of_eight_gets_their_own_voice_in_their_own_place(
    vae: comfy.sd.VAE, adapted: ModelPatcher
) -> None:
    spy = Spy(adapted)
    samples = {}
    for louder in (None, 1, 4):
        made = everybody(vae, 25.0, 9, louder)
        settings = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
        options = {"seed": 1, "steps": 2, "cfg": 2.0, "sampler": "euler", "scheduler": "simple"}
        conds = made.positive, made.negative
        latent, masks = sample(spy.model, *conds, made.latent, made.cast, settings, audio_cfg=None, **options)
        samples[louder] = latent["samples"]
        assert samples[louder].isfinite().all() and masks.masks.shape == (2, len(PLAN), 3, 2, 8)
    shares = spy.calls[0].voices.weights[:, 0].view(len(SPEAKING) + 1, 3, 2, 8)
    for number in range(len(PLAN)):
        track = SPEAKING.index(number) if number in SPEAKING else len(SPEAKING)  # listeners and things: mute
        assert (shares[track, :, :, number] == 1).all()
        assert (shares[:, :, :, number].sum(0) == 1).all()
    assert torch.equal(samples[None], samples[4])  # begins to speak after these nine frames
    assert not torch.equal(samples[None], samples[1])


# --- strength of text and of voices, with three speakers and a listener


def one_step(model: ModelPatcher, cast: Any, positive: list, negative: list, cfg: float) -> Tensor:
    return tiny_wan.core_sample(model, positive, negative, tiny_wan.empty_latent(cast), steps=1, cfg=cfg)


def unmarked(conditioning: list) -> list:
    return [
        [text, {key: value for key, value in values.items() if key != SIDE_COND}]
        for text, values in conditioning
    ]


@pytest.mark.parametrize("style", ["regular", "nested"])
def test_text_and_voices_are_guided_apart_in_any_sampler(adapted: ModelPatcher, style: str) -> None:
    """One step of euler is linear in the guided prediction, so that conds can be weighed against each other.

    Text alone is what InterAct Encode Characters gives as negative for the positive's text: the same pictures,
    unheard.
    """
    from comfy_extras.nodes_custom_sampler import DualCFGGuider
    from interacthuman.interact_core.host.encode.conditioning import attach_cast

    cast = tiny_wan.make_cast((True, True, False, True))
    tracks = tiny_wan.random_features(4, cast.latent_frames)[0]
    given = cast, tiny_wan.references(cast), tracks
    positive, negative = attach_cast(tiny_wan.text(3), tiny_wan.text(4), *given)
    unheard = attach_cast(tiny_wan.text(3), tiny_wan.text(3), *given)[1]
    guided, _ = apply_guidance(adapted, cast, GuidanceSettings(stage_boundary=0.0, stage_one_audio="all"))
    # Each alone, as no artist may sample them: without the mark of the side that they are for.
    voiced, text, nothing = (
        one_step(guided, cast, unmarked(conds), unmarked(negative), 1.0)
        for conds in (positive, unheard, negative)
    )
    assert min((voiced - text).abs().max(), (text - nothing).abs().max()) > 1e-2
    plain = one_step(guided, cast, positive, negative, 3.0)
    torch.testing.assert_close(plain, nothing + 3.0 * (voiced - nothing), rtol=1e-3, atol=1e-3)

    guider = DualCFGGuider.execute(guided, positive, unheard, negative, 5.0, 2.0, style)[0]
    dual = tiny_wan.guider_sample(guider, tiny_wan.empty_latent(cast), steps=1)
    if style == "regular":
        expected = nothing + 2.0 * (text - nothing) + 5.0 * (voiced - text)
    else:
        expected = nothing + 2.0 * (text + 5.0 * (voiced - text) - nothing)
    torch.testing.assert_close(dual, expected, rtol=1e-3, atol=1e-3)


def test_everybody_has_a_strength_of_their_own(adapted: ModelPatcher, tmp_path: Path) -> None:
    """Four voices at 1, 0.5, 0 and -1: their shares are so many times what they were, mute's is as it was."""
    from dataclasses import replace

    layouts = torch.zeros(4, tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)
    for number in range(4):
        layouts[number, :, :, number] = 1.0
    cast = tiny_wan.make_cast((True,) * 4, layouts=layouts)
    strengths = (1.0, 0.5, 0.0, -1.0)
    people = tuple(replace(c, strength=s) for c, s in zip(cast.characters, strengths))
    spy = Spy(adapted)
    settings = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
    guided, _ = apply_guidance(spy.model, replace(cast, characters=people), settings)
    assert one_step(guided, cast, *tiny_wan.conds(cast), 1.0).isfinite().all()
    shares = spy.calls[0].voices.weights[:, 0].view(5, tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)
    for number, strength in enumerate(strengths):
        assert (shares[number, :, :, number] == strength).all()
    assert (shares[-1, :, :, 4:] == 1).all() and (shares[-1, :, :, :4] == 0).all()
