"""A probe of a tiny Wan: it finds the head in which it was planted who is where, and counts as masks are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.adapter.affinity import AffinityHead, RegionHead
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings, assemble_cast
from interacthuman.interact_core.guidance.affinity_recipe import AffinityRecipe, Place, read_recipe
from interacthuman.interact_core.host.encode.cast_encoding import make_region_character
from interacthuman.interact_core.host.encode.conditioning import attach_cast
from interacthuman.interact_core.host.loading import apply_adapter, apply_base_audio
from interacthuman.interact_core.host.probe.judge import levels_of
from interacthuman.interact_core.host.probe.run import Probed, probe_blocks
from interacthuman.interact_core.host.sampling import sample
from interacthuman.interact_core.host.tokens.reference_images import person_tokens
from interacthuman.interact_core.metrics.regions import mask_iou
from interacthuman.nodes.masks import InterActProbeBlocks
from interacthuman.tests.support.models import tiny_s2v, tiny_wan
from interacthuman.tests.support.start_images import side, with_start_image
from torch import Tensor

from comfy.model_patcher import ModelPatcher  # isort: skip

PLANTED = Place(1, "query_key", 1)
TEMPERATURE = GuidanceSettings().affinity_temperature
VIDEO = tiny_wan.FRAMES * tiny_wan.ROWS * tiny_wan.COLUMNS  # tokens


@pytest.fixture
def adapted(tmp_path: Path) -> ModelPatcher:
    return apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))


def layouts() -> Tensor:
    """[2, T, h, w]: two people who each walk one token a frame."""
    masks = torch.zeros(2, tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)
    for frame in range(tiny_wan.FRAMES):
        masks[0, frame, 1:, frame : frame + 2] = 1
        masks[1, frame, :3, 5 - frame] = 1
    masks[1] *= 1 - masks[0]
    return masks


def probed(model: ModelPatcher, cast: Cast, steps: int = 1, cfg: float = 1.0, **more: Any) -> Probed:
    positive, negative = tiny_wan.conds(cast)
    options = {"seed": 1, "sampler": "euler", "scheduler": "simple", **more}
    return probe_blocks(
        model, positive, negative, tiny_wan.empty_latent(cast), cast, steps=steps, cfg=cfg, **options
    )


@contextmanager
def hooked(hooks: dict[torch.nn.Module, Callable[[Tensor], Tensor | None]]) -> Iterator[None]:
    """What each module gives out goes through its function, which may change it."""
    held = [
        module.register_forward_hook(lambda _, __, out, see=see: see(out)) for module, see in hooks.items()
    ]
    try:
        yield
    finally:
        for one in held:
            one.remove()


def planted(model: ModelPatcher, cast: Cast) -> Any:
    """Head 1 of block 1 sees people: its queries and keys are a code of whose token it is."""
    assert cast.layouts is not None
    attention = model.model.diffusion_model.blocks[PLANTED.block].self_attn
    wide = attention.head_dim
    people = cast.layouts.flatten(1).T  # [Lv, 2]
    own = torch.stack([torch.eye(2)[n] * row[:, None] for n, row in enumerate(person_tokens(cast).float())])
    code = torch.cat([people, own.flatten(0, 1)])
    code = torch.cat([code, 1 - code.sum(1, keepdim=True)], 1)  # and the ground

    def plant(out: Tensor) -> Tensor:
        out = out.clone()
        out[..., wide : 2 * wide] = torch.nn.functional.pad(code, (0, wide - 3)).to(out)
        return out

    return hooked({attention.norm_q: plant, attention.norm_k: plant})


def test_the_planted_head_is_found_and_its_recipe_finds_the_people(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast(layouts=layouts())
    with planted(adapted, cast):
        found = probed(adapted, cast, steps=6)
        recipe = found.scores.recipe().to_text()
        settings = GuidanceSettings(mask_source="affinity", stage_boundary=0.0, affinity_recipe=recipe)
        _, record = sample(
            adapted, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), cast, settings, seed=1, steps=1, cfg=1.0,
            audio_cfg=None, sampler="euler", scheduler="simple",
        )  # fmt: skip
    scores = found.scores
    assert scores.best == PLANTED and scores.scores[PLANTED] == (1.0,) * 4
    assert scores.mean(scores.ranked[1]) < 0.6
    assert read_recipe(recipe) == scores.recipe() and scores.recipe().places == (PLANTED,)
    assert torch.equal((record.masks[0] >= 0.5).float(), layouts())
    heads = adapted.model.diffusion_model.num_heads
    assert len(scores.scores) == tiny_wan.BLOCKS * (1 + heads)
    assert list(scores.levels) == sorted(scores.levels, reverse=True) and len(scores.levels) == 4
    assert [str(one) for one in found.said][:2] == [
        "Best place: block 1, query_key, head 1, with an IoU of 1.00 on average. recipe says so to affinity_recipe.",
        f"Without a recipe, affinity takes block 1, hidden: IoU {scores.mean(Place(1)):.2f}.",
    ]


def test_the_run_is_that_of_fixed_masks(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast(layouts=layouts())
    expected, _ = sample(
        adapted, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), cast, GuidanceSettings(mask_source="fixed"),
        seed=1, steps=3, cfg=3.0, audio_cfg=None, sampler="euler", scheduler="simple",
    )  # fmt: skip
    assert torch.equal(probed(adapted, cast, steps=3, cfg=3.0).latent["samples"], expected["samples"])


def test_the_node_gives_latent_recipe_table_and_plot(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast(layouts=layouts())
    given = {
        "seed": 1,
        "steps": 2,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
    }
    with planted(adapted, cast):
        out = InterActProbeBlocks.execute(
            adapted, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), cast, **given
        )
    latent, recipe, table, plot = out.result
    assert latent["samples"].shape == tiny_wan.empty_latent(cast)["samples"].shape
    assert recipe == AffinityRecipe((PLANTED,), TEMPERATURE).to_text()
    assert table.splitlines()[1].split() == [
        "block",
        "1,",
        "query_key,",
        "head",
        "1",
        "1.000",
        "1.000",
        "1.000",
    ]
    assert plot.shape[0] == 1 and plot.shape[3] == 3 and 0 <= plot.min() < plot.max() <= 1
    keys = [line["key"] for line in out.ui["interact_text"][0]]
    assert keys[-4:] == ["probe_best", "probe_usual", "probe_scored", "probe_from_noise"]


def test_scores_are_those_of_every_blocks_own_features(adapted: ModelPatcher) -> None:
    """With a negative as well, whose rows do not count: its evaluation of the first step is the same for the rest."""
    cast = tiny_wan.make_cast(layouts=layouts())
    made: dict[tuple[int, str], Tensor] = {}

    def keep(block: int, name: str) -> Callable[[Tensor], None]:
        return lambda out: made.__setitem__((block, name), out.detach().clone())

    hooks = {}
    for number, block in enumerate(adapted.model.diffusion_model.blocks):
        hooks[block.self_attn.norm_q] = keep(number, "q")
        hooks[block.self_attn.norm_k] = keep(number, "k")
    outputs: dict[int, Tensor] = {}
    seen = adapted.clone()
    seen.set_model_double_block_patch(
        lambda args: outputs.__setitem__(args["block_index"], args["img"].clone()) or args
    )
    with hooked(hooks):
        scores = probed(seen, cast).scores
    heads = adapted.model.diffusion_model.num_heads
    for block in range(tiny_wan.BLOCKS):
        assert scores.mean(Place(block)) == pytest.approx(
            direct(cast, outputs[block], outputs[block]), abs=1e-4
        )
        q, k = (made[block, name].unflatten(-1, (heads, -1)) for name in "qk")
        for head in range(heads):
            expected = direct(cast, q[:, :, head], k[:, :, head])
            assert scores.mean(Place(block, "query_key", head)) == pytest.approx(expected, abs=1e-4)
    assert len({round(score[0], 3) for score in scores.scores.values()}) > 3, "places differ"
    both = probed(adapted, cast, cfg=3.0).scores
    for place, score in scores.scores.items():
        assert both.scores[place] == pytest.approx(score, abs=0.02), "near ties may fall either way"


def direct(cast: Cast, queries: Tensor, keys: Tensor) -> float:
    """Mean IoU of the masks from features [1, L, d] of video and references, all at once."""
    assert cast.layouts is not None
    known = keys[:, VIDEO:].unflatten(1, (cast.references, -1))
    logits = AffinityHead(person_tokens(cast), TEMPERATURE)(queries[:, :VIDEO], known, queries, known, None)  # type: ignore[arg-type]
    masks = logits.sigmoid()[0].unflatten(-1, cast.grid).numpy()
    return sum(mask_iou(a, b) for a, b in zip(masks, cast.layouts.numpy())) / len(masks)


def test_somebody_without_a_layout_is_left_out_and_named(adapted: ModelPatcher) -> None:
    given = layouts()
    given[1] = 0
    cast = tiny_wan.make_cast(layouts=given)
    whole = tiny_wan.make_cast(layouts=layouts())
    with planted(adapted, whole):
        found = probed(adapted, cast)
    assert found.scores.mean(PLANTED) == 1.0
    assert "Not scored, as their layout masks are missing or empty: character 1." in map(str, found.said)


def test_context_windows_count_their_own_frames(tmp_path: Path) -> None:
    adapted = apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))
    masks = torch.cat([layouts(), layouts()[:, :2].flip(3)], 1)  # 5 latent frames
    cast = tiny_wan.make_cast(frames=5, layouts=masks)
    found = probed(tiny_wan.with_windows(adapted, 9), cast)
    assert len(found.scores.scores) == tiny_wan.BLOCKS * 3
    assert all(0 <= score[0] <= 1 for score in found.scores.scores.values())


def test_regions_of_a_start_image_are_followed_from_the_first_frame_which_does_not_count(
    tmp_path: Path,
) -> None:
    base = tiny_wan.load_tiny(tmp_path, model_type="i2v", in_dim=36)
    model = apply_adapter(base, tiny_wan.load_tiny_adapter(tmp_path))
    people = [make_region_character(f"person {n}", side(bool(n)), None) for n in (0, 1)]
    cast = assemble_cast(people, 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS, 9, 25.0)
    positive, negative = attach_cast(with_start_image(), with_start_image(), cast, None, None)
    outputs: dict[int, Tensor] = {}
    model = model.clone()
    model.set_model_double_block_patch(
        lambda args: outputs.__setitem__(args["block_index"], args["img"].clone()) or args
    )
    found = probe_blocks(
        model, positive, negative, tiny_wan.empty_latent(cast), cast, seed=1, steps=1, cfg=1.0, sampler="euler",
        scheduler="simple",
    )  # fmt: skip
    assert cast.regions is not None and cast.layouts is not None
    for block, tokens in outputs.items():
        logits = RegionHead(cast.regions, TEMPERATURE)(
            tokens[:, :VIDEO], tokens[:, None, :0], tokens, tokens, None
        )  # type: ignore[arg-type]
        masks = logits.sigmoid()[0].unflatten(-1, cast.grid)[:, 1:].numpy()
        expected = sum(mask_iou(a, b) for a, b in zip(masks, cast.layouts[:, 1:].numpy())) / 2
        assert found.scores.mean(Place(block)) == pytest.approx(expected, abs=1e-4)
    assert "person 0 and person 1. For people who move" in str(found.said[-1])
    one = assemble_cast(people, 96, 64, 1, 25.0)
    with pytest.raises(InteractError, match="one frame long"):
        probe_blocks(model, positive, negative, {}, one, 1, 1, 1.0, "euler", "simple")


def test_of_s2v_only_hidden_features_are_scored_and_it_says_so(tmp_path: Path) -> None:
    base = apply_base_audio(tiny_s2v.load(tmp_path))
    voices = (tiny_s2v.wav2vec2_output(7), tiny_s2v.wav2vec2_output(8))
    halves = {"left": tiny_s2v.HALVES, "right": 1 - tiny_s2v.HALVES}
    made = tiny_s2v.encoded(tiny_s2v.conds(9), halves, voices, 9)
    found = probe_blocks(
        base, made.positive, made.negative, made.latent, made.cast, 1, 1, 1.0, "euler", "simple"
    )
    assert set(found.scores.scores) == {Place(block) for block in range(tiny_s2v.BLOCKS)}
    assert str(found.said[-1]).startswith("Only hidden features were scored")


@pytest.mark.parametrize(
    "masks, more, said",
    [
        (None, {}, "No character has a layout mask"),
        (torch.zeros(2, 3, 4, 6), {}, "The layout masks fill no token"),
        (layouts(), {"denoise": 0.0}, "denoise is 0"),
    ],
)
def test_what_can_give_no_score_is_refused(
    adapted: ModelPatcher, masks: Tensor | None, more: dict, said: str
) -> None:
    with pytest.raises(InteractError, match=said):
        probed(adapted, tiny_wan.make_cast(layouts=masks), **more)


def test_levels_are_spread_over_the_schedule() -> None:
    assert levels_of([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]) == [0.8, 0.6, 0.4, 0.2]
    assert levels_of([1.0, 0.5]) == [1.0, 0.5] and levels_of([1.0]) == [1.0]
