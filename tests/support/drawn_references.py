"""Casts with drawn reference pictures, and attention that counts their tokens, for tests of pruning and caching."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.tokens.geometry import KeptTokens

WIDTH, HEIGHT = 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS  # 6 x 4 tokens


def drawn(*boxes: tuple[int, int, int, int]) -> Cast:
    """A cast whose pictures are white but for a grey box each: top, bottom, left, right in pixels."""
    cast = tiny_wan.make_cast((True,) * len(boxes))
    people = []
    for person, (top, bottom, left, right) in zip(cast.characters, boxes):
        picture = torch.ones(1, HEIGHT, WIDTH, 3)
        picture[:, top:bottom, left:right] = 0.5
        people.append(replace(person, image=picture))
    return replace(cast, characters=tuple(people))


def sampled(
    model: ModelPatcher, cast: Cast, settings: GuidanceSettings, **options: Any
) -> tuple[Tensor, Tensor]:
    guided, handle = apply_guidance(model, cast, settings)
    samples = tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), **options)
    return samples, collect(handle).masks


def counted(kept: KeptTokens) -> Tensor:
    """[N, h*w]: how often attention counts each token of the references."""
    counts = torch.zeros(kept.representative.numel())
    counts[kept.index] = 1.0
    counts[kept.index[-kept.background :]] = kept.weight
    return counts.view_as(kept.representative)


class Counting:
    """Attention over a whole sequence in which the references' tokens count so often, for the override of core's."""

    def __init__(self, counts: Tensor, video: int) -> None:
        self._bias = torch.cat((torch.ones(video), counts.flatten())).log()

    def __call__(self, chosen: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any) -> Tensor:
        if k.shape[1] != len(self._bias):
            return chosen(q, k, v, heads, **options)
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=self._bias[None].to(q))
        return attended.transpose(1, 2).flatten(2)
