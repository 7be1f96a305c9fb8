"""The FLOP count against torch's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.host.forward.differentiable import differentiable_host
from interacthuman.interact_core.training.data.prefetch import make_micro_batch
from interacthuman.interact_core.training.throughput import forward_flops
from interacthuman.interact_core.training.trainer import Trainer
from interacthuman.tests.support.training import run_in
from torch.utils.flop_counter import FlopCounterMode


def test_the_count_of_operations_is_torchs(workdir: Path) -> None:
    trainer = Trainer(run_in(workdir, "count"))
    batch = make_micro_batch(trainer.library, trainer.config, 1, [0, 1])
    flops = forward_flops(trainer.unwrapped_base, trainer.adapter_config, batch)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad(), differentiable_host():
        trainer.model(batch.noisy, batch)
    assert flops.base + flops.audio + flops.heads == pytest.approx(counter.get_total_flops(), rel=0.02)
