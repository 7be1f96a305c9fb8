"""HuMo (Phantom-video, arXiv 2509.08519): audio layers that are part of the base model, with our masks.

There is no file of its own: the layers are those of the loaded base, so LoRAs and quantised weights hold for
them too. Keys and arithmetic of one speaker are core's (comfy/ldm/wan/model.py, HumoWanModel), so that with a
mask of 1 everywhere the two are equal. Unlike the other kinds, HuMo was never trained with its audio left out:
where there is no voice it gets features of 0, and so do its reference pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InteractError
from ..sentences import sentence
from .model import Attention, mix_tracks, sdpa_attention

WINDOW = 8
"""Video frames of audio for each latent frame: its own four and two on each side."""


@dataclass(frozen=True)
class HumoConfig:
    """Sizes of one HuMo base, read off its layers."""

    model_width: int  # D, channels of a token of the base model
    model_blocks: int
    audio_layers: int  # groups of whisper's hidden states: means of its layers by eights, and the last
    audio_width: int  # channels of one hidden state
    audio_tokens: int  # n, per latent frame
    temporal_stride: int = 4
    fps: float = 25.0
    base: str = "HuMo"
    kind = sentence("kind_humo")
    encoder = sentence("encoder_humo")
    null_features = True

    @classmethod
    def of(cls, model: Any) -> "HumoConfig":
        """Read the sizes of core's HumoWanModel. Raises InteractError for a model without HuMo's audio layers."""
        blocks = getattr(model, "blocks", ())
        own = hasattr(model, "audio_proj") and all(hasattr(b, "audio_cross_attn_wrapper") for b in blocks)
        if not own or not len(blocks):
            raise InteractError(
                f"The base model ({type(model).__name__}) has no audio layers of its own, only HuMo and "
                "Wan2.2 S2V have them: choose an adapter file, or load such a model."
            )
        projector = model.audio_proj
        return cls(
            model_width=model.dim,
            model_blocks=len(blocks),
            audio_layers=projector.blocks,
            audio_width=projector.channels,
            audio_tokens=projector.context_tokens,
        )


class HumoProjector:
    """Whisper features -> audio tokens for each latent frame, through the base's own projector."""

    def __init__(self, projector: nn.Module, stride: int) -> None:
        """projector: core's AudioProjModel, [B, T, WINDOW, L, C] -> [B, T, n, context]."""
        self._projector = projector
        self._stride = stride

    def __call__(self, features: Tensor) -> Tensor:
        """features [B, F, L, C], F = stride (T - 1) + 1 -> tokens [B, T, n, context]; fold tracks into B."""
        return self._projector(audio_windows(features, self._stride))


class HumoBlock:
    """The audio cross-attention of one block of the base; called as `AudioCrossAttention` is."""

    def __init__(self, layer: Any) -> None:
        """layer: core's AudioCrossAttentionWrapper."""
        self._layer = layer

    def __call__(
        self, video: Tensor, tokens: Tensor, weights: Tensor, attention: Attention = sdpa_attention
    ) -> Tensor:
        """The injection to add to video [B, L, D]; tokens [S, B, T, n, context], weights [S, B or 1, L or 1]."""
        parts = self._layer.audio_cross_attn
        q = parts.norm_q(parts.q(self._layer.norm1_audio(video)))
        k, v = parts.norm_k(parts.k(tokens)), parts.v(tokens)
        return parts.o(mix_tracks(q, k, v, weights, parts.num_heads, attention))


class HumoAdapter:
    """A view of a base's own audio layers, for as long as a call; to the hooks what `Adapter` is."""

    def __init__(self, model: Any, config: HumoConfig) -> None:
        """model: core's HumoWanModel."""
        self.config = config
        self.audio_projector = HumoProjector(model.audio_proj, config.temporal_stride)
        self.audio_blocks = {
            str(number): HumoBlock(block.audio_cross_attn_wrapper)
            for number, block in enumerate(model.blocks)
        }

    @property
    def mask_heads(self) -> Mapping[str, nn.Module]:
        return {}


def audio_windows(features: Tensor, stride: int = 4) -> Tensor:
    """features [B, F, L, C], F = stride (T - 1) + 1 -> the features of each latent frame, [B, T, WINDOW, L, C].

    A latent frame gets its own `stride` video frames and two on each side; the first has one video frame and
    stands last in a window whose beginning is empty (core's get_audio_emb_window, comfy_extras/nodes_wan.py).
    Beyond the ends of the clip there are zeros.
    """
    reach = (WINDOW - stride) // 2
    # The first latent frame's window is that of a clip with `stride - 1` silent frames before its own.
    padded = F.pad(features, (0, 0, 0, 0, reach + stride - 1, reach))
    return padded.unfold(1, WINDOW, stride).movedim(-1, 2).contiguous()
