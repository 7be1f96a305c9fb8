"""Trains the theatre's diffusion model and adapter together, through the hooks that sampling uses."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ...adapter import AdapterConfig, read_adapter
from ...adapter.model import sdpa_attention
from ...host.forward.differentiable import differentiable_host
from ...host.forward.training_run import training_options
from ...training.curves import Curves
from ...training.data.augmentation import Augmentation
from ...training.losses import focal_mask_loss, velocity_loss
from ...training.optimisers import learning_rate, muon_and_adamw
from .batches import Batch, make_batch
from .checkpoint_file import load_checkpoint, save_checkpoint
from .clips import ClipGroup, SpeechBank
from .devices import bfloat16_autocast, has_fast_bfloat16, training_device
from .growth import deepen_adapter, deepen_dit, deeper_config
from .models import ADAPTER, DIT, build_adapter, build_dit, dit_sizes, export_adapter, export_dit

log = logging.getLogger(__name__)
DIT_FILE = Path("diffusion_models", "theatre_wan.safetensors")  # in the models folder, as is the other
ADAPTER_FILE = Path("interact", "theatre_adapter.safetensors")
SHORT_CLIPS = {13: (0.55, 1), 7: (0.3, 2), 3: (0.15, 4)}
"""Latent frames of clips that are cut short, their share of the steps that cut, and the factor by which the batch is
then larger. Appearance can be learned from any frame, lip movement from any second and most of a layout from two, but
how far a puppet moves only from whole clips.
"""
HIGH_NOISE = 0.5
"""Share of the theatre's samples at noise levels where the layout is decided (training/data/augmentation.py)."""


@dataclass(frozen=True)
class DiTRecipe:
    """Settings of `train dit`; `--set NAME=VALUE` changes them."""

    steps: int = 13000
    batch: int = 8  # clips in a step of whole clips
    rate: float = 8e-4
    warmup: int = 100
    cooldown: int = 8000
    blocks: int = DIT["num_layers"]  # with --warm, a model that has fewer is deepened
    average: float = 0.998  # decay of the EMA
    short: float = 0.8  # share of the steps that take more clips, cut short (SHORT_CLIPS)
    fused: bool = True  # torch.compile inside the blocks, on a CPU
    readers: int = 0  # processes that prefetch batches; a GPU needs several, two CPU cores none
    save_every: int = 250
    seed: int = 0
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(high_noise=HIGH_NOISE))


class AdaptedDiT(nn.Module):
    """The theatre's DiT and adapter as one module, so that one optimiser and one EMA hold both."""

    def __init__(self, seed: int, sizes: Mapping[str, int] = DIT, config: AdapterConfig = ADAPTER):
        super().__init__()
        self.dit = build_dit(seed, sizes)
        self.adapter = build_adapter(seed, config)

    def forward(self, noisy: Tensor, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """-> velocity [B, 16, T, h8, w8] and, per mask block, logits [B, N, T*h*w]."""
        options = self.options(batch)
        with differentiable_host():
            velocity = self.dit(
                noisy,
                batch.t * 1000,
                batch.text,
                time_dim_concat=batch.references,
                transformer_options=options,
                interact_audio=batch.audio,
                interact_flag=batch.flag,
            )
        return velocity, options["interact_call"].mask_logits

    def options(self, batch: Batch) -> dict[str, Any]:
        """transformer_options of one forward pass."""
        # Without bfloat16 a CPU is faster with matmul_attention; with it, it is slower by 8 % at 864 tokens and by
        # 18 % at 2,016.
        attention = sdpa_attention if has_fast_bfloat16(batch.clean.device) else None
        return training_options(self.adapter, batch.weights, attention)

    def load_weights(self, models: Path) -> None:
        """Load the weights of a models folder, deepened to this model's number of blocks (growth.py)."""
        blocks = self.adapter.config.model_blocks
        self.dit.load_state_dict(deepen_dit(load_file(models / DIT_FILE), blocks))
        config, weights = read_adapter(models / ADAPTER_FILE)
        self.adapter.load_state_dict(deepen_adapter(weights, config, blocks)[0])


def sizes_in(models: Path, blocks: int = 0) -> tuple[dict[str, int], AdapterConfig]:
    """Sizes of the DiT and of the adapter in a models folder, with `blocks` blocks if they have fewer."""
    sizes, (config, _) = dit_sizes(models / DIT_FILE), read_adapter(models / ADAPTER_FILE)
    blocks = max(blocks, sizes["num_layers"])
    return {**sizes, "num_layers": blocks}, deeper_config(config, blocks)


def fuse_blocks(dit: nn.Module) -> None:
    """Compile each block's self-attention and FFN if there is a C++ compiler: that fuses the element-wise
    operations, which take most of a step at this size.

    In place, so that parameter names stay as they are. One graph for each number of puppets and length. On
    two cores a step of 8 clips of 25 frames took 0.91 s instead of 1.35 s.
    """
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        log.info("no C++ compiler: training goes on without torch.compile, about a third slower")
        return
    torch._dynamo.config.recompile_limit = 4 * (1 + len(SHORT_CLIPS))
    for block in dit.blocks:
        block.self_attn.compile(dynamic=False)
        block.ffn.compile(dynamic=False)


def mask_iou(logits: list[Tensor], masks: Tensor) -> Tensor:
    """IoU of predicted and true masks above 0.5, over the whole batch.

    logits: per mask block [B, N, T*h*w], averaged as probabilities; masks [B, N, T*h*w] in 0..1.
    """
    predicted = torch.stack([logit.float().sigmoid() for logit in logits]).mean(0) > 0.5
    true = masks > 0.5
    return (predicted & true).sum() / (predicted | true).sum().clamp(min=1)


def train_dit(
    recipe: DiTRecipe,
    folder: Path,
    clips: dict[int, ClipGroup],
    bank: SpeechBank,
    models: Path,
    warm: bool = False,
) -> AdaptedDiT:
    """Train, or resume from `folder/dit.pt`; the EMA is exported into `models` with every checkpoint.

    warm: without a checkpoint, start from the weights in `models`, at step 0 of the schedule, with new blocks
    if they have fewer than the recipe.
    """
    torch.manual_seed(recipe.seed)
    sizes, config = {**DIT, "num_layers": recipe.blocks}, deeper_config(ADAPTER, recipe.blocks)
    if warm:
        sizes, config = sizes_in(models, recipe.blocks)
    model = AdaptedDiT(recipe.seed, sizes, config).train()
    if warm:
        model.load_weights(models)
    return train_loop(model, recipe, folder / "dit", clips, bank, lambda average: export(average, models))


def export(model: AdaptedDiT, models: Path) -> None:
    """Write both files into a models folder."""
    export_dit(model.dit, models / DIT_FILE)
    export_adapter(model.adapter, models / ADAPTER_FILE)


def train_loop(
    model: AdaptedDiT,
    recipe: DiTRecipe,
    run: Path,
    clips: dict[int, ClipGroup],
    bank: SpeechBank,
    on_save: Callable[[AdaptedDiT], None],
) -> AdaptedDiT:
    """Train to the recipe's last step, or resume from `run`.pt, and return the EMA.

    run: path without suffix of the checkpoint (.pt), the figures (.csv) and their plot (.png); on_save:
    called with the EMA at every checkpoint.
    """
    device = training_device()
    model.to(device)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    optimisers = muon_and_adamw(model, recipe.rate)
    parts = {"model": model, "average": average, **optimisers}
    checkpoint = run.with_name(f"{run.name}.pt")
    first = load_checkpoint(checkpoint, parts)
    if recipe.fused and device.type == "cpu":
        fuse_blocks(model.dit)
    curves = Curves(run.with_name(f"{run.name}.csv"), ("velocity", "mask", "iou", "seconds"), first)
    began, unlogged = time.monotonic(), []
    for step, batch in enumerate(batch_loader(BatchDataset(recipe, clips, bank), first), first):
        rate = learning_rate(step, recipe.steps, recipe.rate, recipe.warmup, recipe.cooldown)
        for group in (group for optimiser in optimisers.values() for group in optimiser.param_groups):
            group["lr"] = rate
        flow, mask, iou = batch_losses(model, batch)
        model.zero_grad(set_to_none=True)
        (flow + mask).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        for optimiser in optimisers.values():
            optimiser.step()
        average.update_parameters(model)
        now = time.monotonic()
        unlogged.append((step, torch.stack((flow, mask, iou)).detach(), now - began))
        began = now
        saves = (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps
        if step % 50 == 49 or saves:  # not at every step: reading a figure makes the CPU wait for the GPU
            for earlier, figures, seconds in unlogged:
                curves.add(earlier, *figures.tolist(), seconds)
            unlogged.clear()
            log.info("%s step %d/%d  %s", run.name, step + 1, recipe.steps, curves.recent(50))
        if saves:
            save_checkpoint(checkpoint, parts, step + 1)
            on_save(average.module)
            curves.plot(run.with_name(f"{run.name}.png"))
    return average.module


@dataclass(frozen=True)
class BatchDataset(Dataset):
    """The batch of each step, which follows from the recipe's seed and the step alone."""

    recipe: DiTRecipe
    clips: dict[int, ClipGroup]
    bank: SpeechBank

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> Batch:
        """Clips of one number of puppets, drawn in proportion to its number of clips; in some steps more
        clips, cut short.
        """
        rng = np.random.default_rng([self.recipe.seed, step])
        numbers, sizes = list(self.clips), np.array([len(group.latents) for group in self.clips.values()])
        group = self.clips[int(rng.choice(numbers, p=sizes / sizes.sum()))]
        whole = group.latents.shape[2]
        length, times = whole, 1
        if rng.random() < self.recipe.short:
            shares = [share for share, _ in SHORT_CLIPS.values()]
            cut = int(rng.choice(list(SHORT_CLIPS), p=shares))
            length, times = (cut, SHORT_CLIPS[cut][1]) if cut < whole else (whole, 1)
        return make_batch(
            rng, group.beginning(length), self.bank, times * self.recipe.batch, self.recipe.augmentation
        )


def batch_loader(batches: BatchDataset, first: int) -> DataLoader:
    """The batches from step `first` on, prefetched by recipe.readers processes."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, len(batches)),
        num_workers=batches.recipe.readers,
        pin_memory=training_device().type == "cuda",
    )


def batch_losses(model: AdaptedDiT, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Velocity loss, mask loss, and the IoU of predicted and true masks."""
    device = next(model.parameters()).device
    rows = batch.has_references.nonzero().flatten()  # on the CPU: nonzero() makes the CPU wait for the GPU
    batch, with_references = batch.to(device), rows.to(device)
    t = batch.t.view(-1, 1, 1, 1, 1)
    with bfloat16_autocast(device):
        velocity, logits = model((1 - t) * batch.clean + t * batch.noise, batch)
    flow = velocity_loss(velocity.float(), batch.clean, batch.noise, batch.emphasis)
    # With blank references the mask heads cannot know which puppet is which.
    logits, masks = [logit[with_references].float() for logit in logits], batch.masks[with_references]
    mask = flow.new_zeros(())
    if len(rows):
        mask = sum(focal_mask_loss(logit, masks) for logit in logits) / len(logits)
    return flow, mask, mask_iou(logits, masks)
