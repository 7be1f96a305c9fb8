"""Recordings become speech; the sound of the whole scene is in the mix, and fed where nobody speaks if asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Character
from interacthuman.interact_core.host.encode.cast_encoding import EncodedCast, encode_cast
from interacthuman.interact_core.host.encode.recording import (
    encode_recording,
    encode_speech_of,
    scene_track,
)
from interacthuman.interact_core.speech.from_core import SPEECH_KEY
from interacthuman.interact_core.speech.types import Sound, Speech
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy
from torch import Tensor

RATE, FPS, FRAMES = 8000, 25.0, 25
SECOND = RATE


class Encoder:
    """Core's AudioEncoderModel in short: two layers of 50 states a second that carry the sound's own level."""

    def encode_audio(self, audio: Tensor, sample_rate: int) -> dict[str, object]:
        samples = audio.shape[-1] * 16000 // sample_rate
        states = audio.mean(1)[:, None].abs()
        layer = torch.nn.functional.interpolate(states, samples // 320)[0, 0].view(1, -1, 1).expand(1, -1, 4)
        return {"encoded_audio": layer, "encoded_audio_all_layers": [layer] * 2, "audio_samples": samples}


class Pictures:
    """A VAE that gives every picture a latent of zeros."""

    latent_channels, latent_dim = 16, 3

    def encode(self, picture: Tensor) -> Tensor:
        return torch.zeros(1, 16, 1, picture.shape[1] // 8, picture.shape[2] // 8)


def audio(level: float | tuple[float, float], seconds: float, rate: int = RATE) -> dict[str, Any]:
    levels = torch.tensor(level).view(1, -1, 1)
    return {"waveform": levels.expand(1, -1, round(seconds * rate)).clone(), "sample_rate": rate}


def voice(level: float, seconds: float, start: float = 0.0) -> dict[str, Speech]:
    sound = torch.full((1, round(seconds * RATE)), level)
    frames = round(seconds * FPS)
    features = torch.full((frames, 2, 4), 10.0 + level)
    return {SPEECH_KEY: Speech(features, torch.full((2, 4), -1.0), FPS, sound, RATE, start)}


def people(*voices: dict[str, Speech] | None) -> list[Character]:
    return [
        Character(f"person {number}", torch.full((1, 32, 32, 3), 0.5), spoken, None)
        for number, spoken in enumerate(voices)
    ]


def encoded(scene: Sound | Speech | None, *voices: dict[str, Speech] | None) -> EncodedCast:
    return encode_cast(people(*voices), Pictures(), 64, 48, FRAMES, FPS, scene=scene)


def tracks_of(made: EncodedCast) -> Tensor:
    """[S + 1, F], one channel of one layer, without the sentinel frame."""
    return made.positive[0][1]["model_conds"]["interact_audio"].cond[0, :, :-1, 0, 0]


@pytest.mark.parametrize("seconds, audible", [(0.5, 0.5), (1.0, 1.0), (3.0, 1.0)])
def test_the_mix_is_the_voices_plus_the_scene_cut_or_followed_by_silence(
    seconds: float, audible: float
) -> None:
    scene = scene_track(audio(0.2, seconds), 0.5, None, False)
    mixed = encoded(scene, voice(0.3, 0.4, start=0.2)).audio["waveform"]
    expected = torch.zeros(SECOND)
    expected[: round(audible * RATE)] += 0.1
    expected[round(0.2 * RATE) : round(0.6 * RATE)] += 0.3
    assert mixed.shape == (1, 1, SECOND)
    torch.testing.assert_close(mixed[0, 0], expected, atol=1e-6, rtol=0)


def test_a_stereo_scene_at_another_rate_keeps_its_sides_and_its_time() -> None:
    made = encoded(scene_track(audio((0.4, 0.1), 0.5, 44100), 1.0, None, False), voice(0.2, 1.0))
    assert made.audio["sample_rate"] == 44100
    mixed = made.audio["waveform"][0]
    assert mixed.shape == (2, 44100)
    for place, sides in ((0.25, (0.6, 0.3)), (0.75, (0.2, 0.2))):
        assert mixed[:, round(place * 44100)].tolist() == pytest.approx(sides, abs=5e-3)


def test_a_scene_that_is_only_heard_changes_nothing_that_the_model_hears() -> None:
    without, beside = (
        encoded(scene, voice(0.3, 1.0), None)
        for scene in (None, scene_track(audio(0.2, 1.0), 1.0, None, False))
    )
    assert torch.equal(tracks_of(without), tracks_of(beside))
    assert not torch.equal(without.audio["waveform"], beside.audio["waveform"])


def test_a_fed_scene_takes_the_mute_tracks_place_while_it_lasts() -> None:
    """And speakers still get silence in their pauses."""
    scene = scene_track(audio(0.5, 0.6), 0.8, Encoder(), True)
    made = encoded(scene, voice(0.3, 0.4, start=0.2), voice(0.1, 1.0), None)
    first, second, nobody = tracks_of(made)
    expected = torch.full((FRAMES,), -1.0)
    expected[5:15] = 10.3
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(second, torch.full((FRAMES,), 10.1))
    expected = torch.full((FRAMES,), -1.0)
    expected[:15] = 0.4  # what the encoder got, gain applied
    torch.testing.assert_close(nobody, expected)
    assert float(made.audio["waveform"][0, 0, RATE // 2]) == pytest.approx(0.3 + 0.1 + 0.4)


def test_a_scene_can_be_fed_where_nobody_speaks_at_all() -> None:
    made = encoded(scene_track(audio(0.5, 2.0), 1.0, Encoder(), True), None, None)
    assert torch.equal(tracks_of(made), torch.full((1, FRAMES), 0.5))


def test_a_fed_scene_is_what_the_blend_gives_to_everybody_who_does_not_speak(tmp_path: Any) -> None:
    """Through the model: with masks that are nowhere, the voices do not matter and the scene does."""
    from interacthuman.interact_core.guidance import GuidanceSettings
    from interacthuman.interact_core.host.loading import apply_adapter
    from interacthuman.interact_core.host.sampling import sample

    model = apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))

    def run(level: float, scene: Sound | Speech | None) -> Tensor:
        cast = people(voice(level, 1.0))
        cast = [Character(c.name, c.image, c.speech, torch.zeros(1, 8, 8)) for c in cast]
        made = encode_cast(cast, Pictures(), 64, 48, 9, FPS, scene=scene)
        settings = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
        conds = made.positive, made.negative
        options = {
            "seed": 1,
            "steps": 1,
            "cfg": 1.0,
            "audio_cfg": None,
            "sampler": "euler",
            "scheduler": "simple",
        }
        return sample(model, *conds, made.latent, made.cast, settings, **options)[0]["samples"]

    fed = scene_track(audio(0.5, 1.0), 1.0, Encoder(), True)
    assert torch.equal(run(0.1, None), run(0.9, None)) and torch.equal(run(0.1, fed), run(0.9, fed))
    assert (run(0.1, fed) - run(0.1, None)).abs().max() > 1e-3


@pytest.mark.parametrize(
    "sound, gain, encoder, fed, message",
    [
        (None, 1.0, Encoder(), True, "scene_audio is not connected: connect it"),
        (audio(0.1, 1.0), 1.0, None, True, "audio_encoder is not connected: connect it"),
        (audio(float("nan"), 1.0), 1.0, None, False, "scene_audio: .*NaN"),
        (audio(0.1, 1.0, 0), 1.0, None, False, "scene_audio: .*empty|0 Hz"),
        ({}, 1.0, None, False, "scene_audio: The audio holds no sound"),
        (audio(0.1, 1.0), float("inf"), None, False, "scene_gain is inf"),
    ],
)
def test_what_is_wrong_with_the_scene_is_said(
    sound: Any, gain: float, encoder: Any, fed: bool, message: str
) -> None:
    with pytest.raises(InteractError, match=message):
        scene_track(sound, gain, encoder, fed)


def test_a_scene_of_another_encoder_is_refused() -> None:
    spoken = voice(0.3, 1.0)
    other = Speech(torch.zeros(25, 3, 4), torch.zeros(3, 4), FPS, torch.zeros(1, RATE), RATE)
    with pytest.raises(InteractError, match="same audio encoder"):
        encoded(other, spoken)


# Recordings


def test_cores_audio_encoder_encodes_with_its_own_silence() -> None:
    class Core:
        """Core's AudioEncoderModel in short: two layers that carry the mean loudness."""

        def encode_audio(self, audio: Tensor, sample_rate: int) -> dict[str, object]:
            samples = audio.shape[-1] * 16000 // sample_rate
            layer = audio.abs().mean().expand(1, samples // 320, 4)
            return {"encoded_audio": layer, "encoded_audio_all_layers": [layer] * 2, "audio_samples": samples}

    audio = {"waveform": torch.full((1, 2, 8000), 0.5), "sample_rate": 16000}
    speech = encode_recording(Core(), audio, 0.5, 0.5)[SPEECH_KEY]
    assert speech.mute.shape == (2, 4) and not speech.mute.any() and speech.features.min() == 0.25
    assert speech.waveform.shape == (2, 8000) and float(speech.waveform[0, 0]) == 0.25
    assert (speech.start, speech.sample_rate) == (0.5, 16000)


def test_what_is_wrong_with_a_recording_is_said() -> None:
    silence = torch.zeros(1, 1, 800)
    for audio, message in (
        (None, "no sound"),
        ({"waveform": silence, "sample_rate": 0}, "0 Hz"),
        ({"waveform": silence[..., :0], "sample_rate": RATE}, "empty"),
        ({"waveform": silence / 0, "sample_rate": RATE}, "NaN"),
        ({"waveform": silence.expand(2, -1, -1), "sample_rate": RATE}, "batch of 2"),
    ):
        with pytest.raises(InteractError, match=message):
            encode_recording(object(), audio, 0.0, 1.0)


# Taking turns


def test_what_is_no_recording_is_said() -> None:
    sound = torch.zeros(1, 1, RATE)
    for audio, said in (
        ("a.wav", "audio is a str"),
        ({"waveform": [0.0], "sample_rate": RATE}, "samples are a list"),
        ({"waveform": sound.to(torch.complex64), "sample_rate": RATE}, "samples are complex"),
        ({"waveform": sound}, "sample rate of None"),
        ({"waveform": sound, "sample_rate": "16000"}, "sample rate of 16000, expected"),
        ({"waveform": sound, "sample_rate": 10**400}, "sample rate of 1000"),
        ({"waveform": sound, "sample_rate": float("nan")}, "sample rate of nan"),
    ):
        with pytest.raises(InteractError, match=said):
            encode_speech_of(Encoder(), audio)


def test_speakers_take_turns_by_their_end_times() -> None:
    """start_time of the second is the end_time of the first, of the third that of the second, with pauses."""
    first = encode_speech_of(Encoder(), audio(0.2, 0.5))
    second = encode_speech_of(Encoder(), audio(0.3, 0.75), first.end, gap=0.25)
    third = encode_speech_of(Encoder(), audio(0.4, 0.25), second.end, gap=-0.125)
    starts = [made.output[SPEECH_KEY].start for made in (first, second, third)]
    assert starts == [0.0, 0.75, 1.375] == [first.start, second.start, third.start]
    assert [made.duration for made in (first, second, third)] == [0.5, 0.75, 0.25]
    assert (first.end, second.end, third.end) == (0.5, 1.5, 1.625)

    mixed = encode_cast(people(first.output, second.output, third.output), Pictures(), 64, 48, 0, FPS).audio[
        "waveform"
    ][0, 0]
    expected = torch.zeros(len(mixed))
    for level, start, length in ((0.2, 0.0, 0.5), (0.3, 0.75, 0.75), (0.4, 1.375, 0.25)):
        expected[round(start * RATE) : round((start + length) * RATE)] += level
    torch.testing.assert_close(mixed, expected)
    assert len(mixed) == round(41 / 25 * RATE)  # 1.625 s are 40.6 frames


def test_the_place_of_a_recording_is_said_with_what_was_odd_about_it() -> None:
    made = encode_speech_of(Encoder(), audio(0.2, 0.5), -0.1)
    assert [str(line) for line in made.lines] == ["From -0.10 to 0.40 s of the video (0.50 s)."]
    odd = audio(0.0, 0.5)
    odd["waveform"] = 16384 * torch.sin(torch.arange(RATE // 2) / 9.0)[None, None]
    made = encode_speech_of(Encoder(), odd)
    assert str(made.lines[1]).startswith("Its samples go up to 16384, so they are 16-bit numbers")
    speech = made.output[SPEECH_KEY]
    assert float(speech.waveform.abs().max()) == pytest.approx(0.5, abs=1e-3)
    torch.testing.assert_close(
        speech.features,
        encode_speech_of(Encoder(), {**odd, "waveform": odd["waveform"] / 32768}).output[SPEECH_KEY].features,
    )
