"""Speeches on the video's clock: padding, cutting, start times, the mixed dialogue, the length."""

import math

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.speech.timeline import (
    features_on_timeline,
    frames_for,
    mix_dialogue,
    snap_frames,
)
from interacthuman.interact_core.speech.types import Speech
from torch import Tensor

RATE = 16000


def speech_of(features: Tensor, start: float = 0.0, fps: float = 25.0) -> Speech:
    """Speech with [F, 1, 1] features; silence is -1."""
    frames = features.shape[0]
    return Speech(
        features.view(-1, 1, 1),
        torch.full((1, 1), -1.0),
        fps,
        torch.zeros(1, round(frames / fps * RATE)),
        RATE,
        start,
    )


def sound_of(waveform: Tensor, rate: int = RATE, start: float = 0.0) -> Speech:
    return Speech(torch.zeros(1, 1, 1), torch.zeros(1, 1), 25.0, waveform, rate, start)


def on_timeline(speech: Speech, frames: int, fps: float = 25.0) -> list[float]:
    return features_on_timeline(speech, frames, fps).flatten().tolist()


def test_same_clock_copies_bit_for_bit() -> None:
    features = torch.randn(101, 3, 5)
    speech = Speech(features, torch.zeros(3, 5), 25.0, torch.zeros(1, 1), RATE)
    assert torch.equal(features_on_timeline(speech, 101, 25.0), features)


def test_shorter_is_padded_with_encoded_silence_and_longer_is_cut() -> None:
    assert on_timeline(speech_of(torch.tensor([1.0, 2.0, 3.0])), 5) == [1, 2, 3, -1, -1]
    assert on_timeline(speech_of(torch.tensor([1.0, 2.0, 3.0])), 2) == [1, 2]


@pytest.mark.parametrize(
    "start, expected",
    [
        (0.08, [-1, -1, 1, 2, 3, -1]),
        (-0.04, [2, 3, -1, -1, -1, -1]),
        (10.0, [-1] * 6),
        (-10.0, [-1] * 6),
    ],
)
def test_start_moves_the_speech(start: float, expected: list[float]) -> None:
    assert on_timeline(speech_of(torch.tensor([1.0, 2.0, 3.0]), start), 6) == expected


def test_start_between_frames_runs_in_from_silence() -> None:
    found = on_timeline(speech_of(torch.tensor([1.0, 1.0]), start=0.06), 5)
    assert found == pytest.approx([-1, 0, 1, 0, -1], abs=1e-6)


@pytest.mark.parametrize("fps", [16.0, 24.0, 30.0, 50.0])
@pytest.mark.parametrize("start", [0.0, 0.31])
def test_another_frame_rate_keeps_time(fps: float, start: float) -> None:
    """Features that hold their own time give video frames that hold theirs."""
    own = (torch.arange(100) + 0.5) / 25.0
    found = features_on_timeline(speech_of(own, start), round(3 * fps), fps).flatten()
    video = (torch.arange(round(3 * fps)) + 0.5) / fps - start
    inside = video > 0.02
    torch.testing.assert_close(found[inside], video[inside], atol=1e-4, rtol=0)


def test_silent_character_has_the_mute_track() -> None:
    mute = torch.randn(3, 5)
    found = features_on_timeline(None, 9, 25.0, mute)
    assert found.shape == (9, 3, 5) and torch.equal(found[4], mute)
    found[0] = 0  # frames are their own memory
    assert torch.equal(found[1], mute)


def test_given_mute_replaces_the_speechs_own() -> None:
    found = features_on_timeline(speech_of(torch.ones(1)), 2, 25.0, torch.full((1, 1), 7.0))
    assert found.flatten().tolist() == [1, 7]


def test_silence_without_an_encoder_and_mixed_encoders_are_refused() -> None:
    with pytest.raises(InteractError, match="needs the encoding of silence"):
        features_on_timeline(None, 9, 25.0)
    with pytest.raises(InteractError, match="same audio encoder"):
        features_on_timeline(speech_of(torch.ones(3)), 9, 25.0, torch.zeros(2, 4))
    with pytest.raises(InteractError, match="frame rate"):
        features_on_timeline(speech_of(torch.ones(3)), 9, 0.0)


# The dialogue


def test_mix_is_the_sum_at_the_start_times() -> None:
    first, second = 0.1 * torch.ones(1, RATE), 0.2 * torch.ones(1, RATE)
    mixed, rate, _ = mix_dialogue([sound_of(first), sound_of(second, start=0.5)], 49, 25.0)
    assert rate == RATE and mixed.shape == (1, round(49 / 25 * RATE))
    half = RATE // 2
    for place, level in (
        (0, 0.1),
        (half - 1, 0.1),
        (half, 0.3),
        (RATE - 1, 0.3),
        (RATE, 0.2),
        (3 * half - 1, 0.2),
        (3 * half, 0.0),
        (-1, 0.0),
    ):
        assert mixed[0, place].item() == pytest.approx(level, abs=1e-6), place


def test_mix_cuts_what_lies_outside_the_video() -> None:
    ramp = torch.linspace(0, 0.9, 2 * RATE)[None]
    mixed, _, _ = mix_dialogue([sound_of(ramp, start=-0.5)], 25, 25.0)
    assert torch.equal(mixed, ramp[:, RATE // 2 : RATE // 2 + RATE])
    mixed, _, _ = mix_dialogue([sound_of(ramp, start=99.0), sound_of(ramp, start=-99.0)], 25, 25.0)
    assert mixed.shape == (1, RATE) and not mixed.any()


@pytest.mark.parametrize("frames, fps", [(1, 25.0), (33, 24.0), (81, 16.0), (29, 29.97)])
def test_mix_is_exactly_as_long_as_the_video(frames: int, fps: float) -> None:
    mixed, rate, _ = mix_dialogue(
        [sound_of(torch.ones(1, 999), 44100), sound_of(torch.ones(1, 99999), 8000)], frames, fps
    )
    assert rate == 44100 and mixed.shape[-1] == round(frames / fps * rate)


def test_mix_resamples_to_the_highest_rate_or_the_named_one() -> None:
    time = torch.arange(RATE) / RATE
    low = torch.sin(2 * torch.pi * 220 * time)[None] * 0.5
    mixed, rate, _ = mix_dialogue([sound_of(low), sound_of(torch.zeros(1, 10), 48000)], 25, 25.0)
    assert rate == 48000
    expected = torch.sin(2 * torch.pi * 220 * torch.arange(48000) / 48000) * 0.5
    torch.testing.assert_close(mixed[0, 300:-300], expected[300:-300], atol=2e-3, rtol=0)
    assert mix_dialogue([sound_of(low)], 25, 25.0, 22050)[1] == 22050


def test_mono_sounds_on_both_channels_of_a_stereo_mix() -> None:
    stereo = torch.stack([torch.full((RATE,), 0.2), torch.zeros(RATE)])
    mixed, _, _ = mix_dialogue([sound_of(stereo), sound_of(torch.full((1, RATE), 0.3))], 25, 25.0)
    assert mixed[:, 100].tolist() == pytest.approx([0.5, 0.3])


def test_only_a_mix_over_full_scale_is_turned_down() -> None:
    loud, soft = torch.full((1, RATE), 0.8), torch.full((1, RATE), 0.2)
    mixed, _, _ = mix_dialogue([sound_of(loud), sound_of(soft)], 25, 25.0)
    assert torch.equal(mixed, loud + soft)  # exactly full scale: untouched
    mixed, _, _ = mix_dialogue([sound_of(loud), sound_of(loud), sound_of(soft, start=0.5)], 25, 25.0)
    assert mixed.abs().max().item() == pytest.approx(1.0)
    assert (mixed[0, 0] / mixed[0, -1]).item() == pytest.approx(1.6 / 1.8)


def test_nobody_speaks() -> None:
    mixed, rate, _ = mix_dialogue([], 25, 25.0)
    assert mixed.shape == (1, rate) and not mixed.any()


# The length


@pytest.mark.parametrize(
    "frames, snapped", [(0, 1), (1, 1), (2, 5), (5, 5), (6, 9), (24, 25), (25, 25), (26, 29)]
)
def test_length_is_snapped_up(frames: int, snapped: int) -> None:
    assert snap_frames(frames) == snapped


@pytest.mark.parametrize("fps", [16.0, 24.0, 25.0, 29.97, 30.0])
@pytest.mark.parametrize("samples, start", [(1, 0.0), (RATE, 0.0), (RATE, 0.7), (70001, 0.0), (70001, 3.21)])
def test_every_speech_is_heard_to_its_end(fps: float, samples: int, start: float) -> None:
    speeches = [sound_of(torch.zeros(1, samples), start=start), sound_of(torch.zeros(1, 100))]
    frames = frames_for(speeches, fps)
    end = start + samples / RATE
    assert frames % 4 == 1
    assert frames / fps >= end - 1e-6
    assert frames - 4 < math.ceil(end * fps) or frames == 1


def test_length_without_speech_is_refused() -> None:
    with pytest.raises(InteractError, match="set the length"):
        frames_for([], 25.0)
