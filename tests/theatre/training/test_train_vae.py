"""Training of the theatre's VAE resumes and learns."""

from __future__ import annotations

from pathlib import Path

import torch
from interacthuman.interact_core.theatre.training.wan_vae import build_wan_vae


def test_vae_training_goes_on_and_learns(tmp_path: Path) -> None:
    from interacthuman.interact_core.theatre.training.train_vae import VAERecipe, train_vae

    recipe = VAERecipe(steps=3, dim=4, pool=2, save_every=1)
    first = train_vae(recipe, tmp_path).state_dict()
    again = train_vae(recipe, tmp_path).state_dict()  # nothing left to do: the checkpoint, as it was
    assert all(torch.equal(first[name], again[name]) for name in first)
    start = build_wan_vae(4).state_dict()
    assert not torch.equal(first["decoder.head.2.weight"], start["decoder.head.2.weight"])
