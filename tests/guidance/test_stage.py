"""Where stage two begins, and which masks steer an evaluation, mostly as properties."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings, StageClock, guiding_masks

PREDICTED = GuidanceSettings()


def shifted(shift: float) -> Callable[[float], float]:
    """percent_to_sigma of ComfyUI's ModelSamplingDiscreteFlow: 0 is the start of the schedule, 1 its end."""
    return lambda percent: shift * (1 - percent) / (1 + (shift - 1) * (1 - percent))


def schedule(shift: float, steps: int) -> list[float]:
    return [shifted(shift)(step / steps) for step in range(steps)]


shifts = st.floats(0.5, 15.0)
boundaries = st.floats(0.0, 1.0)


def test_ten_of_fifty_steps_at_any_shift() -> None:
    for shift in (1.0, 3.0, 5.0, 8.0, 12.0):
        clock = StageClock(0.2, shifted(shift))
        stages = [clock.observe(sigma, step) for step, sigma in enumerate(schedule(shift, 50))]
        assert stages == [False] * 10 + [True] * 40 and clock.boundary_step == 10


def test_comfyui_puts_the_boundary_at_the_same_place() -> None:
    """Against core's own sampling object and its 'simple' schedule, as WAN models carry them."""
    import comfy.model_sampling
    import comfy.samplers

    sampling = type("Sampling", (comfy.model_sampling.ModelSamplingDiscreteFlow,), {})()
    for shift, steps in ((8.0, 50), (5.0, 50), (3.0, 20), (8.0, 4)):
        sampling.set_parameters(shift=shift)
        sigmas = comfy.samplers.calculate_sigmas(sampling, "simple", steps)[:-1].tolist()
        clock = StageClock(0.2, sampling.percent_to_sigma)
        stages = [clock.observe(sigma, step) for step, sigma in enumerate(sigmas)]
        assert stages.index(True) == math.ceil(0.2 * steps)


@examples(max_examples=200, deadline=None)
@given(shifts, st.integers(1, 60), boundaries)
def test_stage_two_begins_at_the_same_noise_for_any_number_of_steps(
    shift: float, steps: int, boundary: float
) -> None:
    clock, limit = StageClock(boundary, shifted(shift)), shifted(shift)(boundary)
    sigmas = schedule(shift, steps)
    stages = [clock.observe(sigma, step) for step, sigma in enumerate(sigmas)]
    assert stages == sorted(stages)
    for sigma, stage_two in zip(sigmas, stages):
        assert stage_two == (sigma <= limit * (1 + 1e-4))
    assert clock.boundary_step == (stages.index(True) if any(stages) else -1)


@examples(max_examples=200, deadline=None)
@given(shifts, st.integers(2, 40), boundaries, st.integers(0, 39))
def test_split_sampling_changes_stage_where_the_whole_does(
    shift: float, steps: int, boundary: float, cut: int
) -> None:
    sigmas, cut = schedule(shift, steps), min(cut, steps)
    whole, first, second = (StageClock(boundary, shifted(shift)) for _ in range(3))
    expected = [whole.observe(sigma, step) for step, sigma in enumerate(sigmas)]
    result = [first.observe(sigma, step) for step, sigma in enumerate(sigmas[:cut])]
    result += [second.observe(sigma, step) for step, sigma in enumerate(sigmas[cut:])]
    assert result == expected


@examples(max_examples=200, deadline=None)
@given(shifts, st.integers(1, 30), boundaries, st.lists(st.floats(0.0, 1.0), min_size=30, max_size=30))
def test_evaluations_off_the_schedule_never_turn_the_clock_back(
    shift: float, steps: int, boundary: float, wander: list[float]
) -> None:
    """Second-order samplers evaluate between steps, restarts and churn go back up."""
    clock, limit = StageClock(boundary, shifted(shift)), shifted(shift)(boundary) * (1 + 1e-4)
    sigmas: list[float] = []
    for step, sigma in enumerate(schedule(shift, steps)):
        for evaluated in (sigma, sigma * (0.5 + wander[step])):
            sigmas.append(evaluated)
            assert clock.observe(evaluated, step) == (min(sigmas) <= limit)
    if clock.stage_two:
        assert min(sigmas[: 2 * clock.boundary_step + 2]) <= limit


def test_the_boundary_step_is_the_first_of_stage_two() -> None:
    clock = StageClock(0.5, lambda percent: 1 - percent)
    assert [clock.observe(s, n) for n, s in ((0, 1.0), (1, 0.7), (1, 0.4), (2, 0.6))] == [
        False,
        False,
        True,
        True,
    ]
    assert clock.boundary_step == 1


@pytest.mark.parametrize("boundary", [0.0, 1.0])
def test_the_ends_of_the_schedule(boundary: float) -> None:
    clock = StageClock(boundary, shifted(5.0))
    assert all(clock.observe(sigma) == (boundary == 0.0) for sigma in schedule(5.0, 8))


def test_which_masks_steer() -> None:
    predicted, layouts = torch.zeros(1), torch.ones(1)
    fixed, nowhere = GuidanceSettings(mask_source="fixed"), GuidanceSettings(mask_source="none")
    assert guiding_masks(False, PREDICTED, predicted, layouts) is None
    assert guiding_masks(True, PREDICTED, predicted, layouts) is predicted
    assert (
        guiding_masks(True, PREDICTED, None, layouts) is None
    )  # a part that starts in stage two: no mask yet
    assert guiding_masks(True, fixed, predicted, layouts) is layouts
    assert guiding_masks(False, fixed, predicted, layouts) is None
    assert guiding_masks(True, nowhere, predicted, layouts) is None
    for stage_two in (False, True):
        with pytest.raises(InteractError, match="no character has a layout mask"):
            guiding_masks(stage_two, fixed, predicted, None)
