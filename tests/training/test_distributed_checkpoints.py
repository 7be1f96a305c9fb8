"""Checkpoints: a full disk leaves the last one complete, another configuration is refused."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.training.distributed_checkpoints import (
    checkpoint_steps,
    checksums,
    resume_run,
    save_run,
)
from interacthuman.interact_core.training.ema import EMA
from interacthuman.interact_core.training.trainer import Trainer, train
from interacthuman.tests.support.training import assert_same_weights, run_in, small_run
from safetensors.torch import load_file


def test_a_full_disk_leaves_the_last_checkpoint_whole(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    config = run_in(workdir, "full_disk", run__keep=1)
    trainer = Trainer(config)
    save, limits = trainer._save, resource.getrlimit(resource.RLIMIT_FSIZE)

    def small_disk(step: int) -> None:
        if step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))
        try:
            save(step)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    monkeypatch.setattr(trainer, "_save", small_disk)
    with pytest.raises(InteractError, match=r"step 4 could not be written .*step_0000002 is whole"):
        trainer.run()
    assert [path.name for path in (workdir / "full_disk").glob("step_*")] == ["step_0000002"]
    resumed = train(config)
    assert list(checkpoint_steps(workdir / "full_disk")) == [4]
    assert_same_weights(resumed, train(run_in(workdir, "roomy_disk", run__keep=1)))


def test_a_run_goes_on_under_its_own_configuration_only(workdir: Path) -> None:
    train(run_in(workdir, "same"))
    with pytest.raises(InteractError, match=r"begun with optimiser.rate = 0.01 and would go on with 0.1"):
        Trainer(run_in(workdir, "same", optimiser__rate=0.1))
    changed = run_in(workdir, "same", run__log_every=3, run__micro=1)
    assert Trainer(changed).first_step == 4
    folder = workdir / "same"
    finished = load_file(folder / "adapter.safetensors")  # a file's header has its entries in any order
    (folder / "adapter.safetensors").unlink()  # as if killed between the last checkpoint and its files
    train(changed)
    again = load_file(folder / "adapter.safetensors")
    assert again.keys() == finished.keys() and all(torch.equal(again[key], finished[key]) for key in again)
    about = folder / "step_0000004" / "run.json"
    about.write_text(about.read_text()[:-9])
    with pytest.raises(InteractError, match="step_0000004 cannot be read .*: delete it, to go on"):
        Trainer(changed)


class Pickled:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


def test_a_checkpoint_that_rots_or_would_run_code_is_refused(tmp_path: Path) -> None:
    """A bit of a weight, which torch reads without a word, and a pickle with the sums that belong to it."""
    config = small_run(tmp_path, tmp_path / "wan.safetensors", tmp_path)
    alone = SimpleNamespace(is_main_process=True, wait_for_everyone=lambda: None)
    model = torch.nn.Linear(3, 3)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    ema = EMA(model, 0.5)
    last = save_run(tmp_path, 4, config, model, {"base": optimiser}, ema, alone)
    saved = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.weight.zero_()
    assert resume_run(tmp_path, config, model, {"base": optimiser}, ema) == 4
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())

    (shard,) = last.glob("*.distcp")
    whole, rotten = shard.read_bytes(), bytearray(shard.read_bytes())
    rotten[len(rotten) // 2] ^= 1
    shard.write_bytes(rotten)
    with pytest.raises(InteractError, match="distcp is not what was written.*: delete it, to go on"):
        resume_run(tmp_path, config, model, {"base": optimiser}, ema)
    shard.write_bytes(whole)
    made, about = tmp_path / "code was run", last / "run.json"
    (last / ".metadata").write_bytes(pickle.dumps(Pickled(made)))
    about.write_text(json.dumps({**json.loads(about.read_text()), "checksums": checksums(last)}))
    with pytest.raises(InteractError, match="does not belong into a checkpoint.*: delete it"):
        resume_run(tmp_path, config, model, {"base": optimiser}, ema)
    assert not made.exists()


def test_what_a_killed_run_left_is_no_checkpoint(tmp_path: Path) -> None:
    """Killed between the last file of a checkpoint and its final name."""
    for name in ("step_0000002", "step_0000004.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    assert list(checkpoint_steps(tmp_path)) == [2]
