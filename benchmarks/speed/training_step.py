"""Time of one training step of the theatre, with voices mixed in one attention call and one call for each."""

from __future__ import annotations

import torch
from torch import Tensor

from ...interact_core.adapter import model
from ...interact_core.host.keys import CALL_KEY, ROLE_COND, TRACKS_COND
from ..scenes.result import Figure
from .forward import Bench
from .timing import alternate, median, ratio, timed


def training_step(bench: Bench) -> list[Figure]:
    """A step of the theatre's training, forward and backward, with 4 clips of two puppets."""
    from ...interact_core.host.forward.differentiable import differentiable_host
    from ...interact_core.host.forward.training_run import training_options
    from ...interact_core.theatre.training.models import ADAPTER, build_adapter, build_dit

    clips, frames, height, width = 4, 7, 8, 12
    dit, adapter = build_dit(0).train(), build_adapter(0).train()
    latent = torch.randn(clips, 16, frames, 2 * height, 2 * width)
    pictures = torch.randn(clips, 16, 2, 2 * height, 2 * width)
    sound = torch.randn(clips, 3, 4 * (frames - 1) + 2, ADAPTER.audio_layers, ADAPTER.audio_width)
    weights = torch.rand(clips, 3, frames * height * width).softmax(1)

    def step() -> None:
        options = training_options(adapter, weights)
        with differentiable_host(), torch.autocast("cpu", torch.bfloat16):
            velocity = dit(
                latent,
                torch.full((clips,), 500.0),
                latent.new_zeros(clips, 1, 4096),
                time_dim_concat=pictures,
                transformer_options=options,
                **{TRACKS_COND: sound, ROLE_COND: torch.ones(clips, 1)},
            )
        logits = options[CALL_KEY].mask_logits
        (velocity.float().square().mean() + sum(logit.float().square().mean() for logit in logits)).backward()

    def one_by_one() -> None:
        batched, model.mix_tracks = model.mix_tracks, _one_by_one
        try:
            step()
        finally:
            model.mix_tracks = batched

    cpu = torch.device("cpu")
    found = alternate({"step": timed(step, cpu), "one_by_one": timed(one_by_one, cpu)}, max(5, bench.repeats))
    note = "against voices that are mixed one by one, as they were"
    return [
        Figure("training_step_ms", *median(found["step"], 1000), note="float32 and bfloat16 autocast"),
        Figure("training_step_over_before", *ratio(found["step"], found["one_by_one"]), note=note),
    ]


def _one_by_one(
    q: Tensor, k: Tensor, v: Tensor, weights: Tensor, heads: int, attention: model.Attention
) -> Tensor:
    """The sum that `mix_tracks` forms, with one call of `attention` for every track."""
    batch, length, width = q.shape
    q = q.view(batch * k.shape[2], -1, width)
    per_track = [attention(q, *(x[n].flatten(0, 1) for x in (k, v)), heads) for n in range(len(k))]
    return sum(part.view(batch, length, width) * w.to(part)[..., None] for part, w in zip(per_track, weights))
