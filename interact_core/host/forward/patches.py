"""The two patch objects that ComfyUI calls inside the blocks.

They hold no state, as every clone of a MODEL shares them. They are excluded from torch.compile: core's
TorchCompileModel reads transformer_options once, when it compiles, and these change with every call.
"""

from collections.abc import Sequence
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..keys import CALL_KEY
from ..tokens.sequence import restore
from .call import CallState, Voices


class AdapterPatch:
    """Keeps the adapter loaded with the model: ComfyUI calls `.models()` of every patch (ModelPatcher)."""

    def __init__(self, patchers: Sequence[ModelPatcher] = ()) -> None:
        self._patchers = tuple(patchers)

    def models(self) -> list[ModelPatcher]:
        return list(self._patchers)


class AudioPatch(AdapterPatch):
    """`attn2_patch`: adds the blended voices to the video tokens, between text cross-attention and FFN."""

    @torch.compiler.disable
    def __call__(self, args: dict[str, Any]) -> Tensor:
        """args: x [B, L, D], transformer_options; returns x, changed in place unless gradients are wanted."""
        return add_voices(args["x"], args["transformer_options"])


class MaskPatch(AdapterPatch):
    """`double_block`: predicts masks from the block's output, and records where values stop being finite.

    After the last block it also gives a shortened sequence its full length again, for core's head.
    """

    @torch.compiler.disable
    def __call__(self, args: dict[str, Any]) -> dict[str, Any]:
        """args: img [B, L, D], block_index, transformer_options and more; returned, img as it is or longer."""
        options = args["transformer_options"]
        call: CallState | None = options.get(CALL_KEY)
        if call is None:
            return args
        if call.probe is not None:
            call.probe.note(args["block_index"], args["img"])
        if call.judge is not None:
            call.judge.see_hidden(args["block_index"], args["img"])
        head = str(args["block_index"])
        if head in call.mask_heads:
            call.mask_logits.append(mask_logits(call, head, args["img"]))
            call.mask_blocks.append(args["block_index"])
        if call.geometry.shortened and args["block_index"] == options["total_blocks"] - 1:
            return {**args, "img": restore(args["img"], call.geometry)}
        return args


def add_voices(x: Tensor, options: dict[str, Any]) -> Tensor:
    """x [B, L, D] of the block that runs, with what its audio layers add to the rows that hear any."""
    call: CallState | None = options.get(CALL_KEY)
    block = options["block_index"]
    if call is None or block in call.injected or str(block) not in call.adapter.audio_blocks:
        return x
    call.injected.add(block)
    for voices in filter(None, (call.voices, call.unvoiced)):
        frames = voices.tokens.shape[2]
        added = injection(call, voices, block, call.geometry.frames_of(x, frames))
        # In place is safe, the block has just made x; but autograd keeps it for the adapter's norm.
        x = x.clone() if added.requires_grad else x
        video = call.geometry.frames_of(x, frames)
        if voices.rows is None:
            video += added
        else:
            video.index_add_(0, voices.rows, added)
    return x


def injection(call: CallState, voices: Voices, block: int, video: Tensor) -> Tensor:
    """What the voices add to video [B, L, D], L = T*h*w, for their rows: [R, L, D] in the same dtype."""
    if voices.rows is not None:
        video = video[voices.rows]
    added = call.adapter.audio_blocks[str(block)](video, voices.tokens, voices.weights, call.attention)
    return (added if voices.strength == 1.0 else added * voices.strength).to(video.dtype)


def mask_logits(call: CallState, head: str, tokens: Tensor) -> Tensor:
    """Logits [R, N, T*h*w] float32 of the mask head `head`, from its block's output [B, L, D]."""
    if call.mask_rows is not None:
        tokens = tokens[call.mask_rows]
    logits = call.mask_heads[head](
        call.geometry.video(tokens),
        reference_features(call, head, tokens),
        *call.positions,
        call.attention,
    )
    return logits.to(torch.float32)


def reference_features(call: CallState, head: str, tokens: Tensor) -> Tensor:
    """[R, N, h*w, D] of a block's output [R, L, D], or of an earlier one's, from the reference cache."""
    if call.geometry.cached:
        assert call.cached is not None, "ReferenceCache.of_call returns what a cached call reads"
        # Nothing is stored where the window that filled the cache had no head (CallBuilder._mask_heads): heads for
        # regions do not use references.
        return call.cached.features.get(head, tokens[:, None, :0])
    features = call.geometry.reference_tokens(tokens)
    if call.cached is not None:
        call.cached.features[head] = features.clone()  # the rest of the sequence can go
    return features
