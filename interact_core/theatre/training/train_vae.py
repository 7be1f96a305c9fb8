"""Training of the theatre's video autoencoder: a narrow Wan2.1 VAE, on crops of puppet scenes.

Every second step renders a new scene into a small pool; each step takes crops from the pool, mostly around
heads. Latents get Gaussian noise before decoding (a fixed-variance VAE), so that similar latents decode to
similar pictures, as the diffusion model needs. The loss weighs puppets more than the backdrop, and mouths
most, because the theatre is measured there.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..scenes import FAST, Backdrop, Scene, World, random_scene, render
from .checkpoint_file import load_checkpoint, save_checkpoint
from .devices import bfloat16_autocast, training_device
from .wan_vae import build_wan_vae, decode, encode

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VAERecipe:
    """Settings of `train vae`; `--set NAME=VALUE` changes them."""

    steps: int = 3600
    dim: int = 16
    rate: float = 1e-3
    latent_noise: float = 0.1  # deviation added to latents, whose own deviation is kept near 1
    pool: int = 96  # scenes
    save_every: int = 500
    seed: int = 0


# Crops of a step, in turn: how many, frames, side in pixels. The long ones train the temporal convolutions
# beyond the first frames, where they have only padding before them.
CROPS = ((4, 5, 48), (2, 9, 48), (3, 17, 32))


def random_mouths(rng: np.random.Generator, count: int, frames: int) -> np.ndarray:
    """Mouth openings [count, frames] in 0..1 of all speeds, for training without sound."""
    t = np.arange(frames)[None]
    rate, phase = rng.uniform(0.2, 1.4, (count, 1)), rng.uniform(0, 2 * np.pi, (count, 1))
    talk = np.clip(
        np.sin(rate * t + phase) * rng.uniform(0.4, 1.2, (count, 1)) + rng.normal(0, 0.15, (count, frames)),
        0,
        1,
    )
    return talk * (rng.random((count, 1)) < 0.85)


def _clip(rng: np.random.Generator, world: World = FAST) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames uint8 [17, H, W, 3], the union of all masks [17, H, W], and heads [N, 17, 3] of a new scene."""
    scene = random_scene(rng, int(rng.integers(1, 5)), world=world)
    if rng.random() < 0.2:  # as reference images
        white = (255, 255, 255)
        scene = Scene(scene.width, scene.height, scene.looks, scene.paths, Backdrop(white, white, ()))
    drawn = render(scene, random_mouths(rng, len(scene.looks), 17))
    return drawn.frames, drawn.masks.max(0), drawn.heads


def _mouth_weight(heads: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """[F, side, side]: 1 inside a disc around each mouth."""
    y, x = np.mgrid[top : top + side, left : left + side][:, None, None]
    cx, cy, r = (heads[..., k][..., None, None] for k in range(3))
    return (((x - cx) ** 2 + (y - cy - 0.5 * r) ** 2) < (0.55 * r) ** 2).max(0).astype(np.float32)


def _crop(rng: np.random.Generator, clip: tuple, frames: int, side: int) -> tuple[Tensor, Tensor]:
    """A crop [3, F, side, side] in -1..1 and its loss weights [1, F, side, side]; three of four are around a
    head.
    """
    pixels, masks, heads = clip
    start = int(rng.integers(0, pixels.shape[0] - frames + 1))
    height, width = pixels.shape[1:3]
    left, top = rng.integers(0, width - side + 1), rng.integers(0, height - side + 1)
    if rng.random() < 0.75:
        x, y, _ = heads[rng.integers(len(heads)), start]
        left = int(np.clip(x - side * rng.uniform(0.2, 0.8), 0, width - side))
        top = int(np.clip(y - side * rng.uniform(0.1, 0.7), 0, height - side))
    window = (slice(start, start + frames), slice(top, top + side), slice(left, left + side))
    weight = 1 + 2 * masks[window] + 3 * _mouth_weight(heads[:, start : start + frames], left, top, side)
    return torch.from_numpy(pixels[window].copy()).permute(3, 0, 1, 2) / 127.5 - 1, torch.from_numpy(weight)[
        None
    ]


def _edges(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x.diff(dim=-1), x.diff(dim=-2), x.diff(dim=-3)


def reconstruction_loss(decoded: Tensor, frames: Tensor, weight: Tensor, sharp: float) -> Tensor:
    """Weighted squared error, plus `sharp` (0..1) times the L1 error of pixels and of their differences.

    Squared error learns the colours sooner (1.5 dB ahead after 150 steps); L1 sharpens the edges afterwards.
    """
    pixel = 3 * ((decoded - frames) ** 2 * weight).mean()
    if sharp == 0:
        return pixel
    edge = sum((a - b).abs().mean() for a, b in zip(_edges(decoded), _edges(frames)))
    return pixel + sharp * (((decoded - frames).abs() * weight).mean() + edge)


def train_vae(recipe: VAERecipe, folder: Path) -> torch.nn.Module:
    """Train, or resume from `folder/vae.pt`; returns the EMA."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    device = training_device()
    vae = build_wan_vae(recipe.dim).train().to(device)
    average = torch.optim.swa_utils.AveragedModel(
        vae, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    optimiser = torch.optim.AdamW(vae.parameters(), lr=recipe.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    parts = {"vae": vae, "average": average, "optimiser": optimiser}
    first = load_checkpoint(folder / "vae.pt", parts, rng)
    pool = deque((_clip(rng) for _ in range(recipe.pool)), maxlen=recipe.pool)
    began, recent = time.monotonic(), deque(maxlen=50)
    for step in range(first, recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = (
                recipe.rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / recipe.steps))
                + 1e-5
            )
        if step % 2 == 0:
            pool.append(_clip(rng))
        count, *window = CROPS[step % len(CROPS)]
        crops = [_crop(rng, pool[int(rng.integers(len(pool)))], *window) for _ in range(count)]
        frames, weight = (torch.stack(part).to(device) for part in zip(*crops))
        with bfloat16_autocast(device):
            z = encode(vae, frames.contiguous(memory_format=torch.channels_last_3d))
            noise = torch.randn(z.shape, dtype=z.dtype).to(device)
            decoded = decode(vae, z + recipe.latent_noise * noise)
        z, sharp = z.float(), min(1.0, max(0.0, step / recipe.steps - 0.15) * 2)
        spread = (z.mean(dim=(0, 2, 3, 4)) ** 2).mean() + 0.1 * (z**2).mean()
        loss = reconstruction_loss(decoded.float(), frames, weight, sharp) + 0.01 * spread
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(vae)
        recent.append(((decoded.float() - frames) ** 2).mean().item())
        if step % 50 == 49:
            psnr = 10 * math.log10(4 / (sum(recent) / len(recent)))
            log.info(
                "vae step %d/%d  %.0f s  loss %.3f  psnr %.1f dB  latent deviation %.2f",
                step + 1,
                recipe.steps,
                time.monotonic() - began,
                loss.item(),
                psnr,
                z.std().item(),
            )
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            save_checkpoint(folder / "vae.pt", parts, step + 1, rng)
    return average.module
