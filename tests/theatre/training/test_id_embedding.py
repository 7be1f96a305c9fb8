"""The ID embedding, the alternative to masks: what a token attends to, and that it trains and resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.tests.support.models import tiny_wan

from interacthuman.interact_core.adapter.model import mix_tracks, sdpa_attention  # isort: skip
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.forward.call import Voices
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.theatre.training import id_embedding, train_dit
from interacthuman.interact_core.theatre.training.id_embedding import (
    DOCUMENT,
    EMBEDDING_FILE,
    IdentityEmbedding,
    IdentityRecipe,
    train_identity,
)
from interacthuman.interact_core.theatre.training.models import (
    build_adapter,
    build_dit,
    export_adapter,
    export_dit,
    load_file,
)
from interacthuman.tests.support.theatre.clips import clip_group, speech_bank
from interacthuman.tests.support.training import Killed


def voices(weights: torch.Tensor) -> Voices:
    tokens = torch.randn(3, 2, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    return Voices(tokens=tokens, weights=weights, rows=None, strength=1.0)


def test_a_token_attends_to_all_voices_and_silence_in_one_softmax() -> None:
    """Keys that only the embeddings tell apart: a query along one slot's embedding attends to that slot's voice."""
    embedding = IdentityEmbedding(6)
    with torch.no_grad():
        embedding.voices.zero_()
        embedding.voices[0, 0] = embedding.voices[1, 1] = 50.0
    everywhere = torch.tensor([0.5, 0.5, 0.0]).view(3, 1, 1)
    joint = embedding.joint_track(voices(everywhere))
    assert joint.tokens.shape == (1, 2, 1, 12, 6) and joint.weights.tolist() == [[[1.0]]]
    value = (
        torch.arange(12.0).view(1, 1, 1, 12, 1).expand(1, 2, 1, 12, 6)
    )  # tells which token was attended to
    for slot in (0, 1):
        query = torch.zeros(2, 1, 6)
        query[..., slot] = 50.0
        mixed = mix_tracks(query, joint.tokens, value, joint.weights, 1, sdpa_attention)
        assert bool(((mixed > 4 * slot - 0.1) & (mixed < 4 * slot + 3.1)).all())


def test_muted_rows_have_the_mute_track_alone() -> None:
    weights = torch.tensor([[0.5, 0.0], [0.5, 0.0], [0.0, 1.0]]).unsqueeze(-1)  # the second row is muted
    given = voices(weights)
    joint = IdentityEmbedding(6).joint_track(given)
    assert torch.equal(joint.tokens[0, 1, 0], given.tokens[2, 1, 0].repeat(3, 1))
    assert not torch.equal(joint.tokens[0, 0, 0], given.tokens[2, 0, 0].repeat(3, 1))


def test_it_acts_on_a_model_and_leaves_its_original_alone(tmp_path: Path) -> None:
    model = apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))
    cast, settings = tiny_wan.make_cast(), GuidanceSettings(mask_source="none")

    def samples(model) -> torch.Tensor:
        guided, _ = apply_guidance(model, cast, settings)
        return tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=2)

    plain = samples(model)
    torch.manual_seed(0)
    embedding = IdentityEmbedding(tiny_wan.adapter_config().audio_context_width).requires_grad_(False)
    embedding.save(tmp_path / EMBEDDING_FILE)
    marked = IdentityEmbedding.read(tmp_path / EMBEDDING_FILE).apply_to(model)
    assert not torch.allclose(samples(marked), plain) and torch.equal(samples(model), plain)
    embedding.voices.zero_()
    without_pictures = samples(embedding.apply_to(model))
    embedding.pictures.zero_()
    assert not torch.allclose(samples(embedding.apply_to(model)), without_pictures)


def shipped(folder: Path) -> Path:
    export_dit(build_dit(0), folder / train_dit.DIT_FILE)
    export_adapter(build_adapter(0), folder / train_dit.ADAPTER_FILE)
    (folder / "vae").mkdir()
    (folder / "vae" / "weights").write_bytes(b"as they are")
    return folder


def test_it_trains_and_a_killed_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = IdentityRecipe(steps=3, batch=1, short=1.0, warmup=1, cooldown=2, save_every=2, fused=False)
    clips, bank, models = (
        {2: clip_group(2).beginning(3)},
        speech_bank(np.random.default_rng(3)),
        shipped(tmp_path / "shipped"),
    )
    whole = train_identity(recipe, "id", tmp_path / "whole", clips, bank, models)
    made, start = load_file(whole / EMBEDDING_FILE), load_file(models / train_dit.DIT_FILE)
    torch.manual_seed(recipe.seed)
    begun = id_embedding.IdentityDiT(recipe.seed, "id").identity.state_dict()
    assert not torch.equal(made["pictures"][:2], begun["pictures"][:2])
    assert not torch.equal(made["voices"][:2], begun["voices"][:2])
    trained = load_file(whole / train_dit.DIT_FILE)
    assert any(not torch.equal(trained[name], start[name]) for name in start)
    assert (whole / "vae" / "weights").read_bytes() == b"as they are"

    calls, draw = [], train_dit.make_batch

    def dies_at_the_third(*args):
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return draw(*args)

    monkeypatch.setattr(train_dit, "make_batch", dies_at_the_third)
    with pytest.raises(Killed):
        train_identity(recipe, "id", tmp_path / "killed", clips, bank, models)
    monkeypatch.setattr(train_dit, "make_batch", draw)
    again = train_identity(recipe, "id", tmp_path / "killed", clips, bank, models)
    resumed = load_file(again / EMBEDDING_FILE)
    assert all(torch.equal(made[name], resumed[name]) for name in made)


def test_the_control_has_no_embedding(tmp_path: Path) -> None:
    recipe = IdentityRecipe(steps=1, batch=1, short=1.0, warmup=1, cooldown=1, fused=False)
    clips, bank, models = (
        {1: clip_group(1).beginning(3)},
        speech_bank(np.random.default_rng(4)),
        shipped(tmp_path / "shipped"),
    )
    folder = train_identity(recipe, "masks", tmp_path, clips, bank, models)
    assert folder == tmp_path / "models" / "masks" and not (folder / EMBEDDING_FILE).exists()
    assert (folder / DOCUMENT).read_text().startswith("Both had 1 steps of 1 whole clips")
