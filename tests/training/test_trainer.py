"""The trainer: killed and resumed equals not killed, two processes equal one, parts stay frozen, files fit the nodes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.tests.support import tiny_wan
from interacthuman.tests.support.training import drawn_sample, lines_of, small_run, write_drawn
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode

from interacthuman.interact_core.adapter import read_adapter  # isort: skip
from interacthuman.interact_core.host.forward.differentiable import differentiable_host
from interacthuman.interact_core.host.loading import apply_adapter, load_adapter, load_dit
from interacthuman.interact_core.training.checkpoints import checkpoint_steps
from interacthuman.interact_core.training.config import BaseKeys
from interacthuman.interact_core.training.data import prefetch
from interacthuman.interact_core.training.data.prefetch import make_micro_batch
from interacthuman.interact_core.training.losses import focal_mask_loss, gated_mask_loss
from interacthuman.interact_core.training.models import load_base
from interacthuman.interact_core.training.throughput import forward_flops
from interacthuman.interact_core.training.trainer import Trainer, train


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of drawn clips (encoded once for all tests here) and a random Wan of the true keys."""
    folder = tmp_path_factory.mktemp("training")
    write_drawn(folder, range(6))
    write_drawn(folder, range(20, 22), name="held_out")
    tiny_wan.write_wan(folder / "wan.safetensors")
    return folder


def run_in(place: Path, name: str, **changes: object):
    return small_run(place / name, place / "wan.safetensors", place, **changes)


def assert_same_weights(first: Path, second: Path) -> None:
    one, two = load_file(first), load_file(second)
    assert one.keys() == two.keys()
    assert not [name for name in one if not torch.equal(one[name], two[name])]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("base", ["lora", "full"])
def test_killed_and_resumed_equals_never_killed(
    place: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"base__train": base, "base__lora_rank": 2, "run__micro": 1}
    whole = train(run_in(place, f"whole_{base}", **keys)).parent
    killed = run_in(place, f"killed_{base}", **keys)
    clip_gradients = torch.nn.utils.clip_grad_norm_
    calls = []

    def dies_in_the_fourth_step(*args: object, **words: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return clip_gradients(*args, **words)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", dies_in_the_fourth_step)
    with pytest.raises(Killed):
        train(killed)
    monkeypatch.undo()
    assert list(checkpoint_steps(place / f"killed_{base}")) == [2]
    resumed = train(killed).parent
    names = ["adapter.safetensors", {"lora": "lora.safetensors", "full": "base.safetensors"}[base]]
    for name in names:
        assert_same_weights(whole / name, resumed / name)
    assert list(lines_of(whole / "training.csv")) == list(lines_of(resumed / "training.csv"))
    begun = Trainer(run_in(place, "begun", **keys))
    first = {name: p for name, p in begun.model.named_parameters() if p.requires_grad}
    trained = load_file(whole / "adapter.safetensors")
    assert not torch.equal(
        first["adapter.audio_blocks.0.o.weight"].bfloat16(), trained["audio_blocks.0.o.weight"]
    )


def assert_same_course(first: Path, second: Path) -> None:
    """Equal to rounding: the losses of every step and nearly all weights. (A bias of the keys has no gradient but
    rounding, which Adam makes as large as any other.)
    """
    rows = [
        [list(map(float, row)) for row in list(lines_of(run / "training.csv"))[1:]] for run in (first, second)
    ]
    for one, two in zip(*rows, strict=True):
        assert one[:3] == pytest.approx(two[:3], rel=2e-3)
    one, two = (load_file(run / "adapter.safetensors") for run in (first, second))
    near = torch.cat(
        [((one[name] - two[name]).abs() < 4e-3).flatten() for name in one if "k.bias" not in name]
    )
    assert near.float().mean() > 0.98


def test_how_a_batch_is_cut_does_not_matter(place: Path) -> None:
    keys = {"mix__no_audio": 0.4}
    whole, cut = (train(run_in(place, f"micro_{n}", run__micro=n, **keys)).parent for n in (2, 1))
    assert_same_course(whole, cut)


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv there")
def test_two_processes_equal_one(place: Path, comfy_folder: Path) -> None:
    """By the command line that docs/training.md gives; the clips' noise and losses do not know the processes."""
    import subprocess

    from interacthuman.interact_core.training import launch

    keys = {"run__micro": 1, "run__steps": 3, "mix__no_audio": 0.4}
    alone = train(run_in(place, "one_process", **keys)).parent
    config = run_in(place, "two_processes", **keys)
    path = place / "two.toml"
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
        command, env=environment, cwd=place, capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_course(alone, place / "two_processes")
    kept = checkpoint_steps(place / "two_processes")[3]
    assert Trainer(config).first == 3  # one process could go on from there
    assert {file.name for file in kept.glob("*.distcp")} == {"__0_0.distcp", "__1_0.distcp"}


def test_only_what_is_to_be_trained_changes(place: Path) -> None:
    keys = {"adapter__audio_projector": False, "adapter__mask_heads": False}
    begun = Trainer(run_in(place, "parts", **keys))
    before = {name: p.detach().clone() for name, p in begun.model.named_parameters()}
    begun.run()
    changed = {name for name, p in begun.model.named_parameters() if not torch.equal(p, before[name])}
    assert changed and all(name.startswith("adapter.audio_blocks.") for name in changed)


def gradients(place: Path, **keys: object) -> dict[str, torch.Tensor]:
    trainer = Trainer(run_in(place, "gradients", base__train="full", run__micro=2, **keys))
    torch.manual_seed(0)
    for parameter in trainer.model.parameters():  # off the zeros that hide what the audio does
        parameter.data += 0.05 * torch.randn_like(parameter)
    shown = make_micro_batch(trainer.library, trainer.config, 2, [0, 1])
    assert 1.0 in shown.flag.flatten().tolist()
    with differentiable_host():
        velocity, logits = trainer.model(shown.noisy, shown)
        (velocity.square().mean() + sum(logit.square().mean() for logit in logits)).backward()
    return {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}


def test_checkpointing_changes_no_gradient(place: Path) -> None:
    """The second run of a block has its voices too."""
    plain, again = (gradients(place, base__checkpointing=on) for on in (False, True))
    assert plain.keys() == again.keys()
    heard = "adapter.audio_blocks.0.v.weight"
    assert plain[heard].abs().max() > 0
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-4, atol=1e-6)


def test_the_count_of_operations_is_torchs(place: Path) -> None:
    trainer = Trainer(run_in(place, "count"))
    shown = make_micro_batch(trainer.library, trainer.config, 1, [0, 1])
    work = forward_flops(trainer.base_frame, trainer.adapter_config, shown)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad(), differentiable_host():
        trainer.model(shown.noisy, shown)
    assert work.base + work.audio + work.heads == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_frames_of_unsure_masks_leave_the_loss() -> None:
    logits, masks = torch.randn(2, 3, 8), torch.rand(2, 3, 8).round()
    torch.testing.assert_close(
        gated_mask_loss(logits, masks, torch.ones(2, 3, 8)).mean(), focal_mask_loss(logits, masks)
    )
    kept = torch.ones(2, 3, 8)
    kept[0, :, 4:], kept[1] = 0, 0
    gated = gated_mask_loss(logits, masks, kept)
    assert gated[0] == pytest.approx(focal_mask_loss(logits[0, :, :4], masks[0, :, :4]).item(), rel=1e-5)
    assert gated[1] == 0


def test_unsure_frames_are_gated_where_the_clip_says_so(place: Path, tmp_path: Path) -> None:
    confidence = drawn_sample(0).confidence.copy()
    confidence[0, 3] = 0.3  # of latent frame 1
    write_drawn(tmp_path, range(2), confidence=confidence)
    config = small_run(tmp_path / "run", place / "wan.safetensors", tmp_path, mix__no_audio=0.0)
    trainer = Trainer(config)
    kept = make_micro_batch(trainer.library, config, 0, [0]).kept[0].unflatten(-1, (3, 12))
    assert sorted(kept.amin(-1).flatten().tolist()) == [0, 1, 1, 1, 1, 1]
    assert kept.amax(-1).tolist() == kept.amin(-1).tolist()


def test_the_files_fit_the_nodes(place: Path) -> None:
    """The adapter names its base and loads on it; the LoRA goes through core's own loader."""
    import comfy.sd
    import comfy.utils

    folder = train(
        run_in(place, "files", base__train="lora", base__lora_rank=2, optimiser__average=0.0)
    ).parent
    config, _ = read_adapter(folder / "adapter.safetensors")
    assert config.base == "wan.safetensors, 48 wide, 3 blocks" and config.mask_blocks == (2,)
    apply_adapter(load_dit(place / "wan.safetensors"), load_adapter(folder / "adapter.safetensors"))

    lora = comfy.utils.load_torch_file(str(folder / "lora.safetensors"))
    plain = load_dit(place / "wan.safetensors")
    patched, _ = comfy.sd.load_lora_for_models(plain, None, lora, 1.0, 0.0)
    keys = [key for key in patched.patches if key.startswith("diffusion_model.blocks")]
    assert len(keys) == 3 * 6
    weight = plain.model.diffusion_model.blocks[1].ffn[0].weight.float()
    key = "diffusion_model.blocks.1.ffn.0"
    up, down = (lora[f"{key}.lora_{which}.weight"].float() for which in "BA")
    assert up.abs().max() > 0
    merged = comfy.lora.calculate_weight(patched.patches[f"{key}.weight"], weight.clone(), key)
    torch.testing.assert_close(merged, weight + up @ down * 16, rtol=1e-3, atol=1e-4)


def test_stage_two_goes_on_from_stage_one(place: Path) -> None:
    lora = {"base__train": "lora", "base__lora_rank": 2, "optimiser__average": 0.0}
    stage_one = {"mix__injection": "everywhere", "adapter__mask_heads": False, "loss__mask": 0.0}
    one = train(run_in(place, "stage_one", **lora, **stage_one)).parent
    start = {
        "adapter__start": str(one / "adapter.safetensors"),
        "base__lora_start": str(one / "lora.safetensors"),
    }
    two = Trainer(run_in(place, "stage_two", **lora, **start))
    begun = dict(two.model.named_parameters())
    stored = load_file(one / "adapter.safetensors")["audio_blocks.1.o.weight"]
    assert torch.equal(begun["adapter.audio_blocks.1.o.weight"], stored.float())
    stored = load_file(one / "lora.safetensors")["diffusion_model.blocks.1.ffn.0.lora_B.weight"]
    assert stored.abs().max() > 0
    assert torch.equal(begun["base.blocks.1.ffn.0.lora_B.default.weight"], stored.float())
    with pytest.raises(InteractError, match="adapter.start"):
        other = tiny_wan.random_adapter()  # of two audio layers
        from interacthuman.interact_core.adapter import save_adapter

        save_adapter(place / "other.safetensors", other.state_dict(), other.config)
        Trainer(run_in(place, "misfit", adapter__start=str(place / "other.safetensors")))


def test_validation_writes_figures_and_clips(place: Path) -> None:
    from interacthuman.interact_core.media import read_frames

    held_out = {
        "shards__validation": [str(place / "held_out-*.tar")],
        "run__validate_every": 4,
        "run__validation_clips": 2,
        "run__sampled_clips": 1,
        "run__sampling_steps": 2,
        "run__measure_peak": True,
    }
    folder = train(run_in(place, "validated", **held_out)).parent
    assert len((folder / "validation.csv").read_text().splitlines()) == 2
    clip = read_frames(folder / "clips" / "step_0000004_0.mp4")
    assert clip.shape == (9, 48, 128, 3)  # the video, and beside it with its masks
    for name in ("training.png", "validation.png", "tensorboard"):
        assert (folder / name).exists(), name
    row = (folder / "training.csv").read_text().splitlines()[-1].split(",")
    tokens, used, waiting = (float(x) for x in row[5:])
    assert tokens > 0 and 0 < used < 1 and 0 <= waiting <= 1


def test_a_full_disk_leaves_the_last_checkpoint_whole(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    config = run_in(place, "full_disk", run__keep=1)
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
    assert [path.name for path in (place / "full_disk").glob("step_*")] == ["step_0000002"]
    resumed = train(config)
    assert list(checkpoint_steps(place / "full_disk")) == [4]
    assert_same_weights(resumed, train(run_in(place, "roomy_disk", run__keep=1)))


def test_a_run_goes_on_under_its_own_configuration_only(place: Path) -> None:
    train(run_in(place, "same"))
    with pytest.raises(InteractError, match=r"begun with optimiser.rate = 0.01 and would go on with 0.1"):
        Trainer(run_in(place, "same", optimiser__rate=0.1))
    assert Trainer(run_in(place, "same", run__log_every=3, run__micro=1)).first == 4


def test_bases_that_cannot_be_trained_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InteractError, match="base.file"):
        load_base(BaseKeys(file=str(tmp_path / "nothing.safetensors")))
    save_file({"some.weight": torch.zeros(2, 2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InteractError, match="not a diffusion model that ComfyUI knows"):
        load_base(BaseKeys(file=str(tmp_path / "foreign.safetensors")))
    start_image = tiny_wan.write_wan(tmp_path / "i2v.safetensors", in_dim=36, model_type="i2v")
    with pytest.raises(InteractError, match="image-to-video base"):
        load_base(BaseKeys(file=str(start_image)))
    weights = load_file(tiny_wan.write_wan(tmp_path / "wan.safetensors"))
    save_file({**weights, "scaled_fp8": torch.zeros(2)}, tmp_path / "scaled.safetensors")
    with pytest.raises(InteractError, match="scaled fp8"):
        load_base(BaseKeys(file=str(tmp_path / "scaled.safetensors")))


def test_a_batch_that_does_not_divide_is_refused(place: Path) -> None:
    with pytest.raises(InteractError, match="make it a multiple of 4"):
        prefetch.process_micro_batches(run_in(place, "odd", run__batch=6, run__micro=2), 0, 2)
