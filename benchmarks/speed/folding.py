"""An experiment: the audio layers' query and output folded into the few keys and values of each frame.

    q(h) k_n = h (Wq^T k_n) + bq k_n        o(sum_n p_n v_n) = sum_n p_n (Wo v_n) + bo

for each head: two products with n audio tokens a head and track take the place of two with the whole width, which is
fewer as long as tracks x tokens are fewer than a head's channels. Each track is then paid by itself, so that a token
need only be gathered for the tracks that it hears. The adapter does not do this: it is measured here first, on a GPU by
`bench speed gpu`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...interact_core.adapter.model import AudioCrossAttention
from ...interact_core.host.forward.attention import adapter_attention
from ..scenes.result import Figure
from .forward import Bench
from .models import build_adapter, cast_of
from .timing import Action, FlopClock, alternate, median, ratio, timed

TOKENS = (32, 8)  # of InfiniteTalk's layers and, by default, of those that `train adapter` makes
BOUND = 1e-3  # share of a track below which a token need not hear it
FRAMES = (
    4  # latent frames folded at a time, so that their keys take no more room than a few copies of the video
)


@dataclass(frozen=True)
class Heard:
    """Who hears a track. tokens: int64 [B * T, M], of each frame those whose share is above a bound, others behind them
    where other frames have more; shares: [B * T, M].
    """

    tokens: Tensor
    shares: Tensor


def hearers(shares: Tensor, bound: float) -> list[Heard]:
    """Of each track; shares [S, B * T, hw]. Waits for the device, once for all blocks of a step."""
    found = []
    for of in shares:
        above = of > bound
        most = int(above.sum(1).max())
        tokens = above.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
        found.append(Heard(tokens, of.gather(1, tokens)))
    return found


def folded(
    audio: AudioCrossAttention,
    video: Tensor,
    tokens: Tensor,
    shares: Tensor,
    heard: Sequence[Heard] | None = None,
) -> Tensor:
    """What `audio(video, tokens, weights)` gives. shares [S, B * T, hw]: the weights, by latent frame; heard: of
    `hearers`, where not every token is to hear every track.
    """
    tracks, rows, each = shares.shape
    x = audio.norm(video).view(rows, each, -1)
    k, v = (layer(tokens).reshape(tracks, rows, tokens.shape[3], -1) for layer in (audio.k, audio.v))
    parts = []
    for first in range(0, rows, FRAMES):
        part = slice(first, first + FRAMES)
        keys, offsets, values = _fold(audio, k[:, part], v[:, part])
        if heard is None:
            out = _mixed(x[part], keys, offsets, values, shares[:, part])
        else:
            out = torch.zeros_like(x[part])
            for track, who in enumerate(heard):
                index = who.tokens[part, :, None].expand(-1, -1, x.shape[-1])
                one = slice(track, track + 1)
                added = _mixed(
                    x[part].gather(1, index), keys[one], offsets[one], values[one], who.shares[None, part]
                )
                out.scatter_add_(1, index, added)
        parts.append(out)
    return torch.cat(parts).view(video.shape) + audio.o.bias


def _fold(audio: AudioCrossAttention, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """k, v [S, R, n, D] -> keys [S, R, H, n, D], what the query's bias adds to their scores [S, R, H, n], and values
    [S, R, H, n, D].
    """
    heads, width = audio.heads, k.shape[-1]
    k = (k - k.mean(2, keepdim=True)) * (width // heads) ** -0.5  # see adapter/model.py: _mix_frames
    k, v = (x.unflatten(-1, (heads, -1)).movedim(-2, 0) for x in (k, v))  # [H, S, R, n, d]
    offsets = (k * audio.q.bias.view(heads, 1, 1, 1, -1)).sum(-1)
    q_rows = audio.q.weight.unflatten(0, (heads, -1))  # [H, d, D]
    o_rows = audio.o.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)  # [H, d, D]
    keys, values = (
        torch.bmm(x.flatten(1, 3), rows).view(heads, *x.shape[1:4], -1)
        for x, rows in ((k, q_rows), (v, o_rows))
    )
    return keys.permute(1, 2, 0, 3, 4), offsets.permute(1, 2, 0, 3), values.permute(1, 2, 0, 3, 4)


def _mixed(x: Tensor, keys: Tensor, offsets: Tensor, values: Tensor, shares: Tensor) -> Tensor:
    """x [R, M, D] to folded keys and values of S tracks, in shares [S, R, M]; [R, M, D] without the output's bias."""
    tracks, rows, heads, each, width = keys.shape
    keys, values = (one.permute(1, 0, 2, 3, 4).reshape(rows, -1, width) for one in (keys, values))
    scores = torch.baddbmm(offsets.transpose(0, 1).reshape(rows, 1, -1), x, keys.transpose(1, 2))
    scores = scores.view(rows, -1, tracks, heads, each)
    mixed = scores.softmax(-1) * shares.permute(1, 2, 0)[..., None, None].to(x)
    return torch.bmm(mixed.flatten(2), values)


@torch.inference_mode()
def folding(bench: Bench) -> list[Figure]:
    """One block's audio layers for two speakers side by side: folded, and gathered besides, over what they are; time,
    products, and both errors against float32.
    """
    return [figure for each in TOKENS for figure in _with_tokens(bench, each)]


def _with_tokens(bench: Bench, each: int) -> list[Figure]:
    adapter = build_adapter(bench.shape, 1, bench.device, bench.dtype, audio_tokens=each).model
    audio, attention = adapter.audio_blocks["0"], adapter_attention(bench.device)
    video, tokens, weights = _inputs(bench, each, adapter.config.audio_context_width)
    shares = weights.view(len(tokens), tokens.shape[2], -1)
    heard = hearers(shares, BOUND)
    actions = {
        "direct": lambda: audio(video, tokens, weights, attention),
        "folded": lambda: folded(audio, video, tokens, shares),
        "gathered": lambda: folded(audio, video, tokens, shares, heard),
    }
    exact = audio.float()(video.float(), tokens.float(), weights, attention)
    audio.to(bench.dtype)
    errors = {name: float((act() - exact).abs().max() / exact.abs().max()) for name, act in actions.items()}
    products = {name: _flops(act) for name, act in actions.items()}
    found = alternate({name: timed(act, bench.device) for name, act in actions.items()}, bench.repeats)
    figures = [Figure(f"direct_{each}_ms", *median(found["direct"], 1000), note=f"{each} tokens a frame")]
    for name in ("folded", "gathered"):
        note = (
            f"{products[name] / products['direct']:.3f} of the products; largest error {errors[name]:.1e} of the "
            f"largest value, {errors['direct']:.1e} as it is"
        )
        figures.append(Figure(f"{name}_over_direct_{each}", *ratio(found[name], found["direct"]), note=note))
    return figures


def _inputs(bench: Bench, each: int, context: int) -> tuple[Tensor, Tensor, Tensor]:
    """Video tokens, audio tokens and shares of two speakers side by side and of the mute track."""
    generator = torch.Generator().manual_seed(4)
    layouts = cast_of(bench.grid, 2).layouts.flatten(1)
    weights = torch.cat((layouts, 1 - layouts.sum(0, keepdim=True)))[:, None].to(bench.device)
    sizes = (1, bench.grid.tokens, bench.shape.width), (3, 1, bench.grid.latent[2], each, context)
    video, tokens = (torch.randn(size, generator=generator).to(bench.device, bench.dtype) for size in sizes)
    return video, tokens, weights


def _flops(action: Action) -> float:
    with FlopClock() as flops:
        action()
    return flops()
