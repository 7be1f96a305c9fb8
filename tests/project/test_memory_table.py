"""The tables of memory in docs/public-weights.md are what the tool counts, and the tool counts what files have."""

from __future__ import annotations

import pytest
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)
from interacthuman.tools import make_memory_table


def test_the_page_is_up_to_date() -> None:
    """python -m interacthuman.tools.make_memory_table writes it."""
    page = make_memory_table.PAGE.read_text(encoding="utf-8")
    assert make_memory_table.tables() in page


def test_weights_are_those_of_the_architecture() -> None:
    """A block's matrices by hand: four of self-attention, six of text and picture, two of the feed-forward layer."""
    stored = make_memory_table.stored_sizes()
    shapes = make_memory_table.Passes().shapes
    blocks = 40 * (10 * 5120**2 + 2 * 5120 * 13824)
    assert make_memory_table.weights_of(shapes, stored["16 bits"]) * 2**29 == pytest.approx(blocks, rel=0.02)
    assert stored["Q8_0"](32) == 34 and stored["Q4_K"](256) == 144


def test_what_has_no_room() -> None:
    assert make_memory_table.left_over(5.0, 7.5) == "2.5"
    assert make_memory_table.left_over(8.0, 7.5) == "0.0"
    assert make_memory_table.left_over(-0.1, 7.5) == "too large"
