"""The kinds of adapter files, recognised by their headers. A kind is a module with the parts of `Adapter`."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from torch import Size, Tensor

from ..sentences import Sentence
from ..weights_file import Pause, WeightsFile, check_shapes, no_pause, open_weights, shapes_by_block
from .config import METADATA_KEY, AdapterConfig
from .file import WANTED, expected_shapes, shapes_of, weights_of
from .model import Adapter
from .multitalk import MARK, MultiTalkAdapter, MultiTalkConfig
from .packed.core_quantised import quantised_layers, quantised_weights, whole_shapes
from .packed.gguf_file import is_gguf, open_gguf
from .packed.unpacking import Packed


class SpeechSizes(Protocol):
    """What the hooks need from the configuration of any kind; fields that are only read."""

    @property
    def model_width(self) -> int:
        """D, channels of a token of the base model."""
        ...

    @property
    def model_blocks(self) -> int: ...

    @property
    def audio_layers(self) -> int:
        """L, hidden states per frame in Speech.features."""
        ...

    @property
    def audio_width(self) -> int:
        """C, channels of one hidden state."""
        ...

    @property
    def temporal_stride(self) -> int:
        """Video frames per latent frame."""
        ...

    @property
    def fps(self) -> float:
        """Video frames per second that the audio was read at in training."""
        ...

    @property
    def base(self) -> str:
        """Free text: what it was trained on."""
        ...

    @property
    def kind(self) -> Sentence:
        """Name of this kind of adapter."""
        ...

    @property
    def encoder(self) -> Sentence:
        """The audio encoder that it needs; messages write it after "load"."""
        ...

    @property
    def null_features(self) -> bool:
        """Whether frames without a voice get features of 0 and not no audio at all (HuMo, S2V)."""
        ...


class LayersByBlock(Protocol):
    """Layers under the numbers of their blocks, as an nn.ModuleDict and a dict hold them."""

    def __getitem__(self, key: str, /) -> Callable[..., Any]: ...

    def __contains__(self, key: str, /) -> bool: ...

    def __len__(self) -> int: ...


class SpeechAdapter(Protocol):
    """What the hooks need from an adapter of any kind."""

    @property
    def config(self) -> SpeechSizes: ...

    @property
    def audio_projector(self) -> Callable[[Tensor], Tensor]:
        """[B, F, L, C] -> tokens [B, T, n, context]."""
        ...

    @property
    def audio_blocks(self) -> LayersByBlock:
        """Called as AudioCrossAttention."""
        ...

    @property
    def mask_heads(self) -> LayersByBlock:
        """Called as MaskPredictor; may be empty."""
        ...


def load_any_adapter(
    path: str | os.PathLike[str], pause: Pause = no_pause, as_stored: bool = False, **kwargs: Any
) -> tuple[Adapter | MultiTalkAdapter, dict[str, Tensor | Packed]]:
    """The module for a file, still without its weights, and the weights on the CPU in the file's own dtype.

    What a GGUF file has packed comes packed. pause: called between the weights. as_stored: layers in ComfyUI's own
    quantisation come as they are, for layers of ComfyUI's; else float8 is multiplied out, and the rest refused.
    kwargs: device, dtype (default: the file's) and operations of the module.
    Raises InteractError as `read_adapter` does, and for a MultiTalk file whose keys or shapes are not such a file's.
    """
    with open_gguf(path, WANTED) if is_gguf(path) else open_weights(path, WANTED) as file:
        layers = quantised_layers(file) if as_stored and isinstance(file, WeightsFile) else {}
        shapes = whole_shapes(shapes_of(file), layers)
        if MARK in shapes and METADATA_KEY not in file.metadata:
            config = MultiTalkConfig.of(shapes, file.name)
            make, expected = partial(MultiTalkAdapter, config), expected_multitalk_shapes(config)
        else:
            config = AdapterConfig.from_metadata(file.metadata, file.name)
            make, expected = partial(Adapter, config), expected_shapes(config)
        check_shapes(file.name, shapes, expected)
        weights: dict[str, Tensor | Packed] = {}
        if isinstance(file, WeightsFile):
            weights.update(weights_of(file, pause, layers))
            weights.update(quantised_weights(file, layers, pause))
        else:
            weights.update(file.weights(shapes, pause))
    dtype = next((value.dtype for value in weights.values() if isinstance(value, Tensor)), None)
    return make(**{"dtype": dtype, **kwargs}), weights


def expected_multitalk_shapes(config: MultiTalkConfig) -> Iterator[tuple[str, Size]]:
    """As `expected_shapes`, for a MultiTalkAdapter."""
    one = MultiTalkAdapter(replace(config, model_blocks=1), device="meta")
    return shapes_by_block(one, {"blocks": range(config.model_blocks)})
