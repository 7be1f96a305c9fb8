"""AUDIO and AUDIO_ENCODER, ours or core's, to the speech of one character or the sound of the scene."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from numbers import Real
from typing import Any

import torch

from ...errors import InteractError, one_line
from ...sentences import Sentence, sentence
from ...speech.encode import SILENCE_SECONDS
from ...speech.from_core import SPEECH_KEY, from_encoder_output
from ...speech.sound import check_waveform, read_waveform
from ...speech.types import Sound, Speech
from ...speech.wav2vec2 import SAMPLE_RATE
from .audio_encoder import InterActAudioEncoder
from .whisper import encode_by_whisper, is_whisper_model

logger = logging.getLogger(__name__)

HIGHEST_RATE = 10**6  # Hz; no sound card comes near


@dataclass(frozen=True, eq=False)
class EncodedRecording:
    """The outputs of InterAct Encode Speech.

    output: AUDIO_ENCODER_OUTPUT; start, end: seconds after the start of the video; duration: seconds; notes: what was
    odd about the recording (speech/sound.py).
    """

    output: dict[str, object]
    start: float
    duration: float
    notes: tuple[Sentence, ...]

    @property
    def end(self) -> float:
        return self.start + self.duration

    @property
    def lines(self) -> tuple[Sentence, ...]:
        """For the node."""
        times = {"start": self.start, "end": self.end, "duration": self.duration}
        place = sentence("speech_place", **{name: f"{seconds:.2f}" for name, seconds in times.items()})
        return (place, *self.notes)


def encode_speech_of(
    encoder: Any, audio: dict[str, Any] | None, start: float = 0.0, gain: float = 1.0, gap: float = 0.0
) -> EncodedRecording:
    """encode_recording, with the place of the recording in the video and what is to be said of it.

    start, gap: seconds; it begins at their sum. Raises InteractError as encode_recording does.
    """
    begin = start + gap
    output = encode_recording(encoder, audio, begin, gain)
    waveform, rate = samples_of(audio)
    made = EncodedRecording(output, begin, waveform.shape[-1] / rate, read_waveform(waveform, rate).notes)
    logger.info("InterAct Encode Speech: %s", " ".join(map(str, made.lines)))
    return made


def encode_recording(
    encoder: Any, audio: dict[str, Any] | None, start: float, gain: float
) -> dict[str, object]:
    """AUDIO_ENCODER_OUTPUT with our Speech in it, from one speaker's AUDIO.

    encoder: InterActAudioEncoder, or core's AudioEncoderModel, which encodes the recording and then silence. start:
    seconds after the start of the video; gain: factor on the sound. Raises InteractError for sound that cannot be
    encoded: none at all, empty, NaN, 0 Hz, a batch.
    """
    waveform, rate = samples_of(audio)
    if isinstance(encoder, InterActAudioEncoder):
        return encoder.encode_audio(waveform, rate, start=start, gain=gain)
    sound = check_waveform(waveform, rate) * gain
    if is_whisper_model(encoder):
        output, mute = encode_by_whisper(encoder, sound, rate)
    else:
        output = encoder.encode_audio(sound[None], rate)
        silence = encoder.encode_audio(torch.zeros(1, 1, int(SILENCE_SECONDS * SAMPLE_RATE)), SAMPLE_RATE)
        mute = from_encoder_output(silence).features.mean(0)
    speech = replace(
        from_encoder_output(output),
        mute=mute,
        waveform=sound,
        sample_rate=rate,
        start=float(start),
        has_sound=True,
    )
    return {**output, SPEECH_KEY: speech}


def scene_track(
    audio: dict[str, Any] | None, gain: float, encoder: Any | None, fed: bool
) -> Sound | Speech | None:
    """The sound of the whole scene from the start of the video, from AUDIO; None for None.

    fed: it also replaces the mute track, so `encoder` (as encode_recording takes it) encodes it. Raises
    InteractError for sound that cannot be encoded, a gain that is not finite, and if it is fed and the sound or the
    encoder is missing.
    """
    if fed and (audio is None or encoder is None):
        missing = "scene_audio" if audio is None else "audio_encoder"
        raise InteractError(
            f"feed_scene is on, but {missing} is not connected: connect it or turn feed_scene off."
        )
    if audio is None:
        return None
    if not isfinite(gain):
        raise InteractError(f"scene_gain is {gain}: use a finite number.")
    try:
        if fed:
            return from_encoder_output(encode_recording(encoder, audio, 0.0, gain))
        waveform, rate = samples_of(audio)
        return Sound(check_waveform(waveform, rate) * gain, rate)
    except InteractError as error:
        raise InteractError(f"scene_audio: {error}") from error


def samples_of(audio: dict[str, Any] | None) -> tuple[torch.Tensor, int]:
    """waveform and sample rate in Hz of AUDIO. Raises InteractError if it holds no sound, or is none."""
    if not isinstance(audio, Mapping | None):
        raise InteractError(f"The audio is a {type(audio).__name__}; connect a node that gives a recording.")
    if not audio or audio.get("waveform") is None:
        raise InteractError(
            "The audio holds no sound, as from a video without a sound track: load a recording."
        )
    waveform, rate = audio["waveform"], _hertz(audio.get("sample_rate"))
    if not isinstance(waveform, torch.Tensor) or waveform.is_complex():
        found = "complex numbers" if isinstance(waveform, torch.Tensor) else f"a {type(waveform).__name__}"
        raise InteractError(f"The audio's samples are {found}; connect a node that gives a recording.")
    if rate is None:
        raise InteractError(
            f"The audio has a sample rate of {one_line(audio.get('sample_rate'), 40)}, expected one in Hz up to "
            f"{HIGHEST_RATE}; load the recording again from its file."
        )
    return waveform, rate


def _hertz(rate: Any) -> int | None:
    """A sample rate as whole Hz, at most HIGHEST_RATE; None for what is none."""
    if isinstance(rate, bool) or not isinstance(rate, Real):
        return None
    try:
        hertz = int(float(rate))
    except (ValueError, OverflowError):  # of what is no number, or infinite
        return None
    return hertz if hertz <= HIGHEST_RATE else None
