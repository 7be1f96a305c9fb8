"""Temperature and threshold, the ablation's other ways to sharpen masks."""

from __future__ import annotations

import pytest
import torch
from interacthuman.benchmarks.scenes.sharpening import SharpeningSettings
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import blend_weights


def sharpened(masks: torch.Tensor, **changes: float) -> torch.Tensor:
    return SharpeningSettings(**{"mask_gain": 1.0, **changes}).sharpen(masks)


def test_temperature_divides_the_logit_and_a_threshold_cuts() -> None:
    masks = torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0])
    odds = torch.tensor([1 / 16, 1.0, 16.0])  # 0.2 is 1 to 4; at half the temperature 1 to 16
    torch.testing.assert_close(sharpened(masks, mask_temperature=0.5)[1:4], odds / (1 + odds))
    assert sharpened(masks, mask_temperature=0.5)[[0, 4]].tolist() == [0.0, 1.0]  # certain stays certain
    assert sharpened(masks, mask_threshold=0.5).tolist() == [0, 0, 1, 1, 1]
    weaker = sharpened(masks, mask_gain=0.5, mask_temperature=0.1, mask_threshold=0.5)
    assert weaker.tolist() == [0, 0, 0.5, 0.5, 0.5]  # the gain comes last
    cut = SharpeningSettings(stage_boundary=0.0, mask_gain=1.0, mask_threshold=0.3)
    shares = blend_weights(torch.full((1, 1, 1, 1), 0.3), (True,), cut)
    assert shares.flatten().tolist() == [1.0, 0.0]


@pytest.mark.parametrize("name, value", [("mask_temperature", 0.0), ("mask_threshold", 1.5)])
def test_sharpening_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(InteractError, match=f"{name} is {value}"):
        SharpeningSettings(**{name: value})
