"""A recording in, a Speech out: the encoder's hidden states at the video's frame rate, and its silence."""

from math import ceil, isfinite

import torch
from torch import Tensor

from ..errors import InteractError
from .sound import check_fps, check_waveform, resample
from .types import Speech
from .wav2vec2 import SAMPLE_RATE, Wav2Vec2Encoder

# Attention is quadratic in time and every hidden state is kept, so long recordings are encoded in pieces.
WHOLE_SECONDS = 60.0  # recordings up to here are encoded in one go
CHUNK_SECONDS = 30.0  # longer ones give this much per piece ...
CONTEXT_SECONDS = 5.0  # ... encoded with this much on each side, which is then dropped
SILENCE_SECONDS = 2.0  # of digital silence, averaged into the mute track
VARIANCE_FLOOR = 1e-7  # as transformers' Wav2Vec2FeatureExtractor; also what keeps silence finite


def encode_speech(
    encoder: Wav2Vec2Encoder,
    waveform: Tensor,
    sample_rate: int,
    fps: float = 25.0,
    start: float = 0.0,
    gain: float = 1.0,
) -> Speech:
    """Encode one speaker's recording.

    waveform: [S, samples] or [1, S, samples]; channels are averaged for the encoder and kept in
    Speech.waveform.
    sample_rate: Hz. fps: feature frames per second. start: seconds after the start of the video.
    gain: factor on the sound; an encoder that normalises its input is not affected.
    Raises InteractError for NaN, empty, or 0 Hz sound, a wrong rank, and numbers that are not finite.
    """
    return encode_with_states(encoder, waveform, sample_rate, fps, start, gain)[0]


def encode_with_states(
    encoder: Wav2Vec2Encoder,
    waveform: Tensor,
    sample_rate: int,
    fps: float = 25.0,
    start: float = 0.0,
    gain: float = 1.0,
) -> tuple[Speech, Tensor]:
    """As encode_speech, and beside it the hidden states [T, L, C] at the encoder's own rate."""
    check_fps(fps)
    for name, value in (("start time", start), ("gain", gain)):
        if not isfinite(value):
            raise InteractError(f"The {name} of the speech is {value}; use a finite number.")
    sound = check_waveform(waveform, sample_rate) * gain
    mono = resample(sound.mean(0), int(sample_rate), SAMPLE_RATE)
    states = encode_states(encoder, mono)
    speech = Speech(
        features=states_to_frames(
            states, sound.shape[-1] / sample_rate, fps, encoder.stride, encoder.receptive_field
        ),
        mute=encode_silence(encoder),
        fps=float(fps),
        waveform=sound,
        sample_rate=int(sample_rate),
        start=float(start),
    )
    return speech, states


def encode_silence(encoder: Wav2Vec2Encoder) -> Tensor:
    """The mute track [L, C]: the mean over time of encoded digital silence."""
    if encoder.silence is None:
        encoder.silence = encode_states(encoder, torch.zeros(int(SILENCE_SECONDS * SAMPLE_RATE))).mean(0)
    return encoder.silence.clone()


def encode_states(encoder: Wav2Vec2Encoder, mono: Tensor) -> Tensor:
    """Hidden states [T, L, C] of a whole recording.

    mono: [n] at 16 kHz, n >= 1. Normalised over its whole length, as the public extractors do, so one speaker
    must never be encoded together with another. Over WHOLE_SECONDS it is encoded in overlapping pieces: the
    states then differ a little from those of one pass, for whose attention the whole recording is one
    context. Raises InteractError for states that are not finite.
    """
    states = _states(encoder, mono)
    if not bool(torch.isfinite(states).all()):
        raise InteractError(
            "The audio encoder makes NaN or infinity of a recording that has none: its file is damaged or belongs to "
            "another configuration; fetch it again or load another audio encoder."
        )
    return states


def _states(encoder: Wav2Vec2Encoder, mono: Tensor) -> Tensor:
    """As encode_states, unchecked."""
    if encoder.do_normalize:
        mono = (mono - mono.mean()) / (mono.var(correction=0) + VARIANCE_FLOOR).sqrt()
    stride, field = encoder.stride, encoder.receptive_field
    mono = torch.nn.functional.pad(mono, (0, max(0, field - mono.shape[0])))  # too short for a single state
    if mono.shape[0] <= WHOLE_SECONDS * SAMPLE_RATE:
        return encoder.hidden_states(mono)

    total = (mono.shape[0] - field) // stride + 1
    chunk, context = (int(seconds * SAMPLE_RATE / stride) for seconds in (CHUNK_SECONDS, CONTEXT_SECONDS))
    pieces = []
    for first in range(0, total, chunk):
        last = min(first + chunk, total)
        context_first, context_last = max(0, first - context), min(last + context, total)
        piece = mono[context_first * stride : (context_last - 1) * stride + field]
        pieces.append(encoder.hidden_states(piece)[first - context_first : last - context_first])
    return torch.cat(pieces)


def states_to_frames(states: Tensor, seconds: float, fps: float, stride: int, receptive_field: int) -> Tensor:
    """Hidden states [T, L, C] interpolated linearly to video frames [F, L, C], F = ceil(seconds * fps).

    State i is centred where its receptive field is, frame f at (f + 0.5) / fps; ends are held.
    """
    frames = max(1, ceil(seconds * fps - 1e-6))
    centres = (torch.arange(frames, dtype=torch.float64) + 0.5) / fps
    return interpolate(states, (centres * SAMPLE_RATE - receptive_field / 2) / stride)


def interpolate(track: Tensor, places: Tensor) -> Tensor:
    """Rows of track [T, ...] at fractional indices [F], linearly; outside 0..T-1 the first and last row."""
    places = places.clamp(0, track.shape[0] - 1)
    nearest = places.round()  # 25 fps on 25 fps must copy, whatever (f + 0.5) / fps * fps comes to
    places = torch.where((places - nearest).abs() < 1e-6, nearest, places)
    below = places.floor().long()
    share = (places - below).to(track.dtype).view(-1, *[1] * (track.ndim - 1))
    above = (below + 1).clamp(max=track.shape[0] - 1)
    return torch.lerp(track[below], track[above], share)
