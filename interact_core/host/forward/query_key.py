"""Masks by likeness of queries and keys: a token belongs to whose picture it would look at in one attention head."""

from typing import Any

import torch
from torch import Tensor

from ..keys import CALL_KEY
from ..tokens.geometry import Geometry
from .call import CallState
from .patches import AdapterPatch


class QueryKeyPatch(AdapterPatch):
    """`attn1_patch`, on a MODEL whose affinity recipe, or whose probe, asks for queries and keys."""

    @torch.compiler.disable
    def __call__(self, args: dict[str, Any]) -> Tensor:
        """args: x, q and k [B, L, H, d] with RoPE, transformer_options; returns x as it is."""
        options = args["transformer_options"]
        call: CallState | None = options.get(CALL_KEY)
        block = options["block_index"]
        if call is not None and call.judge is not None and call.judge.compares_heads:
            call.judge.see_heads(block, args["q"], args["k"])
        # VACE blocks come by again under their host's index, always after it.
        if call is not None and block in call.compared_heads and block not in call.compared:
            call.compared.add(block)
            for head in call.compared_heads[block]:
                call.mask_logits.append(logits_of_head(call, args["q"], args["k"], head))
                call.mask_blocks.append(block)
        return args["x"]


def logits_of_head(call: CallState, q: Tensor, k: Tensor, head: int | None) -> Tensor:
    """LOGITS [R, N, T*h*w] float32 of roped q and k [B, L, H, d]; head: None for all together."""
    likeness, rotation = call.likeness, call.rotation
    assert likeness is not None and rotation is not None, (
        "diffusion_model_wrapper sets both where heads are compared"
    )
    video, known = (
        without_rope(_rows(x, call)[:, :, slice(head, None if head is None else head + 1)], rotation).flatten(
            2
        )
        for x in (q, k)
    )
    geometry = call.geometry
    references = geometry.reference_tokens(known) if geometry.references else known[:, None, :0]
    return likeness.of_queries(geometry.video(video), geometry.video(known), references)


def _rows(x: Tensor, call: CallState) -> Tensor:
    return x if call.mask_rows is None else x[call.mask_rows]


def without_rope(x: Tensor, rotation: Tensor) -> Tensor:
    """x [B, L, H, d] turned back, float32; rotation [1, L, 1, d / 2, 2, 2] of core's apply_rope1, the turn forward.

    Tokens behind those that have a rotation (context latents) are left out.
    """
    pairs = x[:, : rotation.shape[1]].float().unflatten(-1, (-1, 2))
    turn = rotation.float()
    return (turn[..., 0, :] * pairs[..., :1] + turn[..., 1, :] * pairs[..., 1:]).flatten(-2)


def rotation_of(model: Any, geometry: Geometry, x: Tensor, options: dict[str, Any]) -> Tensor:
    """The rotations of a call's tokens, as core's WanModel._forward makes them; x [B, C, T, H, W]."""
    frames = len(geometry.frames) + geometry.references + geometry.offset // geometry.frame_tokens
    return model.rope_encode(
        frames, *x.shape[-2:], device=x.device, dtype=x.dtype, transformer_options=options
    )
