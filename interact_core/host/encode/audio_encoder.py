"""wav2vec2 as ComfyUI's AUDIO_ENCODER, under ComfyUI's memory management."""

from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import torch
from torch import Tensor

from ...speech.encode import CHUNK_SECONDS, CONTEXT_SECONDS, WHOLE_SECONDS, encode_with_states
from ...speech.from_core import LAYERS_KEY, SAMPLES_KEY, SPEECH_KEY
from ...speech.sound import check_waveform
from ...speech.wav2vec2 import SAMPLE_RATE, Wav2Vec2Encoder, load_wav2vec2

# The peak of memory is at the first convolution, before the sound is shortened: its output, the normalised one and
# the activation, in float32.
ACTIVATION_COPIES = 3


class InterActAudioEncoder:
    """The AUDIO_ENCODER wire value; core's AudioEncoderEncode can use it as if core had loaded it.

    The attributes are those of comfy/audio_encoders/audio_encoders.py AudioEncoderModel.
    """

    def __init__(self, encoder: Wav2Vec2Encoder) -> None:
        self.model = encoder
        self.dtype = torch.float32
        self.model_sample_rate = SAMPLE_RATE
        self.load_device = comfy.model_management.text_encoder_device()
        # Not CoreModelPatcher: its dynamic form streams the weights of comfy.ops layers only, and these are
        # torch's.
        self.patcher = comfy.model_patcher.ModelPatcher(
            encoder,
            load_device=self.load_device,
            offload_device=comfy.model_management.text_encoder_offload_device(),
        )

    def get_sd(self) -> dict[str, Tensor]:
        """The weights under transformers' names."""
        return self.model.model.state_dict()

    def encode_audio(
        self, audio: Tensor, sample_rate: int, fps: float = 25.0, start: float = 0.0, gain: float = 1.0
    ) -> dict[str, object]:
        """Encode one recording [1, S, samples] into an AUDIO_ENCODER_OUTPUT.

        Core's keys: "encoded_audio" [1, T, C], "encoded_audio_all_layers" (L of them), both on the load
        device as core leaves them, "audio_samples" at 16 kHz; and "interact_speech", the Speech at `fps` with
        `start`, `gain`.
        Raises InteractError as encode_speech does.
        """
        sound = check_waveform(audio, sample_rate)  # before any model is moved for it
        seconds = sound.shape[-1] / sample_rate
        comfy.model_management.load_models_gpu(
            [self.patcher],
            memory_required=self._activation_bytes(seconds),
            force_full_load=True,  # torch's own layers cannot run with their weights elsewhere
        )
        speech, states = encode_with_states(self.model, sound, sample_rate, fps, start, gain)
        layers = [layer[None] for layer in states.to(self.load_device).unbind(1)]
        return {
            "encoded_audio": layers[-1],
            LAYERS_KEY: layers,
            SAMPLES_KEY: round(seconds * SAMPLE_RATE),
            SPEECH_KEY: speech,
        }

    def _activation_bytes(self, seconds: float) -> int:
        """Estimated memory that encoding takes beside the weights."""
        at_once = seconds if seconds <= WHOLE_SECONDS else CHUNK_SECONDS + 2 * CONTEXT_SECONDS
        config: Any = self.model.model.config
        return int(ACTIVATION_COPIES * 4 * config.conv_dim[0] * at_once * SAMPLE_RATE / self.model.strides[0])


def load_audio_encoder(path: str | Path) -> InterActAudioEncoder:
    """A wav2vec2 folder or .safetensors file as AUDIO_ENCODER; raises InteractError as load_wav2vec2 does.

    ComfyUI's interrupt stops it between two weights.
    """
    return InterActAudioEncoder(
        load_wav2vec2(path, comfy.model_management.throw_exception_if_processing_interrupted)
    )
