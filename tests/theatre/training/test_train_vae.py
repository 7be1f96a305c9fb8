"""Training of the theatre's VAE resumes and learns, from nothing and from a finished VAE."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.theatre.training import train_vae
from interacthuman.interact_core.theatre.training.models import export_vae, load_vae
from interacthuman.interact_core.theatre.training.train_vae import (
    VAE_FILE,
    VAERecipe,
    held_out_psnr,
    held_out_scenes,
    latent_format,
    start_vae,
)
from interacthuman.interact_core.theatre.training.wan_vae import (
    build_wan_vae,
    encode,
    fold_latent_format,
)


def test_vae_training_goes_on_and_learns(tmp_path: Path) -> None:
    recipe = VAERecipe(steps=3, dim=4, pool=2, save_every=1, held_out=0)
    first = train_vae.train_vae(recipe, tmp_path).state_dict()
    again = train_vae.train_vae(
        recipe, tmp_path
    ).state_dict()  # nothing left to do: the checkpoint, as it was
    assert all(torch.equal(first[name], again[name]) for name in first)
    start = build_wan_vae(4).state_dict()
    assert not torch.equal(first["decoder.head.2.weight"], start["decoder.head.2.weight"])


def finished(folder: Path, vae: torch.nn.Module) -> Path:
    """A models folder with a VAE whose latents are in ComfyUI's Wan latent format, as `train vae` writes it."""
    frames = torch.rand(2, 3, 5, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        z = encode(vae, frames)
    fold_latent_format(vae, z.mean((0, 2, 3, 4)), z.std((0, 2, 3, 4)))
    export_vae(vae, folder / VAE_FILE)
    return folder


def test_a_warm_start_widens_the_finished_vae(tmp_path: Path, vae) -> None:
    models = finished(tmp_path, vae)
    wide = start_vae(VAERecipe(dim=12), models)
    same = start_vae(VAERecipe(dim=4), models)  # never narrower than it is
    assert [x.decoder.head[0].gamma.shape[0] for x in (wide, same)] == [12, 8]
    frames = torch.rand(1, 3, 5, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        old = load_vae(models / VAE_FILE)
        torch.testing.assert_close(encode(wide, frames), encode(old, frames), rtol=1e-3, atol=1e-2)


def test_a_warm_run_writes_its_figures_and_goes_on(tmp_path: Path, monkeypatch) -> None:
    torch.manual_seed(0)
    models = finished(tmp_path / "models", build_wan_vae(4).eval())
    recipe = VAERecipe(steps=2, dim=6, pool=2, save_every=1, held_out=1, held_out_frames=5)
    whole = train_vae.train_vae(recipe, tmp_path / "run", models).state_dict()
    assert whole["decoder.head.0.gamma"].shape[0] == 6
    with (tmp_path / "run" / "vae.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "1"]
    assert all(5 < float(row["psnr"]) < 40 and 5 < float(row["puppet_psnr"]) < 40 for row in rows)
    again = train_vae.train_vae(recipe, tmp_path / "run", models).state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_noise_is_in_units_of_the_normalised_latents() -> None:
    mean, deviation = latent_format(warm=False)
    assert not mean.any() and (deviation == 1).all()
    from comfy.latent_formats import Wan21

    mean, deviation = latent_format(warm=True)
    raw = mean + deviation * torch.randn(1, 16, 2, 3, 3)
    torch.testing.assert_close(Wan21().process_in(raw), (raw - mean) / deviation)


def test_faces_and_mouths_weigh_more_than_puppets_and_these_more_than_the_backdrop() -> None:
    frames, masks = np.zeros((5, 128, 192, 3), np.uint8), np.zeros((5, 128, 192), np.float32)
    masks[:, 40:, 60:130] = 1
    heads = np.tile(np.array([96.0, 64.0, 24.0], np.float32), (1, 5, 1))
    _, weight = train_vae._crop(np.random.default_rng(0), (frames, masks, heads), 5, 48)
    found = set(np.round(weight.numpy(), 3).ravel().tolist())
    assert {3.0, 5.0, 8.0} <= found <= {1.0, 3.0, 5.0, 6.0, 8.0}
    assert weight.dtype == torch.float32


def test_the_held_out_figure_is_that_of_whole_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    (scene,) = held_out_scenes(1, 5)
    assert scene.frames.shape == (5, 128, 192, 3) and 0.05 < scene.puppets.mean() < 0.6
    again = held_out_scenes(1, 5)[0]
    assert np.array_equal(scene.frames, again.frames)
    monkeypatch.setattr(train_vae, "encode", lambda _, frames: frames)
    off_in_puppets = torch.from_numpy(scene.puppets)[None, None] * 0.2
    monkeypatch.setattr(train_vae, "decode", lambda _, frames: frames * (1 - off_in_puppets))
    whole, puppets = held_out_psnr(build_wan_vae(4), [scene])
    share = scene.puppets.mean()
    assert whole == pytest.approx(puppets - 10 * math.log10(share), abs=1e-3)
    assert all(math.isnan(value) for value in held_out_psnr(build_wan_vae(4), []))
