"""A small part of the campaign of cancels, on the server of the tests."""

from __future__ import annotations

from pathlib import Path

from interacthuman.benchmarks.trust import cancels
from interacthuman.benchmarks.trust.campaign import Order
from interacthuman.interact_core.comfy_server import ComfyServer


def test_a_run_after_a_cancelled_one_is_as_if_there_had_been_none(
    server: ComfyServer, tmp_path: Path
) -> None:
    """Bit by bit, and no temporary file is left; before the second the models are dropped."""
    order = Order(2506, range(4), tmp_path)
    cancels.run_on(server, order)
    assert [f"{fault.number}: {fault.tried}: {fault.found}" for fault in order.tally.faults] == []
    assert len(order.tally.kept) == 4
    assert all(outcome.startswith("cancelled in") for outcome in order.tally.outcomes), order.tally.outcomes
    assert max(order.tally.values(cancels.TEMP)) == 0
