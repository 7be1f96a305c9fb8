"""The training room: the one-pass VAE against core's, losses against closed forms, a killed run against a
whole one.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.theatre.prompts import FAR, how_far, told
from interacthuman.interact_core.theatre.training import train_dit as dit_room
from interacthuman.interact_core.theatre.training.batches import Batch, make_batch
from interacthuman.interact_core.theatre.training.clips import (
    FRAMES,
    SILENT,
    ClipGroup,
    SpeechBank,
    excerpt,
    make_clip,
    read_bank,
    to_token_grid,
    write_bank,
)
from interacthuman.interact_core.theatre.training.train_dit import Batches, DiTRecipe, ahead, train_dit
from interacthuman.interact_core.theatre.training.wan_vae import (
    build_wan_vae,
    decode,
    encode,
    fold_latent_format,
)
from interacthuman.interact_core.training.data.augmentation import Augmentation, track_weights, noise_levels
from interacthuman.interact_core.training.losses import focal_mask_loss, velocity_loss
from interacthuman.interact_core.training.optimisers import optimisers, learning_rate


@pytest.fixture(scope="module")
def vae() -> torch.nn.Module:
    torch.manual_seed(0)
    vae = build_wan_vae(8).eval()
    for parameter in vae.parameters():  # off its tidy start, so that every layer counts
        parameter.data += 0.05 * torch.randn_like(parameter)
    return vae


@pytest.mark.parametrize("frames", (1, 5, 13))
@torch.no_grad()
def test_one_pass_equals_cores_chunks(vae, frames: int) -> None:
    clip = torch.rand(1, 3, frames, 32, 48) * 2 - 1
    ours, core = encode(vae, clip), vae.encode(clip)
    torch.testing.assert_close(ours, core, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(decode(vae, core), vae.decode(core), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_folding_gives_unit_latents_and_the_same_pictures(vae) -> None:
    import copy

    from comfy.latent_formats import Wan21

    folded, clip = copy.deepcopy(vae), torch.rand(2, 3, 9, 64, 64) * 2 - 1
    z = encode(vae, clip)
    fold_latent_format(folded, z.mean((0, 2, 3, 4)), z.std((0, 2, 3, 4)))
    seen = Wan21().process_in(encode(folded, clip))
    torch.testing.assert_close(seen.mean((0, 2, 3, 4)), torch.zeros(16), rtol=0, atol=1e-4)
    torch.testing.assert_close(seen.std((0, 2, 3, 4)), torch.ones(16), rtol=1e-4, atol=0)
    torch.testing.assert_close(decode(folded, encode(folded, clip)), decode(vae, z), rtol=1e-3, atol=1e-3)


def test_velocity_loss_is_zero_at_the_truth_and_ignores_the_scale_of_emphasis() -> None:
    clean, noise = torch.randn(2, 16, 3, 4, 4), torch.randn(2, 16, 3, 4, 4)
    emphasis = torch.rand(2, 1, 3, 4, 4) + 0.5
    assert velocity_loss(noise - clean, clean, noise, emphasis) == 0
    off = noise - clean + 2.0
    assert velocity_loss(off, clean, noise, 7 * emphasis).item() == pytest.approx(4.0, rel=1e-5)


def test_focal_loss_closed_form() -> None:
    """One positive token at probability p costs (1-p)^2 ln(1/p); a negative one three times (alpha 0.25)
    p^2 ln(1/(1-p)).
    """
    logits, p = torch.tensor([[0.7]]), 1 / (1 + math.exp(-0.7))
    assert focal_mask_loss(logits, torch.ones(1, 1)).item() == pytest.approx(
        (1 - p) ** 2 * -math.log(p), rel=1e-5
    )
    assert focal_mask_loss(logits, torch.zeros(1, 1)).item() == pytest.approx(
        3 * p**2 * -math.log(1 - p), rel=1e-5
    )


def bank_of(rng: np.random.Generator, count: int = 3, frames: int = 60) -> SpeechBank:
    features = [
        torch.randn(frames, 4, 96, generator=torch.Generator().manual_seed(k)).half() for k in range(count)
    ]
    return SpeechBank(
        features, [rng.random(frames).astype(np.float32) for _ in range(count)], torch.zeros(4, 96).half()
    )


def group_of(puppets: int, clips: int = 3) -> ClipGroup:
    g = torch.Generator().manual_seed(puppets)
    return ClipGroup(
        torch.randn(clips, 16, 7, 16, 24, generator=g).half(),
        torch.randn(clips, puppets, 3, 16, 16, 24, generator=g).half(),
        torch.randint(0, 256, (clips, puppets, 7, 8, 12), generator=g, dtype=torch.uint8),
        torch.randint(0, 256, (clips, 1, 7, 8, 12), generator=g, dtype=torch.uint8),
        torch.randint(SILENT, 3, (clips, puppets), generator=g),
        torch.randint(-8, 40, (clips, puppets), generator=g),
        torch.linspace(0, 1, clips),
    )


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


@pytest.mark.parametrize("puppets", (1, 3))
def test_batches_are_convex_and_keep_each_voice_with_its_puppet(puppets: int) -> None:
    rng = np.random.default_rng(0)
    bank, group = bank_of(rng), group_of(puppets)
    batch = make_batch(rng, group, bank, 6, Augmentation())
    torch.testing.assert_close(batch.weights.sum(1), torch.ones(6, 7 * 8 * 12))
    assert batch.weights.min() >= 0
    known = group.masks.float().flatten(0, 1) / 255
    for b in range(6):
        for n in range(puppets):
            mask = batch.masks[b, n].view(7, 8, 12)
            (k,) = (known == mask).flatten(1).all(1).nonzero().flatten().tolist()
            clip, slot = divmod(k, puppets)
            recording, offset = int(group.recordings[clip, slot]), int(group.offsets[clip, slot])
            spoken = bank.features[recording] if recording != SILENT else bank.mute[None]
            expected = excerpt(spoken.float(), offset if recording != SILENT else 100, bank.mute.float())
            torch.testing.assert_close(batch.audio[b, n, : group.frames], expected[: group.frames])


def test_a_batch_of_beginnings_is_of_the_same_clips_and_voices() -> None:
    def batch_of(group: ClipGroup) -> Batch:
        still = Augmentation(held=0.0, no_masks_early=0.0, blurred=0.0, dilated=0.0)
        return make_batch(np.random.default_rng(0), group, bank_of(np.random.default_rng(1)), 3, still)

    group = group_of(2)
    whole, short = batch_of(group), batch_of(group.beginning(3))
    assert short.clean.shape[2] == short.noise.shape[2] == 3 and short.audio.shape[2] == 9 + 1
    assert torch.equal(short.clean, whole.clean[:, :, :3])
    assert torch.equal(short.emphasis, whole.emphasis[:, :, :3])
    for name in ("masks", "weights"):
        cut, kept = (getattr(batch, name).unflatten(-1, (-1, 8, 12)) for batch in (short, whole))
        assert torch.equal(cut, kept[:, :, :3])
    assert torch.equal(short.audio[:, :, :9], whole.audio[:, :, :9])
    assert torch.equal(short.references, whole.references) and torch.equal(short.t, whole.t)


def test_masks_of_one_moment_are_held_in_high_noise_only() -> None:
    recipe = Augmentation(held=1.0, held_above=0.6, no_masks_early=0.0, blurred=0.0, dilated=0.0)
    masks = (group_of(2).masks[0] > 127).float()  # others at every moment; hard, so that no gain changes them

    def shares(level: float) -> torch.Tensor:
        rng = np.random.default_rng(0)
        return track_weights(rng, masks, level, recipe).view(3, 7, 8, 12)

    held, true = shares(0.7), shares(0.5)
    assert (held == held[:, :1]).all() and not (true == true[:, :1]).all()
    moments = [(true[:, t] == held[:, 0]).all() for t in range(7)]
    assert sum(moments) == 1  # one of the clip's own


def test_a_batch_follows_from_the_seed_and_the_step_alone() -> None:
    clips, bank = {n: group_of(n) for n in (1, 2)}, bank_of(np.random.default_rng(3))
    recipe = DiTRecipe(steps=8, batch=1, short=0.5, readers=1)
    batches = Batches(recipe, clips, bank)
    read = list(ahead(batches, first=3))  # by another process, from the middle on
    assert len(read) == 5
    for step, batch in enumerate(read, 3):
        for name, value in vars(batches[step]).items():
            assert torch.equal(value, getattr(batch, name)), (step, name)
    assert {(len(batch.clean), batch.clean.shape[2]) for batch in map(batches.__getitem__, range(8))} == {
        (1, 7),
        (4, 3),
    }
    other = Batches(DiTRecipe(steps=8, batch=1, short=0.5, seed=1), clips, bank)[3]
    assert not torch.equal(other.t, read[0].t)


def test_only_clips_without_audio_lose_their_references() -> None:
    rng = np.random.default_rng(0)
    batch = make_batch(rng, group_of(2), bank_of(rng), 400, Augmentation(no_audio=0.5, no_references=0.8))
    blank = batch.references.flatten(1).abs().amax(1) == 0
    assert torch.equal(blank, ~batch.shown)
    unheard = batch.flag[:, 0] == 0
    assert not (blank & ~unheard).any()
    assert 0.7 < blank[unheard].float().mean() < 0.9


def test_words_say_how_far_puppets_go_and_nothing_where_nobody_is_shown() -> None:
    rng, group = np.random.default_rng(0), group_of(2)
    recipe = Augmentation(no_audio=0.5, no_references=0.8, no_text=0.3)
    batch = make_batch(rng, group, bank_of(rng), 400, recipe)
    said = batch.text.flatten(1).abs().amax(1) > 0
    assert not (said & ~batch.shown).any() and 0.6 < said[batch.shown].float().mean() < 0.8
    sentences = told(group.motion)
    assert {int((sentences == text).flatten(1).all(1).nonzero()) for text in batch.text[said]} == {0, 1, 2}


def test_between_standing_still_and_going_far() -> None:
    still, middle, far = told(torch.tensor([0.0, 0.5, 1.0])).flatten(1)
    torch.testing.assert_close(middle, (still + far) / 2)
    assert abs(torch.cosine_similarity(still, far, dim=0)) < 0.01
    heads = np.zeros((2, 5, 3), np.float32)
    heads[1, :, 0] = (50, 40, 30, 40, 50)  # there and back
    assert how_far(heads) == 20 / FAR and how_far(100 * heads) == 1.0 and how_far(heads[:1]) == 0.0


def test_words_are_learned() -> None:
    puppeteer, rng = dit_room.TheatreModel(0), np.random.default_rng(0)
    with torch.no_grad():
        puppeteer.dit.head.head.weight.normal_(std=0.02)  # it starts at zero, behind which nothing learns
    group = group_of(1).beginning(1)
    batch = make_batch(rng, group, bank_of(rng), 1, Augmentation(no_audio=0.0, no_text=0.0))
    velocity, _ = puppeteer(batch.clean, batch)
    velocity.square().mean().backward()
    assert puppeteer.dit.text_embedding[0].weight.grad.abs().max() > 0


def test_noise_levels_stay_inside_the_schedule() -> None:
    levels = noise_levels(np.random.default_rng(0), 4000)
    assert 0 < levels.min() and levels.max() < 1 and 0.5 < levels.median() < 0.75


def test_bank_survives_its_file(tmp_path: Path) -> None:
    bank = bank_of(np.random.default_rng(1))
    write_bank(tmp_path / "bank.safetensors", bank)
    again = read_bank(tmp_path / "bank.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(bank.features, again.features))
    assert all(np.array_equal(a, b) for a, b in zip(bank.openings, again.openings))


def test_a_clip_is_its_seed(vae) -> None:
    bank = bank_of(np.random.default_rng(2))
    first, second, other = (make_clip(seed, 2, bank, vae) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["latents"], other["latents"])


class Killed(BaseException):
    pass


def test_killed_and_resumed_equals_never_killed(tmp_path: Path, monkeypatch) -> None:
    recipe = DiTRecipe(steps=4, batch=1, warmup=1, cooldown=2, save_every=2, fused=False)
    clips, bank = {2: group_of(2)}, bank_of(np.random.default_rng(3))
    whole = train_dit(recipe, tmp_path / "whole", clips, bank, tmp_path / "models").state_dict()

    calls, draw = [], dit_room.make_batch

    def dies_at_the_fourth(*args):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return draw(*args)

    monkeypatch.setattr(dit_room, "make_batch", dies_at_the_fourth)
    with pytest.raises(Killed):
        train_dit(recipe, tmp_path / "killed", clips, bank, tmp_path / "models")
    monkeypatch.setattr(dit_room, "make_batch", draw)
    resumed = train_dit(recipe, tmp_path / "killed", clips, bank, tmp_path / "models").state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    rows = [(run / "dit.csv").read_text().splitlines() for run in (tmp_path / "whole", tmp_path / "killed")]
    assert [row.split(",")[:4] for row in rows[0]] == [row.split(",")[:4] for row in rows[1]]


def test_the_rate_rises_holds_and_falls() -> None:
    rates = [learning_rate(step, 100, 2.0, warmup=10, cooldown=20) for step in range(100)]
    assert rates[0] == 0.2 and set(rates[9:81]) == {2.0}
    assert rates[81:] == sorted(rates[81:], reverse=True) and 0 < rates[-1] == pytest.approx(0.1)


def test_muon_has_the_matrices_inside_blocks_and_adamw_the_rest() -> None:
    puppeteer = dit_room.TheatreModel(0)
    turned = optimisers(puppeteer, 1e-3)
    names = {id(p): name for name, p in puppeteer.named_parameters()}
    muon, adamw = (
        {names[id(p)] for group in turned[k].param_groups for p in group["params"]} for k in ("muon", "adamw")
    )
    assert "dit.blocks.0.self_attn.q.weight" in muon and "dit.head.head.weight" in adamw
    assert not muon & adamw
    assert muon | adamw == {name for name, p in puppeteer.named_parameters() if p.requires_grad}


def test_a_warm_start_begins_where_the_shipped_weights_are(tmp_path: Path, monkeypatch) -> None:
    clips, bank = {1: group_of(1)}, bank_of(np.random.default_rng(4))
    recipe = DiTRecipe(steps=1, batch=1, warmup=1, seed=1, fused=False)
    train_dit(recipe, tmp_path / "first", clips, bank, tmp_path / "models")
    seen = []
    monkeypatch.setattr(dit_room, "make_batch", lambda *_: (_ for _ in ()).throw(Killed))
    build = dit_room.TheatreModel

    class Seen(build):
        def train(self, mode: bool = True):
            seen.append(self)
            return super().train(mode)

    monkeypatch.setattr(dit_room, "TheatreModel", Seen)
    with pytest.raises(Killed):
        train_dit(
            DiTRecipe(steps=1, seed=2, fused=False),
            tmp_path / "second",
            clips,
            bank,
            tmp_path / "models",
            warm=True,
        )
    from interacthuman.interact_core.adapter import read_adapter

    shipped = read_adapter(tmp_path / "models" / "interact" / "theatre_adapter.safetensors")[1]
    begun = seen[0].adapter.state_dict()
    assert all(torch.equal(begun[name], value.float()) for name, value in shipped.items())


def test_vae_training_goes_on_and_learns(tmp_path: Path) -> None:
    from interacthuman.interact_core.theatre.training.train_vae import VAERecipe, train_vae

    recipe = VAERecipe(steps=3, dim=4, pool=2, save_every=1)
    first = train_vae(recipe, tmp_path).state_dict()
    again = train_vae(recipe, tmp_path).state_dict()  # nothing left to do: the checkpoint, as it was
    assert all(torch.equal(first[name], again[name]) for name in first)
    start = build_wan_vae(4).state_dict()
    assert not torch.equal(first["decoder.head.2.weight"], start["decoder.head.2.weight"])


def test_a_fresh_vae_already_carries_colours() -> None:
    torch.manual_seed(0)
    vae = build_wan_vae(8).eval()
    red, blue = (torch.full((1, 3, 5, 32, 32), -0.6) for _ in range(2))
    red[:, 0], blue[:, 2] = 0.8, 0.8
    with torch.no_grad():
        out_red, out_blue = (decode(vae, encode(vae, x)).mean((0, 2, 3, 4)) for x in (red, blue))
    assert out_red.argmax() == 0 and out_blue.argmax() == 2


def test_settings_reach_the_recipe_that_has_them() -> None:
    from interacthuman.interact_core.theatre.training.__main__ import with_settings
    from interacthuman.interact_core.theatre.training.train_speech import SpeechRecipe

    recipe = with_settings(SpeechRecipe(), ["steps=7", "rate=0.5", "dim=3"])
    assert (recipe.steps, recipe.rate, recipe.batch) == (7, 0.5, SpeechRecipe().batch)
