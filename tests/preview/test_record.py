"""A run's record refuses what does not fit together."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.tests.support.run_records import FRAMES, drawn_record


def test_a_record_checks_what_the_viewer_gets() -> None:
    assert drawn_record().steered == (False, True, True)
    assert drawn_record(boundary_step=-1).steered == (False,) * 3
    with pytest.raises(InteractError, match="pictures of shape"):
        drawn_record(pictures=torch.zeros(2, FRAMES, 6, 8, 3, dtype=torch.uint8))
    with pytest.raises(InteractError, match="loudness of 1 characters"):
        drawn_record(loudness=(None,))
