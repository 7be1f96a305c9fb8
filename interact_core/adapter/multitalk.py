"""MultiTalk and InfiniteTalk files (MeiGen-AI, arXiv 2505.22647 and 2508.14033), with our masks.

Keys and arithmetic of one speaker are core's (comfy/ldm/wan/model_multitalk.py), so that with a mask of 1
everywhere the two are equal. For more speakers core tells them apart by rotating queries and keys with places
that it takes from attention to drawn regions; here each speaker is computed as a single one and the
masks mix them, which works for any number of people, and for people who move. These files carry no mask head.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InteractError, one_line
from ..sentences import sentence
from .model import Attention, mix_tracks, sdpa_attention

MARK = "audio_proj.proj1.weight"
"""The key by which core knows these files (comfy_extras/nodes_model_patch.py)."""

HEAD_WIDTH = 128
"""Channels of an attention head in every Wan 2.1; core writes 40 heads, which is this at 14B."""

LARGEST_SIZE = 2**20
"""Far above any size in such a file, and small enough for products of three."""

WAV2VEC2_LAYERS = 12
"""Transformer layers of wav2vec2-base. A file holds only their number times their width."""


@dataclass(frozen=True)
class MultiTalkConfig:
    """Sizes of one file, read off the shapes of its weights."""

    model_width: int  # D, channels of a token of the base model
    model_blocks: int
    audio_width: int  # C, channels of one hidden state
    window: int  # video frames of audio for the first latent frame: an odd number, its own in the middle
    audio_hidden: int
    audio_tokens: int  # n, per latent frame
    audio_context_width: int
    temporal_stride: int = 4
    fps: float = 25.0
    base: str = "Wan 2.1 I2V, as MultiTalk and InfiniteTalk are"
    kind = sentence("kind_multitalk")
    encoder = sentence("encoder_multitalk")
    null_features = False

    @property
    def audio_layers(self) -> int:
        """Hidden states per frame in Speech.features; the first, the embedding, is not used."""
        return WAV2VEC2_LAYERS + 1

    @property
    def heads(self) -> int:
        return self.model_width // HEAD_WIDTH

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]], name: str) -> "MultiTalkConfig":
        """Read the sizes of a file whose keys contain MARK; `name` is only named in errors.

        Raises InteractError, one sentence, where a weight that tells a size is missing or the sizes do not fit
        together.
        """

        def shape(key: str, rank: int) -> Sequence[int]:
            found = shapes.get(key)
            if found is None:
                raise InteractError(
                    f"{name} lacks the weight {key}, which every MultiTalk and InfiniteTalk file has."
                )
            if len(found) != rank or not all(0 < size <= LARGEST_SIZE for size in found):
                raise InteractError(
                    f"{name}: weight {key} has shape {one_line(found)}, expected {rank} sizes of 1 to {LARGEST_SIZE}."
                )
            return found

        hidden, first = shape(MARK, 2)
        later = shape("audio_proj.proj1_vf.weight", 2)[1]
        context = shape("audio_proj.norm.weight", 1)[0]
        width = shape("blocks.0.audio_cross_attn.proj.weight", 2)[0]
        tokens = shape("audio_proj.proj3.weight", 2)[0] // context
        stride = cls.temporal_stride
        each = (later - first) // (stride - 1)  # what one video frame brings: layers times channels
        if (
            each < 1
            or first % each
            or (first // each) % 2 == 0
            or each % WAV2VEC2_LAYERS
            or width % HEAD_WIDTH
            or not tokens
        ):
            raise InteractError(
                f"{name}: the first layers take {first} and {later} values and the base model is {width} wide, which "
                f"are not {WAV2VEC2_LAYERS} layers of a wav2vec2 over an odd number of frames for a Wan model: choose "
                "another file."
            )
        return cls(
            model_width=width,
            model_blocks=len({key.split(".")[1] for key in shapes if key.startswith("blocks.")}),
            audio_width=each // WAV2VEC2_LAYERS,
            window=first // each,
            audio_hidden=hidden,
            audio_tokens=tokens,
            audio_context_width=context,
        )


class MultiTalkProjector(nn.Module):
    """wav2vec2 hidden states -> audio tokens for each latent frame; core's MultiTalkAudioProjModel."""

    def __init__(self, config: MultiTalkConfig, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        self.stride, self.window, self.tokens = config.temporal_stride, config.window, config.audio_tokens
        each, hidden = WAV2VEC2_LAYERS * config.audio_width, config.audio_hidden
        later = config.window + config.temporal_stride - 1
        self.proj1 = operations.Linear(config.window * each, hidden, **kwargs)
        self.proj1_vf = operations.Linear(later * each, hidden, **kwargs)
        self.proj2 = operations.Linear(hidden, hidden, **kwargs)
        self.proj3 = operations.Linear(hidden, config.audio_tokens * config.audio_context_width, **kwargs)
        self.norm = operations.LayerNorm(config.audio_context_width, **kwargs)

    def forward(self, features: Tensor) -> Tensor:
        """features [B, F, L, C], F = stride (T - 1) + 1 -> tokens [B, T, n, context]; fold tracks into B.

        The first latent frame gets the audio of `window` video frames around its own, a later one its four and half a
        window on each side; beyond an end of the clip the end frame is repeated.
        """
        frames, half = features.shape[1], self.window // 2
        layers = features[:, :, 1:].flatten(2)  # [B, F, layers * C]
        around = torch.arange(-half, half + 1, device=features.device).clamp(0, frames - 1)
        last = torch.arange(self.stride, frames, self.stride, device=features.device)
        offset = torch.arange(1 - self.stride - half, half + 1, device=features.device)
        later = (last[:, None] + offset[None, :]).clamp(0, frames - 1)
        hidden = torch.cat(
            (self.proj1(layers[:, around].flatten(1))[:, None], self.proj1_vf(layers[:, later].flatten(2))),
            dim=1,
        ).relu()
        tokens = self.proj3(self.proj2(hidden).relu()).unflatten(-1, (self.tokens, -1))
        return self.norm(tokens)


class MultiTalkAttention(nn.Module):
    """Weights of core's SingleStreamAttention; `q`, `k` and `v` come from `MultiTalkBlock`."""

    def __init__(self, config: MultiTalkConfig, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        width = config.model_width
        self.q_linear = operations.Linear(width, width, **kwargs)
        self.proj = operations.Linear(width, width, **kwargs)
        self.kv_linear = operations.Linear(config.audio_context_width, 2 * width, **kwargs)


class MultiTalkBlock(nn.Module):
    """The audio cross-attention of one block; called as `AudioCrossAttention` is."""

    def __init__(self, config: MultiTalkConfig, operations: Any, **kwargs: Any) -> None:
        super().__init__()
        self.heads = config.heads
        self.audio_cross_attn = MultiTalkAttention(config, operations, **kwargs)
        self.norm_x = operations.LayerNorm(config.model_width, **kwargs)

    def forward(
        self, video: Tensor, tokens: Tensor, weights: Tensor, attention: Attention = sdpa_attention
    ) -> Tensor:
        """The injection to add to video [B, L, D]; tokens [S, B, T, n, context], weights [S, B or 1, L or 1]."""
        parts = self.audio_cross_attn
        k, v = parts.kv_linear(tokens).chunk(2, dim=-1)
        return parts.proj(
            mix_tracks(parts.q_linear(self.norm_x(video)), k, v, weights, self.heads, attention)
        )


class MultiTalkAdapter(nn.Module):
    """All weights of a file; to the hooks what `Adapter` is, without mask heads."""

    def __init__(
        self,
        config: MultiTalkConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = nn,
    ) -> None:
        super().__init__()
        self.config = config
        common = {"operations": operations, "device": device, "dtype": dtype}
        self.audio_proj = MultiTalkProjector(config, **common)
        self.blocks = nn.ModuleDict(
            {str(block): MultiTalkBlock(config, **common) for block in range(config.model_blocks)}
        )

    @property
    def audio_projector(self) -> nn.Module:
        return self.audio_proj

    @property
    def audio_blocks(self) -> nn.ModuleDict:
        return self.blocks

    @property
    def mask_heads(self) -> Mapping[str, nn.Module]:
        return {}
