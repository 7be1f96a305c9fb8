"""Noise levels, and masks held over a clip at high noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from interacthuman.interact_core.training.data.augmentation import Augmentation, noise_levels, track_weights
from interacthuman.tests.support.theatre.clips import clip_group


def test_masks_of_one_moment_are_held_in_high_noise_only() -> None:
    recipe = Augmentation(held=1.0, held_above=0.6, no_masks_early=0.0, blurred=0.0, dilated=0.0)
    masks = (
        clip_group(2).masks[0] > 127
    ).float()  # others at every moment; hard, so that no gain changes them

    def shares(level: float) -> torch.Tensor:
        rng = np.random.default_rng(0)
        return track_weights(rng, masks, level, recipe).view(3, 7, 8, 12)

    held, true = shares(0.7), shares(0.5)
    assert (held == held[:, :1]).all() and not (true == true[:, :1]).all()
    moments = [(true[:, t] == held[:, 0]).all() for t in range(7)]
    assert sum(moments) == 1  # one of the clip's own


def test_noise_levels_stay_inside_the_schedule() -> None:
    levels = noise_levels(np.random.default_rng(0), 4000)
    assert levels.min() > 0 and levels.max() < 1 and 0.5 < levels.median() < 0.75


def test_a_share_of_the_levels_lies_in_high_noise() -> None:
    levels = noise_levels(np.random.default_rng(0), 4000, high_noise=0.5)
    usual = float((noise_levels(np.random.default_rng(0), 4000) > 0.82).float().mean())
    assert levels.max() < 1
    assert float((levels > 0.82).float().mean()) == pytest.approx(0.5 + 0.5 * usual, abs=0.03)
    assert float((levels > 0.96).float().mean()) > 0.1


def test_without_that_share_the_levels_and_all_later_draws_are_those_of_old() -> None:
    rng, old = np.random.default_rng(3), np.random.default_rng(3)
    levels = noise_levels(rng, 50, Augmentation().high_noise)
    assert torch.equal(levels, torch.from_numpy(1 / (1 + np.exp(-old.normal(0.5, 1.2, 50)))).float())
    assert rng.random() == old.random()
