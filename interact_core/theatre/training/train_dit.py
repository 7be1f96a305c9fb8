"""Trains the theatre's diffusion model and adapter together, through the hooks that sampling uses."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ...adapter import read_adapter
from ...adapter.model import sdpa_attention
from ...host.forward.differentiable import differentiable_host
from ...host.forward.hooks import training_options
from ...training.curves import Curves
from ...training.losses import focal_mask_loss, velocity_loss
from ...training.optimisers import optimisers, learning_rate
from .batches import Batch, Augmentation, make_batch
from .checkpoint_file import load_checkpoint, save_checkpoint
from .clips import ClipGroup, SpeechBank
from .models import build_adapter, build_dit, export_adapter, export_dit, training_device

log = logging.getLogger(__name__)
DIT_FILE = Path("diffusion_models", "theatre_wan.safetensors")  # in the models folder, as is the other
ADAPTER_FILE = Path("interact", "theatre_adapter.safetensors")
CUTS = {7: 2, 3: 4}
"""Latent frames of a step that takes clips not whole, and how many times as many it takes then. A look is learned from
any frame of its clip, a mouth from any second; how far somebody goes is to be seen in whole clips only.
"""


@dataclass(frozen=True)
class DiTRecipe:
    """What `train dit` can be told."""

    steps: int = 13000
    batch: int = 8  # clips of a step that takes them whole
    rate: float = 8e-4
    warmup: int = 100
    cooldown: int = 8000
    average: float = 0.998
    short: float = 0.6  # share of the steps that take more clips, cut to their beginnings (CUTS)
    fused: bool = True  # torch.compile inside the blocks, on a processor
    readers: int = 0  # processes that draw batches ahead; a GPU needs several, two cores none
    save_every: int = 250
    seed: int = 0
    mix: Augmentation = field(default_factory=Augmentation)


class TheatreModel(nn.Module):
    """Base model and adapter as one module, for one optimiser and one running average."""

    def __init__(self, seed: int):
        super().__init__()
        self.dit = build_dit(seed)
        self.adapter = build_adapter(seed)

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
        """transformer_options of one pass."""
        attention = sdpa_attention if batch.clean.is_cuda else None  # on a processor matmul-softmax is faster
        return training_options(self.adapter, batch.weights, attention)

    def load_weights(self, models: Path) -> None:
        """Take the weights that a models folder has."""
        self.dit.load_state_dict(load_file(models / DIT_FILE))
        self.adapter.load_state_dict(read_adapter(models / ADAPTER_FILE)[1])


def fuse_blocks(dit: nn.Module) -> None:
    """Fuse the element-wise work of each block, which is most of a step at this size, where a compiler is.

    In place, so that names in checkpoints stay. One graph for each number of puppets and length. On two cores a
    step of 8 clips of 25 frames took 0.91 s instead of 1.35.
    """
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        log.info("no C++ compiler: training goes on without torch.compile, about a third slower")
        return
    torch._dynamo.config.recompile_limit = 4 * (1 + len(CUTS))
    for block in dit.blocks:
        block.self_attn.compile(dynamic=False)
        block.ffn.compile(dynamic=False)


def mask_iou(logits: list[Tensor], masks: Tensor) -> Tensor:
    """IoU of the averaged masks above one half, over the whole batch."""
    found = torch.stack([logit.float().sigmoid() for logit in logits]).mean(0) > 0.5
    true = masks > 0.5
    return (found & true).sum() / (found | true).sum().clamp(min=1)


def train_dit(
    recipe: DiTRecipe,
    folder: Path,
    clips: dict[int, ClipGroup],
    bank: SpeechBank,
    models: Path,
    warm: bool = False,
) -> TheatreModel:
    """Train, or go on from `folder/dit.pt`; with every checkpoint the running average is exported into
    `models`.

    warm: where there is no checkpoint, begin with the weights that `models` already has, at step 0 of the
    schedule.
    """
    torch.manual_seed(recipe.seed)
    puppeteer = TheatreModel(recipe.seed).train()
    if warm:
        puppeteer.load_weights(models)
    return fit(puppeteer, recipe, folder / "dit", clips, bank, lambda average: export(average, models))


def export(puppeteer: TheatreModel, models: Path) -> None:
    """Write both files into a models folder."""
    export_dit(puppeteer.dit, models / DIT_FILE)
    export_adapter(puppeteer.adapter, models / ADAPTER_FILE)


def fit(
    puppeteer: TheatreModel,
    recipe: DiTRecipe,
    run: Path,
    clips: dict[int, ClipGroup],
    bank: SpeechBank,
    saved: Callable[[TheatreModel], None],
) -> TheatreModel:
    """Train to the recipe's last step, or go on from `run`.pt, and return the running average.

    run: folder and name of checkpoint, figures (.csv) and curves (.png); saved: called with the running average
    at every checkpoint.
    """
    puppeteer.to(training_device())
    average = torch.optim.swa_utils.AveragedModel(
        puppeteer, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
    )
    trained = [p for p in puppeteer.parameters() if p.requires_grad]
    turned = optimisers(puppeteer, recipe.rate)
    parts = {"puppeteer": puppeteer, "average": average, **turned}
    checkpoint = run.with_name(f"{run.name}.pt")
    first = load_checkpoint(checkpoint, parts)
    if recipe.fused and training_device().type == "cpu":
        fuse_blocks(puppeteer.dit)
    curves = Curves(run.with_name(f"{run.name}.csv"), ("velocity", "mask", "iou", "seconds"), first)
    began, unread = time.monotonic(), []
    for step, batch in enumerate(ahead(Batches(recipe, clips, bank), first), first):
        rate = learning_rate(step, recipe.steps, recipe.rate, recipe.warmup, recipe.cooldown)
        for group in (group for optimiser in turned.values() for group in optimiser.param_groups):
            group["lr"] = rate
        flow, mask, iou = losses(puppeteer, batch)
        puppeteer.zero_grad(set_to_none=True)
        (flow + mask).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        for optimiser in turned.values():
            optimiser.step()
        average.update_parameters(puppeteer)
        now = time.monotonic()
        unread.append((step, torch.stack((flow, mask, iou)).detach(), now - began))
        began = now
        saves = (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps
        if step % 50 == 49 or saves:  # and not at every step, for which a GPU would be halted
            for earlier, figures, seconds in unread:
                curves.add(earlier, *figures.tolist(), seconds)
            unread.clear()
            log.info("%s step %d/%d  %s", run.name, step + 1, recipe.steps, curves.recent(50))
        if saves:
            save_checkpoint(checkpoint, parts, step + 1)
            saved(average.module)
            curves.plot(run.with_name(f"{run.name}.png"))
    return average.module


@dataclass(frozen=True)
class Batches(Dataset):
    """One batch a step, which depends on the recipe's seed and on the step's number alone."""

    recipe: DiTRecipe
    clips: dict[int, ClipGroup]
    bank: SpeechBank

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> Batch:
        """Of one number of puppets, as often as clips have it; now and then of more clips, cut short."""
        rng = np.random.default_rng([self.recipe.seed, step])
        numbers, sizes = list(self.clips), np.array([len(group.latents) for group in self.clips.values()])
        group = self.clips[int(rng.choice(numbers, p=sizes / sizes.sum()))]
        whole = group.latents.shape[2]
        length = int(rng.choice(list(CUTS))) if rng.random() < self.recipe.short else whole
        length, times = (length, CUTS[length]) if length < whole else (whole, 1)
        return make_batch(rng, group.beginning(length), self.bank, times * self.recipe.batch, self.recipe.mix)


def ahead(batches: Batches, first: int) -> DataLoader:
    """The batches from step `first` on, drawn while the model computes where there are readers."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, len(batches)),
        num_workers=batches.recipe.readers,
        pin_memory=training_device().type == "cuda",
    )


def losses(puppeteer: TheatreModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Of the velocity and of the masks, and the masks' IoU with the true ones."""
    device = next(puppeteer.parameters()).device
    rows = batch.shown.nonzero().flatten()  # counted on the processor: a GPU would be halted for it
    batch, shown = batch.to(device), rows.to(device)
    t = batch.t.view(-1, 1, 1, 1, 1)
    with torch.autocast(device.type, torch.bfloat16):
        velocity, logits = puppeteer((1 - t) * batch.clean + t * batch.noise, batch)
    flow = velocity_loss(velocity.float(), batch.clean, batch.noise, batch.emphasis)
    # Without a picture nobody can say whose mask is whose.
    logits, masks = [logit[shown].float() for logit in logits], batch.masks[shown]
    mask = flow.new_zeros(())
    if len(rows):
        mask = sum(focal_mask_loss(logit, masks) for logit in logits) / len(logits)
    return flow, mask, mask_iou(logits, masks)
