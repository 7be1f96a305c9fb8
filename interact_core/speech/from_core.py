"""ComfyUI's AUDIO_ENCODER_OUTPUT as Speech, whoever encoded it."""

import logging
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import InteractError
from .encode import states_to_frames
from .sound import check_fps, check_waveform
from .types import Sound, Speech
from .wav2vec2 import SAMPLE_RATE
from .whisper import (
    FRAMES_PER_SECOND,
    STATES_PER_SECOND,
    WHISPER_GROUPS,
    grouped,
    is_whisper,
    silence_behind,
    to_frames,
)

logger = logging.getLogger(__name__)

SPEECH_KEY = "interact_speech"
SOUND_KEY = "interact_sound"  # a Sound: what is heard of this speech, in place of what the encoder passed on
SILENT_KEY = "interact_silent"  # True in the voice of a lane of InterAct Dialogue in which nobody speaks
LAYERS_KEY = "encoded_audio_all_layers"
SAMPLES_KEY = "audio_samples"
# Core's encoders are wav2vec2 and Whisper, both 50 states a second; the first state of wav2vec2 sees 400
# samples.
CORE_STRIDE = 320
CORE_RECEPTIVE_FIELD = 400
QUIET_SHARE = 0.05  # of the states, taken for silence where there is no encoder left to ask
# States over which stillness is averaged, 0.18 s. On two human recordings and five random encoders the states
# found had at most 0.03 of the mean loudness; without averaging a held vowel passed for silence (up to 1.2).
QUIET_WINDOW = 9


def from_encoder_output(output: dict[str, Any], fps: float = 25.0) -> Speech:
    """The Speech on the wire: ours as it is, core's converted.

    output: a dict as core's AudioEncoderEncode returns, with "encoded_audio_all_layers" (a list of [1, T, C])
        and "audio_samples" (at 16 kHz); "interact_speech" holds the Speech where our encoder made it, and
        "interact_sound" a Sound that is to be heard (with_sound).
    fps: feature frames per second for core's output of a wav2vec2; a Speech of ours keeps its own, and a
        whisper's has the 25 of HuMo (whisper.py).

    Core's output lacks two things. The sound itself: without "interact_sound" waveform becomes silence of the
    right length, so the lips move but the dialogue has no voice (Speech.has_sound). The encoder: mute becomes the
    mean of the quietest states (see quiet_mean), which is silence only if the recording has pauses. Encode with our
    node where either matters.
    """
    check_fps(fps)
    speech = output.get(SPEECH_KEY) or _converted(output, fps)
    sound: Sound | None = output.get(SOUND_KEY)
    if sound is None:
        return speech
    return replace(speech, waveform=sound.waveform, sample_rate=sound.sample_rate, has_sound=True)


def with_sound(output: dict[str, Any], waveform: Tensor, sample_rate: int) -> dict[str, Any]:
    """A copy of AUDIO_ENCODER_OUTPUT of which `waveform` is heard in the mixed dialogue; as check_waveform takes it."""
    return {**output, SOUND_KEY: Sound(check_waveform(waveform, sample_rate), int(sample_rate))}


def heard_of(output: dict[str, Any]) -> Speech | Sound | None:
    """What is heard of an AUDIO_ENCODER_OUTPUT, without converting core's; None where there is no sound."""
    speech, sound = output.get(SPEECH_KEY), output.get(SOUND_KEY)
    if speech is None or sound is None:
        return sound or speech
    return replace(sound, start=speech.start)


def _converted(output: dict[str, Any], fps: float) -> Speech:
    """The Speech of core's AUDIO_ENCODER_OUTPUT, without sound."""
    layers, samples = output.get(LAYERS_KEY), output.get(SAMPLES_KEY)
    if not layers and "waveform" in output:
        raise InteractError(
            "It is sound that was not encoded: connect audio_encoder on InterAct Dialogue, or put InterAct Encode "
            "Speech in between."
        )
    if not layers or not isinstance(samples, int) or samples < 1:
        raise InteractError(
            "This audio encoder output has no hidden states; encode the recording with InterAct Encode Speech and a "
            "wav2vec2 model, or whisper for HuMo."
        )
    if any(layer.ndim != 3 or layer.shape[0] != 1 for layer in layers):
        raise InteractError(
            f"This audio encoder output has layers of shape {list(layers[0].shape)}; "
            "encode one recording per speaker, not a batch."
        )
    whisper = is_whisper(layers)
    states = (
        grouped(layers) if whisper else torch.stack([layer[0].detach().float().cpu() for layer in layers], 1)
    )
    if not torch.isfinite(states).all():
        raise InteractError(
            "This audio encoder output contains NaN; check the recording and encode it in float32."
        )
    sound = {"waveform": torch.zeros(1, samples), "sample_rate": SAMPLE_RATE, "has_sound": False}
    if whisper:
        return _speech_of_whisper(states, samples, sound)
    return Speech(
        features=states_to_frames(states, samples / SAMPLE_RATE, fps, CORE_STRIDE, CORE_RECEPTIVE_FIELD),
        mute=quiet_mean(states),
        fps=float(fps),
        **sound,
    )


def layers_and_channels(output: dict[str, Any]) -> tuple[int, int] | None:
    """(L, C) of the Speech of an AUDIO_ENCODER_OUTPUT, without making it; None if it holds none."""
    speech, layers = output.get(SPEECH_KEY), output.get(LAYERS_KEY)
    if speech is not None:
        layer_count, channels = speech.mute.shape
        return layer_count, channels
    if not layers:
        return None
    return WHISPER_GROUPS if is_whisper(layers) else len(layers), layers[0].shape[-1]


def _speech_of_whisper(states: Tensor, samples: int, sound: dict[str, Any]) -> Speech:
    """Whisper in core encodes at most 30 s of a recording, and so does HuMo in core: the rest has no features."""
    if samples / SAMPLE_RATE > states.shape[0] / STATES_PER_SECOND + 0.1:
        logger.warning(
            "Whisper encoded only the first %g s of a recording of %g s: use InterAct Encode Speech, which encodes "
            "all of it.",
            states.shape[0] / STATES_PER_SECOND,
            samples / SAMPLE_RATE,
        )
    silence = silence_behind(states, samples)
    return Speech(
        features=to_frames(states, samples),
        mute=quiet_mean(states) if silence is None else silence,
        fps=FRAMES_PER_SECOND,
        **sound,
    )


def quiet_mean(states: Tensor) -> Tensor:
    """Mean of the quietest QUIET_SHARE of the states [T, L, C], as [L, C]; at least one.

    Loudness cannot be read off the states, but where nothing is said they stand nearly still: quietest are
    those around which they change least, in the embedding output, where context has not yet spread.
    """
    if states.shape[0] < 2:
        return states.mean(0)
    moved = (states[1:, 0] - states[:-1, 0]).norm(dim=-1)
    change = torch.cat([moved[:1], moved]) + torch.cat([moved, moved[-1:]])
    calm = torch.nn.functional.avg_pool1d(
        change[None, None], QUIET_WINDOW, stride=1, padding=QUIET_WINDOW // 2, count_include_pad=False
    )[0, 0]
    count = max(1, round(QUIET_SHARE * states.shape[0]))
    return states[calm.topk(count, largest=False).indices].mean(0)
