"""A run on a borrowed GPU: what fits into its minutes, and that a run that was cut off keeps its plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.theatre.training import gpu_run
from interacthuman.interact_core.theatre.training.clips import SHARD, write_bank
from interacthuman.interact_core.theatre.training.gpu_run import GPURun, Plan
from interacthuman.interact_core.theatre.training.train_dit import DiTRecipe
from interacthuman.interact_core.theatre.training.train_vae import VAE_FILE, VAERecipe
from interacthuman.tests.support.theatre.clips import clip_group, random_vae, speech_bank


def test_what_fits_ends_in_time_and_saves_once_a_minute() -> None:
    assert sum(gpu_run.SHARES.values()) < 1
    steps = gpu_run.steps_in(gpu_run.seconds_of("dit", 15), 0.3)
    assert steps * 0.3 <= 15 * 60 * gpu_run.SHARES["dit"]
    assert gpu_run.save_interval(0.3, steps) == 200 and gpu_run.save_interval(0.3, 40) == 40
    assert gpu_run.steps_in(5, 60) == 1 and gpu_run.clips_in(1, 10, SHARD) == SHARD
    assert gpu_run.clips_in(130, 0.2, SHARD) == 600
    warmup, cooldown = gpu_run.cooldown_of(steps)
    assert 0 < warmup <= 100 and warmup + cooldown <= steps
    with pytest.raises(ValueError, match="more than 0 seconds"):
        gpu_run.steps_in(5, 0)


def test_a_plan_is_made_once(tmp_path: Path) -> None:
    plan, steps, every = gpu_run.planned_steps(tmp_path, Plan(), "vae", 10, lambda: 0.5)
    assert steps in (359, 360) and every == 120 and gpu_run.read_plan(tmp_path) == plan

    def never() -> float:
        raise AssertionError("measured again")

    assert gpu_run.planned_steps(tmp_path, gpu_run.read_plan(tmp_path), "vae", 10, never) == (
        plan,
        steps,
        120,
    )
    assert gpu_run.read_plan(tmp_path / "other") == Plan()


def test_all_stages_run_with_what_was_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple] = []
    ticks = iter(np.arange(0, 1e6, 1.0))
    monkeypatch.setattr(gpu_run.time, "monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr(gpu_run, "seconds_a_step", lambda run: 2.0)

    def vae(recipe: VAERecipe, folder: Path, models: Path, world) -> torch.nn.Module:
        made.append(("vae", recipe.steps, recipe.save_every))
        return random_vae()

    def dit(recipe: DiTRecipe, folder: Path, clips, bank, models: Path, warm: bool) -> None:
        made.append(("dit", recipe.steps, recipe.cooldown, warm))

    monkeypatch.setattr(gpu_run, "train_vae", vae)
    monkeypatch.setattr(gpu_run, "train_dit", dit)
    one = torch.zeros(16), torch.ones(16)
    monkeypatch.setattr(gpu_run, "latent_statistics", lambda vae, world: one)
    monkeypatch.setattr(gpu_run, "write_clips", lambda folder, count, *rest: made.append(("clips", count)))
    monkeypatch.setattr(gpu_run, "read_clips", lambda folder: {1: clip_group(1)})
    write_bank(tmp_path / "bank.safetensors", speech_bank(np.random.default_rng(0)))
    run = GPURun(
        10, tmp_path / "runs", tmp_path / "models", tmp_path / "bank.safetensors", 2, VAERecipe(), DiTRecipe()
    )
    plan = run.train()
    assert (tmp_path / "models" / VAE_FILE).exists()
    assert made[0] == ("vae", 89, 30) and made[1] == ("clips", 200) and made[-1] == ("dit", 149, 74, True)
    assert plan.clips == made[2][1] and plan.clips > 200 and plan.clips % SHARD == 0
    again, made[:] = list(made), []
    assert run.train() == plan  # cut off afterwards: the same steps, and the VAE is not trained again
    assert made == again[2:]
