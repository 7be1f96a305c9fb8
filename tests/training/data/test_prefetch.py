"""How a batch is divided among processes and forward passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.training.data.prefetch import process_micro_batches
from interacthuman.tests.support.training import run_in


def test_a_batch_that_does_not_divide_is_refused(workdir: Path) -> None:
    with pytest.raises(InteractError, match="make it a multiple of 4"):
        process_micro_batches(run_in(workdir, "odd", run__batch=6, run__micro=2), 0, 2)
