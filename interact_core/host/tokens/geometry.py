"""Where video and references are in the token sequence of one diffusion-model call."""

from dataclasses import dataclass
from typing import Any

import torch
from comfy.ldm.wan.model import WanModel_S2V
from torch import Tensor

from ...adapter import grid_positions, reference_positions
from ...errors import InteractError


@dataclass(frozen=True, eq=False)
class KeptTokens:
    """Tokens of N references that token pruning keeps, in the order in which the blocks get them.

    See reference_pruning.py. index: [N*K] int64 into all N * h*w, K of each reference. background: how many of them,
    at the end, are background tokens, each of which represents several. representative: [N, h*w] int64 into the N*K:
    for a kept token itself, for a pruned one the nearest background token that was kept.
    """

    index: Tensor
    background: int
    representative: Tensor

    @property
    def each(self) -> int:
        return len(self.index) // len(self.representative)

    @property
    def weight(self) -> float:
        """How many tokens each background token represents, itself included: its weight in attention."""
        return 1.0 + (self.representative.numel() - len(self.index)) / self.background

    def to(self, device: torch.device) -> "KeptTokens":
        """On that device; self if it is there already."""
        if self.index.device == device:
            return self
        return KeptTokens(self.index.to(device), self.background, self.representative.to(device))


@dataclass(frozen=True)
class Geometry:
    """Layout of one call's token sequence: [before | video | references | more], each frame `height * width` tokens.

    frames: for every latent frame of this call its index in the whole video. In a context window these are
        the window's frames, preceded by the causal anchor, if there is one.
    anchors: how many leading frames are such anchors, whose output core throws away (context_windows.py).
    total_frames: latent frames of the whole video.
    height, width: token grid of one frame (latent size / 2).
    offset: tokens before the video (`img_offset` of core's double_block patches: only models with ref_conv).
    references: reference pictures after the video, one frame each (core's `time_dim_concat`).
    kept: which tokens of the references token pruning keeps; None for all of them.
    cached: the references are not in the sequence: their keys and values come from the reference KV cache
        (reference_cache.py).
    group_picture: in the place of references there is one picture that shows everybody (S2V's reference picture); it is
        the model's own, and its motion frames follow.
    """

    frames: tuple[int, ...]
    anchors: int
    total_frames: int
    height: int
    width: int
    offset: int
    references: int
    kept: KeptTokens | None = None
    cached: bool = False
    group_picture: bool = False

    @property
    def frame_tokens(self) -> int:
        return self.height * self.width

    @property
    def video_tokens(self) -> int:
        return len(self.frames) * self.frame_tokens

    @property
    def reference_each(self) -> int:
        """Tokens of each reference in the sequence."""
        if self.cached:
            return 0
        return self.frame_tokens if self.kept is None else self.kept.each

    @property
    def shortened(self) -> bool:
        """Whether the blocks get fewer tokens than core made."""
        return self.references * self.reference_each < self.references * self.frame_tokens

    @property
    def whole_video(self) -> bool:
        """True if this call has every frame in order, so that nothing has to be gathered."""
        return self.frames == tuple(range(self.total_frames))

    def video(self, tokens: Tensor) -> Tensor:
        """tokens [B, L, D] -> the video's own tokens [B, T*h*w, D] (a view)."""
        return self.frames_of(tokens, len(self.frames))

    def frames_of(self, tokens: Tensor, count: int) -> Tensor:
        """tokens [B, L, D] -> those of the first `count` frames of video and references (a view)."""
        return tokens[:, self.offset : self.offset + count * self.frame_tokens]

    def reference_tokens(self, tokens: Tensor) -> Tensor:
        """tokens [B, L, D] -> the references' tokens [B, N, h*w, D], a view unless some were pruned.

        Of a group picture, N is 1.
        """
        start = self.offset + self.video_tokens
        if self.group_picture:
            return tokens[:, None, start : start + self.frame_tokens]
        present = tokens[:, start : start + self.references * self.reference_each]
        if self.kept is not None:
            return present[:, self.kept.representative]
        return present.unflatten(1, (self.references, self.frame_tokens))

    def positions(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """RoPE positions (t, y, x) of the video [T*h*w, 3] and of each reference [N, h*w, 3].

        They are those of the DiT itself: time continues from the video's last frame into the references
        (comfy/ldm/wan/model.py, WanModel._forward), and starts at 0 in every context window.
        """
        frames, height, width = len(self.frames), self.height, self.width
        video = grid_positions(frames, height, width, device)
        return video, reference_positions(self.references, frames, height, width, device)


def frames_of_call(latent_frames: int, transformer_options: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """Geometry's `frames` and `anchors` of a call on so many latent frames (comfy/context_windows.py)."""
    window = transformer_options.get("context_window")
    if window is None:
        return tuple(range(latent_frames)), 0
    anchor = getattr(window, "causal_anchor_index", None)
    lead = () if anchor is None or anchor < 0 else (int(anchor),)
    return lead + tuple(window.index_list), len(lead)


def geometry_of_call(
    model: Any,
    x: Tensor,
    time_dim_concat: Tensor | None,
    transformer_options: dict[str, Any],
    model_kwargs: dict[str, Any],
) -> Geometry:
    """The geometry of a WanModel call, from its arguments.

    model: the WanModel; x: [B, C, T, H, W] latent; time_dim_concat: [B, C, N, H, W] or None.
    """
    _, patch_height, patch_width = model.patch_size
    frames, anchors = frames_of_call(x.shape[2], transformer_options)
    if len(frames) != x.shape[2]:
        raise InteractError(
            f"A context window names {len(frames)} frames, but the model was given {x.shape[2]}: "
            "this context window node is not supported; use ComfyUI's own."
        )
    window = transformer_options.get("context_window")
    offset = 0
    reference_latent = model_kwargs.get("reference_latent")
    if getattr(model, "ref_conv", None) is not None and reference_latent is not None:
        offset = (reference_latent.shape[-2] // patch_height) * (reference_latent.shape[-1] // patch_width)
    return Geometry(
        frames=frames,
        anchors=anchors,
        total_frames=len(frames) if window is None else window.total_frames,
        height=-(-x.shape[3] // patch_height),
        width=-(-x.shape[4] // patch_width),
        offset=offset,
        references=0 if time_dim_concat is None else time_dim_concat.shape[2],
        group_picture=isinstance(model, WanModel_S2V) and reference_latent is not None,
    )
