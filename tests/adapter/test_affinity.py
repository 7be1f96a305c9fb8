"""Masks without a trained head: on features whose truth is known, and in a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.adapter.affinity import AffinityHead
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.sampling import sample
from interacthuman.tests.support.models import tiny_wan

SIZE, WIDTH = 12, 32  # tokens of a frame and of a picture, channels


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_everybody_is_found_and_ground_is_nobodys() -> None:
    """Two people and a ground, each a direction of its own with some noise on it; frames one by one."""
    kinds = 3 * drawn(3, WIDTH)  # person 0, person 1, ground
    foreground = torch.zeros(2, SIZE, dtype=torch.bool)
    foreground[:, :5] = True
    references = torch.stack([kinds[torch.where(f, n, 2)] for n, f in enumerate(foreground)])[None]
    truth = torch.randint(0, 3, (1, 4 * SIZE), generator=torch.Generator().manual_seed(2))
    video = kinds[truth] + 0.5 * drawn(1, 4 * SIZE, WIDTH, seed=3)
    head = AffinityHead(foreground, temperature=0.05)
    masks = head(video, references, video, references, None).sigmoid()
    expected = torch.stack([truth[0] == n for n in (0, 1)])[None]
    assert torch.equal(masks > 0.5, expected) and masks.sum(1).max() <= 1.001
    mixed = head(video, references.flip(1), video, references, None).sigmoid()
    assert torch.allclose(mixed.flip(1), masks, atol=1e-4)  # whose mask it is goes by the picture alone


def test_a_run_is_steered_by_it(tmp_path: Path) -> None:
    adapted = apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))
    cast = tiny_wan.make_cast()

    def run(source: str, **changes: float) -> tuple[torch.Tensor, torch.Tensor]:
        settings = GuidanceSettings(mask_source=source, stage_boundary=0.0, **changes)
        latent, history = sample(
            adapted, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), cast, settings, seed=1, steps=3, cfg=2.0,
            audio_cfg=None, sampler="euler", scheduler="simple",
        )  # fmt: skip
        return latent["samples"], history.masks

    steered, masks = run("affinity")
    assert masks.shape == (3, 2, *cast.grid) and masks.min() >= 0 and masks.float().sum(1).max() <= 1.01
    assert torch.equal(run("affinity")[0], steered)
    assert not torch.equal(run("predicted")[0], steered)
    assert not torch.equal(run("affinity", affinity_block=2)[1], masks)
    assert not torch.equal(run("affinity", affinity_temperature=0.5)[1], masks)


def test_a_block_that_is_not_there(tmp_path: Path) -> None:
    adapted = apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))
    with pytest.raises(InteractError, match="affinity_block is 3, but the model has 3 blocks"):
        apply_guidance(
            adapted, tiny_wan.make_cast(), GuidanceSettings(mask_source="affinity", affinity_block=3)
        )
    for wrong in ({"affinity_block": -2}, {"affinity_temperature": 0.0}):
        with pytest.raises(InteractError, match="affinity"):
            GuidanceSettings(**wrong)
