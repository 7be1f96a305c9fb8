"""Trains the theatre's diffusion model and adapter together, through the hooks that sampling uses."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..adapter import read_adapter
from ..host.differentiable import differentiable_host
from ..host.hooks import training_options
from .batches import Batch, BatchRecipe, make_batch
from .checkpoint import load_checkpoint, save_checkpoint
from .clips import ClipGroup, SpeechBank
from .curves import Curves
from .losses import focal_mask_loss, velocity_loss
from .models import build_adapter, build_dit, export_adapter, export_dit
from .optimisers import optimisers, rate_at

log = logging.getLogger(__name__)
SHORT = 3
"""Latent frames of a short step. A look is learned from any frame of its clip: twice as many clips of 9 frames take
as long as clips of 25 (0.90 s both, batch 8 of 25 frames, two cores).
"""


@dataclass(frozen=True)
class DiTRecipe:
    """What `train dit` can be told."""

    steps: int = 13000
    batch: int = 8
    rate: float = 8e-4
    warmup: int = 100
    cooldown: int = 8000
    average: float = 0.998
    short: float = 0.6  # share of the steps that take twice as many clips, cut to SHORT latent frames
    fused: bool = True  # torch.compile inside the blocks
    save_every: int = 250
    seed: int = 0
    mix: BatchRecipe = field(default_factory=BatchRecipe)


class Puppeteer(nn.Module):
    """Base model and adapter as one module, for one optimiser and one running average."""

    def __init__(self, seed: int):
        super().__init__()
        self.dit = build_dit(seed)
        self.adapter = build_adapter(seed)

    def forward(self, noisy: Tensor, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """-> velocity [B, 16, T, h8, w8] and, per mask block, logits [B, N, T*h*w]."""
        options = training_options(self.adapter, batch.weights)
        null_text = noisy.new_zeros(len(noisy), 1, 4096)
        with differentiable_host():
            velocity = self.dit(
                noisy,
                batch.t * 1000,
                null_text,
                time_dim_concat=batch.references,
                transformer_options=options,
                interact_audio=batch.audio,
                interact_flag=batch.flag,
            )
        return velocity, options["interact_call"].mask_logits


def fuse_blocks(dit: nn.Module) -> None:
    """Fuse the element-wise work of each block, which is most of a step at this size, where a compiler is.

    In place, so that names in checkpoints stay. One graph for each number of puppets. On two cores a step of
    8 clips took 0.91 s instead of 1.35.
    """
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        log.info("no C++ compiler: training goes on without torch.compile, about a third slower")
        return
    for block in dit.blocks:
        block.self_attn.compile(dynamic=False)
        block.ffn.compile(dynamic=False)


def mask_iou(logits: list[Tensor], masks: Tensor) -> float:
    """IoU of the averaged masks above one half, over the whole batch."""
    found = torch.stack([logit.float().sigmoid() for logit in logits]).mean(0) > 0.5
    true = masks > 0.5
    return ((found & true).sum() / (found | true).sum().clamp(min=1)).item()


def train_dit(
    recipe: DiTRecipe,
    folder: Path,
    clips: dict[int, ClipGroup],
    bank: SpeechBank,
    models: Path,
    warm: bool = False,
) -> Puppeteer:
    """Train, or go on from `folder/dit.pt`; with every checkpoint the running average is exported into
    `models`.

    warm: where there is no checkpoint, begin with the weights that `models` already has, at step 0 of the
    schedule.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    dit_file, adapter_file = (
        models / "diffusion_models" / "theatre_wan.safetensors",
        models / "interact" / "theatre_adapter.safetensors",
    )
    puppeteer = Puppeteer(recipe.seed).train()
    if warm:
        puppeteer.dit.load_state_dict(load_file(dit_file))
        puppeteer.adapter.load_state_dict(read_adapter(adapter_file)[1])
    average = torch.optim.swa_utils.AveragedModel(
        puppeteer, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
    )
    trained = [p for p in puppeteer.parameters() if p.requires_grad]
    turned = optimisers(puppeteer, recipe.rate)
    parts = {"puppeteer": puppeteer, "average": average, **turned}
    first = load_checkpoint(folder / "dit.pt", parts, rng)
    if recipe.fused:
        fuse_blocks(puppeteer.dit)
    curves = Curves(folder / "dit.csv", ("velocity", "mask", "iou", "seconds"), first)
    numbers, sizes = list(clips), np.array([len(group.latents) for group in clips.values()], float)
    for step in range(first, recipe.steps):
        began = time.monotonic()
        rate = rate_at(step, recipe.steps, recipe.rate, recipe.warmup, recipe.cooldown)
        for group in (group for optimiser in turned.values() for group in optimiser.param_groups):
            group["lr"] = rate
        puppets = int(rng.choice(numbers, p=sizes / sizes.sum()))
        short = rng.random() < recipe.short
        batch = make_batch(rng, clips[puppets], bank, recipe.batch * (2 if short else 1), recipe.mix)
        batch = batch.beginning(SHORT) if short else batch
        noise = torch.randn_like(batch.clean)
        t = batch.t.view(-1, 1, 1, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            velocity, logits = puppeteer((1 - t) * batch.clean + t * noise, batch)
        flow = velocity_loss(velocity.float(), batch.clean, noise, batch.emphasis)
        # Without a picture nobody can say whose mask is whose.
        logits, masks = [logit[batch.shown].float() for logit in logits], batch.masks[batch.shown]
        mask = flow.new_zeros(())
        if batch.shown.any():
            mask = sum(focal_mask_loss(logit, masks) for logit in logits) / len(logits)
        puppeteer.zero_grad(set_to_none=True)
        (flow + mask).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        for optimiser in turned.values():
            optimiser.step()
        average.update_parameters(puppeteer)
        curves.add(step, flow.item(), mask.item(), mask_iou(logits, masks), time.monotonic() - began)
        if step % 50 == 49:
            log.info("dit step %d/%d  %s", step + 1, recipe.steps, curves.recent(50))
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            save_checkpoint(folder / "dit.pt", parts, rng, step + 1)
            export_dit(average.module.dit, dit_file)
            export_adapter(average.module.adapter, adapter_file)
            curves.plot(folder / "dit.png")
    return average.module
