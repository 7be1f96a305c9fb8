"""Recordings of any length through core's whisper, which encodes 30 seconds at once."""

from typing import Any

import torch
from comfy.audio_encoders.audio_encoders import AudioEncoderModel
from comfy.audio_encoders.whisper import WhisperLargeV3
from torch import Tensor

from ...speech.encode import CONTEXT_SECONDS
from ...speech.from_core import LAYERS_KEY, SAMPLES_KEY
from ...speech.sound import resample
from ...speech.wav2vec2 import SAMPLE_RATE
from ...speech.whisper import STATES_PER_SECOND, WHISPER_SECONDS, grouped, silence_behind

PIECE_SECONDS = WHISPER_SECONDS - 2 * CONTEXT_SECONDS  # of a longer recording, with context on each side


def is_whisper_model(encoder: Any) -> bool:
    """Whether an AUDIO_ENCODER is core's whisper."""
    return isinstance(getattr(encoder, "model", None), WhisperLargeV3)


def encode_by_whisper(encoder: AudioEncoderModel, sound: Tensor, rate: int) -> tuple[dict[str, Any], Tensor]:
    """AUDIO_ENCODER_OUTPUT of a whole recording [S, samples] at `rate` Hz, and its mute track [L, C].

    Up to 30 seconds it is core's own output; a longer recording is encoded in overlapping pieces. Mute is silence
    as it is encoded after this voice, see `silence_behind`.
    """
    mono = resample(sound.mean(0), int(rate), SAMPLE_RATE)
    piece = int(PIECE_SECONDS * SAMPLE_RATE)
    opening = encoder.encode_audio(mono[None, None, :piece], SAMPLE_RATE)[LAYERS_KEY]
    mute = silence_behind(grouped(opening), min(piece, len(mono)))
    assert mute is not None, "a piece is short enough to leave silence after it"
    if len(mono) <= piece:
        layers = opening
    elif len(mono) <= WHISPER_SECONDS * SAMPLE_RATE:
        layers = encoder.encode_audio(mono[None, None], SAMPLE_RATE)[LAYERS_KEY]
    else:
        layers = _in_pieces(encoder, mono, piece)
    return {"encoded_audio": layers[-1], LAYERS_KEY: list(layers), SAMPLES_KEY: len(mono)}, mute


def _in_pieces(encoder: AudioEncoderModel, mono: Tensor, piece: int) -> list[Tensor]:
    """All layers, [1, T, C] each, of a recording [n] at 16 kHz; every piece is encoded with context on both sides."""
    context, per_state = int(CONTEXT_SECONDS * SAMPLE_RATE), SAMPLE_RATE // STATES_PER_SECOND
    parts = []
    for first in range(0, len(mono), piece):
        before = min(first, context)
        sound = mono[first - before : first + piece + context]
        layers = encoder.encode_audio(sound[None, None], SAMPLE_RATE)[LAYERS_KEY]
        own = min(piece, len(mono) - first)
        kept = slice(before // per_state, -(-(before + own) // per_state))
        parts.append([layer[:, kept] for layer in layers])
    return [torch.cat(layer, dim=1) for layer in zip(*parts, strict=True)]
