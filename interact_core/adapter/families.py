"""The kinds of adapter files, recognised by their headers. A kind is a module with the parts of `Adapter`."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from .config import METADATA_KEY, AdapterConfig
from .file import check_keys, open_adapter_file, shapes_of, weights_of
from .model import Adapter
from .multitalk import MARK, MultiTalkAdapter, MultiTalkConfig


class SpeechSizes(Protocol):
    """What the hooks need from the configuration of any kind."""

    model_width: int  # D, channels of a token of the base model
    model_blocks: int
    audio_layers: int  # L, hidden states per frame in Speech.features
    audio_width: int  # C, channels of one hidden state
    temporal_stride: int  # video frames per latent frame
    fps: float  # video frames per second that the audio was read at in training
    base: str  # free text: what it was trained on
    kind: str  # name of this kind of adapter
    encoder: str  # the audio encoder that it needs; messages write it after "load"
    null_features: bool  # frames without a voice get features of 0 and not no audio at all (HuMo)


class SpeechAdapter(Protocol):
    """What the hooks need from an adapter of any kind."""

    config: SpeechSizes
    audio_projector: Callable[[Tensor], Tensor]  # [B, F, L, C] -> tokens [B, T, n, context]
    audio_blocks: Mapping[str, Callable[..., Tensor]]  # by block number; called as AudioCrossAttention
    mask_heads: Mapping[str, nn.Module]  # by block number; called as MaskPredictor; may be empty


def load_any_adapter(path: str | os.PathLike[str], **kwargs: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    """The module for a file, still without its weights, and the weights on the CPU in the file's own dtype.

    kwargs: device, dtype (default: the file's) and operations of the module. Raises InteractError as
    `read_adapter` does, and for a MultiTalk file whose keys or shapes are not such a file's.
    """
    name = os.fspath(path)
    with open_adapter_file(name) as file:
        shapes, metadata = shapes_of(file), file.metadata() or {}
        if MARK in shapes and METADATA_KEY not in metadata:
            kind, config = MultiTalkAdapter, MultiTalkConfig.of(shapes, name)
        else:
            kind, config = Adapter, AdapterConfig.from_metadata(metadata, name)
        check_keys(name, shapes, kind(config, device="meta"))
        weights = weights_of(file, name)
    return kind(config, **{"dtype": next(iter(weights.values())).dtype, **kwargs}), weights
