"""Blend, stage rule and settings of the guidance room, mostly as properties."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import (
    GuidanceSettings,
    StageClock,
    blend_weights,
    guiding_masks,
)

PREDICTED = GuidanceSettings()
UNSHARPENED = GuidanceSettings(mask_gain=1.0)


def masks_of(seed: int, count: int, scale: float = 1.0) -> torch.Tensor:
    """[N, 2, 2, 3] with exact zeros and ones among them, as clamped and drawn masks have."""
    random = torch.rand(count, 2, 2, 3, generator=torch.Generator().manual_seed(seed))
    return ((random * 1.4 - 0.2) * scale).clamp(0, 1)


casts = st.lists(st.booleans(), min_size=1, max_size=5).map(tuple)
gains = st.floats(1e-3, 1e3)


@examples(max_examples=200, deadline=None)
@given(casts, st.integers(0, 10**6), gains, st.sampled_from([0.0, 1e-30, 1e-3, 1.0]))
def test_shares_are_convex(speaking: tuple[bool, ...], seed: int, gain: float, scale: float) -> None:
    masks = masks_of(seed, len(speaking), scale).requires_grad_()
    shares = blend_weights(masks, speaking, GuidanceSettings(mask_gain=gain))
    assert shares is not None and shares.shape == (sum(speaking) + 1, 12) and not shares.requires_grad
    assert shares.dtype == torch.float32
    assert bool(shares.isfinite().all() and (shares >= 0).all() and (shares <= 1).all())
    torch.testing.assert_close(shares.sum(0), torch.ones(12))


@examples(max_examples=100, deadline=None)
@given(casts, st.integers(0, 10**6))
def test_shares_follow_the_cast_whatever_its_order(speaking: tuple[bool, ...], seed: int) -> None:
    masks, count = masks_of(seed, len(speaking)), len(speaking)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    shares = blend_weights(masks, speaking, PREDICTED)
    moved = blend_weights(masks[order], tuple(speaking[i] for i in order), PREDICTED)
    speakers = [i for i in range(count) if speaking[i]]
    rows = [speakers.index(i) for i in order if speaking[i]] + [len(speakers)]
    torch.testing.assert_close(moved, shares[rows])


@examples(max_examples=100, deadline=None)
@given(casts, st.integers(0, 10**6), gains)
def test_making_one_silent_hands_its_share_to_mute(
    speaking: tuple[bool, ...], seed: int, gain: float
) -> None:
    masks, settings = masks_of(seed, len(speaking) + 1), GuidanceSettings(mask_gain=gain)
    loud = blend_weights(masks, (*speaking, True), settings)
    quiet = blend_weights(masks, (*speaking, False), settings)
    torch.testing.assert_close(quiet[:-1], loud[:-2], rtol=0, atol=1e-6)
    torch.testing.assert_close(quiet[-1], loud[-2:].sum(0), rtol=0, atol=1e-6)


def test_shares_by_hand() -> None:
    #                       alone  nobody  overlap  soft  silent
    speaker_a = torch.tensor([1.0, 0.0, 1.0, 0.25, 0.0])
    speaker_b = torch.tensor([0.0, 0.0, 1.0, 0.25, 0.6])
    onlooker_ = torch.tensor([0.0, 0.0, 0.0, 0.00, 0.6])
    masks = torch.stack((speaker_a, onlooker_, speaker_b)).view(3, 1, 1, 5)
    shares = blend_weights(masks, (True, False, True), UNSHARPENED)
    torch.testing.assert_close(shares[0], torch.tensor([1.0, 0.0, 0.5, 0.25, 0.0]))
    torch.testing.assert_close(shares[1], torch.tensor([0.0, 0.0, 0.5, 0.25, 0.5]))
    torch.testing.assert_close(shares[2], torch.tensor([0.0, 1.0, 0.0, 0.50, 0.5]))


def test_tokens_run_time_height_width() -> None:
    masks = torch.zeros(1, 2, 3, 4)
    masks[0, 1, 2, 3] = 1
    masks[0, 0, 1, 0] = 0.5
    shares = blend_weights(masks, (True,), UNSHARPENED)[0]
    assert shares.nonzero().flatten().tolist() == [4, 23] and float(shares[4]) == 0.5


def test_masks_of_a_batch_are_blended_each_for_itself() -> None:
    batch = torch.stack([masks_of(seed, 3) for seed in range(4)])
    speaking = (True, False, True)
    shares = blend_weights(batch, speaking, PREDICTED)
    assert shares.shape == (4, 3, 12)
    for masks, one in zip(batch, shares):
        torch.testing.assert_close(blend_weights(masks, speaking, PREDICTED), one)


@examples(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), gains)
def test_sharpening_is_gain_and_clamp(seed: int, gain: float) -> None:
    masks = masks_of(seed, 1)
    settings = GuidanceSettings(mask_gain=gain)
    sharp = settings.sharpen(masks)
    torch.testing.assert_close(sharp, (masks * gain).clamp(0, 1))
    if gain >= 1:
        assert bool((sharp >= masks).all())
    assert settings.sharpen(masks.bfloat16()).dtype == torch.float32


def test_gain_doubles_a_weak_mask() -> None:
    shares = blend_weights(torch.full((1, 1, 1, 1), 0.3), (True,), PREDICTED)
    torch.testing.assert_close(shares, torch.tensor([[0.6], [0.4]]))


@pytest.mark.parametrize(
    ("source", "audio", "speaking", "expected"),
    [
        ("predicted", "none", (True, True), None),
        ("predicted", "mute", (True, False, True), [0.0, 0.0, 1.0]),
        ("predicted", "all", (True, False, True), [0.5, 0.5, 0.0]),
        ("fixed", "all", (True,), [1.0, 0.0]),
        ("predicted", "all", (False, False), [1.0]),
        ("predicted", "mute", (False,), [1.0]),
        ("none", "mute", (True, True), [0.5, 0.5, 0.0]),
        ("none", "none", (True, True), [0.5, 0.5, 0.0]),
        ("none", "mute", (False,), [1.0]),
    ],
)
def test_shares_without_masks(
    source: str, audio: str, speaking: tuple[bool, ...], expected: list[float] | None
) -> None:
    settings = GuidanceSettings(mask_source=source, stage_one_audio=audio)
    shares = blend_weights(None, speaking, settings)
    assert shares is None if expected is None else shares.flatten().tolist() == expected
    if expected is not None:
        assert shares.shape == (len(expected), 1)
        assert torch.equal(blend_weights(None, speaking, settings, tokens=7), shares.expand(-1, 7))


def test_source_none_looks_at_no_mask() -> None:
    settings = GuidanceSettings(mask_source="none")
    assert blend_weights(masks_of(0, 2), (True, True), settings).tolist() == [[0.5], [0.5], [0.0]]


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
    seen: list[float] = []
    for step, sigma in enumerate(schedule(shift, steps)):
        for evaluated in (sigma, sigma * (0.5 + wander[step])):
            seen.append(evaluated)
            assert clock.observe(evaluated, step) == (min(seen) <= limit)
    if clock.stage_two:
        assert min(seen[: 2 * clock.boundary_step + 2]) <= limit


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"mask_source": "drawn"},
        {"stage_one_audio": "loud"},
        {"stage_boundary": -0.1},
        {"stage_boundary": 1.1},
        {"stage_boundary": math.nan},
        {"mask_gain": 0.0},
        {"mask_gain": math.inf},
        {"mask_smoothing": 1.5},
        {"mask_smoothing": -0.5},
    ],
)
def test_settings_out_of_range_are_named(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(InteractError, match=f"guidance setting {name} is"):
        GuidanceSettings(**wrong)
