"""New mask heads alone on a frozen base: the shipped theatre model, whose features tell its puppets apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.tests.support.training import MODELS, VAE, WAV2VEC2

from interacthuman.interact_core.adapter import read_adapter  # isort: skip
from interacthuman.interact_core.theatre.training.shards import write_theatre_shards
from interacthuman.interact_core.training.config import read_config
from interacthuman.interact_core.training.trainer import Trainer
from interacthuman.interact_core.training.validation import validate


@pytest.mark.parametrize("preset", ["heads_only", "theatre_heads"])
def test_heads_alone_find_puppets_on_the_frozen_base(tmp_path: Path, root: Path, preset: str) -> None:
    """From the presets; held-out clips, four noise levels. The audio parts stay as they were, to the last bit."""
    write_theatre_shards(tmp_path / "shards", 1, 8, puppets=(2,), frames=5)
    write_theatre_shards(tmp_path / "held_out", 2, 2, puppets=(2,), frames=5)
    shipped = MODELS / "interact" / "theatre_adapter.safetensors"
    settings = {
        "base.file": MODELS / "diffusion_models" / "theatre_wan.safetensors",
        "base.dtype": "float32",
        "adapter.mask_width": 96,
        "adapter.mask_heads_each": 2,
        "adapter.mask_blocks": [2],
        "shards.train": [str(tmp_path / "shards" / "*.tar")],
        "shards.validation": [str(tmp_path / "held_out" / "*.tar")],
        "shards.vae": VAE,
        "shards.audio_encoder": WAV2VEC2,
        "shards.width": 192,
        "shards.height": 128,
        "shards.frames": 5,
        "shards.crops": False,
        "shards.views": 1,
        "optimiser.rate": 1e-2,
        "optimiser.warmup": 5,
        "optimiser.cooldown": 15,
        "optimiser.average": 0.0,
        "run.folder": tmp_path / "run",
        "run.steps": 60,
        "run.batch": 2,
        "run.micro": 2,
        "run.precision": "no",
        "run.validate_every": 1000,
        "run.sampled_clips": 0,
        "run.measure_peak": False,
    }
    if preset == "theatre_heads":
        settings["adapter.start"] = shipped
    arguments = [
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in settings.items()
    ]
    trainer = Trainer(read_config(root / "configs" / f"{preset}.toml", arguments))
    frozen = {n: p.detach().clone() for n, p in trainer.model.named_parameters() if "mask_heads" not in n}
    before = validate(trainer.model, trainer.held_out, torch.device("cpu"))[1]
    written = trainer.run()
    after = validate(trainer.model, trainer.held_out, torch.device("cpu"))[1]
    assert after > before + 0.2, (before, after)
    assert all(torch.equal(p, frozen[n]) for n, p in trainer.model.named_parameters() if n in frozen)
    config, weights = read_adapter(written)
    assert config.base == "theatre_wan.safetensors, 256 wide, 4 blocks" and config.mask_blocks == (2,)
    if preset == "theatre_heads":
        kept = {n: value for n, value in read_adapter(shipped)[1].items() if not n.startswith("mask_heads.")}
        assert kept and all(torch.equal(weights[name], value) for name, value in kept.items())
