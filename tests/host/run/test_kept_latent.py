"""A noise mask, and one schedule in two samplers: the second keeps what the first kept, and not the noise on it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.run.kept_latent import goes_on
from interacthuman.interact_core.preview.record import RunRecord
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

import comfy.sample  # isort: skip
import comfy.samplers  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip

STEPS, CUT = 4, 2
SETTINGS = GuidanceSettings(stage_boundary=0.2)
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}  # of float32 between two samplers, as in test_split_runs.py
SOURCE = torch.randn(1, *tiny_wan.LATENT, generator=torch.Generator().manual_seed(3))
FREE = torch.zeros(1, 1, *tiny_wan.LATENT[1:])
FREE[..., :5] = 1.0


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    adapter = tiny_wan.load_tiny_adapter(tmp_path_factory.mktemp("adapter"))
    return apply_adapter(tiny_wan.load_tiny(tmp_path_factory.mktemp("wan")), adapter)


def run(
    model: ModelPatcher,
    start: int,
    end: int,
    latent: Tensor,
    masks: RunRecord | None = None,
    sampler: str = "euler",
) -> tuple[Tensor, RunRecord]:
    """Steps `start` to `end` as KSamplerAdvanced takes them, with FREE as the LATENT's noise mask."""
    cast = tiny_wan.make_cast()
    guided, handle = apply_guidance(model, cast, SETTINGS, masks=masks)
    onward = start > 0
    noise = torch.zeros_like(latent) if onward else comfy.sample.prepare_noise(latent, 5)
    samples = comfy.sample.sample(
        guided, noise, STEPS, 3.0, sampler, "simple", *tiny_wan.conds(cast), latent,
        disable_noise=onward, start_step=start, last_step=end, force_full_denoise=end == STEPS,
        noise_mask=FREE, seed=5, disable_pbar=True,
    )  # fmt: skip
    return samples, collect(handle)


def kept_error(samples: Tensor) -> float:
    return float(((samples - SOURCE) * (1 - FREE)).abs().max())


def said(record: RunRecord) -> list[str]:
    return [line.key for line in record.said]


@pytest.mark.parametrize("sampler", ["euler", "uni_pc", "ddim"])
def test_two_samplers_keep_what_one_keeps(adapted: ModelPatcher, sampler: str) -> None:
    whole, record = run(adapted, 0, STEPS, SOURCE, sampler=sampler)
    half, first = run(adapted, 0, CUT, SOURCE, sampler=sampler)
    end = 0.02 if sampler == "uni_pc" else 1e-5  # core's uni_pc stops at a sigma of 0.001
    assert kept_error(whole) < end and kept_error(half) > 0.1  # noise is left on it
    rest, second = run(adapted, CUT, STEPS, half, first, sampler)
    assert kept_error(rest) < end
    if (
        sampler == "euler"
    ):  # the others begin a second sampler without their memory of earlier steps, or draw noise
        torch.testing.assert_close(rest, whole, **TOLERANCE)
    assert torch.equal(second.kept, SOURCE) and torch.equal(record.kept, SOURCE)
    assert "run_keeps_noise" not in said(second)


def test_three_samplers_and_windows_with_freenoise(adapted: ModelPatcher) -> None:
    """FreeNoise moves the noise that a sampler gets: what is left on the source must not be moved again."""
    from comfy_extras.nodes_context_windows import WanContextWindowsManualNode

    model = WanContextWindowsManualNode.execute(
        adapted, 5, 1, "standard_static", 1, False, "pyramid", True, False
    )[0]
    whole, _ = run(model, 0, STEPS, SOURCE)
    latent, masks = run(model, 0, 1, SOURCE)
    for start, end in ((1, 2), (2, STEPS)):
        latent, masks = run(model, start, end, latent, masks)
    torch.testing.assert_close(latent, whole, **TOLERANCE)


def test_without_masks_the_second_sampler_says_that_it_keeps_noise(adapted: ModelPatcher) -> None:
    half, _ = run(adapted, 0, CUT, SOURCE)
    rest, second = run(adapted, CUT, STEPS, half)
    assert kept_error(rest) > 0.1 and "run_keeps_noise" in said(second)
    assert second.kept is None


def test_a_run_goes_on_only_where_something_is_kept_and_no_noise_is_added() -> None:
    nothing: Any = torch.zeros(1, 16, 3, 8, 12)
    assert goes_on(nothing, FREE)
    assert not goes_on(nothing, None)
    assert not goes_on(nothing, torch.ones_like(FREE))
    assert not goes_on(nothing + 1, FREE)


def test_split_sigmas_and_custom_samplers_keep_it_too(adapted: ModelPatcher) -> None:
    """SplitSigmas, SamplerCustomAdvanced and DisableNoise, and a second model with a shift of its own."""
    from comfy_extras.nodes_custom_sampler import (
        BasicScheduler,
        CFGGuider,
        DisableNoise,
        RandomNoise,
        SamplerCustomAdvanced,
        SplitSigmas,
    )
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    cast = tiny_wan.make_cast()
    (other,) = ModelSamplingSD3().patch(adapted, 3.0)
    sigmas = BasicScheduler.execute(adapted, "simple", STEPS, 1.0)[0]
    sampler = comfy.samplers.sampler_object("euler")

    def part(
        model: ModelPatcher, latent: Any, noise: Any, steps: Tensor, masks: RunRecord | None = None
    ) -> Any:
        guided, handle = apply_guidance(model, cast, SETTINGS, masks=masks)
        guider = CFGGuider.execute(guided, *tiny_wan.conds(cast), 3.0)[0]
        return SamplerCustomAdvanced.execute(noise, guider, sampler, steps, latent)[0], handle

    given = {"samples": SOURCE, "noise_mask": FREE}
    whole, _ = part(adapted, given, RandomNoise.execute(5)[0], sigmas)
    high, low = SplitSigmas.execute(sigmas, CUT)[:2]
    half, handle = part(adapted, given, RandomNoise.execute(5)[0], high)
    rest, _ = part(other, half, DisableNoise.execute()[0], low, collect(handle))
    assert kept_error(rest["samples"]) < 1e-5
    torch.testing.assert_close(rest["samples"], whole["samples"], **TOLERANCE)
