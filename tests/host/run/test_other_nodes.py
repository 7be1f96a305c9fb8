"""The hooks beside other nodes that change how the model is called: windows, caches, guiders, VACE."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.tests.support.model_calls import Spy
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

from comfy.ldm.wan.model import VaceWanModel  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.forward.call import CallState
from interacthuman.interact_core.host.forward.voice_tracks import VoiceTracks
from interacthuman.interact_core.host.loading import apply_adapter

FROM_THE_START = GuidanceSettings(stage_boundary=0.0)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    return tiny_wan.load_tiny_adapter(tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory, adapter: ModelPatcher) -> ModelPatcher:
    return apply_adapter(tiny_wan.load_tiny(tmp_path_factory.mktemp("wan")), adapter)


def averaged_masks(calls: list[CallState], frames: int) -> Tensor:
    """What one evaluation of these calls must commit: each frame's mean over the windows that own it."""
    total, count = 0.0, torch.zeros(frames)
    for call in calls:
        logits = torch.stack(call.mask_logits).sigmoid().mean(0)[0]
        masks = logits.unflatten(-1, (-1, call.geometry.height, call.geometry.width))[
            :, call.geometry.anchors :
        ]
        whole = torch.zeros(masks.shape[0], frames, *masks.shape[2:])
        own = list(call.geometry.frames[call.geometry.anchors :])
        whole[:, own] = masks
        total = total + whole
        count[own] += 1
    return total / count.view(-1, 1, 1)


@pytest.mark.parametrize("schedule", ["standard_static", "standard_uniform", "looped_uniform", "batched"])
def test_windows_get_the_voices_of_their_own_frames(
    adapted: ModelPatcher, adapter: ModelPatcher, schedule: str
) -> None:
    cast = tiny_wan.make_cast(frames=9)
    spy = Spy(tiny_wan.with_windows(adapted, 17, schedule))
    guided, handle = apply_guidance(spy.model, cast, FROM_THE_START)
    positive, negative = tiny_wan.conds(cast)
    samples = tiny_wan.core_sample(guided, positive, negative, tiny_wan.empty_latent(cast), steps=2)
    assert samples.isfinite().all()
    masks = collect(handle).masks
    assert masks.shape == (2, 2, *cast.grid)
    first = spy.calls[: len(spy.calls) // 2]
    torch.testing.assert_close(masks[0].float(), averaged_masks(first, 9), rtol=0, atol=1e-3)

    audio = positive[0][1]["model_conds"]["interact_audio"].cond
    whole = VoiceTracks.unpack(audio).project(adapter.model)
    assert {call.geometry.anchors for call in spy.calls} == {0, 1}
    for call in spy.calls:
        frames = list(call.geometry.frames)
        assert call.geometry.total_frames == 9 and len(frames) <= 6
        torch.testing.assert_close(call.voices.tokens[:, :1], whole[:, :, frames])


def test_weights_follow_the_windows_frames(adapted: ModelPatcher) -> None:
    """Fixed masks that differ from frame to frame: each call gets those of its own frames."""
    masks = torch.zeros(2, 9, tiny_wan.ROWS, tiny_wan.COLUMNS)
    masks[0] = torch.arange(9.0).view(9, 1, 1) / 20
    cast = tiny_wan.make_cast(frames=9, layouts=masks)
    spy = Spy(tiny_wan.with_windows(adapted, 17))
    guided, _ = apply_guidance(
        spy.model, cast, GuidanceSettings(mask_source="fixed", stage_boundary=0.0, mask_gain=1.0)
    )
    tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=1)
    for call in spy.calls:
        share = call.voices.weights[0, 0].view(-1, tiny_wan.ROWS * tiny_wan.COLUMNS)
        torch.testing.assert_close(share[:, 0], torch.tensor(call.geometry.frames) / 20)


def test_a_window_that_holds_everything_changes_nothing(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    results = []
    for model in (adapted, tiny_wan.with_windows(adapted, 81)):
        guided, handle = apply_guidance(model, cast, FROM_THE_START)
        samples = tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast))
        results.append((samples, collect(handle).masks))
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])


def test_as_many_references_as_frames_are_not_sliced(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast((True,) * 5, frames=5)
    spy = Spy(tiny_wan.with_windows(adapted, 9))
    guided, handle = apply_guidance(spy.model, cast, FROM_THE_START)
    tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=2)
    whole = adapted.model.process_latent_in(tiny_wan.references(cast))
    for references in spy.references:
        torch.testing.assert_close(references[:1], whole)
    assert collect(handle).masks.shape[1] == 5


def test_easycache_keeps_the_masks_of_skipped_steps(adapted: ModelPatcher) -> None:
    from comfy_extras.nodes_easycache import EasyCacheNode

    cast = tiny_wan.make_cast()
    spy = Spy(EasyCacheNode.execute(adapted, 5.0, 0.1, 0.9, False)[0])
    guided, handle = apply_guidance(spy.model, cast, FROM_THE_START)
    tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=8)
    masks = collect(handle).masks
    assert len(spy.calls) < 8 and len(masks) == 8
    repeated = sum(torch.equal(masks[step], masks[step + 1]) for step in range(7))
    assert repeated == 8 - len(spy.calls)


def test_lazycache_keeps_the_masks_of_skipped_steps(adapted: ModelPatcher) -> None:
    from comfy_extras.nodes_easycache import LazyCacheNode

    cast = tiny_wan.make_cast()
    for order in (0, 1):  # the cache inside our wrapper, and around it
        spy = Spy(adapted)
        cached = LazyCacheNode.execute(spy.model, 5.0, 0.1, 0.9, False)[0]
        if order:
            own = cached.wrappers[WrappersMP.PREDICT_NOISE].pop("interact")
            cached.wrappers[WrappersMP.PREDICT_NOISE]["interact"] = own
        guided, handle = apply_guidance(cached, cast, FROM_THE_START)
        tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=8)
        assert len(spy.calls) < 8 and len(collect(handle).masks) == 8


def test_a_character_can_be_moved_more_than_the_others(adapted: ModelPatcher) -> None:
    """Masks that never meet: what is added where one person is scales with that person's strength alone."""
    layouts = torch.zeros(2, tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)
    layouts[0, :, :, :3] = layouts[1, :, :, 3:] = 1.0
    plain = tiny_wan.make_cast(layouts=layouts)
    first, second = plain.characters
    stronger = replace(plain, characters=(replace(first, strength=3.0), second))
    weights = []
    for cast in (plain, stronger):
        spy = Spy(adapted)
        guided, _ = apply_guidance(spy.model, cast, GuidanceSettings(mask_source="fixed", stage_boundary=0.0))
        tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=1)
        weights.append(next(call.voices.weights for call in spy.calls if call.voices is not None))
    assert torch.equal(weights[1][0], 3 * weights[0][0]) and torch.equal(weights[1][1:], weights[0][1:])
    with pytest.raises(InteractError, match="audio strength of 'character 0'"):
        replace(first, strength=float("nan"))


def test_a_compiled_model_is_guided_as_a_plain_one(adapted: ModelPatcher) -> None:
    """Core's node guards nothing in transformer_options, where our state of the call is: stages must still change."""
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from comfy_extras.nodes_torch_compile import skip_torch_compile_dict

    compiled = adapted.clone()
    options = {"guard_filter_fn": skip_torch_compile_dict}
    set_torch_compile_wrapper(model=compiled, backend="eager", options=options)
    cast, results = tiny_wan.make_cast(), []
    for model in (adapted, compiled):
        guided, handle = apply_guidance(model, cast, GuidanceSettings(stage_boundary=0.5))
        samples = tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=4)
        results.append((samples, collect(handle)))
    (plain, masks), (fast, others) = results
    assert 0 < masks.boundary_step < 3
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(others.masks, masks.masks, rtol=0, atol=1e-3)


def test_loras_before_and_behind_the_adapter_are_one(adapter: ModelPatcher, tmp_path: Path) -> None:
    import comfy.sd

    base = tiny_wan.load_tiny(tmp_path)
    generator = torch.Generator().manual_seed(3)
    lora = {}
    for name in ("blocks.0.self_attn.q", "blocks.1.ffn.0"):
        rows, columns = base.model.diffusion_model.get_submodule(name).weight.shape
        lora[f"diffusion_model.{name}.lora_A.weight"] = torch.randn(2, columns, generator=generator)
        lora[f"diffusion_model.{name}.lora_B.weight"] = torch.randn(rows, 2, generator=generator)

    def with_lora(model: ModelPatcher) -> ModelPatcher:
        return comfy.sd.load_lora_for_models(model, None, lora, 0.5, 0.0)[0]

    cast, results = tiny_wan.make_cast(), []
    models = (
        apply_adapter(base, adapter),
        apply_adapter(with_lora(base), adapter),
        with_lora(apply_adapter(base, adapter)),
    )
    for model in models:
        guided, _ = apply_guidance(model, cast, FROM_THE_START)
        results.append(tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast)))
    assert torch.equal(results[1], results[2]) and not torch.equal(results[0], results[1])


@pytest.mark.parametrize("style", ["regular", "nested"])
def test_dualcfg_finds_the_positive_wherever_it_stands(adapted: ModelPatcher, style: str) -> None:
    from comfy_extras.nodes_custom_sampler import DualCFGGuider

    cast = tiny_wan.make_cast()
    guided, handle = apply_guidance(adapted, cast, FROM_THE_START)
    positive, negative = tiny_wan.conds(cast)
    guider = DualCFGGuider.execute(guided, positive, negative, negative, 3.0, 2.0, style)[0]
    tiny_wan.guider_sample(guider, tiny_wan.empty_latent(cast))
    plain = tiny_wan.core_sample(guided, positive, negative, tiny_wan.empty_latent(cast), steps=1)
    assert plain.isfinite().all()
    guider = DualCFGGuider.execute(guided, positive, negative, negative, 3.0, 2.0, style)[0]
    tiny_wan.guider_sample(guider, tiny_wan.empty_latent(cast), steps=1)
    dual = collect(handle).masks
    tiny_wan.core_sample(guided, positive, negative, tiny_wan.empty_latent(cast), steps=1)
    torch.testing.assert_close(dual, collect(handle).masks, rtol=0, atol=2e-3)


def test_two_positives_are_averaged(adapted: ModelPatcher) -> None:
    """Core's ConditioningCombine: two entries in one positive, with the same cast."""
    cast = tiny_wan.make_cast()
    positive, negative = tiny_wan.conds(cast)
    other = [[tiny_wan.text(9)[0][0], positive[0][1]]]
    masks = []
    for conditioning in (positive, other, positive + other):
        guided, handle = apply_guidance(adapted, cast, FROM_THE_START)
        tiny_wan.core_sample(guided, conditioning, negative, tiny_wan.empty_latent(cast), steps=1)
        masks.append(collect(handle).masks.float())
    torch.testing.assert_close(masks[2], (masks[0] + masks[1]) / 2, rtol=0, atol=2e-3)


def test_vace_blocks_do_not_inject_again(tmp_path: Any, adapter: ModelPatcher) -> None:
    base = tiny_wan.load_tiny(tmp_path, cls=VaceWanModel, model_type="vace", vace_layers=3, vace_in_dim=96)
    cast = tiny_wan.make_cast()
    guided, handle = apply_guidance(apply_adapter(base, adapter), cast, FROM_THE_START)
    calls: list[int] = []
    hooks = [
        block.register_forward_hook(lambda *_, number=int(name): calls.append(number))
        for name, block in adapter.model.audio_blocks.items()
    ]
    try:
        samples = tiny_wan.core_sample(
            guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=2, cfg=1.0
        )
    finally:
        for hook in hooks:
            hook.remove()
    assert calls == [0, 1, 2] * 2
    assert samples.isfinite().all() and len(collect(handle).masks) == 2
