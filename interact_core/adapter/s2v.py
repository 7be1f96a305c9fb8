"""Wan2.2 S2V (arXiv 2508.18621): audio layers that are part of the base model, with our masks.

There is no file of its own, as with HuMo. Keys and arithmetic of one speaker are core's (comfy/ldm/wan/model.py,
WanModel_S2V): a causal encoder of the whole recording, and behind some of the blocks an audio injector, a
cross-attention to the tokens of each latent frame whose input is normalised by the voice (AdaIN). So every voice has
queries of its own here; what they bring is mixed by the masks before the output projection. S2V hears features of 0
where nothing is said at all (the negative of classifier-free guidance), and was never trained without its injectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..sentences import sentence
from .model import Attention, mix_tracks, sdpa_attention


@dataclass(frozen=True)
class S2vConfig:
    """Sizes of one S2V base, read off its layers."""

    model_width: int  # D, channels of a token of the base model
    model_blocks: int
    audio_layers: int  # hidden states of wav2vec2-large: the embedding output and 24 layers
    audio_width: int  # channels of one hidden state
    temporal_stride: int = 4
    fps: float = 16.0
    base: str = "Wan2.2 S2V"
    kind = sentence("kind_s2v")
    encoder = sentence("encoder_s2v")
    null_features = True

    @classmethod
    def of(cls, model: Any) -> "S2vConfig":
        """Read the sizes of core's WanModel_S2V."""
        encoder = model.casual_audio_encoder
        return cls(
            model_width=model.dim,
            model_blocks=len(model.blocks),
            audio_layers=encoder.weights.shape[1],
            audio_width=encoder.encoder.conv1_local.conv.in_channels,
        )


class S2vProjector:
    """wav2vec2 features -> audio tokens for each latent frame, through the base's own causal audio encoder."""

    def __init__(self, encoder: nn.Module) -> None:
        """encoder: core's CausalAudioEncoder, [B, L, C, F] -> [B, T, 1, D] and [B, T, n, D]."""
        self._encoder = encoder

    def __call__(self, features: Tensor) -> Tensor:
        """features [B, F, L, C], F = 4 (T - 1) + 1 -> tokens [B, T, n + 1, D]; fold tracks into B.

        The last token of a frame is the one that AdaIN takes. Core encodes 4 T video frames; of the last four, the
        last latent frame hears the first alone, so that nothing changes without the rest.
        """
        for_norm, tokens = self._encoder(features.permute(0, 2, 3, 1))
        return torch.cat((tokens, for_norm), dim=2)


class S2vBlock:
    """The audio injector behind one block of the base; called as `AudioCrossAttention` is."""

    def __init__(self, injector: Any, norm: Any) -> None:
        """injector: core's WanT2VCrossAttention; norm: core's AdaLayerNorm."""
        self._injector = injector
        self._norm = norm

    def __call__(
        self, video: Tensor, tokens: Tensor, weights: Tensor, attention: Attention = sdpa_attention
    ) -> Tensor:
        """The injection to add to video [B, L, D]; tokens [S, B, T, n + 1, D], weights [S, B or 1, L or 1]."""
        parts, frames = self._injector, tokens.shape[2]
        for_norm, tokens = tokens[..., -1, :], tokens[..., :-1, :]
        k, v = parts.norm_k(parts.k(tokens)), parts.v(tokens)
        shift, scale = self._norm.linear(self._norm.silu(for_norm)).unsqueeze(3).chunk(2, dim=-1)
        plain = self._norm.norm(video).unflatten(1, (frames, -1))  # [B, T, h*w, D]
        mixed: Tensor | None = None
        for track in range(len(tokens)):
            heard = (plain * (1 + scale[track]) + shift[track]).flatten(1, 2)
            q = parts.norm_q(parts.q(heard))
            one = slice(track, track + 1)
            added = mix_tracks(q, k[one], v[one], weights[one], parts.num_heads, attention)
            mixed = added if mixed is None else mixed + added
        return parts.o(mixed)


class S2vAdapter:
    """A view of a base's own audio layers, for as long as a call; to the hooks what `Adapter` is."""

    def __init__(self, model: Any, config: S2vConfig) -> None:
        """model: core's WanModel_S2V."""
        self.config = config
        self.audio_projector = S2vProjector(model.casual_audio_encoder)
        injector = model.audio_injector
        self.audio_blocks = {
            str(block): S2vBlock(injector.injector[number], injector.injector_adain_layers[number])
            for block, number in injector.injected_block_id.items()
        }

    @property
    def mask_heads(self) -> Mapping[str, nn.Module]:
        return {}
