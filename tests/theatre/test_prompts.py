"""The theatre's motion prompt."""

from __future__ import annotations

import numpy as np
import torch
from interacthuman.interact_core.theatre.prompts import FULL_TRAVEL, motion_amount, motion_prompt


def test_between_standing_still_and_going_far() -> None:
    still, middle, far = motion_prompt(torch.tensor([0.0, 0.5, 1.0])).flatten(1)
    torch.testing.assert_close(middle, (still + far) / 2)
    assert abs(torch.cosine_similarity(still, far, dim=0)) < 0.01
    heads = np.zeros((2, 5, 3), np.float32)
    heads[1, :, 0] = (50, 40, 30, 40, 50)  # there and back
    assert (
        motion_amount(heads) == 20 / FULL_TRAVEL
        and motion_amount(100 * heads) == 1.0
        and motion_amount(heads[:1]) == 0.0
    )
