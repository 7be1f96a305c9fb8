"""The ablation's other mask caches and its probe of the mask heads, on a tiny random Wan."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan

from comfy.model_patcher import ModelPatcher  # isort: skip
from interacthuman.benchmarks.ablation.caches import LayerProbe, in_two_passes, within_the_step
from interacthuman.interact_core.guidance import GuidanceSettings, blend_weights
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.keys import CALL_KEY
from interacthuman.interact_core.host.loading import apply_adapter

FROM_THE_START = GuidanceSettings(stage_boundary=0.0)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


class Watch:
    """Keeps, of every call with voices, the shares after each block and the heads' masks at the end."""

    def __init__(self, model: ModelPatcher) -> None:
        self.model = model.clone()
        self.model.set_model_double_block_patch(self)
        self.shares: list[list[torch.Tensor]] = []
        self.masks: list[list[torch.Tensor]] = []

    def __call__(self, args: dict) -> dict:
        call = args["transformer_options"][CALL_KEY]
        if call.voices is not None:
            if args["block_index"] == 0:
                self.shares.append([])
                self.masks.append([])
            self.shares[-1].append(call.voices.weights)
            self.masks[-1] = [logits.sigmoid().unflatten(-1, world_grid()) for logits in call.mask_logits]
        return args


def world_grid() -> tuple[int, int, int]:
    return tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS


def sampled(
    model: ModelPatcher, settings: GuidanceSettings, steps: int = 3
) -> tuple[torch.Tensor, torch.Tensor]:
    cast = tiny_wan.make_cast()
    guided, handle = apply_guidance(model, cast, settings)
    samples = tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=steps)
    return samples, collect(handle).masks


def blended(masks: Sequence[torch.Tensor]) -> torch.Tensor:
    return blend_weights(torch.stack(list(masks)).mean(0), (True, True), FROM_THE_START).transpose(0, 1)


def test_in_two_passes_the_second_is_steered_by_the_firsts_masks(adapted: ModelPatcher) -> None:
    watch = Watch(in_two_passes(adapted))
    _, history = sampled(watch.model, FROM_THE_START)
    assert len(watch.shares) == 6 and len(history) == 3
    for first in (0, 2, 4):
        torch.testing.assert_close(watch.shares[first + 1][0], blended(watch.masks[first]))
    once = Watch(adapted)
    sampled(once.model, FROM_THE_START)
    assert len(once.shares) == 3 and not torch.equal(once.shares[1][0], watch.shares[3][0])


def test_within_the_step_a_block_is_steered_by_the_heads_before_it(adapted: ModelPatcher) -> None:
    """Heads are after blocks 1 and 2: the last block is steered by head 1, the others have the mute track."""
    watch = Watch(within_the_step(adapted, (True, True), FROM_THE_START))
    sampled(watch.model, FROM_THE_START)
    mute = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1)
    for shares, masks in zip(
        watch.shares[1:], watch.masks[1:]
    ):  # the first evaluation has no mask in any cache
        assert bool((shares[0] == mute).all())
        torch.testing.assert_close(shares[1], blended(masks[:1]))
        assert not torch.equal(shares[1], blended(masks))


def test_the_probe_sees_each_head_and_changes_nothing(adapted: ModelPatcher) -> None:
    model, probe = LayerProbe.put_on(adapted, (1, 2))
    (samples, history), plain = sampled(model, FROM_THE_START), sampled(adapted, FROM_THE_START)
    assert torch.equal(samples, plain[0])
    assert [tuple(found.shape) for found in probe.found] == [(2, 2, *world_grid())] * 3
    for found, averaged in zip(probe.found, history):
        torch.testing.assert_close(found.float().mean(0), averaged.float(), rtol=0, atol=1e-3)
