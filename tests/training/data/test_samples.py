"""What a training sample's mask loss counts."""

from __future__ import annotations

from pathlib import Path

from interacthuman.interact_core.training.data.prefetch import make_micro_batch
from interacthuman.interact_core.training.trainer import Trainer
from interacthuman.tests.support.training import drawn_sample, small_run, write_drawn


def test_frames_of_low_confidence_leave_the_mask_loss(workdir: Path, tmp_path: Path) -> None:
    confidence = drawn_sample(0).confidence.copy()
    confidence[0, 3] = 0.3  # of latent frame 1
    write_drawn(tmp_path, range(2), confidence=confidence)
    config = small_run(tmp_path / "run", workdir / "wan.safetensors", tmp_path, mix__no_audio=0.0)
    trainer = Trainer(config)
    kept = make_micro_batch(trainer.library, config, 0, [0]).mask_loss_weights[0].unflatten(-1, (3, 12))
    assert sorted(kept.amin(-1).flatten().tolist()) == [0, 1, 1, 1, 1, 1]
    assert kept.amax(-1).tolist() == kept.amin(-1).tolist()
