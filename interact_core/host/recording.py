"""AUDIO and AUDIO_ENCODER, ours or core's, to the speech of one character."""

from dataclasses import replace
from typing import Any

import torch

from ..errors import InteractError
from ..speech.encode import SILENCE_SECONDS
from ..speech.from_core import SPEECH_KEY, from_encoder_output
from ..speech.sound import check_waveform
from ..speech.wav2vec2 import SAMPLE_RATE
from .audio_encoder import InterActAudioEncoder


def encode_recording(
    encoder: Any, audio: dict[str, Any] | None, start: float, gain: float
) -> dict[str, object]:
    """AUDIO_ENCODER_OUTPUT with our Speech in it, from one speaker's AUDIO.

    encoder: InterActAudioEncoder, or core's AudioEncoderModel, which is asked for the recording and for its
    silence. start: seconds after the start of the video; gain: factor on the sound. Raises InteractError for
    sound that cannot be heard: none at all, empty, NaN, 0 Hz, a batch.
    """
    if not audio or audio.get("waveform") is None:
        raise InteractError(
            "The audio holds no sound (a video without a sound track gives such): load a recording."
        )
    waveform, rate = audio["waveform"], audio["sample_rate"]
    if isinstance(encoder, InterActAudioEncoder):
        return encoder.encode_audio(waveform, rate, start=start, gain=gain)
    sound = check_waveform(waveform, rate) * gain
    output = encoder.encode_audio(sound[None], rate)
    silence = encoder.encode_audio(torch.zeros(1, 1, int(SILENCE_SECONDS * SAMPLE_RATE)), SAMPLE_RATE)
    speech = replace(
        from_encoder_output(output),
        mute=from_encoder_output(silence).features.mean(0),
        waveform=sound,
        sample_rate=int(rate),
        start=float(start),
    )
    return {**output, SPEECH_KEY: speech}
