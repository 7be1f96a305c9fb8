"""The reference KV cache: what attention gets between refreshes, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from interacthuman.tests.support.drawn_references import Counting, counted, drawn, sampled
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

import comfy.model_management  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.tokens import reference_pruning

WHOLE = GuidanceSettings(stage_boundary=0.0)
PERSON = replace(WHOLE, reference_tokens="person")
FRAME = tiny_wan.ROWS * tiny_wan.COLUMNS
VIDEO = tiny_wan.FRAMES * FRAME


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


def two_people() -> Cast:
    return drawn((16, 48, 16, 32), (16, 48, 48, 64))


def every(interval: int, settings: GuidanceSettings = WHOLE) -> GuidanceSettings:
    return replace(settings, reference_interval=interval)


class Watched:
    """Another node's attention: notes the lengths of self-attention's queries and keys by evaluation and block."""

    def __init__(self) -> None:
        self.lengths: list[tuple[int, int]] = []

    def __call__(self, chosen: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any) -> Tensor:
        if q.shape[1] == k.shape[1] or k.shape[1] > VIDEO:
            self.lengths.append((q.shape[1], k.shape[1]))
        return chosen(q, k, v, heads, **options)

    def on(self, model: ModelPatcher) -> ModelPatcher:
        model = model.clone()
        model.model_options["transformer_options"]["optimized_attention_override"] = self
        return model


class Frozen:
    """References that stay in the sequence, with the keys and values that they had in the last `interval`-th step.

    counting: how attention counts them.
    """

    def __init__(self, interval: int, counting: Counting | None = None) -> None:
        self._interval, self._counting, self._calls = interval, counting, 0
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, chosen: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any) -> Tensor:
        if k.shape[1] != VIDEO + 2 * FRAME:
            return chosen(q, k, v, heads, **options)
        step, block = divmod(self._calls, tiny_wan.BLOCKS)
        self._calls += 1
        if step % self._interval == 0:
            self._kept[block] = k[:, VIDEO:], v[:, VIDEO:]
        k, v = (torch.cat((x[:, :VIDEO], kept), 1) for x, kept in zip((k, v), self._kept[block]))
        attend = chosen if self._counting is None else partial(self._counting, chosen)
        return attend(q, k, v, heads, **options)


def test_between_refreshes_attention_has_the_cached_references(adapted: ModelPatcher) -> None:
    """Against the whole sequence in every step, with the references' keys and values put in by hand."""
    cast, how = two_people(), {"steps": 4, "cfg": 1.0}
    held = adapted.clone()
    held.model_options["transformer_options"]["optimized_attention_override"] = Frozen(3)
    # Masks do not steer: heads get cached features in one run and present ones in the other.
    unsteered = replace(WHOLE, mask_source="none")
    expected, _ = sampled(held, cast, unsteered, **how)
    found, _ = sampled(adapted, cast, every(3, unsteered), **how)
    plain, _ = sampled(adapted, cast, unsteered, **how)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, plain, rtol=1e-2, atol=1e-3)


def test_the_cache_of_an_unchanged_step_equals_a_refresh(adapted: ModelPatcher) -> None:
    """Euler's step from a sigma to the same one leaves the latent alone: the next evaluation is the same once more."""
    generator = torch.Generator().manual_seed(0)
    layouts = torch.rand(2, tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS, generator=generator)
    cast = replace(two_people(), layouts=layouts)
    fixed = replace(WHOLE, mask_source="fixed")
    sigmas = torch.tensor([0.9, 0.9, 0.9, 0.0])
    expected = sampled(adapted, cast, fixed, sigmas=sigmas)
    found = sampled(adapted, cast, every(9, fixed), sigmas=sigmas)
    for ours, plain in zip(found, expected):  # the video, and what the mask heads predicted in every step
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [WHOLE, PERSON], ids=["all", "person"])
def test_a_refresh_is_a_plain_step(adapted: ModelPatcher, settings: GuidanceSettings) -> None:
    """Both halves of classifier-free guidance, and the masks."""
    cast = two_people()
    samples, masks = sampled(adapted, cast, every(5, settings), steps=1)
    plain, predicted = sampled(adapted, cast, settings, steps=1)
    assert torch.equal(samples, plain) and torch.equal(masks, predicted)
    again, _ = sampled(adapted, cast, every(1, settings), steps=3)
    whole, _ = sampled(adapted, cast, settings, steps=3)
    assert torch.equal(again, whole)


def test_blocks_get_the_video_alone_between_refreshes(adapted: ModelPatcher) -> None:
    cast, watched = two_people(), Watched()
    sampled(watched.on(adapted), cast, every(3), steps=5, cfg=1.0)
    whole, alone = (VIDEO + 2 * FRAME,) * 2, (VIDEO, VIDEO + 2 * FRAME)
    calls = watched.lengths[:: tiny_wan.BLOCKS]
    assert watched.lengths == [length for length in calls for _ in range(tiny_wan.BLOCKS)]
    assert calls == [whole, alone, alone, whole, alone]


def test_another_nodes_attention_stays_and_then_nothing_is_pruned(adapted: ModelPatcher) -> None:
    """It takes no weights."""
    cast = two_people()
    samples, _ = sampled(Watched().on(adapted), cast, every(3, PERSON), steps=3, cfg=1.0)
    whole, _ = sampled(adapted, cast, every(3), steps=3, cfg=1.0)
    assert torch.equal(samples, whole)


def test_cached_background_tokens_are_weighted_too(adapted: ModelPatcher) -> None:
    """Against the whole sequence in every step, with keys and values put in and counted by hand."""
    cast = two_people()
    counting = Counting(counted(reference_pruning.kept_tokens(cast)), VIDEO)
    held = adapted.clone()
    held.model_options["transformer_options"]["optimized_attention_override"] = Frozen(9, counting)
    unsteered = replace(WHOLE, mask_source="none")
    expected, _ = sampled(held, cast, unsteered, steps=3, cfg=1.0)
    found, _ = sampled(
        adapted, cast, every(9, replace(unsteered, reference_tokens="person")), steps=3, cfg=1.0
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_attention_that_comes_later_refreshes_with_whole_pictures(adapted: ModelPatcher) -> None:
    """As nodes do that put a faster attention into the later steps."""
    watched, calls = Watched(), []

    def later(apply_model: Any, args: dict[str, Any]) -> Tensor:
        calls.append(args["timestep"])
        options = args["c"]["transformer_options"]
        if len(calls) > 1:
            options["optimized_attention_override"] = watched
        return apply_model(args["input"], args["timestep"], **args["c"])

    model = adapted.clone()
    model.set_model_unet_function_wrapper(later)
    sampled(model, two_people(), every(9, PERSON), steps=3, cfg=1.0)
    assert watched.lengths[:: tiny_wan.BLOCKS] == [(VIDEO + 2 * FRAME,) * 2, (VIDEO, VIDEO + 2 * FRAME)]


@pytest.mark.parametrize("settings", [WHOLE, PERSON], ids=["all", "person"])
def test_a_block_that_was_skipped_at_a_refresh_has_nothing_cached(
    adapted: ModelPatcher, settings: GuidanceSettings
) -> None:
    """As nodes do that skip a block in some of the steps."""
    calls: list[int] = []

    def skips_at_first(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        calls.append(args["img"].shape[1])
        return {"img": args["img"]} if len(calls) == 1 else extra["original_block"](args)

    model = adapted.clone()
    model.set_model_patch_replace(skips_at_first, "dit", "double_block", 1)
    samples, _ = sampled(model, two_people(), every(3, settings), steps=3, cfg=1.0)
    each = FRAME if settings is WHOLE else reference_pruning.kept_tokens(two_people()).each
    assert samples.isfinite().all() and calls == [VIDEO + 2 * each, VIDEO, VIDEO]


def test_windows_of_one_length_share_a_cache(adapted: ModelPatcher) -> None:
    """Core's causal anchor makes the first window a frame shorter than the others, so two are refreshed."""
    cast, watched = replace(two_people(), frames=25), Watched()
    model = tiny_wan.with_windows(watched.on(adapted), 9)
    samples, masks = sampled(model, cast, every(2), steps=2, cfg=1.0)
    assert samples.isfinite().all() and masks.isfinite().all()
    refreshed, cached = [VIDEO + 2 * FRAME, VIDEO + 3 * FRAME], [VIDEO, VIDEO + FRAME]
    windows = [queries for queries, _ in watched.lengths[:: tiny_wan.BLOCKS]]
    half = len(windows) // 2  # of the second step
    assert half > 2
    assert windows[:2] == refreshed and set(windows[2:half]) == {cached[1]}
    assert windows[half:] == [cached[0]] + [cached[1]] * (half - 1)


def test_each_cond_has_a_cache_of_its_own(adapted: ModelPatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory is short, core hands the model one cond at a time (comfy/samplers.py, calc_cond_batch)."""
    cast = two_people()
    together, _ = sampled(adapted, cast, every(2), steps=3)
    watched = Watched()
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *_, **__: 0)
    apart, _ = sampled(watched.on(adapted), cast, every(2), steps=3)
    assert len(watched.lengths) == 2 * 3 * tiny_wan.BLOCKS
    torch.testing.assert_close(apart, together, rtol=1e-4, atol=1e-5)


def test_a_run_that_is_over_keeps_nothing(adapted: ModelPatcher) -> None:
    """Two runs of one guided MODEL are the same: the second begins with an empty cache."""
    cast = two_people()
    guided, _ = apply_guidance(adapted, cast, every(9))
    given = *tiny_wan.conds(cast), tiny_wan.empty_latent(cast)
    assert torch.equal(
        tiny_wan.core_sample(guided, *given, steps=2), tiny_wan.core_sample(guided, *given, steps=2)
    )


def test_an_interval_of_zero_is_refused() -> None:
    with pytest.raises(InteractError, match="reference_interval is 0"):
        every(0)
