"""Few-step schedules: the masks begin to steer where the boundary is on the model's own schedule."""

from __future__ import annotations

from typing import Any

import pytest
from interacthuman.benchmarks import few_steps
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.keys import CALL_KEY
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.theatre.scenes import scene_record

from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

OWN_SHIFT = 8.0  # Wan 2.1's (comfy/supported_models.py)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


def sigma_at(time: float, shift: float) -> float:
    """Noise at `time` (1 at the start, 0 at the end) of a flow schedule: shift t / (1 + (shift - 1) t)."""
    return shift * time / (1 + (shift - 1) * time)


def first_of_stage_two(steps: int, shift: float, boundary: float) -> int:
    """Of `steps` at equal distances in time, the first that starts at the boundary's noise or below.

    The boundary is a place on the model's OWN schedule: the same noise whatever shift the sampler runs at.
    """
    limit = sigma_at(1 - boundary, OWN_SHIFT)
    return next(step for step in range(steps) if sigma_at(1 - step / steps, shift) <= limit * (1 + 1e-4))


@pytest.mark.parametrize("boundary", [0.2, 0.4])
@pytest.mark.parametrize("shift", [5.0, 8.0])
@pytest.mark.parametrize("steps", [4, 8])
@pytest.mark.parametrize("sampler", ["euler", "lcm"])
def test_masks_steer_from_the_boundary_on(
    adapted: ModelPatcher, sampler: str, steps: int, shift: float, boundary: float
) -> None:
    """Read from the tokens' shares: before it all have the mute track; from then on each its own."""
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    (shifted,) = ModelSamplingSD3().patch(adapted, shift)
    placed: list[bool] = []  # whether place mattered, by step

    def note(executor: Any, *args: Any, **kwargs: Any) -> Any:
        placed.append(args[5][CALL_KEY].voices.weights.shape[-1] > 1)
        return executor(*args, **kwargs)

    watched = shifted.clone()
    watched.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", note)
    cast = tiny_wan.make_cast((True, False))
    guided, handle = apply_guidance(watched, cast, GuidanceSettings(stage_boundary=boundary))
    samples = tiny_wan.core_sample(
        guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), sampler, steps=steps, cfg=1.0
    )
    expected = first_of_stage_two(steps, shift, boundary)
    assert samples.isfinite().all() and 0 < expected < steps
    assert collect(handle).boundary_step == expected
    assert placed == [step >= expected for step in range(steps)]


def test_what_few_steps_lose_is_taken_scene_by_scene() -> None:
    """Scenes that differ by far more than what is lost: the interval of the difference does not see it."""
    syncs = [0.1, 0.5, 0.9, 0.3]
    runs = {
        20: [scene_record(sync, 0.1) for sync in syncs],
        8: [scene_record(sync - 0.05 - 0.01 * number, 0.1) for number, sync in enumerate(syncs)],
        4: [scene_record(sync - 0.4, 0.1) for sync in syncs],
    }
    figures = {figure.name: figure for figure in few_steps.figures_of(runs, 20)}
    lost = figures["sync_lost_in_8"]
    assert lost.value == pytest.approx(0.065) and lost.holds and lost.bound == "<= 0.1"
    assert 0.05 <= lost.interval[0] <= lost.interval[1] <= 0.08 and lost.count == len(syncs)
    assert figures["sync_lost_in_4"].value == pytest.approx(0.4) and figures["sync_lost_in_4"].holds is None
    low, high = figures["sync_8"].interval
    assert high - low > 0.3 and figures["mask_iou_last_4"].value == pytest.approx(0.9)
    worse = few_steps.figures_of({20: runs[20], 8: runs[4]}, 20)
    assert [figure.holds for figure in worse if figure.name == "sync_lost_in_8"] == [False]


def test_fewer_steps_are_run_with_the_sampler_that_is_asked_for() -> None:
    chosen = few_steps.arguments(["--sampler", "lcm", "--shift", "5"])
    run_settings = few_steps.settings_from_arguments(chosen)
    settings = [
        few_steps.in_steps(steps, run_settings, chosen) for steps in (run_settings.steps, *chosen.steps)
    ]
    assert [(d.steps, d.sampler, d.shift) for d in settings] == [
        (run_settings.steps, run_settings.sampler, run_settings.shift), (8, "lcm", 5.0), (4, "lcm", 5.0),
    ]  # fmt: skip
