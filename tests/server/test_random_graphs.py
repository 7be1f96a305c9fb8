"""A small part of the campaign of random graphs, on the server of the tests."""

from __future__ import annotations

from pathlib import Path

from interacthuman.benchmarks.trust import graphs
from interacthuman.benchmarks.trust.campaign import Order
from interacthuman.interact_core.comfy_server import ComfyServer


def test_random_graphs_are_refused_or_end_in_a_sentence_or_well(server: ComfyServer, tmp_path: Path) -> None:
    """6 and 121 have values where links belong; they were errors of ours once."""
    order = Order(2506, (0, 1, 2, 3, 6, 7, 121), tmp_path)
    graphs.run_on(server, order)
    assert [f"{fault.number}: {fault.tried}: {fault.found}" for fault in order.tally.faults] == []
    assert len(order.tally.kept) == 7 and len(order.tally.outcomes) > 1
