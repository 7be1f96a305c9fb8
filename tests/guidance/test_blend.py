"""Shares of the voice tracks from masks, mostly as properties."""

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.guidance import GuidanceSettings, blend_weights

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


def test_gain_doubles_a_weak_mask() -> None:
    shares = blend_weights(torch.full((1, 1, 1, 1), 0.3), (True,), PREDICTED)
    torch.testing.assert_close(shares, torch.tensor([[0.6], [0.4]]))


@pytest.mark.parametrize(
    "source, audio, speaking, expected",
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
