"""The live view's bench on a video of a few tokens: what it counts, and how the share is formed."""

from __future__ import annotations

import pytest
import torch
from interacthuman.benchmarks import live
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)


def test_a_run_is_counted_whole_and_its_last_steps_timed() -> None:
    view = live.measure_view(live.cast_of(2, 96, 64, 9), torch.device("cpu"), steps=4, timed=3)
    assert len(view.record) == len(view.step) == 3 and min(view.step) > 0
    assert 4 * 2 * 3 * 4 * 6 / 1e6 < view.masks < 0.01  # noise: no smaller than its bytes
    assert view.frames > 0 and view.events > 0


def test_the_share_is_that_of_one_forward_pass() -> None:
    view = live.View(record=[1.0] * 3, step=[7.0] * 3, masks=6.5, frames=2.0, events=0.1)
    figures = {figure.name: figure for figure in live.figures_of(view, [10.0, 20.0])}
    assert figures["forward_ms"].value == 15.0 * live.BLOCKS
    assert figures["view_percent_of_step"].value == pytest.approx(100 * 6.0 / 450.0)
    assert figures["view_percent_of_step"].holds and not figures["masks_MB_per_run"].holds
