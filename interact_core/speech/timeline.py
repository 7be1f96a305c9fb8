"""Speeches on the video's clock: features per video frame, the mixed dialogue, the length that they need."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import InteractError
from ..frames import snap_frames
from .encode import interpolate
from .sound import check_fps, resample, to_channels
from .types import Sound, Speech

SILENT_RATE = 44100  # Hz of a dialogue in which nobody speaks


class MixedDialogue(NamedTuple):
    """waveform: [C, samples]; sample_rate: Hz; peak: of the sum before it was turned down to at most 1."""

    waveform: Tensor
    sample_rate: int
    peak: float


def features_on_timeline(
    speech: Speech | None, frames: int, fps: float, mute: Tensor | None = None, nearest: bool = False
) -> Tensor:
    """One speaker's features for every video frame, silence before and after the recording.

    speech: None for somebody who never speaks; then `mute` is needed.
    frames, fps: of the video, frame f centred at (f + 0.5) / fps seconds. Speech at another fps is
    interpolated.
    mute: [L, C] encoded silence, by default the speech's own.
    nearest: nothing is interpolated; a frame gets what is nearest to its beginning (s2v.py).
    Returns [frames, L, C] float32. What lies before the video or after it is cut.
    """
    check_fps(fps)
    silence = mute if mute is not None else speech.mute if speech is not None else None
    if silence is None:
        raise InteractError(
            "A silent character needs the encoding of silence; connect speech to at least one character."
        )
    silence = silence.float()
    if speech is None:
        return silence.expand(frames, *silence.shape).clone()
    if speech.mute.shape != silence.shape:
        raise InteractError(
            f"One speech has layers and channels {list(speech.mute.shape)}, another {list(silence.shape)}; "
            "encode all speakers with the same audio encoder."
        )
    # One row of silence at each end lets the interpolation run into it and out of it.
    padded = torch.cat([silence[None], speech.features.float(), silence[None]])
    numbers = torch.arange(frames, dtype=torch.float64)
    if nearest:
        return interpolate(padded, ((numbers / fps - speech.start) * speech.fps).round() + 1)
    return interpolate(padded, ((numbers + 0.5) / fps - speech.start) * speech.fps - 0.5 + 1)


def mix_dialogue(
    speeches: Sequence[Speech | Sound], frames: int, fps: float, sample_rate: int | None = None
) -> MixedDialogue:
    """All speakers' sound, and other sounds, together and exactly as long as the video.

    speeches: in any order, each from its own start; [] gives silence.
    sample_rate: Hz of the result, by default the highest among the speeches.
    Returns [C, samples] and rate, C the largest number of channels (mono speakers sound on all of them) and
    samples = round(frames / fps * rate). The sum is left as it is unless its peak passes 1: then the whole
    mix is turned down to a peak of 1, which keeps the balance and distorts nothing.
    """
    check_fps(fps)
    rate = sample_rate or max((speech.sample_rate for speech in speeches), default=SILENT_RATE)
    channels = max((speech.waveform.shape[0] for speech in speeches), default=1)
    mixed = torch.zeros(channels, round(frames / fps * rate))
    for speech in speeches:
        first, inside = _inside(speech, rate, mixed.shape[1])
        mixed[:, first : first + inside.shape[1]] += to_channels(inside, channels)
    peak = mixed.abs().max().item() if mixed.numel() else 0.0
    if peak > 1.0:
        mixed /= peak
    return MixedDialogue(mixed, rate, peak)


def sound_on_timeline(speech: Speech | Sound, frames: int, fps: float, sample_rate: int) -> Tensor:
    """One speaker's sound, or another, as mono from the start of the video to its end.

    sample_rate: Hz of the result. Returns float32 [round(frames / fps * sample_rate)], as it goes into the mixed
    dialogue before that is turned down; silence before and after the recording.
    """
    check_fps(fps)
    track = torch.zeros(round(frames / fps * sample_rate))
    first, inside = _inside(speech, sample_rate, len(track))
    track[first : first + inside.shape[1]] = inside.mean(0)
    return track


def _inside(speech: Speech | Sound, rate: int, samples: int) -> tuple[int, Tensor]:
    """What lies in a video of so many samples at `rate` Hz: its first sample there, and the sound [S, n]."""
    sound = resample(speech.waveform, speech.sample_rate, rate)
    offset = round(speech.start * rate)
    return max(0, offset), sound[:, max(0, -offset) : max(0, samples - offset)]


def frames_for(speeches: list[Speech], fps: float) -> int:
    """Length of a video in which no speech is cut off, in frames, of the form 4n + 1."""
    check_fps(fps)
    if not speeches:
        raise InteractError(
            "Nobody speaks, so no length can be taken from the speech; set the length in frames."
        )
    seconds = max(speech.start + speech.seconds for speech in speeches)
    return snap_frames(ceil(seconds * fps - 1e-6))
