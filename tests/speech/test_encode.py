"""Recordings to features: their timing, what must not change them, and what is refused."""

import math
from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.speech import encode
from interacthuman.interact_core.speech.encode import (
    encode_silence,
    encode_speech,
    encode_states,
    states_to_frames,
)
from interacthuman.interact_core.speech.wav2vec2 import Wav2Vec2Encoder, load_wav2vec2
from interacthuman.tests.support.models.tiny_wav2vec2 import SMALL, random_wav2vec2, save_folder
from interacthuman.tests.support.sounds import RATE, burst, noise, syllables
from torch import Tensor

FRAME = 0.04  # seconds


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Wav2Vec2Encoder:
    return load_wav2vec2(save_folder(random_wav2vec2(**SMALL), tmp_path_factory.mktemp("wav2vec2")))


@pytest.fixture(scope="module")
def plain_encoder(tmp_path_factory: pytest.TempPathFactory) -> Wav2Vec2Encoder:
    folder = tmp_path_factory.mktemp("not_normalised")
    return load_wav2vec2(save_folder(random_wav2vec2(**SMALL), folder, do_normalize=False))


class LocalEncoder:
    """Stands in for a wav2vec2 whose states see nothing but their receptive field: mean and peak of it."""

    do_normalize, stride, receptive_field = True, 320, 400

    def __init__(self) -> None:
        self.longest = 0

    def hidden_states(self, samples: Tensor) -> Tensor:
        self.longest = max(self.longest, samples.shape[0])
        windows = samples.unfold(0, self.receptive_field, self.stride)
        return torch.stack([windows.mean(-1), windows.amax(-1)], dim=-1)[:, None]


def relative(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


# Shapes and timing


@pytest.mark.parametrize(
    "seconds, fps, frames", [(1.0, 25, 25), (1.01, 25, 26), (2.0, 16, 32), (0.001, 25, 1)]
)
def test_one_feature_per_video_frame(
    encoder: Wav2Vec2Encoder, seconds: float, fps: float, frames: int
) -> None:
    speech = encode_speech(encoder, noise(seconds)[None], RATE, fps)
    assert speech.features.shape == (frames, SMALL["num_hidden_layers"] + 1, SMALL["hidden_size"])
    assert speech.mute.shape == speech.features.shape[1:]
    assert speech.features.dtype == torch.float32 and speech.features.isfinite().all()
    assert not speech.features.requires_grad


@pytest.mark.parametrize("fps", [25.0, 24.0, 16.0, 29.97])
def test_states_stand_at_the_middle_of_what_they_see(fps: float) -> None:
    """States that hold their own time give frames that hold theirs."""
    stride, field = 320, 400
    times = (torch.arange(150, dtype=torch.float64) * stride + field / 2) / RATE
    frames = states_to_frames(times.view(-1, 1, 1), 3.0, fps, stride, field).flatten()
    expected = (torch.arange(math.ceil(3.0 * fps), dtype=torch.float64) + 0.5) / fps
    inside = (expected > times[0]) & (expected < times[-1])
    assert inside.sum() > len(expected) - 3
    torch.testing.assert_close(frames[inside], expected[inside], atol=1e-6, rtol=0)


@pytest.mark.parametrize("do_normalize", [True, False])
def test_burst_lights_up_its_own_frame(
    encoder: Wav2Vec2Encoder, plain_encoder: Wav2Vec2Encoder, do_normalize: bool
) -> None:
    errors = []
    for place in range(12):
        at = 0.5 + 0.1637 * place
        speech = encode_speech(encoder if do_normalize else plain_encoder, burst(3.0, at)[None], RATE)
        change = (speech.features - speech.features.median(0).values)[:, 0].pow(2).sum(-1)
        brightest = int(change.argmax())
        assert abs(brightest - (at / FRAME - 0.5)) < 1.01
        centres = (torch.arange(len(change)) + 0.5) * FRAME
        near = change * ((centres - centres[brightest]).abs() < 0.15)
        errors.append(((near * centres).sum() / near.sum()).item() - at)
    assert max(map(abs, errors)) < FRAME / 2
    # Frames of 40 ms scatter single bursts; their mean would show a shift of 10 ms, half a hidden state.
    assert abs(sum(errors) / len(errors)) < 0.006


# What must not change the features


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_sample_rate_does_not_matter(encoder: Wav2Vec2Encoder, rate: int) -> None:
    expected = encode_speech(encoder, syllables(2.0)[None], RATE).features
    found = encode_speech(encoder, syllables(2.0, rate)[None], rate).features
    assert found.shape == expected.shape
    assert relative(found, expected) < 0.03
    other = encode_speech(encoder, syllables(2.0, seed=5)[None], RATE).features
    assert relative(other, expected) > 0.1  # so the bound above says something


def test_channels_are_averaged_for_the_encoder_and_kept_for_the_ear(encoder: Wav2Vec2Encoder) -> None:
    mono = syllables(1.0)
    left_and_right = torch.stack([2 * mono, torch.zeros_like(mono)])
    speech = encode_speech(encoder, left_and_right[None], RATE)
    torch.testing.assert_close(speech.features, encode_speech(encoder, mono[None], RATE).features)
    assert torch.equal(speech.waveform, left_and_right)


def test_gain_is_heard_but_normalised_away(encoder: Wav2Vec2Encoder, plain_encoder: Wav2Vec2Encoder) -> None:
    sound = syllables(1.0)[None]
    loud = encode_speech(encoder, sound, RATE, gain=4.0, start=1.5)
    assert torch.equal(loud.waveform, 4 * sound) and loud.start == 1.5
    assert relative(loud.features, encode_speech(encoder, sound, RATE).features) < 1e-3
    # Without normalisation the first convolution's group norm still forgives loudness, but not exactly.
    quiet, louder = (encode_speech(plain_encoder, sound, RATE, gain=gain).features for gain in (0.01, 4.0))
    assert relative(quiet, louder) > 1e-3


def test_normalisation_is_that_of_transformers(encoder: Wav2Vec2Encoder) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    sound = syllables(1.0) + 0.3
    normal = Wav2Vec2FeatureExtractor(do_normalize=True)(
        sound.numpy(), sampling_rate=RATE, return_tensors="pt"
    )
    expected = encoder.hidden_states(normal["input_values"][0])
    torch.testing.assert_close(encode_states(encoder, sound), expected, atol=1e-4, rtol=1e-4)


# Silence


def test_mute_is_encoded_silence(encoder: Wav2Vec2Encoder) -> None:
    mute = encode_silence(encoder)
    torch.testing.assert_close(mute, encoder.hidden_states(torch.zeros(2 * RATE)).mean(0))
    speech = encode_speech(encoder, torch.zeros(1, RATE), RATE)
    assert speech.features.isfinite().all()
    torch.testing.assert_close(speech.mute, mute)
    assert relative(speech.features.mean(0), mute) < 0.02
    spoken = encode_speech(encoder, syllables(1.0)[None], RATE)
    assert relative(spoken.features.mean(0), mute) > 0.05


# Long recordings


@pytest.mark.parametrize("seconds", [60.02, 89.99, 90.05, 121.0])
def test_pieces_of_a_long_recording_join_without_seam(seconds: float) -> None:
    local = LocalEncoder()
    sound = 10 * noise(seconds)  # loud enough that VARIANCE_FLOOR is nothing
    found = encode_states(local, sound)
    assert local.longest <= (encode.CHUNK_SECONDS + 2 * encode.CONTEXT_SECONDS + 0.1) * RATE
    normal = (sound - sound.mean()) / sound.std(correction=0)
    torch.testing.assert_close(found, local.hidden_states(normal), atol=1e-5, rtol=0)


def test_pieces_are_close_to_one_pass(encoder: Wav2Vec2Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = syllables(8.0)
    whole = encode_states(encoder, sound)
    for name, seconds in (("WHOLE_SECONDS", 4.0), ("CHUNK_SECONDS", 3.0), ("CONTEXT_SECONDS", 1.0)):
        monkeypatch.setattr(encode, name, seconds)
    pieces = encode_states(encoder, sound)
    assert pieces.shape == whole.shape
    assert 0 < relative(pieces, whole) < 0.05


# What is refused


@pytest.mark.parametrize(
    "waveform, rate, said",
    [
        (torch.full((1, 100), float("nan")), RATE, "NaN"),
        (torch.full((1, 100), float("inf")), RATE, "NaN or infinite"),
        (torch.zeros(1, 0), RATE, "empty"),
        (torch.zeros(0, 100), RATE, "empty"),
        (torch.zeros(1, 100), 0, "0 Hz"),
        (torch.zeros(1, 100), -16000, "-16000 Hz"),
        (torch.zeros(1, 100), 100, "at least 1000 Hz"),
        (torch.zeros(100), RATE, r"shape \[100\]"),
        (torch.zeros(1, 1, 1, 100), RATE, "expected"),
        (torch.zeros(2, 1, 100), RATE, "batch of 2 recordings"),
    ],
)
def test_sound_that_is_none_is_refused_in_one_sentence(
    encoder: Wav2Vec2Encoder, waveform: Tensor, rate: int, said: str
) -> None:
    with pytest.raises(InteractError, match=said) as caught:
        encode_speech(encoder, waveform, rate)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_an_encoder_that_makes_nan_is_named_and_not_the_recording(tmp_path: Path) -> None:
    model = random_wav2vec2(**SMALL)
    with torch.no_grad():
        model.encoder.layers[1].feed_forward.output_dense.weight.fill_(3e38)
    broken = load_wav2vec2(save_folder(model, tmp_path))
    with pytest.raises(
        InteractError, match="audio encoder makes NaN or infinity of a recording that has none"
    ):
        encode_speech(broken, torch.rand(1, 8000), RATE)


@pytest.mark.parametrize(
    "numbers", [{"fps": 0}, {"fps": float("nan")}, {"start": float("nan")}, {"gain": math.inf}]
)
def test_numbers_that_are_none_are_refused(encoder: Wav2Vec2Encoder, numbers: dict[str, float]) -> None:
    with pytest.raises(InteractError):
        encode_speech(encoder, torch.zeros(1, 1000), RATE, **numbers)
