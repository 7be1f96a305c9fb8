"""Base models that are refused, and gradient checkpointing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.host.forward.differentiable import differentiable_host
from interacthuman.interact_core.training.config import BaseKeys
from interacthuman.interact_core.training.data.prefetch import make_micro_batch
from interacthuman.interact_core.training.models import load_base
from interacthuman.interact_core.training.trainer import Trainer
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.training import run_in
from safetensors.torch import load_file, save_file


def gradients(workdir: Path, **keys: object) -> dict[str, torch.Tensor]:
    trainer = Trainer(run_in(workdir, "gradients", base__train="full", run__micro=2, **keys))
    torch.manual_seed(0)
    for parameter in trainer.model.parameters():  # off the zeros that hide what the audio does
        parameter.data += 0.05 * torch.randn_like(parameter)
    batch = make_micro_batch(trainer.library, trainer.config, 2, [0, 1])
    assert 1.0 in batch.flag.flatten().tolist()
    with differentiable_host():
        velocity, logits = trainer.model(batch.noisy, batch)
        (velocity.square().mean() + sum(logit.square().mean() for logit in logits)).backward()
    return {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}


def test_checkpointing_changes_no_gradient(workdir: Path) -> None:
    """The second run of a block has its voices too."""
    plain, again = (gradients(workdir, base__checkpointing=on) for on in (False, True))
    assert plain.keys() == again.keys()
    audio_weight = "adapter.audio_blocks.0.v.weight"
    assert plain[audio_weight].abs().max() > 0
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-4, atol=1e-6)


def test_bases_that_cannot_be_trained_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InteractError, match="base.file"):
        load_base(BaseKeys(file=str(tmp_path / "nothing.safetensors")))
    save_file({"some.weight": torch.zeros(2, 2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InteractError, match="not a diffusion model that ComfyUI knows"):
        load_base(BaseKeys(file=str(tmp_path / "foreign.safetensors")))
    start_image = tiny_wan.write_wan(tmp_path / "i2v.safetensors", in_dim=36, model_type="i2v")
    with pytest.raises(InteractError, match="image-to-video model"):
        load_base(BaseKeys(file=str(start_image)))
    weights = load_file(tiny_wan.write_wan(tmp_path / "wan.safetensors"))
    save_file({**weights, "scaled_fp8": torch.zeros(2)}, tmp_path / "scaled.safetensors")
    with pytest.raises(InteractError, match="scaled fp8"):
        load_base(BaseKeys(file=str(tmp_path / "scaled.safetensors")))
