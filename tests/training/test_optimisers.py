"""The learning rate schedule, and which weights Muon optimises."""

from __future__ import annotations

import pytest
from interacthuman.interact_core.theatre.training import train_dit
from interacthuman.interact_core.training.optimisers import learning_rate, muon_and_adamw


def test_the_rate_rises_holds_and_falls() -> None:
    rates = [learning_rate(step, 100, 2.0, warmup=10, cooldown=20) for step in range(100)]
    assert rates[0] == 0.2 and set(rates[9:81]) == {2.0}
    assert rates[81:] == sorted(rates[81:], reverse=True) and 0 < rates[-1] == pytest.approx(0.1)


def test_a_run_that_is_shorter_than_its_cooldown_learns_all_the_same() -> None:
    rates = [learning_rate(step, 10, 2.0, warmup=1, cooldown=8000) for step in range(10)]
    assert rates == pytest.approx([2.0 * (10 - step) / 10 for step in range(10)])


def test_muon_has_the_matrices_inside_blocks_and_adamw_the_rest() -> None:
    model = train_dit.AdaptedDiT(0)
    optimisers = muon_and_adamw(model, 1e-3)
    names = {id(p): name for name, p in model.named_parameters()}
    muon, adamw = (
        {names[id(p)] for group in optimisers[k].param_groups for p in group["params"]}
        for k in ("muon", "adamw")
    )
    assert "dit.blocks.0.self_attn.q.weight" in muon and "dit.head.head.weight" in adamw
    assert not muon & adamw
    assert muon | adamw == {name for name, p in model.named_parameters() if p.requires_grad}
