"""Core's AUDIO_ENCODER_OUTPUT becomes the features that our own encoder gives."""

from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.speech.encode import encode_speech, encode_states
from interacthuman.interact_core.speech.from_core import from_encoder_output, quiet_mean
from interacthuman.interact_core.speech.wav2vec2 import load_wav2vec2
from interacthuman.tests.support.models.tiny_wav2vec2 import SMALL, random_wav2vec2, save_folder
from interacthuman.tests.support.sounds import RATE, noise, syllables


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder(random_wav2vec2(**SMALL), tmp_path_factory.mktemp("wav2vec2"))


def core_output(states: torch.Tensor, samples: int) -> dict:
    layers = [layer[None] for layer in states.unbind(1)]
    return {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": samples}


def test_cores_output_becomes_the_same_features(folder: Path) -> None:
    encoder = load_wav2vec2(folder)
    sound = syllables(2.0)
    speech = from_encoder_output(core_output(encode_states(encoder, sound), len(sound)), 24.0)
    torch.testing.assert_close(speech.features, encode_speech(encoder, sound[None], RATE, 24.0).features)
    assert speech.mute.shape == (4, 96)
    assert speech.waveform.shape == (1, 2 * RATE) and not speech.waveform.any()
    assert (speech.fps, speech.sample_rate, speech.start) == (24.0, RATE, 0.0)


def test_quietest_states_are_those_of_the_pause(folder: Path) -> None:
    encoder = load_wav2vec2(folder)
    spoken = noise(3.0)
    spoken[RATE : RATE + RATE // 2] = 0
    states = encode_states(encoder, spoken)
    pause = states[55:70].mean(0)  # well inside 1.0 to 1.5 s
    quiet = quiet_mean(states)
    assert (quiet - pause).norm() < 0.2 * (states.mean(0) - pause).norm()


@pytest.mark.parametrize("length", [1, 2, 5])
def test_very_short_output_of_core(length: int) -> None:
    speech = from_encoder_output(core_output(torch.randn(length, 2, 8), 400 + 320 * (length - 1)))
    assert speech.features.isfinite().all() and speech.mute.shape == (2, 8)


@pytest.mark.parametrize(
    "output, said",
    [
        ({}, "no hidden states"),
        ({"encoded_audio_all_layers": [], "audio_samples": 1}, "no hidden states"),
        ({"encoded_audio_all_layers": [torch.zeros(1, 5, 8)]}, "no hidden states"),
        (core_output(torch.full((5, 2, 8), float("nan")), 1600), "NaN"),
        ({"encoded_audio_all_layers": [torch.zeros(2, 5, 8)], "audio_samples": 1600}, "not a batch"),
    ],
)
def test_foreign_output_is_refused(output: dict, said: str) -> None:
    with pytest.raises(InteractError, match=said):
        from_encoder_output(output)
