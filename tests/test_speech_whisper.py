"""Recordings through core's whisper: its own states up to 30 seconds, in pieces beyond, silence beside a voice."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from interacthuman.tests import host_support as world  # before anything of comfy

from interacthuman.interact_core.host.cast_encoding import voice_tracks
from interacthuman.interact_core.host.recording import encode_recording
from interacthuman.interact_core.speech.from_core import SPEECH_KEY, from_encoder_output, heard_as
from interacthuman.interact_core.speech.types import Speech
from interacthuman.tests.speech_support import RATE, syllables

WIDTH = 8  # of the hidden states; core's whisper has all its 32 layers


@pytest.fixture(scope="module")
def encoder() -> Any:
    from comfy.audio_encoders.audio_encoders import AudioEncoderModel

    encoder = AudioEncoderModel({"model_type": "whisper3", "n_audio_state": WIDTH, "n_audio_head": 1})
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in encoder.model.named_parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 16
            parameter.copy_(world.random_like(parameter, generator, fan_in**-0.5))
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return encoder


def heard(encoder: Any, sound: torch.Tensor, **options: float) -> Speech:
    audio = {"waveform": sound[None, None], "sample_rate": RATE}
    return encode_recording(encoder, audio, **{"start": 0.0, "gain": 1.0, **options})[SPEECH_KEY]


def test_a_short_recording_is_heard_as_in_core(encoder: Any) -> None:
    sound = syllables(2.0, RATE, seed=1)
    core = encoder.encode_audio(sound[None, None], RATE)
    assert heard_as(core) == (5, WIDTH)
    speech = heard(encoder, sound, start=0.5)
    torch.testing.assert_close(speech.features, from_encoder_output(core).features)
    assert speech.features.shape == (50, 5, WIDTH) and speech.fps == 25.0 and speech.start == 0.5
    assert torch.equal(speech.waveform, sound[None])
    # Before it begins and when it is over the speaker is as silent as somebody who never speaks.
    person = world.make_cast((True,)).characters[0]
    track, mute = voice_tracks([person], [speech], 89, 25.0)
    assert torch.equal(track[:12], mute[:12]) and torch.equal(track[-26:], mute[-26:])
    torch.testing.assert_close(track[13:62], (speech.features[:-1] + speech.features[1:]) / 2)


def test_mute_is_the_silence_beside_the_voice(encoder: Any) -> None:
    """What whisper makes of silence goes by the loudest moment: alone it is another."""
    sound = syllables(2.0, RATE, seed=1)
    speech = heard(encoder, sound)
    longer = heard(encoder, torch.cat((sound, torch.zeros(4 * RATE))))
    silent = longer.features[75:].mean(0)
    alone = heard(encoder, torch.zeros(2 * RATE)).mute
    assert (speech.mute - silent).norm() < 0.5 * (alone - silent).norm()
    torch.testing.assert_close(
        from_encoder_output(encoder.encode_audio(sound[None, None], RATE)).mute, speech.mute
    )


def test_a_recording_longer_than_whisper_hears_goes_through_in_pieces(
    encoder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sound = syllables(43.0, RATE, seed=2)
    speech = heard(encoder, sound)
    assert speech.features.shape[0] == 43 * 25
    # Second 21 of the whole is second 6 of what is heard from second 15 on.
    later = encoder.encode_audio(sound[None, None, 15 * RATE : 43 * RATE], RATE)
    torch.testing.assert_close(
        speech.features[525:550], from_encoder_output(later).features[150:175], atol=0.2, rtol=0
    )
    core = from_encoder_output(encoder.encode_audio(sound[None, None], RATE))
    assert core.features.shape[0] == 30 * 25 and "InterAct Encode Speech" in caplog.text
