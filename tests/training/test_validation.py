"""Validation writes its figures and sampled clips."""

from __future__ import annotations

from pathlib import Path

from interacthuman.interact_core.training.trainer import train
from interacthuman.tests.support.training import run_in


def test_validation_writes_figures_and_clips(workdir: Path) -> None:
    from interacthuman.interact_core.media import read_frames

    held_out = {
        "shards__validation": [str(workdir / "held_out-*.tar")],
        "run__validate_every": 4,
        "run__validation_clips": 2,
        "run__sampled_clips": 1,
        "run__sampling_steps": 2,
        "run__measure_peak": True,
    }
    folder = train(run_in(workdir, "validated", **held_out)).parent
    assert len((folder / "validation.csv").read_text().splitlines()) == 2
    clip = read_frames(folder / "clips" / "step_0000004_0.mp4")
    assert clip.shape == (9, 48, 128, 3)  # the video, and beside it with its masks
    for name in ("training.png", "validation.png", "tensorboard"):
        assert (folder / name).exists(), name
    row = (folder / "training.csv").read_text().splitlines()[-1].split(",")
    tokens, used, waiting = (float(x) for x in row[5:])
    assert tokens > 0 and 0 < used < 1 and 0 <= waiting <= 1
