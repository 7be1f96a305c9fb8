"""Our AUDIO_ENCODER in core's node, and core's wav2vec2 against ours on one random model."""

from pathlib import Path

import pytest
import torch

import comfy.audio_encoders.audio_encoders as core  # isort: skip
import comfy.model_management
from comfy_extras.nodes_audio_encoder import AudioEncoderEncode
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.host.encode.audio_encoder import InterActAudioEncoder, load_audio_encoder
from interacthuman.interact_core.speech.encode import encode_silence, encode_speech
from interacthuman.interact_core.speech.from_core import from_encoder_output
from interacthuman.interact_core.speech.wav2vec2 import load_wav2vec2
from interacthuman.tests.support.models.tiny_wav2vec2 import (
    SMALL,
    older_names,
    plain_weights,
    random_wav2vec2,
    save_file,
    save_folder,
)
from interacthuman.tests.support.sounds import RATE, burst, noise, syllables

# What core's class can build at any width: 512 channels of convolution, heads of 64, an MLP four times wider.
CORE_BASE = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
CORE_LARGE = {**CORE_BASE, "feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder(random_wav2vec2(**SMALL), tmp_path_factory.mktemp("wav2vec2"))


@pytest.fixture(scope="module")
def audio_encoder(folder: Path) -> InterActAudioEncoder:
    return load_audio_encoder(folder)


def through_core(encoder: object, waveform: torch.Tensor, rate: int = RATE) -> dict:
    """The output of core's AudioEncoderEncode node."""
    return AudioEncoderEncode.execute(encoder, {"waveform": waveform, "sample_rate": rate}).result[0]


def assert_same_layers(found: dict, expected: dict) -> None:
    assert len(found["encoded_audio_all_layers"]) == len(expected["encoded_audio_all_layers"])
    for index, (ours, theirs) in enumerate(
        zip(found["encoded_audio_all_layers"], expected["encoded_audio_all_layers"])
    ):
        torch.testing.assert_close(
            ours, theirs.float(), atol=2e-3, rtol=1e-3, msg=lambda m, i=index: f"layer {i}: {m}"
        )
    torch.testing.assert_close(
        found["encoded_audio"], expected["encoded_audio"].float(), atol=2e-3, rtol=1e-3
    )
    assert found["audio_samples"] == expected["audio_samples"]


# Golden: core's wav2vec2 and transformers' on one random model


@pytest.mark.parametrize("layout, large", [(CORE_BASE, False), (CORE_LARGE, True)], ids=["base", "large"])
def test_both_layouts_give_cores_features(layout: dict, large: bool, tmp_path: Path) -> None:
    weights = plain_weights(random_wav2vec2(**layout))
    theirs = core.AudioEncoderModel(
        {
            "model_type": "wav2vec2",
            "embed_dim": 128,
            "num_heads": 2,
            "num_layers": 2,
            "conv_norm": large,
            "conv_bias": large,
            "do_normalize": large,
            "do_stable_layer_norm": large,
        }
    )
    missing, unexpected = theirs.load_sd(weights)
    assert not missing and not unexpected
    path = save_file(tmp_path / "one.safetensors", weights)
    ours = load_audio_encoder(path)
    ours.model.do_normalize = large  # core's table; a bare file of ours is normalised
    sound = torch.stack([syllables(1.5), noise(1.5)])[None]
    assert_same_layers(through_core(ours, sound), through_core(theirs, sound))


@pytest.mark.slow
def test_true_base_file_gives_cores_features(tmp_path: Path) -> None:
    """Twelve layers of 768, which core's loader recognises, under the names of public files."""
    weights = older_names(plain_weights(random_wav2vec2()))
    del weights["lm_head.weight"]
    path = save_file(tmp_path / "base.safetensors", weights)
    theirs = core.load_audio_encoder_from_sd(dict(weights))
    ours = load_audio_encoder(path)
    ours.model.do_normalize = False  # as core has it for every model of this width
    assert (ours.model.layers, ours.model.width) == (13, 768)
    sound = syllables(0.8, 44100)[None, None]
    assert_same_layers(through_core(ours, sound, 44100), through_core(theirs, sound, 44100))


# Our AUDIO_ENCODER


def test_output_is_cores_and_carries_the_speech(audio_encoder: InterActAudioEncoder, folder: Path) -> None:
    sound = syllables(1.0, 48000).expand(1, 2, -1)
    output = through_core(audio_encoder, sound, 48000)
    assert output["encoded_audio"].shape == (1, 49, 96)
    assert [tuple(layer.shape) for layer in output["encoded_audio_all_layers"]] == [(1, 49, 96)] * 4
    assert output["audio_samples"] == RATE
    expected = encode_speech(load_wav2vec2(folder), sound, 48000)
    speech = from_encoder_output(output)
    for field in ("features", "mute", "waveform"):
        torch.testing.assert_close(getattr(speech, field), getattr(expected, field))
    assert (speech.fps, speech.sample_rate, speech.start) == (25.0, 48000, 0.0)


def test_start_gain_and_fps_reach_the_speech(audio_encoder: InterActAudioEncoder) -> None:
    speech = from_encoder_output(
        audio_encoder.encode_audio(noise(1.0)[None], RATE, fps=16, start=0.5, gain=2.0), 24
    )
    assert (speech.fps, speech.start, speech.features.shape[0]) == (16.0, 0.5, 16)
    assert torch.equal(speech.waveform, 2 * noise(1.0)[None])


def test_comfyui_manages_its_memory(folder: Path) -> None:
    encoder = load_audio_encoder(folder)
    first = encoder.encode_audio(noise(0.5)[None], RATE)
    assert encoder.patcher in [loaded.model for loaded in comfy.model_management.current_loaded_models]
    assert encoder.patcher.model_size() >= sum(p.numel() * 4 for p in encoder.model.parameters())
    comfy.model_management.unload_all_models()
    assert encoder.patcher not in [loaded.model for loaded in comfy.model_management.current_loaded_models]
    again = encoder.encode_audio(noise(0.5)[None], RATE)
    assert torch.equal(first["encoded_audio"], again["encoded_audio"])


def test_activation_estimate_is_bounded_for_long_sound(audio_encoder: InterActAudioEncoder) -> None:
    estimate = audio_encoder._activation_bytes
    assert estimate(20.0) == 2 * estimate(10.0)
    assert estimate(600.0) <= estimate(60.0)


@pytest.mark.parametrize(
    "waveform, rate, said",
    [
        (torch.full((1, 1, 100), float("nan")), RATE, "NaN"),
        (torch.zeros(1, 1, 0), RATE, "empty"),
        (torch.zeros(1, 1, 100), 0, "0 Hz"),
        (torch.zeros(2, 1, 100), RATE, "batch"),
    ],
)
def test_bad_sound_is_refused_in_cores_node_too(
    audio_encoder: InterActAudioEncoder, waveform: torch.Tensor, rate: int, said: str
) -> None:
    with pytest.raises(InteractError, match=said):
        through_core(audio_encoder, waveform, rate)


def test_folder_says_whether_to_normalise_here_too(tmp_path: Path) -> None:
    save_folder(random_wav2vec2(**SMALL), tmp_path, do_normalize=False)
    assert load_audio_encoder(tmp_path).model.do_normalize is False


# Its output beside ours


def test_burst_keeps_its_place_through_core(audio_encoder: InterActAudioEncoder) -> None:
    output = through_core(audio_encoder, burst(2.0, 1.22)[None, None])
    del output["interact_speech"]
    features = from_encoder_output(output).features
    change = (features - features.median(0).values)[:, 0].norm(dim=-1)
    assert int(change.argmax()) == 30  # the frame from 1.20 to 1.24 s


def test_silence_is_the_same_in_both_rooms(audio_encoder: InterActAudioEncoder, folder: Path) -> None:
    output = audio_encoder.encode_audio(noise(0.5)[None], RATE)
    torch.testing.assert_close(from_encoder_output(output).mute, encode_silence(load_wav2vec2(folder)))
