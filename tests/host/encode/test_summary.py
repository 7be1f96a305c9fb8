"""What is said of a cast: who speaks when, who is silent, and what was cut, lost, rounded or turned down."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Character
from interacthuman.interact_core.host.encode.cast_encoding import (
    EncodedCast,
    encode_cast,
    make_character,
    make_region_character,
)
from interacthuman.interact_core.host.encode.summary import CastSummary, Span
from interacthuman.interact_core.speech.from_core import SPEECH_KEY, from_encoder_output
from interacthuman.interact_core.speech.types import Sound, Speech
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)
from torch import Tensor

RATE, FPS = 8000, 25.0


class Pictures:
    """A VAE that gives every picture a latent of zeros."""

    latent_channels, latent_dim = 16, 3

    def encode(self, picture: Tensor) -> Tensor:
        return torch.zeros(1, 16, 1, picture.shape[1] // 8, picture.shape[2] // 8)


def voice(seconds: float, start: float = 0.0, level: float = 0.2) -> dict[str, Speech]:
    sound = torch.full((1, round(seconds * RATE)), level)
    features = torch.full((round(seconds * FPS), 2, 4), 10.0)
    return {SPEECH_KEY: Speech(features, torch.full((2, 4), -1.0), FPS, sound, RATE, start)}


def of_core(seconds: float) -> dict[str, Any]:
    """As core's AudioEncoderEncode gives it: without sound."""
    layers = [
        torch.randn(1, round(seconds * 50), 4, generator=torch.Generator().manual_seed(n)) for n in (0, 1)
    ]
    return {
        "encoded_audio": layers[-1],
        "encoded_audio_all_layers": layers,
        "audio_samples": round(seconds * 16000),
    }


def person(name: str, speech: dict[str, Any] | None = None, **more: Any) -> Character:
    return make_character(name, torch.full((1, 32, 32, 3), 0.5), speech=speech, **more)


def encoded(
    *characters: Character, length: int = 25, width: int = 64, height: int = 48, **more: Any
) -> EncodedCast:
    return encode_cast(characters, Pictures(), width, height, length, FPS, **more)


def said(made: EncodedCast) -> list[str]:
    """What the node says, line by line."""
    return [str(line) for line in made.summary.lines]


def spans(summary: CastSummary) -> list[tuple[str, tuple[float, float] | None]]:
    return [(span.name, span.inside) for span in summary.voices]


# --- when


def test_who_speaks_from_when_to_when_and_who_is_silent() -> None:
    made = encoded(person("Anna", voice(0.4)), person("Cat"), person("Ben", voice(0.4, 0.5)), length=0)
    summary = made.summary
    assert (summary.frames, summary.fps, summary.silent) == (25, 25.0, ("Cat",))
    (anna, first), (ben, second) = spans(summary)
    assert (anna, first) == ("Anna", (0.0, 0.4))
    assert ben == "Ben" and second == pytest.approx((0.5, 0.9))
    assert said(made) == [
        "64x48, 25 frames (1.00 s at 25 fps).",
        "Anna speaks from 0.00 to 0.40 s.",
        "Ben speaks from 0.50 to 0.90 s.",
        "Silent: Cat.",
    ]
    assert not summary.warnings


def test_what_is_cut_is_said_with_its_seconds() -> None:
    """A second of video, two and a half of speech that began a quarter of a second before."""
    made = encoded(person("Anna", voice(2.5, -0.25)), scene=Sound(torch.full((1, 3 * RATE), 0.1), RATE))
    (anna,) = made.summary.voices
    assert (anna.cut_at_start, anna.cut_at_end, anna.inside) == (0.25, 1.25, (0.0, 1.0))
    cut = "0.25 s before the start of the video and 1.25 s after its end are cut."
    assert said(made)[1:] == [
        f"Anna speaks from 0.00 to 1.00 s; {cut}",
        "Scene sound from 0.00 to 1.00 s; 2.00 s after the end of the video are cut.",
    ]
    assert not made.summary.warnings
    early, late = (said(encoded(person("Anna", voice(1.0, start))))[1] for start in (-0.5, 0.5))
    assert early == "Anna speaks from 0.00 to 0.50 s; 0.50 s before the start of the video are cut."
    assert late == "Anna speaks from 0.50 to 1.00 s; 0.50 s after the end of the video are cut."


def test_rounding_and_what_was_turned_down_are_said() -> None:
    loud = voice(0.2, level=0.9)
    made = encoded(person("Anna", loud), person("Ben", loud), length=6, width=71, height=41)
    assert made.summary.asked == (71, 41, 6)
    assert said(made)[:3] == [
        "64x48, 9 frames (0.36 s at 25 fps).",
        "The size was rounded: 71x41 is not a multiple of 16.",
        "The length was rounded up: 6 is not 4n+1.",
    ]
    assert made.summary.peak == pytest.approx(1.8)
    assert said(made)[-1] == "The mixed sound peaked at 1.80 and was turned down to 1."


def test_a_voice_that_moves_no_mouth_is_said() -> None:
    made = encoded(person("Anna", voice(1.0), strength=0.0))
    assert said(made)[2] == "The voice of Anna does not move the mouth: audio_strength is 0."


# --- outside


@pytest.mark.parametrize(
    "start, sentence",
    [
        (5.0, "Ben will not be heard: the voice begins at 5.00 s, but the video ends at 0.36 s."),
        (0.36, "Ben will not be heard: the voice begins at 0.36 s, but the video ends at 0.36 s."),
        (-0.5, "Ben will not be heard: the voice begins at -0.50 s and is over at 0.00 s, before the video"),
        (-9.0, "Ben will not be heard: the voice begins at -9.00 s and is over at -8.50 s, before the video"),
    ],
)
def test_a_voice_outside_the_video_is_said_first(start: float, sentence: str) -> None:
    made = encoded(person("Anna", voice(0.5)), person("Ben", voice(0.5, start)), length=9)
    assert [span.name for span in made.summary.lost] == ["Ben"]
    assert len(made.summary.warnings) == 1 and said(made)[0].startswith(f"Warning: {sentence}")
    assert not any(line.startswith("Ben speaks") for line in said(made))
    tracks = made.positive[0][1]["model_conds"]["interact_audio"].cond[0, :, :9]
    assert torch.equal(tracks[1], tracks[-1]) and not torch.equal(tracks[0], tracks[-1])


def test_if_all_are_outside_it_is_said_that_nobody_will_be_heard() -> None:
    made = encoded(person("Anna", voice(0.5, 5.0)), person("Ben", voice(0.5, -5.0)), length=9)
    assert said(made)[0] == "Warning: Nobody will be heard: every voice lies outside the video."
    assert [line.split(" will")[0] for line in said(made)[1:3]] == ["Warning: Anna", "Warning: Ben"]
    assert not made.audio["waveform"].any()


@pytest.mark.parametrize("starts", [(-5.0, -5.0), (-0.5, -0.5), (-0.49, -7.0)])
def test_no_length_comes_from_voices_that_are_over_before_the_start(starts: tuple[float, float]) -> None:
    cast = [person(name, voice(0.5, start)) for name, start in zip(("Anna", "Ben"), starts, strict=True)]
    with pytest.raises(
        InteractError, match="Every voice ends before the video begins .*Anna at .*set length"
    ):
        encoded(*cast, length=0)
    assert encoded(*cast, person("Eva", voice(0.2, -0.1)), length=0).summary.frames == 5


# --- sound of others


def test_without_sound_the_film_is_silent_for_that_voice_and_it_is_said() -> None:
    made = encoded(person("Anna", of_core(1.0)), person("Ben", voice(0.5)))
    assert [voice.has_sound for voice in made.summary.voices] == [False, True]
    assert said(made)[0].startswith("Warning: The film will be silent for Anna, whose lips move")
    assert len(made.summary.warnings) == 1


@pytest.mark.parametrize("region", [False, True])
def test_sound_beside_cores_encoding_is_heard(region: bool) -> None:
    sound = {"waveform": torch.full((1, 2, 24000), 0.25), "sample_rate": 24000}
    if region:
        half = torch.zeros(48, 64)
        half[:, :32] = 1.0
        anna = make_region_character("Anna", half, of_core(1.0), sound=sound)
    else:
        anna = person("Anna", of_core(1.0), sound=sound)
    speech = from_encoder_output(anna.speech)
    assert speech.has_sound and speech.waveform.shape == (2, 24000) and speech.sample_rate == 24000
    plain = from_encoder_output(of_core(1.0))
    assert torch.equal(speech.features, plain.features) and torch.equal(speech.mute, plain.mute)
    if region:
        return
    made = encoded(anna, length=0)
    assert not made.summary.warnings and made.summary.frames == 25
    assert made.audio["sample_rate"] == 24000 and bool((made.audio["waveform"] == 0.25).all())
    # The mute track is core's guess as before: a sound is no encoded silence.
    without = encoded(person("Anna", of_core(1.0)), length=0)
    for one, other in zip(
        made.positive[0][1]["model_conds"].values(), without.positive[0][1]["model_conds"].values()
    ):
        assert torch.equal(one.cond, other.cond)


def test_sound_replaces_that_of_our_own_encoding_where_it_is() -> None:
    sound = {"waveform": torch.full((1, 1, RATE // 2), 0.5), "sample_rate": RATE}
    made = encoded(person("Anna", voice(0.5, 0.25), sound=sound))
    expected = torch.zeros(RATE)
    expected[RATE // 4 : 3 * RATE // 4] = 0.5
    assert torch.equal(made.audio["waveform"][0, 0], expected) and not made.summary.warnings


def test_sound_of_another_length_is_said() -> None:
    sound = {"waveform": torch.full((1, 1, 3 * RATE), 0.5), "sample_rate": RATE}
    made = encoded(person("Anna", of_core(1.0), sound=sound), length=0)
    assert made.summary.frames == 77  # as long as what is heard
    assert "The sound of Anna is 3.00 s long, but 1.00 s of speech were encoded" in said(made)[0]


def test_what_is_wrong_with_a_sound_is_said() -> None:
    silence = torch.zeros(1, 1, 800)
    for speech, sound, message in (
        (None, {"waveform": silence, "sample_rate": RATE}, "'Anna' has sound but no speech"),
        (of_core(1.0), {}, "sound of 'Anna': The audio holds no sound"),
        (of_core(1.0), {"waveform": silence / 0, "sample_rate": RATE}, "sound of 'Anna': .*NaN"),
    ):
        with pytest.raises(InteractError, match=message):
            person("Anna", speech, sound=sound)


def test_a_span_knows_its_place() -> None:
    """Ends that meet are outside, whatever rounding made of them."""
    assert Span("a", 1.0 + 1e-9, 2.0, 1.0).inside is None
    assert Span("a", -0.3, 0.1 + 0.2 - 0.3, 1.0).inside is None
    assert Span("a", -0.5, 2.0, 1.0).inside == (0.0, 1.0)
