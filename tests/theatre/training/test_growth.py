"""Wider VAEs and deeper DiTs compute what they grew from, and what is new in them learns."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.adapter import read_adapter
from interacthuman.interact_core.theatre.training import train_dit
from interacthuman.interact_core.theatre.training.batches import Batch, make_batch
from interacthuman.interact_core.theatre.training.growth import block_places, deepen_dit, widen_vae
from interacthuman.interact_core.theatre.training.models import (
    ADAPTER,
    DIT,
    dit_sizes,
    export_vae,
    load_vae,
)
from interacthuman.interact_core.theatre.training.train_dit import AdaptedDiT, DiTRecipe, sizes_in
from interacthuman.interact_core.theatre.training.wan_vae import decode, encode
from interacthuman.interact_core.training.config import BaseKeys
from interacthuman.interact_core.training.data.augmentation import Augmentation
from interacthuman.interact_core.training.models import load_base
from interacthuman.tests.support.theatre.clips import clip_group, speech_bank

SHIPPED = Path(__file__).resolve().parents[3] / "models"
SMALL = {**DIT, "dim": 64, "ffn_dim": 96, "num_heads": 2, "num_layers": 3}
SMALL_ADAPTER = replace(
    ADAPTER,
    model_width=64,
    model_blocks=3,
    audio_heads=2,
    mask_blocks=(0, 2),
    base="theatre, 64 wide, 3 blocks",
)


def test_a_wider_vae_makes_the_same_pictures(vae) -> None:
    frames = torch.rand(1, 3, 9, 48, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    wide = widen_vae(vae, 12)
    with torch.no_grad():
        latents = encode(vae, frames)
        torch.testing.assert_close(encode(wide, frames), latents, rtol=0, atol=1e-2)
        torch.testing.assert_close(decode(wide, latents), decode(vae, latents), rtol=0, atol=1e-2)


def test_all_new_channels_of_a_vae_learn(vae, tmp_path: Path) -> None:
    """Two steps: the first reaches what new channels come out as, the second what they read."""
    wide = widen_vae(vae, 12).train()
    start = {name: value.clone() for name, value in wide.state_dict().items()}
    optimiser = torch.optim.SGD(wide.parameters(), lr=1e-3)
    frames = torch.rand(1, 3, 9, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for _ in range(2):
        optimiser.zero_grad()
        (decode(wide, encode(wide, frames)) - frames).square().mean().backward()
        optimiser.step()
    narrow = vae.state_dict()
    for name, value in wide.state_dict().items():
        grown = value.shape[0] > narrow[name].shape[0]
        if grown and name.endswith("weight") and "to_qkv" not in name:
            new = slice(narrow[name].shape[0], None)  # of the last stack, where there are several
            assert not torch.equal(value[new], start[name][new]), name
    with pytest.raises(ValueError, match="cannot be widened to 4"):
        widen_vae(wide, 4)
    export_vae(wide, tmp_path / "wide.safetensors")
    again = load_vae(tmp_path / "wide.safetensors")
    assert again.decoder.head[0].gamma.shape[0] == 12


def test_old_blocks_spread_evenly() -> None:
    assert block_places(4, 8) == (0, 2, 5, 7) and block_places(4, 4) == (0, 1, 2, 3)
    assert block_places(1, 3) == (0,) and block_places(3, 4) == (0, 2, 3)
    with pytest.raises(ValueError, match="4 blocks cannot be deepened to 3"):
        block_places(4, 3)


def small_batch() -> Batch:
    rng = np.random.default_rng(0)
    return make_batch(rng, clip_group(2).beginning(3), speech_bank(rng), 2, Augmentation(no_audio=0.0))


def small_models(folder: Path) -> Path:
    """A models folder of a model of 3 blocks away from its initial weights."""
    model = AdaptedDiT(0, SMALL, SMALL_ADAPTER)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    train_dit.export(model, folder)
    return folder


@torch.no_grad()
def test_a_deeper_dit_has_exactly_the_same_velocity_and_masks(tmp_path: Path) -> None:
    models, batch = small_models(tmp_path), small_batch()
    outputs = []
    for blocks in (3, 7):
        model = AdaptedDiT(1, *sizes_in(models, blocks)).eval()
        model.load_weights(models)
        outputs.append(model(batch.noise, batch))
        assert len(model.dit.blocks) == blocks
    (velocity, masks), (deeper_velocity, deeper_masks) = outputs
    assert torch.equal(velocity, deeper_velocity) and velocity.abs().max() > 0
    assert len(masks) == len(deeper_masks) == 2
    assert all(torch.equal(a, b) for a, b in zip(masks, deeper_masks))
    assert model.adapter.config.mask_blocks == (0, 6)
    assert model.adapter.config.base == "theatre, 64 wide, 7 blocks"


def test_new_blocks_learn(tmp_path: Path) -> None:
    models, batch = small_models(tmp_path), small_batch()
    model = AdaptedDiT(1, *sizes_in(models, 5))
    model.load_weights(models)
    velocity, _ = model(batch.noise, batch)
    velocity.square().mean().backward()
    new = model.dit.blocks[1]
    for layer in (new.self_attn.o, new.cross_attn.o, new.ffn[2], model.adapter.audio_blocks["1"].o):
        assert not layer.weight.any() and layer.weight.grad.abs().max() > 0


def test_files_of_a_deeper_model_are_read_by_their_own_sizes(tmp_path: Path) -> None:
    models = small_models(tmp_path / "small")
    model = AdaptedDiT(1, *sizes_in(models, 6))
    model.load_weights(models)
    train_dit.export(model, tmp_path / "deep")
    sizes, config = sizes_in(tmp_path / "deep")
    assert sizes == {**SMALL, "num_layers": 6} and config.model_blocks == 6
    file = tmp_path / "deep" / train_dit.DIT_FILE
    base = load_base(BaseKeys(file=str(file), dtype="float32"))  # as ComfyUI detects it
    assert (len(base.blocks), base.dim, base.num_heads, base.ffn_dim) == (6, 64, 2, 96)
    assert sizes_in(tmp_path / "deep", 4)[0]["num_layers"] == 6  # deeper files stay as deep as they are


def test_the_shipped_files_have_the_sizes_of_a_fresh_model() -> None:
    assert dit_sizes(SHIPPED / train_dit.DIT_FILE) == DIT
    assert read_adapter(SHIPPED / train_dit.ADAPTER_FILE)[0] == ADAPTER


def test_a_file_without_sizes_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no sizes in its metadata"):
        dit_sizes(tmp_path / "other.safetensors")


def test_a_warm_start_deepens_and_a_killed_run_goes_on(tmp_path: Path) -> None:
    models = small_models(tmp_path / "models")
    before = shutil.copytree(models, tmp_path / "before")
    recipe = DiTRecipe(steps=1, batch=1, short=1.0, warmup=1, cooldown=1, fused=False, blocks=5)
    clips, bank = {1: clip_group(1).beginning(3)}, speech_bank(np.random.default_rng(4))
    first = train_dit.train_dit(recipe, tmp_path / "run", clips, bank, models, warm=True).state_dict()
    assert sizes_in(before)[0]["num_layers"] == 3 and sizes_in(models)[0]["num_layers"] == 5
    again = train_dit.train_dit(recipe, tmp_path / "run", clips, bank, models, warm=True).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_deepening_keeps_all_that_is_outside_of_the_blocks() -> None:
    model = AdaptedDiT(0, SMALL, SMALL_ADAPTER)
    weights = model.dit.state_dict()
    deeper = deepen_dit(weights, 4)
    assert all(torch.equal(weights[name], deeper[name]) for name in weights if not name.startswith("blocks."))
    assert not deeper["blocks.1.ffn.2.weight"].any()
    assert torch.equal(deeper["blocks.1.ffn.0.weight"], weights["blocks.0.ffn.0.weight"])
