"""Training of the theatre's DiT: batches follow from seed and step, a killed run equals one that was never
killed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.adapter import read_adapter
from interacthuman.interact_core.theatre.training import train_dit
from interacthuman.interact_core.theatre.training.batches import make_batch
from interacthuman.interact_core.theatre.training.train_dit import BatchDataset, DiTRecipe, batch_loader
from interacthuman.interact_core.training.data.augmentation import Augmentation
from interacthuman.tests.support.theatre.clips import clip_group, speech_bank
from interacthuman.tests.support.training import Killed


def test_a_batch_follows_from_the_seed_and_the_step_alone() -> None:
    clips, bank = {n: clip_group(n) for n in (1, 2)}, speech_bank(np.random.default_rng(3))
    recipe = DiTRecipe(steps=8, batch=1, short=0.5, readers=1)
    batches = BatchDataset(recipe, clips, bank)
    read = list(batch_loader(batches, first=3))  # by another process, from the middle on
    assert len(read) == 5
    for step, batch in enumerate(read, 3):
        for name, value in vars(batches[step]).items():
            assert torch.equal(value, getattr(batch, name)), (step, name)
    # These clips have 7 latent frames: longer cuts leave them whole.
    assert {(len(batch.clean), batch.clean.shape[2]) for batch in map(batches.__getitem__, range(40))} == {
        (1, 7),
        (4, 3),
    }
    other = BatchDataset(DiTRecipe(steps=8, batch=1, short=0.5, seed=1), clips, bank)[3]
    assert not torch.equal(other.t, read[0].t)


def test_motion_prompts_are_learned() -> None:
    model, rng = train_dit.AdaptedDiT(0), np.random.default_rng(0)
    with torch.no_grad():
        model.dit.head.head.weight.normal_(std=0.02)  # it starts at zero, behind which nothing learns
    group = clip_group(1).beginning(1)
    batch = make_batch(rng, group, speech_bank(rng), 1, Augmentation(no_audio=0.0, no_text=0.0))
    velocity, _ = model(batch.clean, batch)
    velocity.square().mean().backward()
    assert model.dit.text_embedding[0].weight.grad.abs().max() > 0


def test_killed_and_resumed_equals_never_killed(tmp_path: Path, monkeypatch) -> None:
    recipe = DiTRecipe(steps=4, batch=1, warmup=1, cooldown=2, save_every=2, fused=False)
    clips, bank = {2: clip_group(2).beginning(3)}, speech_bank(np.random.default_rng(3))
    whole = train_dit.train_dit(recipe, tmp_path / "whole", clips, bank, tmp_path / "models").state_dict()

    calls, draw = [], train_dit.make_batch

    def dies_at_the_fourth(*args):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return draw(*args)

    monkeypatch.setattr(train_dit, "make_batch", dies_at_the_fourth)
    with pytest.raises(Killed):
        train_dit.train_dit(recipe, tmp_path / "killed", clips, bank, tmp_path / "models")
    monkeypatch.setattr(train_dit, "make_batch", draw)
    resumed = train_dit.train_dit(recipe, tmp_path / "killed", clips, bank, tmp_path / "models").state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    rows = [(run / "dit.csv").read_text().splitlines() for run in (tmp_path / "whole", tmp_path / "killed")]
    assert [row.split(",")[:4] for row in rows[0]] == [row.split(",")[:4] for row in rows[1]]


def test_a_warm_start_begins_where_the_shipped_weights_are(tmp_path: Path, monkeypatch) -> None:
    clips, bank = {1: clip_group(1).beginning(3)}, speech_bank(np.random.default_rng(4))
    recipe = DiTRecipe(steps=1, batch=1, warmup=1, seed=1, fused=False)
    train_dit.train_dit(recipe, tmp_path / "first", clips, bank, tmp_path / "models")
    built = []
    monkeypatch.setattr(train_dit, "make_batch", lambda *_: (_ for _ in ()).throw(Killed))
    build = train_dit.AdaptedDiT

    class Recorded(build):
        def train(self, mode: bool = True):
            built.append(self)
            return super().train(mode)

    monkeypatch.setattr(train_dit, "AdaptedDiT", Recorded)
    with pytest.raises(Killed):
        train_dit.train_dit(
            DiTRecipe(steps=1, seed=2, fused=False),
            tmp_path / "second",
            clips,
            bank,
            tmp_path / "models",
            warm=True,
        )

    shipped = read_adapter(tmp_path / "models" / "interact" / "theatre_adapter.safetensors")[1]
    begun = built[0].adapter.state_dict()
    assert all(torch.equal(begun[name], value.float()) for name, value in shipped.items())
