"""Recordings through core's whisper: its own states up to 30 seconds, in pieces beyond, silence beside a voice."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from interacthuman.interact_core.host.encode.cast_encoding import voice_tracks
from interacthuman.interact_core.host.encode.recording import encode_recording
from interacthuman.interact_core.speech.from_core import SPEECH_KEY, from_encoder_output, layers_and_channels
from interacthuman.interact_core.speech.types import Speech
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy
from interacthuman.tests.support.sounds import RATE, syllables

WIDTH = 8  # of the hidden states; core's whisper has all its 32 layers
SOUND = syllables(2.0, RATE, seed=1)


@pytest.fixture(scope="module")
def encoder() -> Any:
    from comfy.audio_encoders.audio_encoders import AudioEncoderModel

    encoder = AudioEncoderModel({"model_type": "whisper3", "n_audio_state": WIDTH, "n_audio_head": 1})
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in encoder.model.named_parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 16
            parameter.copy_(tiny_wan.random_like(parameter, generator, fan_in**-0.5))
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return encoder


def encoded(encoder: Any, sound: torch.Tensor, **options: float) -> dict[str, Any]:
    audio = {"waveform": sound[None, None], "sample_rate": RATE}
    return encode_recording(encoder, audio, **{"start": 0.0, "gain": 1.0, **options})


@pytest.fixture(scope="module")
def core(encoder: Any) -> dict[str, Any]:
    """What core's node gives for SOUND."""
    return encoder.encode_audio(SOUND[None, None], RATE)


@pytest.fixture(scope="module")
def speech(encoder: Any) -> Speech:
    return encoded(encoder, SOUND, start=0.5)[SPEECH_KEY]


def test_a_short_recording_gives_the_features_that_core_gives(core: dict[str, Any], speech: Speech) -> None:
    assert layers_and_channels(core) == (5, WIDTH)
    torch.testing.assert_close(speech.features, from_encoder_output(core).features)
    assert speech.features.shape == (50, 5, WIDTH) and speech.fps == 25.0 and speech.start == 0.5
    assert torch.equal(speech.waveform, SOUND[None])
    # Before it begins and when it is over the speaker is as silent as somebody who never speaks.
    person = tiny_wan.make_cast((True,)).characters[0]
    track, mute = voice_tracks([person], [speech], 89, 25.0)
    assert torch.equal(track[:12], mute[:12]) and torch.equal(track[-26:], mute[-26:])
    torch.testing.assert_close(track[13:62], (speech.features[:-1] + speech.features[1:]) / 2)


def test_mute_is_the_silence_beside_the_voice(encoder: Any, core: dict[str, Any], speech: Speech) -> None:
    """What whisper makes of silence goes by the loudest moment: alone it is another."""
    longer = encoded(encoder, torch.cat((SOUND, torch.zeros(4 * RATE))))[SPEECH_KEY]
    silent = longer.features[75:].mean(0)
    alone = encoded(encoder, torch.zeros(2 * RATE))[SPEECH_KEY].mute
    assert (speech.mute - silent).norm() < 0.5 * (alone - silent).norm()
    torch.testing.assert_close(from_encoder_output(core).mute, speech.mute)


def test_a_recording_longer_than_whisper_hears_goes_through_in_pieces(
    encoder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sound = syllables(34.0, RATE, seed=2)
    output = encoded(encoder, sound)
    assert output[SPEECH_KEY].features.shape[0] == 34 * 25
    # Second 20 of the whole is second 5 of what is encoded from second 15 on.
    later = encoder.encode_audio(sound[None, None, 15 * RATE :], RATE)
    for whole, part in zip(output["encoded_audio_all_layers"], later["encoded_audio_all_layers"]):
        torch.testing.assert_close(whole[:, 1000:], part[:, 250:950])
    cut = from_encoder_output({**later, "audio_samples": 34 * RATE})  # as core cuts it
    assert cut.features.shape[0] == 30 * 25 and "InterAct Encode Speech" in caplog.text
