"""Settings of the guidance: their ranges, and how masks are sharpened."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings


@examples(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_sharpening_is_gain_and_clamp(seed: int, gain: float) -> None:
    random = torch.rand(1, 2, 2, 3, generator=torch.Generator().manual_seed(seed))
    masks = (random * 1.4 - 0.2).clamp(0, 1)  # exact zeros and ones among them
    settings = GuidanceSettings(mask_gain=gain)
    sharp = settings.sharpen(masks)
    torch.testing.assert_close(sharp, (masks * gain).clamp(0, 1))
    if gain >= 1:
        assert bool((sharp >= masks).all())
    assert settings.sharpen(masks.bfloat16()).dtype == torch.float32


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
