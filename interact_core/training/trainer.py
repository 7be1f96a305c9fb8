"""The trainer: any part of an InterAct adapter, with or without its base, on any number of processes.

Method: InterActHuman (arXiv 2506.09984), training section. Stage one and stage two are the same loop under two
configurations (configs/): single-person audio pre-training, then multi-concept fine-tuning.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..adapter import save_adapter
from ..errors import InteractError
from ..host.forward.differentiable import differentiable_host
from .models import AdaptedModel, load_base, lora_weights, make_adapter
from .checkpoints import EMA, checkpoint_steps, gathered, resume_run, save_run
from .config import TrainingConfig
from .curves import Curves
from .data.cache import encode_shards, find_shards, read_cache
from .data.prefetch import Prefetcher, process_micro_batches
from .data.samples import Library, TrainingBatch
from .losses import gated_mask_loss, velocity_loss
from .throughput import ThroughputMeter, forward_flops, measure_matmul_rate, training_flops
from .optimisers import BETAS, WEIGHT_DECAY, optimisers, learning_rate
from .validation import LatentDecoder, held_out, overlap, sample_clip, validate, write_clip

log = logging.getLogger(__name__)
FIGURES = ("velocity", "mask", "iou", "rate", "tokens_per_second", "utilisation", "waiting")
PATIENCE = timedelta(hours=12)  # of processes that wait for others to encode their share of the clips


def make_accelerator(config: TrainingConfig) -> Any:
    """Hugging Face accelerate, which finds out by itself on how many processes and devices it runs."""
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
        from accelerate.utils import FullyShardedDataParallelPlugin
    except ImportError as missing:
        raise InteractError(
            f"Training needs a package that is not there ({missing}): run it by `python dev.py train`, or install the "
            "extra `train` of pyproject.toml."
        ) from missing

    plugin = None
    if config.run.sharding == "fsdp":
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=["WanAttentionBlock"],
        )
    return Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision=config.run.precision,
        fsdp_plugin=plugin,
        # A pass in which nobody is heard leaves the audio parts without a gradient.
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=True),
            InitProcessGroupKwargs(timeout=PATIENCE),
        ],
    )


def open_library(config: TrainingConfig, accelerator: Any, name: str) -> Library | None:
    """Encode what is missing of shards.train or shards.validation, each process its share, and open it."""
    patterns = getattr(config.shards, name)
    if not patterns:
        return None
    sources = find_shards(patterns, f"shards.{name}")
    encode_shards(config.shards, sources, accelerator.process_index, accelerator.num_processes)
    accelerator.wait_for_everyone()
    library = Library(read_cache(config.shards, sources), config)
    if accelerator.is_main_process:
        left = ", ".join(f"{count} {why}" for why, count in library.left_out.items() if count)
        log.info("%s: %d clips%s", name, len(library), f"; left out: {left}" if left else "")
    return library


def make_optimisers(model: nn.Module, config: TrainingConfig) -> dict[str, torch.optim.Optimizer]:
    if config.optimiser.kind == "muon":
        return optimisers(model, config.optimiser.rate)
    trained = [p for p in model.parameters() if p.requires_grad]
    return {
        "adamw": torch.optim.AdamW(trained, lr=config.optimiser.rate, betas=BETAS, weight_decay=WEIGHT_DECAY)
    }


def losses_of(
    velocity: Tensor, logits: list[Tensor], shown: TrainingBatch, config: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """Velocity and mask loss, both summed over the clips of this pass (InterActHuman: 1:1).

    Clip by clip, so that it does not matter which clips share a pass or a process.
    """
    columns = (velocity.float(), shown.clean, shown.noise, shown.emphasis)
    flow = sum(velocity_loss(*row) for row in zip(*(column.split(1) for column in columns)))
    focal = (config.loss.focal_alpha, config.loss.focal_gamma)
    masks = sum(gated_mask_loss(logit.float(), shown.masks, shown.kept, *focal).sum() for logit in logits)
    return flow, masks / len(logits)


class Trainer:
    """Everything of a run between its configuration and its files."""

    def __init__(self, config: TrainingConfig, accelerator: Any | None = None) -> None:
        if not config.run.folder or not config.shards.train:
            raise InteractError("Set run.folder and shards.train in the training configuration.")
        self.config, self.folder = config, Path(config.run.folder).expanduser()
        self.accelerator = accelerator or make_accelerator(config)
        process_micro_batches(config, self.accelerator.process_index, self.accelerator.num_processes)
        base = load_base(config.base)  # first of all: what it says comes before hours of encoding
        self.library = open_library(config, self.accelerator, "train")
        held = open_library(config, self.accelerator, "validation")
        self.held_out = held_out(held, config) if held and config.run.validate_every else []
        self.adapter_config = (adapter := make_adapter(base, config, self.library.mute)).config
        self.base_frame = base  # its sizes, for counting work
        actor = AdaptedModel(base, adapter, config).train()
        turned = make_optimisers(actor, config)
        self.model, *prepared = self.accelerator.prepare(actor, *turned.values())
        self.optimisers = dict(zip(turned, prepared))
        self.average = EMA(self.model, config.optimiser.average)
        self.first = resume_run(self.folder, config, self.model, self.optimisers, self.average)
        self.cutter = LatentDecoder(config.shards.vae)

    def run(self) -> Path:
        """Train to the last step; returns the finished adapter file."""
        run, accelerator = self.config.run, self.accelerator
        processes = accelerator.num_processes
        rate = measure_matmul_rate(accelerator.device, run.precision) if run.measure_peak else 0.0
        self._open_curves()
        meter = ThroughputMeter(rate, processes)
        feed = Prefetcher(
            self.library, self.config, self.first, accelerator.process_index, processes, accelerator.device
        )
        with feed:
            for step in range(self.first, run.steps):
                figures = self._step(step, feed, meter)
                done = step + 1
                if done % run.log_every == 0 or done == run.steps:
                    self._log(done, figures, meter.read(feed.waited))
                if done % run.save_every == 0 or done == run.steps:
                    self._save(done)
                if self.held_out and (done % run.validate_every == 0 or done == run.steps):
                    self._validate(done)
                    meter.reset(feed.waited)
        return self.folder / "adapter.safetensors"

    def _step(self, step: int, feed: Prefetcher, meter: ThroughputMeter) -> tuple[Tensor, ...]:
        """One optimiser step; velocity and mask loss, intersection and union of the masks, over this process."""
        chosen, loss = self.config.optimiser, self.config.loss
        rate = learning_rate(step, self.config.run.steps, chosen.rate, chosen.warmup, chosen.cooldown)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
        passes = feed.step()
        own = sum(len(shown.clean) for shown in passes)
        totals = torch.zeros(4)
        for number, shown in enumerate(passes):
            last = number + 1 == len(passes)
            alone = nullcontext() if last else self.accelerator.no_sync(self.model)
            with alone, differentiable_host():
                velocity, logits = self.model(shown.noisy, shown)
                flow, mask = losses_of(velocity, logits, shown, self.config)
                self.accelerator.backward((loss.velocity * flow + loss.mask * mask) / own)
            with torch.no_grad():
                both, either = overlap(logits, shown)
                totals += torch.tensor([flow.item() / own, mask.item() / own, both, either])
            work = forward_flops(self.base_frame, self.adapter_config, shown)
            meter.add(shown.tokens, training_flops(work, self.config))
        self.accelerator.clip_grad_norm_(self.model.parameters(), chosen.clip)
        for optimiser in self.optimisers.values():
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.average.update(step)
        return totals, rate

    def _open_curves(self) -> None:
        self.curves = self.board = None
        if self.accelerator.is_main_process:
            self.curves = Curves(self.folder / "training.csv", FIGURES, self.first + 1 if self.first else 0)
            if self.held_out:
                names = ("velocity", "iou")
                self.checks = Curves(
                    self.folder / "validation.csv", names, self.first + 1 if self.first else 0
                )
            self.board = _board(self.folder / "tensorboard", self.first)
        self.accelerator.wait_for_everyone()

    def _log(self, step: int, figures: tuple[Tensor, float], spent: tuple[float, float, float]) -> None:
        totals, rate = figures
        velocity, mask, both, either = (
            self.accelerator.reduce(totals.to(self.accelerator.device), "mean").cpu().tolist()
        )
        if not self.accelerator.is_main_process:
            return
        row = (velocity, mask, both / max(either, 1e-9), rate, *spent)
        self.curves.add(step, *row)
        self._to_board("train", step, dict(zip(FIGURES, row)))
        log.info(
            "step %d/%d  velocity %.4f  mask %.4f  iou %.3f  %.0f tokens/s  %.1f %% of the matrix rate  "
            "%.1f %% waiting",
            *(step, self.config.run.steps, *row[:3], row[4], 100 * row[5], 100 * row[6]),
        )

    def _to_board(self, place: str, step: int, figures: dict[str, float]) -> None:
        if self.board is not None:
            for name, value in figures.items():
                self.board.add_scalar(f"{place}/{name}", value, step)
            self.board.flush()

    def _save(self, step: int) -> None:
        path = save_run(
            self.folder, step, self.config, self.model, self.optimisers, self.average, self.accelerator
        )
        try:
            self.export()
        except (OSError, SafetensorError) as error:
            raise InteractError(
                f"The trained weights of step {step} could not be written to {self.folder} ({error}): make room there "
                "and start again; its checkpoint is whole."
            ) from error
        if self.accelerator.is_main_process:
            self.curves.plot(self.folder / "training.png", window=max(1, len(self.curves.rows) // 200))
            log.info("saved %s and adapter.safetensors", path.name)

    def export(self) -> None:
        """Write the averaged weights as files for the nodes: the adapter, which names its base, and, where the base
        was trained, its LoRA for any LoRA loader or the whole of it.
        """
        trained = self.average.whole()
        whole = {name.removeprefix("module."): value for name, value in self.model.named_parameters()}
        frozen = {
            name: gathered(value)
            for name, value in whole.items()
            if name.startswith("adapter.") and name not in trained
        }
        if not self.accelerator.is_main_process:
            return
        parts = {**frozen, **trained}
        adapter = {
            name.removeprefix("adapter."): value
            for name, value in parts.items()
            if name.startswith("adapter.")
        }
        save_adapter(self.folder / "adapter.safetensors", adapter, self.adapter_config, torch.bfloat16)
        if self.config.base.train == "lora":
            _write(self.folder / "lora.safetensors", lora_weights(trained, self.config.base))
        elif self.config.base.train == "full":
            base = {n.removeprefix("base."): v for n, v in trained.items() if n.startswith("base.")}
            _write(
                self.folder / "base.safetensors", base, metadata_of(Path(self.config.base.file).expanduser())
            )

    def _validate(self, step: int) -> None:
        run, accelerator = self.config.run, self.accelerator
        self.average.swap()
        self.model.eval()
        velocity, iou = validate(self.model, self.held_out, accelerator.device)
        for number, clip in enumerate(self.held_out[: run.sampled_clips]):
            null = self.library.null_text
            latents, masks = sample_clip(self.model, clip, self.config, null, accelerator.device)
            if accelerator.is_main_process:
                path = self.folder / "clips" / f"step_{step:07d}_{number}.mp4"
                write_clip(path, self.cutter.decode(latents), masks, self.config.shards.fps)
        self.model.train()
        self.average.swap()
        if accelerator.is_main_process:
            self.checks.add(step, velocity, iou)
            self.checks.plot(self.folder / "validation.png", window=1)
            self._to_board("held_out", step, {"velocity": velocity, "iou": iou})
            log.info("step %d  held out: velocity %.4f, mask iou %.3f", step, velocity, iou)
        accelerator.wait_for_everyone()


def _board(folder: Path, first: int) -> Any | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("tensorboard is not installed: figures go to training.csv and training.png alone")
        return None
    return SummaryWriter(str(folder), purge_step=first + 1 if first else None)


def metadata_of(path: Path) -> dict[str, str] | None:
    """The header of a base's file, which may tell its sizes."""
    import safetensors

    with safetensors.safe_open(str(path), framework="pt") as file:
        return file.metadata()


def _write(path: Path, weights: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    from safetensors.torch import save_file

    partial = path.with_suffix(".partial")
    save_file({n: v.to(torch.bfloat16).contiguous() for n, v in weights.items()}, partial, metadata)
    partial.replace(path)


def train(config: TrainingConfig) -> Path:
    """Train, or go on from the last checkpoint in run.folder; returns the finished adapter file."""
    trainer = Trainer(config)
    done = list(checkpoint_steps(trainer.folder))
    if done and done[-1] >= config.run.steps and trainer.accelerator.is_main_process:
        log.info("step %d of %d is done: nothing left to train", done[-1], config.run.steps)
    return trainer.run()
