"""Frames, masks and reference views are scaled and cropped alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.training.config import ShardKeys
from interacthuman.interact_core.training.data.framing import confidence_per_latent, cover, reference_views
from interacthuman.tests.support.training import HEIGHT, SHARD_KEYS, WIDTH, drawn_sample


def test_frames_and_masks_are_scaled_and_cropped_alike() -> None:
    """A square in the middle of a wide frame stays where it is, for frames and for masks of half the size."""
    frames, masks = torch.zeros(1, 3, 64, 160), torch.zeros(1, 1, 32, 80)
    frames[:, :, 16:48, 64:96], masks[:, :, 8:24, 32:48] = 1, 1
    scaled, mask = (cover(x, (64, 160), 48, 32) for x in (frames, masks))
    assert scaled.shape[2:] == mask.shape[2:] == (32, 48)
    assert scaled[0, 0, 16, 24] > 0.9 and scaled[0, 0, 2, 24] < 0.1 and scaled[0, 0, 16, 4] < 0.1
    assert (scaled[:, :1] - mask).abs().mean() < 0.03


def test_a_latent_frame_has_the_lowest_confidence_of_its_frames() -> None:
    confidence = np.array([[0.2, 1, 1, 0.4, 1, 1, 0.9, 1, 1]], np.float32)
    assert confidence_per_latent(confidence).tolist() == [pytest.approx([0.2, 0.4, 0.9])]


def test_without_pictures_concepts_are_cut_out_of_the_video() -> None:
    sample = drawn_sample(4, references=((), ()))
    views = reference_views(sample, SHARD_KEYS, np.random.default_rng(0))
    assert views.shape == (2, 2, HEIGHT, WIDTH, 3)
    colour = torch.from_numpy(drawn_sample(4).references[0][0][HEIGHT // 2, WIDTH // 2]).float() / 255
    assert (views[0, 0] - colour).abs().sum(-1).amin() < 0.05
    assert (views[0, 0, 0] == 1).all()  # white around
    with pytest.raises(InteractError, match="neither a picture nor a mask"):
        reference_views(
            drawn_sample(4, references=((), ()), masks=None), SHARD_KEYS, np.random.default_rng(0)
        )


def test_crops_show_a_part_of_the_person() -> None:
    keys = ShardKeys(width=WIDTH, height=HEIGHT, views=24, crops=True)
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    picture[4:24, 20:40], picture[24:44, 20:40] = (200, 0, 0), (0, 0, 200)  # head red, legs blue
    views = reference_views(
        drawn_sample(5, references=((picture,), (picture,))), keys, np.random.default_rng(1)
    )
    blue = ((views[0][..., 2] > 0.6) & (views[0][..., 0] < 0.2)).flatten(1).any(1)
    red = ((views[0][..., 0] > 0.6) & (views[0][..., 2] < 0.2)).flatten(1).any(1)
    assert red.all() and blue.any() and not blue.all()
