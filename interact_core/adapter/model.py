"""The adapter: audio projector, audio cross-attention in every block, mask predictor in some.

InterActHuman (arXiv 2506.09984): mask predictor and local audio injection; OmniHuman-1: the audio path.
Layers come from an `operations` namespace (torch.nn, or one of comfy.ops), and nothing here touches a
weight's values: under ComfyUI's dynamic memory weights are None until they are loaded. Starting values are
`init_adapter`'s.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InteractError
from .config import AdapterConfig
from .rope import rope_angles, rotate

Attention = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""attention(q [B, Lq, D], k [B, Lk, D], v [B, Lk, D], heads) -> softmax(q k^T / sqrt(D / heads)) v"""


def sdpa_attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """torch's own attention as an `Attention`, the signature of ComfyUI's optimized_attention too."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)


def mix_tracks(q: Tensor, k: Tensor, v: Tensor, weights: Tensor, heads: int, attention: Attention) -> Tensor:
    """Cross-attention of every video token to all tracks, summed in the shares of `weights`; [B, L, D].

    q [B, L, D], L = T * h * w with time slowest; k, v [S, B, T, n, D]: each latent frame attends to its own n
    audio tokens only. weights [S, B or 1, L or 1]. A track alone is left to `attention`.
    """
    batch, length, width = q.shape
    tracks, _, frames, tokens = k.shape[:4]
    # Frames are folded into the batch: equal to a dense frame-local mask, and no mask is needed.
    q = q.view(batch * frames, length // frames, width)
    k, v = (x.flatten(1, 2).transpose(0, 1) for x in (k, v))  # [B * T, S, n, D]
    shares = weights.to(q).expand(-1, batch, length).reshape(tracks, batch * frames, -1)
    shares = shares.permute(1, 2, 0)  # [B * T, hw, S]
    if tracks == 1:
        mixed = attention(q, k[:, 0], v[:, 0], heads) * shares
    else:
        # So many frames at a time that their scores take no more room than their tokens do.
        rows = max(1, batch * frames * width // (heads * tracks * tokens))
        parts = [
            _mix_frames(*part, heads)
            for part in zip(q.split(rows), k.split(rows), v.split(rows), shares.split(rows), strict=True)
        ]
        mixed = parts[0] if len(parts) == 1 else torch.cat(parts)
    return mixed.view(batch, length, width)


def _mix_frames(q: Tensor, k: Tensor, v: Tensor, shares: Tensor, heads: int) -> Tensor:
    """Attention of frames q [R, hw, D] to k, v [R, S, n, D], summed in shares [R, hw, S]; [R, hw, D].

    sum_s w_s softmax(q k_s) v_s = [w_1 p_1, w_2 p_2, ...] [v_1, v_2, ...]: another track is a few more keys and
    not another pass over the video. Each track's keys are taken from their mean, which its softmax does not
    feel: scores are kept in the model's dtype, and bfloat16 would lose what distinguishes them (random keys
    with an offset of twice their spread: relative error 0.011, not 0.062; a fused kernel has 0.009).
    """
    tracks, width = k.shape[1], k.shape[-1]
    k = (k - k.mean(2, keepdim=True)) * (width // heads) ** -0.5
    q, k, v = (x.flatten(1, -2).unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = torch.matmul(q, k.transpose(-1, -2)).unflatten(-1, (tracks, -1))  # [R, heads, hw, S, n]
    mixed = (scores.softmax(dim=-1) * shares[:, None, :, :, None]).flatten(-2)
    return torch.matmul(mixed, v).transpose(1, 2).flatten(-2)


class AudioProjector(nn.Module):
    """wav2vec2 hidden states -> a few audio tokens for each latent frame.

    OmniHuman-1 sec. 3: features at the video's frame rate, compressed by an MLP; each latent frame sees its
    own neighbourhood only (InterActHuman: +-5 audio tokens; here `audio_window` video frames on each side).
    """

    def __init__(
        self,
        config: AdapterConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = nn,
    ) -> None:
        super().__init__()
        kwargs = {"device": device, "dtype": dtype}
        self.stride = config.temporal_stride
        self.window = config.audio_window
        self.tokens = config.audio_tokens
        flat = config.window_frames * config.audio_frame_width
        context = config.audio_context_width
        self.frame = operations.Linear(
            config.audio_layers * config.audio_width, config.audio_frame_width, **kwargs
        )
        self.window_norm = operations.LayerNorm(flat, **kwargs)
        self.hidden = operations.Linear(flat, config.audio_hidden, **kwargs)
        self.context = operations.Linear(config.audio_hidden, self.tokens * context, **kwargs)
        self.context_norm = operations.LayerNorm(context, **kwargs)

    def window_index(self, frames: int, device: torch.device | str | None = None) -> Tensor:
        """Video frames [T, stride + 2 * window] that each latent frame sees, of F = `frames` in all.

        Latent frame t covers video frames 4t-3 .. 4t (the first covers frame 0 alone); beyond either end of
        the clip the end frame is repeated. Raises InteractError if F is not stride * (T - 1) + 1.
        """
        if frames < 1 or (frames - 1) % self.stride:
            raise InteractError(
                f"audio features cover {frames} video frames, expected {self.stride}n+1, such as "
                f"{self.stride + 1}."
            )
        last = torch.arange(0, frames, self.stride, device=device)
        offset = torch.arange(1 - self.stride - self.window, self.window + 1, device=device)
        return (last[:, None] + offset[None, :]).clamp(0, frames - 1)

    def forward(self, features: Tensor) -> Tensor:
        """features [B, F, L, C], F = stride (T - 1) + 1 -> tokens [B, T, n, context]; fold tracks into B."""
        index = self.window_index(features.shape[1], features.device)
        frames = self.frame(features.flatten(2))  # [B, F, frame_width]
        windows = frames[:, index].flatten(2)  # [B, T, window_frames * frame_width]
        hidden = F.gelu(self.hidden(self.window_norm(windows)))
        return self.context_norm(self.context(hidden).unflatten(-1, (self.tokens, -1)))


class AudioCrossAttention(nn.Module):
    """Local audio injection: every token gets the tracks in the shares that the masks give it.

    InterActHuman sec. 3 (method.md, "Local injection"): h <- h + m A(h, audio) + (1 - m) A(h, mute), where A
    is a cross-attention to the audio tokens of the token's own latent frame.

    Deviation: the paper applies its identities one after another, each with its own m and 1 - m. Here all of
    them are mixed at once behind ONE query and ONE output projection, o(sum_s w_s a_s) with sum_s w_s = 1.
    For one identity this is the paper's formula exactly; for more, mute enters once and not once per
    identity, and no identity's query depends on who was injected before it. N identities then cost little
    more than one.
    """

    def __init__(
        self,
        config: AdapterConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = nn,
    ) -> None:
        super().__init__()
        kwargs = {"device": device, "dtype": dtype}
        width, context = config.model_width, config.audio_context_width
        self.heads = config.audio_heads
        self.norm = operations.LayerNorm(width, **kwargs)
        self.q = operations.Linear(width, width, **kwargs)
        self.k = operations.Linear(context, width, **kwargs)
        self.v = operations.Linear(context, width, **kwargs)
        self.o = operations.Linear(width, width, **kwargs)

    def forward(
        self, video: Tensor, tokens: Tensor, weights: Tensor, attention: Attention = sdpa_attention
    ) -> Tensor:
        """The injection to add to the video tokens, [B, L, D] (the residual is the caller's).

        video [B, L, D], L = T * h * w with time slowest; tokens [S, B, T, n, context], the last track is
        mute; weights [S, B or 1, L or 1], each in 0..1 and over S summing to 1 (`blend_weights`). A track
        that weighs nothing everywhere is computed all the same: finding out would halt the device.
        """
        q, k, v = self.q(self.norm(video)), self.k(tokens), self.v(tokens)
        return self.o(mix_tracks(q, k, v, weights, self.heads, attention))


class MaskPredictor(nn.Module):
    """Where in the video is the person of ONE reference? A narrow head on the tokens of one block.

    InterActHuman sec. 3 (method.md, "Mask predictor"): a linear projection shared by video and reference
    features, LayerNorm, 3D RoPE, cross-attention (query: video tokens, key and value: the tokens of one
    reference), a 2-layer MLP. Shared across references, so their number is free. The sigmoid is left to the
    caller, for the loss's sake.

    Deviations: the width is `mask_width` (224 meets the paper's 56M parameters), not the model's. The paper
    does not say what the MLP sees besides the attended features; attended features alone always look like the
    reference, so the MLP gets [attended * video, video]: the product compares the two (it reached IoU 0.92 in
    trials/theatre), and the video's own features tell a person from a background. Value and video live in one
    space (`init_adapter` starts q, k, v at identity), hence no output projection: 5 * mask_width^2 in all
    beside the shared projection.
    """

    def __init__(
        self,
        config: AdapterConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = nn,
    ) -> None:
        super().__init__()
        kwargs = {"device": device, "dtype": dtype}
        width = config.mask_width
        self.heads = config.mask_heads
        self.proj = operations.Linear(config.model_width, width, **kwargs)
        self.norm = operations.LayerNorm(width, **kwargs)
        self.q = operations.Linear(width, width, **kwargs)
        self.k = operations.Linear(width, width, **kwargs)
        self.v = operations.Linear(width, width, **kwargs)
        self.hidden = operations.Linear(2 * width, width, **kwargs)
        self.logit = operations.Linear(width, 1, **kwargs)

    def forward(
        self,
        video: Tensor,
        references: Tensor,
        video_positions: Tensor,
        reference_positions: Tensor,
        attention: Attention = sdpa_attention,
    ) -> Tensor:
        """LOGITS [B, N, Lv], one map per reference; take the sigmoid in float32.

        video [B, Lv, D] and references [B, N, Lr, D]: tokens after the block; positions [Lv, 3] and [N, Lr,
        3] in tokens (t, y, x), see `grid_positions` and `reference_positions`.
        """
        batch, count = references.shape[:2]
        seen = self.norm(self.proj(video))  # [B, Lv, m], once for all references
        known = self.norm(self.proj(references))  # [B, N, Lr, m]
        head_width = seen.shape[-1] // self.heads
        cos, sin = rope_angles(video_positions, head_width)
        q = rotate(self.q(seen), self.heads, cos[None], sin[None])
        cos, sin = (x.repeat(batch, 1, 1) for x in rope_angles(reference_positions, head_width))
        known = known.flatten(0, 1)  # [B * N, Lr, m]: each batch row sees one reference only
        k = rotate(self.k(known), self.heads, cos, sin)
        attended = attention(q.repeat_interleave(count, dim=0), k, self.v(known), self.heads)
        seen = seen.repeat_interleave(count, dim=0)
        hidden = F.gelu(self.hidden(torch.cat((attended * seen, seen), dim=-1)))
        return self.logit(hidden).view(batch, count, -1)


class Adapter(nn.Module):
    """All trained parts for one base model: `audio_projector`, `audio_blocks["0".."n-1"]`, `mask_heads[...]`.

    `operations` gives Linear and LayerNorm (torch.nn, comfy.ops.*); `device="meta"` builds the shapes alone.
    """

    def __init__(
        self,
        config: AdapterConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        operations: Any = nn,
    ) -> None:
        super().__init__()
        self.config = config
        common = {"device": device, "dtype": dtype, "operations": operations}
        self.audio_projector = AudioProjector(config, **common)
        self.audio_blocks = nn.ModuleDict(
            {str(block): AudioCrossAttention(config, **common) for block in range(config.model_blocks)}
        )
        self.mask_heads = nn.ModuleDict(
            {str(block): MaskPredictor(config, **common) for block in config.mask_blocks}
        )
