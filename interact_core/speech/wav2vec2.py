"""wav2vec2 from a local folder or file, through transformers, hidden states only.

Nothing here can reach a network: the configuration is read as JSON, the weights as safetensors, and the model
is built from the two. transformers' own `from_pretrained`, with its hub, caches and pickles, is never called.
"""

from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InteractError, one_line
from ..weights_file import Pause, check_shapes, is_out_of_memory, no_pause, shapes_by_block
from .wav2vec2_file import Wav2Vec2File, layers_in, open_wav2vec2

SAMPLE_RATE = 16000  # Hz; the sample rate of every published wav2vec2


class Wav2Vec2Encoder(nn.Module):
    """transformers' Wav2Vec2Model and what is needed to use it right.

    A module around the module, because whoever manages its memory writes attributes on it, `device` among
    them, and a transformers model refuses that one.

    model: the Wav2Vec2Model.
    do_normalize: whether it was trained on recordings of zero mean and unit variance.
    strides, kernels: of the convolutions, in samples of the layer below; they place a hidden state in time.
    layers: L, hidden states per moment: the embedding output and one for each transformer layer.
    width: C, channels of a hidden state.
    silence: [L, C] once encode_silence has asked for it: the weights do not change, and it is 2 s of sound.
    """

    def __init__(self, model: Any, do_normalize: bool) -> None:
        super().__init__()
        self.model: nn.Module = model
        self.do_normalize = do_normalize
        self.strides = tuple(model.config.conv_stride)
        self.kernels = tuple(model.config.conv_kernel)
        self.layers = model.config.num_hidden_layers + 1
        self.width = model.config.hidden_size
        self.silence: Tensor | None = None

    @property
    def stride(self) -> int:
        """Samples from one hidden state to the next (320 in every public size: 50 states a second)."""
        return prod(self.strides)

    @property
    def receptive_field(self) -> int:
        """Samples that the convolutions see for one hidden state (400 in every public size)."""
        return 1 + sum((k - 1) * prod(self.strides[:i]) for i, k in enumerate(self.kernels))

    def hidden_states(self, samples: Tensor) -> Tensor:
        """Hidden states of one stretch of sound.

        samples: [n] at 16 kHz, already normalised, n >= receptive_field, any device.
        Returns [T, L, C] float32 on the CPU, T = (n - receptive_field) // stride + 1.
        """
        weight = next(self.model.parameters())
        with torch.no_grad():
            # Never output_attentions: newer transformers refuse it with SDPA attention.
            output = self.model(samples[None].to(weight), output_hidden_states=True, return_dict=True)
            # transformers 5 reports the last state of a pre-norm model before its final norm, 4 after it.
            states = (*output.hidden_states[:-1], output.last_hidden_state)
        return torch.stack([state[0].float().cpu() for state in states], dim=1)


def load_wav2vec2(path: str | Path, pause: Pause = no_pause) -> Wav2Vec2Encoder:
    """Read a wav2vec2 from disk, in float32 and on the CPU.

    path: a folder (config.json, model.safetensors, perhaps preprocessor_config.json) or one .safetensors
        file, whose header may carry the configuration as JSON under "config".
    pause: called between the weights.
    Raises InteractError for anything that cannot be read as a wav2vec2.
    """
    path = Path(path)
    with open_wav2vec2(path) as file:
        _check_sizes(file, path)
        model = _build(file.settings, path)
        weights = file.weights(model.state_dict(), pause)
        floats = {}
        for key in list(weights):
            pause()
            floats[key] = weights.pop(key).float()
    model.load_state_dict(floats, assign=True)
    return Wav2Vec2Encoder(model, file.do_normalize).eval().requires_grad_(False)


def _check_sizes(file: Wav2Vec2File, path: Path) -> None:
    """Raise InteractError unless the weights are those of the configuration; training heads are left alone.

    The configuration is believed only then: a model of one layer is built, which all its layers have to be like.
    """
    held, said = layers_in(file.shapes), file.settings["num_hidden_layers"]
    if held != said:
        raise InteractError(
            f"The configuration of {path} has {said} layers, but its weights have {held}; use the config.json that "
            "belongs to these weights."
        )
    one = _build({**file.settings, "num_hidden_layers": 1}, path)
    check_shapes(str(path), file.shapes, shapes_by_block(one, {"encoder.layers": range(held)}), others=True)


def _build(settings: dict[str, object], path: Path) -> nn.Module:
    """A Wav2Vec2Model without values: its parameters are on the meta device."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    try:
        with torch.device("meta"):  # the file brings every weight: initialising 300 million takes seconds
            return Wav2Vec2Model(Wav2Vec2Config(**settings))
    except Exception as error:  # whatever a library of any version makes of a stranger's configuration
        if is_out_of_memory(error):
            raise
        raise InteractError(
            f"The wav2vec2 configuration of {path} describes no model that transformers can build ({one_line(error)}); "
            "fetch config.json again."
        ) from error
