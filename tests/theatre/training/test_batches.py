"""The theatre's batches: voices stay with their puppets, conditions are dropped together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from interacthuman.interact_core.theatre.prompts import motion_prompt
from interacthuman.interact_core.theatre.training.batches import SETTLED_ABOVE, Batch, make_batch
from interacthuman.interact_core.theatre.training.clips import SILENT, ClipGroup, excerpt
from interacthuman.interact_core.training.data.augmentation import Augmentation
from interacthuman.tests.support.theatre.clips import clip_group, speech_bank


@pytest.mark.parametrize("puppets", [1, 3])
def test_batches_are_convex_and_keep_each_voice_with_its_puppet(puppets: int) -> None:
    rng = np.random.default_rng(0)
    bank, group = speech_bank(rng), clip_group(puppets)
    batch = make_batch(rng, group, bank, 6, Augmentation())
    torch.testing.assert_close(batch.weights.sum(1), torch.ones(6, 7 * 8 * 12))
    assert batch.weights.min() >= 0
    true_masks = group.masks.float().flatten(0, 1) / 255
    for b in range(6):
        for n in range(puppets):
            mask = batch.masks[b, n].view(7, 8, 12)
            (k,) = (true_masks == mask).flatten(1).all(1).nonzero().flatten().tolist()
            clip, slot = divmod(k, puppets)
            recording, offset = int(group.recordings[clip, slot]), int(group.offsets[clip, slot])
            spoken = bank.features[recording] if recording != SILENT else bank.mute[None]
            expected = excerpt(spoken.float(), offset if recording != SILENT else 100, bank.mute.float())
            torch.testing.assert_close(batch.audio[b, n, : group.frames], expected[: group.frames])


def test_a_batch_of_beginnings_is_of_the_same_clips_and_voices() -> None:
    def batch_of(group: ClipGroup) -> Batch:
        no_change = Augmentation(held=0.0, no_masks_early=0.0, blurred=0.0, dilated=0.0)
        return make_batch(
            np.random.default_rng(0), group, speech_bank(np.random.default_rng(1)), 3, no_change
        )

    group = clip_group(2)
    whole, short = batch_of(group), batch_of(group.beginning(3))
    assert short.clean.shape[2] == short.noise.shape[2] == 3 and short.audio.shape[2] == 9 + 1
    assert torch.equal(short.clean, whole.clean[:, :, :3])
    assert torch.equal(short.emphasis, whole.emphasis[:, :, :3])
    for name in ("masks", "weights"):
        cut, kept = (getattr(batch, name).unflatten(-1, (-1, 8, 12)) for batch in (short, whole))
        assert torch.equal(cut, kept[:, :, :3])
    assert torch.equal(short.audio[:, :, :9], whole.audio[:, :, :9])
    assert torch.equal(short.references, whole.references) and torch.equal(short.t, whole.t)


def test_only_clips_without_audio_lose_their_references() -> None:
    rng = np.random.default_rng(0)
    batch = make_batch(
        rng, clip_group(2), speech_bank(rng), 400, Augmentation(no_audio=0.5, no_references=0.8)
    )
    blank = batch.references.flatten(1).abs().amax(1) == 0
    assert torch.equal(blank, ~batch.has_references)
    no_audio = batch.flag[:, 0] == 0
    assert not (blank & ~no_audio).any()
    assert 0.7 < blank[no_audio].float().mean() < 0.9


def test_the_motion_prompt_says_how_far_puppets_move_and_is_empty_without_references() -> None:
    rng, group = np.random.default_rng(0), clip_group(2)
    recipe = Augmentation(no_audio=0.5, no_references=0.8, no_text=0.3)
    batch = make_batch(rng, group, speech_bank(rng), 400, recipe)
    has_text = batch.text.flatten(1).abs().amax(1) > 0
    assert (
        not (has_text & ~batch.has_references).any()
        and 0.7 < has_text[batch.has_references].float().mean() < 0.88  # one clip of three stands
    )
    prompts = motion_prompt(group.motion)
    assert {int((prompts == text).flatten(1).all(1).nonzero()) for text in batch.text[has_text]} == {0, 1, 2}


def test_puppets_that_are_told_nothing_mostly_stand() -> None:
    group = clip_group(2)  # motion 0, a half and 1
    batch = make_batch(
        np.random.default_rng(0), group, speech_bank(np.random.default_rng(1)), 600, Augmentation()
    )
    told = batch.text.flatten(1).abs().amax(1) > 0
    clip = (batch.clean.flatten(1)[:, None] == group.latents.float().flatten(1)).all(-1).float().argmax(1)
    untold = [(~told & batch.has_references)[clip == k].float().mean() for k in range(3)]
    assert untold[0] > 0.4 and max(untold[1:]) < 0.15


def test_above_the_settled_level_puppets_stand_in_order_and_go_right() -> None:
    group = clip_group(3)
    group.places[:] = torch.tensor([[150.0, 150], [20, 20], [90, 90]])  # left to right: 1, 2, 0
    group.places[1, :, 1] -= 40  # the second clip's go left
    batch = make_batch(
        np.random.default_rng(0), group, speech_bank(np.random.default_rng(1)), 300, Augmentation()
    )
    true = group.masks.float().flatten(2) / 255  # [K, N, T*h*w]
    which = (batch.masks[:, None, :, None] == true[None, :, None]).all(-1)  # [B, K, slot, puppet]
    clip, order = which.flatten(2).any(-1).float().argmax(1), which.any(1).float().argmax(-1)
    early = batch.t > SETTLED_ABOVE
    assert early.sum() > 10 and not (clip[early] == 1).any() and (clip[~early] == 1).any()
    assert (order[early] == torch.tensor([1, 2, 0])).all()
    assert len(set(map(tuple, order[~early].tolist()))) == 6


def test_where_no_clip_is_settled_all_are_drawn_from() -> None:
    group = clip_group(2)
    group.places[..., 1] = group.places[..., 0] - 40
    batch = make_batch(
        np.random.default_rng(0),
        group,
        speech_bank(np.random.default_rng(1)),
        50,
        Augmentation(high_noise=1.0),
    )
    early = batch.clean[batch.t > SETTLED_ABOVE].flatten(1)
    drawn = (early[:, None] == group.latents.float().flatten(1)).all(-1)
    assert drawn.any(0).all() and drawn.any(1).all()
