"""Encoded clips and the speech bank of the theatre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.theatre.training.clips import (
    FRAMES,
    excerpt,
    make_clip,
    read_bank,
    read_clips,
    to_token_grid,
    write_bank,
)
from interacthuman.tests.support.theatre.clips import clip_group, speech_bank
from safetensors.torch import save_file


def test_excerpt_pads_with_silence_on_both_sides() -> None:
    track, silence = torch.arange(1.0, 31.0), torch.zeros(())
    assert excerpt(track, -5, silence).tolist() == [0] * 5 + list(range(1, 31)) + [0] * (FRAMES - 35)
    assert excerpt(track, 20, silence).tolist() == list(range(21, 31)) + [0] * (FRAMES - 10)
    assert excerpt(torch.arange(200.0), 20, silence).tolist() == list(range(20, 20 + FRAMES))


def test_token_grid_pools_the_frames_of_each_latent_frame() -> None:
    masks = np.zeros((1, FRAMES, 128, 192), np.float32)
    masks[0, 3:5, 16:32, 32:48] = 1  # half of latent frame 1 (frames 1..4), cell (1, 2)
    grid = to_token_grid(masks)
    assert grid.shape == (1, (FRAMES - 1) // 4 + 1, 8, 12)
    assert grid[0, 1, 1, 2] == 128 and int(grid.sum()) == 128


def test_bank_survives_its_file(tmp_path: Path) -> None:
    bank = speech_bank(np.random.default_rng(1))
    write_bank(tmp_path / "bank.safetensors", bank)
    again = read_bank(tmp_path / "bank.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(bank.features, again.features))
    assert all(np.array_equal(a, b) for a, b in zip(bank.openings, again.openings))


def test_a_clip_is_its_seed(vae) -> None:
    bank = speech_bank(np.random.default_rng(2))
    first, second, other = (make_clip(seed, 2, bank, vae) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["latents"], other["latents"])


def test_shards_of_several_puppets_are_read_and_those_of_an_earlier_version_are_named(tmp_path: Path) -> None:
    groups = {"clips_000": clip_group(2), "clips_001": clip_group(1), "clips_002": clip_group(2)}
    for name, group in groups.items():
        save_file(vars(group), tmp_path / f"{name}.safetensors")
    read = read_clips(tmp_path)
    assert list(read) == [1, 2]
    two = [groups["clips_000"], groups["clips_002"]]
    for name, values in vars(read[2]).items():
        assert torch.equal(values, torch.cat([getattr(group, name) for group in two]))
    without_places = {name: values for name, values in vars(clip_group(1)).items() if name != "places"}
    save_file(without_places, tmp_path / "clips_003.safetensors")
    with pytest.raises(ValueError, match="clips_003.safetensors lacks places: an earlier version drew it"):
        read_clips(tmp_path)
