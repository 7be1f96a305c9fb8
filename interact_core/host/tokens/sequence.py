"""The blocks' token sequence where reference tokens are pruned, or come from the reference KV cache.

Tokens are taken out before the first block, so that no block computes them, and put back as zeros after the last one,
where core drops the references' output.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from comfy.ldm.wan.model import WanModel
from torch import Tensor

from .geometry import Geometry
from .reference_cache import CachedReferences

CHUNK = 4096
"""Queries whose attention scores are in memory at a time."""

OVERRIDE = "optimized_attention_override"

Replace = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
"""An entry of transformer_options["patches_replace"]["dit"]."""


def can_shorten_sequence(model: WanModel, timestep: Tensor) -> bool:
    """Whether the blocks take a shorter sequence.

    Not for VACE, which adds control to the whole sequence, nor with a timestep for every frame (core's [B, T]), which
    is added to it.
    """
    return type(model).forward_orig is WanModel.forward_orig and timestep.ndim == 1


def can_weight_attention(options: dict[str, Any]) -> bool:
    """Whether proportional attention can be used: another node's attention function takes no weights."""
    return OVERRIDE not in options


def with_shorter_sequence(
    options: dict[str, Any], geometry: Geometry, cached: CachedReferences | None, blocks: int
) -> dict[str, Any]:
    """Entries of the call's transformer_options by which every block gets the sequence of `geometry`.

    cached: keys and values that the call reads, or where it stores them. Block replacements of other nodes are kept,
    inside ours. `restore` undoes it.
    """
    replaced = options.get("patches_replace", {})
    inner = replaced.get("dit", {})
    # Any: torch.compiler.disable, by which `attention` is decorated, has no types.
    sequence: Any = BlockSequence(geometry, cached, options.get(OVERRIDE))
    ours = {("double_block", n): sequence.of_block(n, inner.get(("double_block", n))) for n in range(blocks)}
    return {"patches_replace": {**replaced, "dit": {**inner, **ours}}, OVERRIDE: sequence.attention}


def kept_rows(geometry: Geometry, device: torch.device) -> Tensor:
    """[L'] int64: indices into the whole sequence of the tokens that the blocks get."""
    start = geometry.offset + geometry.video_tokens
    before = torch.arange(start, device=device)
    if geometry.cached:
        return before
    assert geometry.kept is not None, "a sequence is shortened by the cache or by pruning"
    return torch.cat((before, start + geometry.kept.index))


def restore(tokens: Tensor, geometry: Geometry) -> Tensor:
    """tokens [B, L', D] after the last block -> [B, L, D], with zeros for what was taken out."""
    missing = geometry.references * (geometry.frame_tokens - geometry.reference_each)
    return F.pad(tokens, (0, 0, 0, missing))


class BlockSequence:
    """The sequence of one call of the model: its shortened rotary table, and which block runs."""

    def __init__(
        self,
        geometry: Geometry,
        cached: CachedReferences | None,
        attention: Callable[..., Tensor] | None = None,
    ) -> None:
        """attention: another node's override; there is none if tokens are weighted (can_weight_attention)."""
        self._geometry = geometry
        self._cached = cached
        self._other = attention
        self._before = geometry.offset + geometry.video_tokens
        self._length = self._before + geometry.references * geometry.reference_each
        self._rows: Tensor | None = None
        self._freqs: Tensor | None = None
        self._block = 0

    def of_block(self, number: int, inner: Replace | None) -> Replace:
        @torch.compiler.disable(recursive=False)  # see patches.py
        def replace(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
            self._block = number
            if self._geometry.shortened:
                args = self._shortened(args)
            return extra["original_block"](args) if inner is None else inner(args, extra)

        return replace

    def _shortened(self, args: dict[str, Any]) -> dict[str, Any]:
        """The block's arguments. Tokens are taken out before the first block, and later ones get what is left."""
        if self._freqs is None:
            self._rows = kept_rows(self._geometry, args["img"].device)
            self._freqs = args["pe"][:, self._rows]
        args = {**args, "pe": self._freqs}
        if self._block == 0:
            args["img"] = args["img"][:, self._rows]
        return args

    @torch.compiler.disable
    def attention(
        self, chosen: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any
    ) -> Tensor:
        """As transformer_options["optimized_attention_override"].

        Self-attention gets cached references' keys and values too, and every background token weighs as many as it
        represents; cross-attention and all else run as core had chosen.
        """
        own = q.shape[1] == k.shape[1] == self._length and not options.get("skip_reshape")
        if own and self._cached is not None:
            if not self._geometry.cached:
                self._cached.store(self._block, k[:, self._before :], v[:, self._before :])
            elif self._block in self._cached.keys_and_values:
                k, v = self._cached.append_to(self._block, k, v)
            else:  # another node skipped this block when the cache was filled
                own = False
        if own and self._geometry.kept is not None:
            q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
            return self.proportional_attention(q, k, v).transpose(1, 2).flatten(2)
        if self._other is not None:
            return self._other(chosen, q, k, v, heads, **options)
        return chosen(q, k, v, heads, **options)

    def proportional_attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention over [B, H, L, d] in which every key counts as many times as it represents a token.

        Over the background tokens and over all others separately, each with its normaliser, which flash kernels return:
        a bias on the scores would give the same, but without the fast kernels.
        """
        kept = self._geometry.kept
        assert kept is not None, "only pruned tokens are weighted"
        (attended, log_z), (background, log_background) = (
            flash_attention(q, k[:, :, part], v[:, :, part])
            for part in (slice(-kept.background), slice(-kept.background, None))
        )
        share = (log_background + math.log(kept.weight) - log_z).sigmoid()
        return attended.lerp_(background, share.unsqueeze(-1).to(attended))


def flash_attention(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of [B, H, L, d] and the logarithm of its normaliser, [B, H, L] float32.

    By torch's own kernels, whose public function (scaled_dot_product_attention) does not return the latter; if they
    cannot run, it takes a second product with the keys.
    """
    if q.device.type == "cpu":
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[:2]
    if _has_flash(q):
        return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[:2]
    keys = k.transpose(-1, -2) * q.shape[-1] ** -0.5
    log_z = torch.cat([(part @ keys).float().logsumexp(-1) for part in q.split(CHUNK, dim=2)], dim=2)
    return F.scaled_dot_product_attention(q, k, v), log_z


def _has_flash(q: Tensor) -> bool:
    """Half precision on an Nvidia GPU from Ampere on, as torch's flash kernel needs."""
    if q.device.type != "cuda" or torch.version.hip is not None or q.dtype is torch.float32:
        return False
    return torch.cuda.get_device_capability(q.device) >= (8, 0)
