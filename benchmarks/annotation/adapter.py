"""`dev.py bench annotation adapter`: does an adapter that is trained on the pipeline's shards do what one does that is
trained on the very same clips as they were drawn?

Both begin with the same weights, which find nobody and move no mouth, and see the same draws in as many steps. What
differs is what the pipeline had to find out: masks, whose every voice is and when, and pictures of everybody.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ..scenes import held_out  # isort: skip  (it configures comfy, before anything imports comfy)
from ...interact_core.adapter import Adapter, init_adapter, read_adapter, save_adapter
from ...interact_core.training.config import read_config
from ...interact_core.training.trainer import train
from ..scenes.result import Figure, at_least
from ..scenes.runs import Record
from ..scenes.settings import Setting
from ..scenes.store import ScenePlan, open_runs, settings_from_arguments
from ..theatre import gain, mean_of, spread

CONFIG = Path(__file__).parents[2] / "configs" / "annotated_theatre.toml"
ADAPTER = Path("interact") / "theatre_adapter.safetensors"
START, PIPELINE, TRUTH = "start", "pipeline", "truth"
MEASURES = {
    "mask_iou_last": "mask_iou",
    "mask_iou_boundary": "boundary_iou",
    "sync": "sync",
    "crosstalk": "crosstalk",
}
WORSE = {"mask_iou_last": 0.05, "sync": 0.1}  # by which the pipeline's shards may teach less than the truth
PAIRED = "Within each scene, the pipeline's minus the truth's; scenes, start and draws are the same."
LEARNED = "What training on the truth gains: without it the comparison would say nothing."


def write_start(shipped: Path, path: Path, seed: int = 0) -> None:
    """The adapter that both runs begin with: the shipped one with mask heads as `init_adapter` makes them, which know
    nobody, and outputs of its audio layers as that makes them: 0, so that no voice reaches the video.
    """
    config, weights = read_adapter(shipped)
    fresh = init_adapter(Adapter(config), torch.Generator().manual_seed(seed)).state_dict()
    kept = {name: value for name, value in weights.items() if name.startswith("audio_") and ".o." not in name}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_adapter(path, {**fresh, **kept}, config, torch.float32)


def train_both(folder: Path, models: Path, shards: Mapping[str, Sequence[Path]], steps: int) -> Path:
    """A folder of models folders: START, PIPELINE and TRUTH, each with its adapter. A run that was stopped goes on."""
    start = folder / "start.safetensors"
    write_start(models / ADAPTER, start)
    adapters = {START: start}
    for name, paths in shards.items():
        settings = {
            "base.file": models / "diffusion_models" / "theatre_wan.safetensors",
            "adapter.start": start,
            "shards.train": [str(path.resolve()) for path in paths],
            "shards.vae": models / "vae" / "theatre_wan_vae.safetensors",
            "shards.audio_encoder": models / "audio_encoders" / "theatre_wav2vec2",
            "run.folder": folder / f"run_{name}",
            "run.steps": steps,
        }
        adapters[name] = train(read_config(CONFIG, [f"{key}={value}" for key, value in settings.items()]))
    trained = folder / "models"
    for name, adapter in adapters.items():
        shutil.rmtree(trained / name, ignore_errors=True)
        shutil.copytree(models, trained / name)
        shutil.copyfile(adapter, trained / name / ADAPTER)
    return trained


def run_scenes(chosen: argparse.Namespace, trained: Path) -> dict[str, list[Record]]:
    """By name the same held-out scenes in the same order, run with each adapter."""
    plan = ScenePlan(settings_from_arguments(chosen), held_out.load_recordings(chosen.recordings))
    settings = {name: Setting(trained=name) for name in (PIPELINE, TRUTH, START)}
    scenes = range(chosen.scenes)
    with open_runs(plan, chosen, trained) as (store, run):
        run([plan.task(k, setting) for setting in settings.values() for k in scenes])
    return {name: store.of(setting.key, scenes) for name, setting in settings.items()}


def figures_of(runs: Mapping[str, Sequence[Record]]) -> list[Figure]:
    """Each measure of each adapter, what training gained, and what the pipeline's shards lose against the truth."""
    values = {
        measure: {name: np.array([mean_of(one, key) for one in records]) for name, records in runs.items()}
        for measure, key in MEASURES.items()
    }
    table = [Figure(f"{measure}_{name}", *spread(of[name])) for measure, of in values.items() for name in of]
    for measure, worse in WORSE.items():
        of = values[measure]
        table.append(gain(f"{measure}_gained", of[TRUTH], of[START], LEARNED))
        apart = of[PIPELINE] - of[TRUTH]
        table.append(at_least(f"{measure}_pipeline_minus_truth", *spread(apart), -worse, PAIRED))
    return table
