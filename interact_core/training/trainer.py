"""The training loop: any part of an InterAct adapter, with or without its base, on any number of processes.

Method: InterActHuman (arXiv 2506.09984), training section. Its two stages, audio pre-training on single
persons and then multi-concept fine-tuning, are the same loop under two configurations (configs/).
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

from ..adapter import Recommended, save_adapter
from ..errors import InteractError, one_line
from ..host.forward.differentiable import differentiable_host
from ..weights_file import save_weights
from ..whole_file import whole_file
from .config import TrainingConfig
from .curves import Curves
from .data.cache import encode_shards, find_shards, read_cache
from .data.library import Library
from .data.prefetch import Prefetcher, process_micro_batches
from .data.samples import TrainingBatch
from .distributed_checkpoints import checkpoint_steps, resume_run, save_run
from .ema import EMA, unsharded
from .lora import lora_weights
from .losses import gated_mask_loss, velocity_loss
from .models import AdaptedModel, load_base, make_adapter
from .optimisers import BETAS, WEIGHT_DECAY, learning_rate, muon_and_adamw
from .throughput import ThroughputMeter, forward_flops, measure_matmul_rate, training_flops
from .validation import LatentDecoder, held_out_clips, overlap, sample_clip, validate, write_clip

log = logging.getLogger(__name__)
FIGURES = ("velocity", "mask", "iou", "rate", "tokens_per_second", "utilisation", "waiting")
ENCODING_TIMEOUT = timedelta(
    hours=12
)  # for which processes wait while others encode their share of the shards


def make_accelerator(config: TrainingConfig) -> Any:
    """Hugging Face accelerate, which detects processes and devices by itself.

    Raises InteractError if a package of the extra `train` is missing.
    """
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
        from accelerate.state import AcceleratorState
        from accelerate.utils import FullyShardedDataParallelPlugin
    except ImportError as missing:
        raise InteractError(
            f"Training needs a package that is not there ({missing}): run it by `python dev.py train`, or "
            "install the extra `train` of pyproject.toml."
        ) from missing

    plugin = None
    if config.run.sharding == "fsdp":
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=["WanAttentionBlock"],
        )
    AcceleratorState._reset_state()  # or the precision of this process's first run is that of all its runs
    return Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision=config.run.precision,
        fsdp_plugin=plugin,
        # A pass without any audio gives the audio parts no gradient.
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=True),
            InitProcessGroupKwargs(timeout=ENCODING_TIMEOUT),
        ],
    )


def open_library(config: TrainingConfig, accelerator: Any, name: str) -> Library | None:
    """Open shards.train or shards.validation (name: "train" or "validation"), first encoding what the cache
    lacks, each process its share. None if the key is empty.
    """
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
    """Muon with AdamW, or AdamW alone, over what is trained."""
    if config.optimiser.kind == "muon":
        return muon_and_adamw(model, config.optimiser.rate)
    trained = [p for p in model.parameters() if p.requires_grad]
    return {
        "adamw": torch.optim.AdamW(trained, lr=config.optimiser.rate, betas=BETAS, weight_decay=WEIGHT_DECAY)
    }


def summed_losses(
    velocity: Tensor, logits: list[Tensor], batch: TrainingBatch, config: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """Velocity loss and mask loss, both summed over the clips of the batch.

    Each clip's loss is its own, so that the result does not depend on which clips share a pass or a process.
    """
    columns = (velocity.float(), batch.clean, batch.noise, batch.emphasis)
    flow = sum(velocity_loss(*row) for row in zip(*(column.split(1) for column in columns), strict=True))
    focal = (config.loss.focal_alpha, config.loss.focal_gamma)
    masks = sum(
        gated_mask_loss(logit.float(), batch.masks, batch.mask_loss_weights, *focal).sum() for logit in logits
    )
    return flow, masks / len(logits)


class Trainer:
    """A training run, from its configuration to its files. Raises InteractError for what does not fit."""

    def __init__(self, config: TrainingConfig, accelerator: Any | None = None) -> None:
        if not config.run.folder or not config.shards.train:
            raise InteractError("Set run.folder and shards.train in the training configuration.")
        self.config, self.folder = config, Path(config.run.folder).expanduser()
        self.accelerator = accelerator or make_accelerator(config)
        if self.accelerator.device.type == "cpu" and config.base.dtype != "float32":
            raise InteractError(
                f"base.dtype is {config.base.dtype!r}, in which Wan's layer norms do not work on a CPU: set it to "
                "'float32', or train on a GPU."
            )
        process_micro_batches(config, self.accelerator.process_index, self.accelerator.num_processes)
        base = load_base(config.base)  # first, so that a wrong base is refused before hours of encoding
        self.library = open_library(config, self.accelerator, "train")
        validation = open_library(config, self.accelerator, "validation")
        self.held_out = held_out_clips(validation, config) if validation and config.run.validate_every else []
        self.adapter_config = (adapter := make_adapter(base, config, self.library.mute)).config
        self.unwrapped_base = base  # whose sizes `forward_flops` needs
        model = AdaptedModel(base, adapter, config).train()
        optimisers = make_optimisers(model, config)
        self.model, *prepared = self.accelerator.prepare(model, *optimisers.values())
        self.optimisers = dict(zip(optimisers, prepared, strict=True))
        self.ema = EMA(self.model, config.optimiser.average)
        self.first_step = resume_run(self.folder, config, self.model, self.optimisers, self.ema)
        self.latent_decoder = LatentDecoder(config.shards.vae)

    def run(self) -> Path:
        """Train to the last step; returns the finished adapter file. Raises InteractError for a full disk."""
        try:
            return self._run()
        except OSError as error:
            raise InteractError(
                f"The files of the run cannot be written to {self.folder} ({one_line(error.strerror or error)}): make "
                "room there and start again; it goes on from the last checkpoint."
            ) from error

    def _run(self) -> Path:
        run, accelerator = self.config.run, self.accelerator
        processes = accelerator.num_processes
        matmul_rate = measure_matmul_rate(accelerator.device, run.precision) if run.measure_peak else 0.0
        self._open_curves()
        meter = ThroughputMeter(matmul_rate, processes)
        prefetcher = Prefetcher(
            self.library,
            self.config,
            self.first_step,
            accelerator.process_index,
            processes,
            accelerator.device,
        )
        if self.first_step >= run.steps:  # perhaps killed behind the last checkpoint, before its files
            self._write_results()
        with prefetcher:
            for step in range(self.first_step, run.steps):
                figures = self._step(step, prefetcher, meter)
                done = step + 1
                if done % run.log_every == 0 or done == run.steps:
                    self._log(done, figures, meter.read(prefetcher.seconds_waited))
                if done % run.save_every == 0 or done == run.steps:
                    self._save(done)
                if self.held_out and (done % run.validate_every == 0 or done == run.steps):
                    self._validate(done)
                    meter.reset(prefetcher.seconds_waited)
        return self.folder / "adapter.safetensors"

    def _step(self, step: int, prefetcher: Prefetcher, meter: ThroughputMeter) -> tuple[Tensor, float]:
        """One optimiser step. Returns, for this process, [velocity loss, mask loss, intersection and union of
        predicted and true masks in tokens], and the learning rate.
        """
        keys, loss = self.config.optimiser, self.config.loss
        rate = learning_rate(step, self.config.run.steps, keys.rate, keys.warmup, keys.cooldown)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
        micro_batches = prefetcher.next_step()
        clips = sum(len(batch.clean) for batch in micro_batches)
        totals = torch.zeros(4)
        for number, batch in enumerate(micro_batches):
            last = number + 1 == len(micro_batches)
            accumulating = nullcontext() if last else self.accelerator.no_sync(self.model)
            with accumulating, differentiable_host():
                velocity, logits = self.model(batch.noisy, batch)
                flow, mask = summed_losses(velocity, logits, batch, self.config)
                self.accelerator.backward((loss.velocity * flow + loss.mask * mask) / clips)
            with torch.no_grad():
                intersection, union = overlap(logits, batch)
                totals += torch.tensor([flow.item() / clips, mask.item() / clips, intersection, union])
            forward = forward_flops(self.unwrapped_base, self.adapter_config, batch)
            meter.add(batch.tokens, training_flops(forward, self.config))
        self.accelerator.clip_grad_norm_(self.model.parameters(), keys.clip)
        for optimiser in self.optimisers.values():
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.ema.update(step)
        return totals, rate

    def _open_curves(self) -> None:
        self.curves = self.tensorboard = None
        if self.accelerator.is_main_process:
            first_row = self.first_step + 1 if self.first_step else 0
            self.curves = Curves(self.folder / "training.csv", FIGURES, first_row)
            if self.held_out:
                self.validation_curves = Curves(
                    self.folder / "validation.csv", ("velocity", "iou"), first_row
                )
            self.tensorboard = _tensorboard(self.folder / "tensorboard", self.first_step)
        self.accelerator.wait_for_everyone()

    def _log(self, step: int, figures: tuple[Tensor, float], throughput: tuple[float, float, float]) -> None:
        totals, rate = figures
        velocity, mask, intersection, union = (
            self.accelerator.reduce(totals.to(self.accelerator.device), "mean").cpu().tolist()
        )
        if not self.accelerator.is_main_process:
            return
        row = (velocity, mask, intersection / max(union, 1e-9), rate, *throughput)
        self.curves.add(step, *row)
        self._to_tensorboard("train", step, dict(zip(FIGURES, row, strict=True)))
        log.info(
            "step %d/%d  velocity %.4f  mask %.4f  iou %.3f  %.0f tokens/s  %.1f %% of the matmul rate  "
            "%.1f %% waiting",
            *(step, self.config.run.steps, *row[:3], row[4], 100 * row[5], 100 * row[6]),
        )

    def _to_tensorboard(self, group: str, step: int, figures: dict[str, float]) -> None:
        if self.tensorboard is not None:
            for name, value in figures.items():
                self.tensorboard.add_scalar(f"{group}/{name}", value, step)
            self.tensorboard.flush()

    def _save(self, step: int) -> None:
        path = save_run(
            self.folder, step, self.config, self.model, self.optimisers, self.ema, self.accelerator
        )
        try:
            self._write_results()
        except (OSError, SafetensorError) as error:
            raise InteractError(
                f"The trained weights of step {step} could not be written to {self.folder} ({error}): make "
                "room there and start again; its checkpoint is whole."
            ) from error
        if self.accelerator.is_main_process:
            log.info("saved %s and adapter.safetensors", path.name)

    def _write_results(self) -> None:
        """What a checkpoint is followed by: the trained files and the plot of the curves."""
        self.export()
        if self.accelerator.is_main_process:
            self.curves.plot(self.folder / "training.png", window=max(1, len(self.curves.rows) // 200))

    def export(self) -> None:
        """Write the averaged weights as files that the nodes load: the adapter, with the name of its base in
        the metadata, and the trained LoRA or base.
        """
        trained = self.ema.gather()
        parameters = {name.removeprefix("module."): value for name, value in self.model.named_parameters()}
        frozen = {
            name: unsharded(value)
            for name, value in parameters.items()
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
        for left in self.folder.glob("adapter.safetensors.*.part"):  # by a run that was killed
            left.unlink()
        save_adapter(
            self.folder / "adapter.safetensors",
            adapter,
            self.adapter_config,
            torch.bfloat16,
            recommended_by(self.config),
        )
        if self.config.base.train == "lora":
            _write(self.folder / "lora.safetensors", lora_weights(trained, self.config.base))
        elif self.config.base.train == "full":
            base = {n.removeprefix("base."): v for n, v in trained.items() if n.startswith("base.")}
            _write(
                self.folder / "base.safetensors", base, metadata_of(Path(self.config.base.file).expanduser())
            )

    def _validate(self, step: int) -> None:
        run, accelerator = self.config.run, self.accelerator
        self.ema.swap()
        self.model.eval()
        velocity, iou = validate(self.model, self.held_out, accelerator.device)
        for number, clip in enumerate(self.held_out[: run.sampled_clips]):
            null = self.library.null_text
            latents, masks = sample_clip(self.model, clip, self.config, null, accelerator.device)
            if accelerator.is_main_process:
                path = self.folder / "clips" / f"step_{step:07d}_{number}.mp4"
                write_clip(path, self.latent_decoder.decode(latents), masks, self.config.shards.fps)
        self.model.train()
        self.ema.swap()
        if accelerator.is_main_process:
            self.validation_curves.add(step, velocity, iou)
            self.validation_curves.plot(self.folder / "validation.png", window=1)
            self._to_tensorboard("held_out", step, {"velocity": velocity, "iou": iou})
            log.info("step %d  held out: velocity %.4f, mask iou %.3f", step, velocity, iou)
        accelerator.wait_for_everyone()


def _tensorboard(folder: Path, first: int) -> Any | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("tensorboard is not installed: figures go to training.csv and training.png alone")
        return None
    return SummaryWriter(str(folder), purge_step=first + 1 if first else None)


def recommended_by(config: TrainingConfig) -> Recommended:
    """What the finished adapter is best used with: the size of its clips, and how those of validation are sampled."""
    shards, run = config.shards, config.run
    return Recommended(
        width=shards.width,
        height=shards.height,
        fps=shards.fps,
        steps=run.sampling_steps,
        cfg=run.sampling_cfg,
        shift=run.sampling_shift,
    )


def metadata_of(path: Path) -> dict[str, str] | None:
    """The metadata of a safetensors file; a base's may hold its sizes."""
    import safetensors

    with safetensors.safe_open(str(path), framework="pt") as file:
        return file.metadata()


def _write(path: Path, weights: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    with whole_file(path) as partial:
        save_weights(partial, {n: v.to(torch.bfloat16).contiguous() for n, v in weights.items()}, metadata)


def train(config: TrainingConfig) -> Path:
    """Train, or resume from the last checkpoint in run.folder; returns the finished adapter file."""
    trainer = Trainer(config)
    done = list(checkpoint_steps(trainer.folder))
    if done and done[-1] >= config.run.steps and trainer.accelerator.is_main_process:
        log.info("step %d of %d is done: nothing left to train", done[-1], config.run.steps)
    return trainer.run()
