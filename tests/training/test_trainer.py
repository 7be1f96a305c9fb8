"""The training loop: killed and resumed equals never killed, two processes equal one, and its files fit the
nodes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.adapter import read_adapter, save_adapter
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.host.loading import apply_adapter, load_adapter, load_dit
from interacthuman.interact_core.training.distributed_checkpoints import checkpoint_steps
from interacthuman.interact_core.training.trainer import Trainer, make_accelerator, train
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.training import (
    Killed,
    assert_same_course,
    assert_same_weights,
    lines_of,
    run_in,
)
from safetensors.torch import load_file


@pytest.mark.parametrize("base", ["lora", "full"])
def test_killed_and_resumed_equals_never_killed(
    workdir: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"base__train": base, "base__lora_rank": 2, "run__micro": 1}
    whole = train(run_in(workdir, f"whole_{base}", **keys)).parent
    killed = run_in(workdir, f"killed_{base}", **keys)
    clip_gradients = torch.nn.utils.clip_grad_norm_
    calls = []

    def dies_in_the_fourth_step(*args: object, **options: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return clip_gradients(*args, **options)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", dies_in_the_fourth_step)
    with pytest.raises(Killed):
        train(killed)
    monkeypatch.undo()
    assert list(checkpoint_steps(workdir / f"killed_{base}")) == [2]
    resumed = train(killed).parent
    names = ["adapter.safetensors", {"lora": "lora.safetensors", "full": "base.safetensors"}[base]]
    for name in names:
        assert_same_weights(whole / name, resumed / name)
    assert list(lines_of(whole / "training.csv")) == list(lines_of(resumed / "training.csv"))
    begun = Trainer(run_in(workdir, "begun", **keys))
    first = {name: p for name, p in begun.model.named_parameters() if p.requires_grad}
    trained = load_file(whole / "adapter.safetensors")
    assert not torch.equal(
        first["adapter.audio_blocks.0.o.weight"].bfloat16(), trained["audio_blocks.0.o.weight"]
    )


def test_how_a_batch_is_cut_does_not_matter(workdir: Path) -> None:
    keys = {"mix__no_audio": 0.4}
    whole, cut = (train(run_in(workdir, f"micro_{n}", run__micro=n, **keys)).parent for n in (2, 1))
    assert_same_course(whole, cut)


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv there")
def test_two_processes_equal_one(workdir: Path, comfy_folder: Path) -> None:
    """By the command line of docs/training.md; noise and losses of a clip do not depend on the process."""
    import subprocess

    from interacthuman.interact_core.training import launch

    keys = {"run__micro": 1, "run__steps": 3, "mix__no_audio": 0.4}
    alone = train(run_in(workdir, "one_process", **keys)).parent
    config = run_in(workdir, "two_processes", **keys)
    path = workdir / "two.toml"
    path.write_text(
        "\n".join(f"{name} = {json.dumps(value)}" for name, value in config.entries().items()),
        encoding="utf-8",
    )
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29713"),
        *(launch.__file__, "interacthuman.interact_core.training", "adapter", "--config", str(path)),
    ]
    folders = os.pathsep.join([str(comfy_folder), str(comfy_folder / "custom_nodes")])
    environment = {**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, cwd=workdir, capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_course(alone, workdir / "two_processes")
    kept = checkpoint_steps(workdir / "two_processes")[3]
    assert Trainer(config).first_step == 3  # one process could go on from there
    assert {file.name for file in kept.glob("*.distcp")} == {"__0_0.distcp", "__1_0.distcp"}


def test_only_what_is_to_be_trained_changes(workdir: Path) -> None:
    keys = {"adapter__audio_projector": False, "adapter__mask_heads": False}
    begun = Trainer(run_in(workdir, "parts", **keys))
    before = {name: p.detach().clone() for name, p in begun.model.named_parameters()}
    begun.run()
    changed = {name for name, p in begun.model.named_parameters() if not torch.equal(p, before[name])}
    assert changed and all(name.startswith("adapter.audio_blocks.") for name in changed)


def test_the_files_fit_the_nodes(workdir: Path) -> None:
    """The adapter names its base and loads on it; the LoRA goes through core's own loader."""
    import comfy.sd
    import comfy.utils

    folder = train(
        run_in(workdir, "files", base__train="lora", base__lora_rank=2, optimiser__average=0.0)
    ).parent
    config, _ = read_adapter(folder / "adapter.safetensors")
    assert config.base == "wan.safetensors, 48 wide, 3 blocks" and config.mask_blocks == (2,)
    apply_adapter(load_dit(workdir / "wan.safetensors"), load_adapter(folder / "adapter.safetensors"))

    lora = comfy.utils.load_torch_file(str(folder / "lora.safetensors"))
    plain = load_dit(workdir / "wan.safetensors")
    patched, _ = comfy.sd.load_lora_for_models(plain, None, lora, 1.0, 0.0)
    keys = [key for key in patched.patches if key.startswith("diffusion_model.blocks")]
    assert len(keys) == 3 * 6
    weight = plain.model.diffusion_model.blocks[1].ffn[0].weight.float()
    key = "diffusion_model.blocks.1.ffn.0"
    up, down = (lora[f"{key}.lora_{which}.weight"].float() for which in "BA")
    assert up.abs().max() > 0
    merged = comfy.lora.calculate_weight(patched.patches[f"{key}.weight"], weight.clone(), key)
    torch.testing.assert_close(merged, weight + up @ down * 16, rtol=1e-3, atol=1e-4)


def test_stage_two_goes_on_from_stage_one(workdir: Path) -> None:
    lora = {"base__train": "lora", "base__lora_rank": 2, "optimiser__average": 0.0}
    stage_one = {"mix__injection": "everywhere", "adapter__mask_heads": False, "loss__mask": 0.0}
    one = train(run_in(workdir, "stage_one", **lora, **stage_one)).parent
    start = {
        "adapter__start": str(one / "adapter.safetensors"),
        "base__lora_start": str(one / "lora.safetensors"),
    }
    two = Trainer(run_in(workdir, "stage_two", **lora, **start))
    begun = dict(two.model.named_parameters())
    stored = load_file(one / "adapter.safetensors")["audio_blocks.1.o.weight"]
    assert torch.equal(begun["adapter.audio_blocks.1.o.weight"], stored.float())
    stored = load_file(one / "lora.safetensors")["diffusion_model.blocks.1.ffn.0.lora_B.weight"]
    assert stored.abs().max() > 0
    assert torch.equal(begun["base.blocks.1.ffn.0.lora_B.default.weight"], stored.float())
    other = tiny_wan.random_adapter()  # of two audio layers
    save_adapter(workdir / "other.safetensors", other.state_dict(), other.config)
    misfit = run_in(workdir, "misfit", adapter__start=str(workdir / "other.safetensors"))
    with pytest.raises(InteractError, match="adapter.start"):
        Trainer(misfit)


def test_a_base_of_16_bits_is_refused_on_a_cpu(workdir: Path) -> None:
    """PyTorch's layer norm wants input and weight of one type there, and Wan's have float32 and the base's."""

    class OnCpu:
        device = torch.device("cpu")

    config = run_in(workdir, "bfloat16", base__dtype="bfloat16", run__precision="bf16")
    with pytest.raises(InteractError, match=r"base.dtype is 'bfloat16'.*set it to 'float32'"):
        Trainer(config, OnCpu())


def test_each_run_of_a_process_has_its_own_precision(workdir: Path) -> None:
    """As in a notebook: accelerate keeps what the first of them asked for."""
    for precision in ("bf16", "no", "bf16"):
        accelerator = make_accelerator(run_in(workdir, precision, run__precision=precision))
        assert accelerator.mixed_precision == precision
