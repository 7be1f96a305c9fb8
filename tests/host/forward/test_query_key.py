"""Masks by queries and keys of an attention head, against those that the block makes before it rotates them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.adapter.affinity import AffinityHead
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.guidance.affinity_recipe import AffinityRecipe, Place
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.sampling import sample
from interacthuman.interact_core.host.tokens.reference_images import person_tokens
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

from comfy.model_patcher import ModelPatcher  # isort: skip

TEMPERATURE = 0.3


@pytest.fixture
def adapted(tmp_path: Path) -> ModelPatcher:
    return apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))


def masks_of(adapted: ModelPatcher, *places: Place, source: str = "affinity") -> Tensor:
    """[N, T, h, w] of a run of one step without a negative."""
    cast = tiny_wan.make_cast()
    settings = GuidanceSettings(
        mask_source=source,
        stage_boundary=0.0,
        affinity_temperature=TEMPERATURE,
        affinity_recipe=AffinityRecipe(places).to_text() if places else "",
    )
    _, record = sample(
        adapted, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), cast, settings, seed=1, steps=1, cfg=1.0,
        audio_cfg=None, sampler="euler", scheduler="simple",
    )  # fmt: skip
    return record.masks[0].float()


@pytest.mark.parametrize("head", [0, 1, None])
def test_a_head_says_what_its_own_queries_and_keys_say(adapted: ModelPatcher, head: int | None) -> None:
    made: dict[str, Tensor] = {}
    attention = adapted.model.diffusion_model.blocks[1].self_attn
    hooks = [
        norm.register_forward_hook(lambda _, __, out, name=name: made.__setitem__(name, out.detach()))
        for name, norm in (("q", attention.norm_q), ("k", attention.norm_k))
    ]
    try:
        found = masks_of(adapted, Place(1, "query_key", head))
    finally:
        for hook in hooks:
            hook.remove()
    cast = tiny_wan.make_cast()
    q, k = (x.unflatten(-1, (attention.num_heads, -1)) for x in (made["q"], made["k"]))
    if head is not None:
        q, k = q[:, :, head : head + 1], k[:, :, head : head + 1]
    q, k = q.flatten(2), k.flatten(2)
    frame, video = cast.grid[1] * cast.grid[2], cast.grid[0] * cast.grid[1] * cast.grid[2]
    likeness = AffinityHead(person_tokens(cast), TEMPERATURE)
    known = k[:, video:].unflatten(1, (cast.references, frame))
    expected = likeness(q[:, :video], known, q, known, None).sigmoid()[0].unflatten(-1, cast.grid)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)  # masks are kept as float16
    assert expected.std() > 1e-2


def test_several_places_are_averaged_and_an_empty_recipe_changes_nothing(adapted: ModelPatcher) -> None:
    places = (Place(0, "query_key", 1), Place(1), Place(1, "query_key", 0))
    each = torch.stack([masks_of(adapted, place) for place in places]).mean(0)
    torch.testing.assert_close(masks_of(adapted, *places), each, rtol=0, atol=1e-3)
    middle = adapted.model.diffusion_model.num_layers // 2
    assert torch.equal(masks_of(adapted), masks_of(adapted, Place(middle)))
    assert torch.equal(masks_of(adapted, *places, source="predicted"), masks_of(adapted, source="predicted"))


@pytest.mark.parametrize(
    "place, changes, said",
    [
        (Place(99), {}, "asks for block 99, but the model has"),
        (Place(0, "query_key", 99), {}, "asks for block 0, head 99, but the model has"),
        (Place(0, "query_key"), {"reference_interval": 4}, "need the whole reference pictures in every step"),
        (Place(0, "query_key"), {"reference_tokens": "person"}, "need the whole reference pictures"),
    ],
)
def test_what_the_model_or_the_run_does_not_have_is_refused(
    adapted: ModelPatcher, place: Place, changes: dict, said: str
) -> None:
    text = AffinityRecipe((place,)).to_text()
    settings = GuidanceSettings(mask_source="affinity", affinity_recipe=text, **changes)
    with pytest.raises(InteractError, match=said):
        apply_guidance(adapted, tiny_wan.make_cast(), settings)
