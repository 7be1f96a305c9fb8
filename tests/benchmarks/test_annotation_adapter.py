"""The comparison of adapters that were trained on the pipeline's shards and on the truth: it can fail, both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.benchmarks.annotation.adapter import (
    ADAPTER,
    PIPELINE,
    START,
    TRUTH,
    figures_of,
    train_both,
    write_start,
)
from interacthuman.interact_core.adapter import read_adapter
from interacthuman.interact_core.theatre.training.shards import write_theatre_shards
from interacthuman.tests.support.training import MODELS

SCENES = [0.2, -0.3, 0.1, 0.0]  # by which scenes differ


def records(mask: float, sync: float) -> list[dict[str, object]]:
    """Scenes of two characters."""
    return [
        {
            "characters": [
                {"mask_iou": mask + by, "boundary_iou": mask / 2, "sync": sync + by, "crosstalk": 0.1 - by}
                for by in (apart, -apart / 2)
            ]
        }
        for apart in SCENES
    ]


@pytest.mark.parametrize(
    "pipeline, start, learned, as_good",
    [
        ((0.78, 0.65), (0.1, 0.0), True, True),
        ((0.70, 0.50), (0.1, 0.0), True, False),  # the pipeline's shards teach less
        ((0.78, 0.65), (0.78, 0.68), False, True),  # nobody learned anything
    ],
)
def test_the_comparison_can_fail(
    pipeline: tuple[float, float], start: tuple[float, float], learned: bool, as_good: bool
) -> None:
    runs = {PIPELINE: records(*pipeline), TRUTH: records(0.8, 0.7), START: records(*start)}
    found = {figure.name: figure for figure in figures_of(runs)}
    for measure, truth, own in (("mask_iou_last", 0.8, pipeline[0]), ("sync", 0.7, pipeline[1])):
        assert found[f"{measure}_gained"].holds is learned
        assert found[f"{measure}_pipeline_minus_truth"].holds is as_good
        assert found[f"{measure}_pipeline_minus_truth"].value == pytest.approx(own - truth)
        assert found[f"{measure}_{TRUTH}"].count == len(SCENES)


def test_what_both_begin_with_knows_nobody_and_adds_no_voice(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    write_start(MODELS / ADAPTER, path)
    shipped, start = read_adapter(MODELS / ADAPTER), read_adapter(path)
    assert start[0].mask_blocks == shipped[0].mask_blocks
    for name, value in start[1].items():
        if name.startswith("audio_blocks.") and ".o." in name:
            assert not value.any()
        elif name.startswith("audio_"):
            assert torch.equal(value, shipped[1][name].float())
        elif name.endswith(".weight") and ".norm" not in name:
            assert not torch.equal(value, shipped[1][name].float())


def test_each_is_trained_on_its_own_shards_from_the_same_start(tmp_path: Path) -> None:
    shards = {
        name: write_theatre_shards(tmp_path / name, seed, 2, puppets=(2,), frames=25)
        for name, seed in ((PIPELINE, 1), (TRUTH, 2))
    }
    trained = train_both(tmp_path, MODELS, shards, steps=2)
    assert sorted(path.name for path in trained.iterdir()) == sorted([PIPELINE, START, TRUTH])
    weights = {name: read_adapter(trained / name / ADAPTER)[1] for name in (PIPELINE, START, TRUTH)}
    name = "mask_heads.1.hidden.weight"
    found = [weights[one][name].float() for one in (PIPELINE, START, TRUTH)]
    assert not any(
        torch.equal(a, b) for a, b in ((found[0], found[1]), (found[1], found[2]), (found[0], found[2]))
    )
    assert (trained / TRUTH / "vae" / "theatre_wan_vae.safetensors").is_file()
