"""A small part of the campaign of upgrades: a graph of version 0.1.0 gives what it gave then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from interacthuman.benchmarks.trust import upgrades
from interacthuman.interact_core.comfy_server import ComfyServer

SNAPSHOTS = Path(__file__).parents[1] / "nodes" / "snapshots"
LATENT = SNAPSHOTS / "latent_0_1_0.json"
"""Shape, mean, deviation, and every 97th number of the latent that version 0.1.0 makes with the shipped weights."""


def test_a_graph_of_version_0_1_0_gives_the_same_latent(server: ComfyServer) -> None:
    """To rounding, as processors differ; the campaign runs both versions on one, and compares bits."""
    graphs = json.loads((SNAPSHOTS / "graphs_0_1_0.json").read_text(encoding="utf-8"))
    (latent,) = upgrades.latents_of(server, upgrades.small(graphs["two_speakers"]["api"])).values()
    then = json.loads(LATENT.read_text(encoding="utf-8"))
    assert list(latent.shape) == then["shape"]
    assert latent.mean().item() == pytest.approx(then["mean"], abs=1e-3 * then["deviation"])
    assert latent.std().item() == pytest.approx(then["deviation"], rel=1e-3)
    drift = (latent.flatten()[::97] - torch.tensor(then["numbers"])).abs().max().item()
    assert drift < 1e-3 * then["deviation"]
