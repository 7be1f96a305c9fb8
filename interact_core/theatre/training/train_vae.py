"""Training of the theatre's video autoencoder: a narrow Wan2.1 VAE, on crops of puppet scenes.

Every second step renders a new scene into a small pool; each step takes crops from the pool, mostly around
heads. Latents get Gaussian noise before decoding (a fixed-variance VAE), so that similar latents decode to
similar pictures, as the diffusion model needs. The loss weighs puppets more than the backdrop, faces more
than puppets, and mouths most, because the theatre is measured there.

Training goes on from a finished VAE with `--warm`, made wider where the recipe says so: its latents already
have the statistics of ComfyUI's Wan latent format, and stay near them, so that a diffusion model can follow.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...training.curves import Curves
from ..scenes import FAST, Backdrop, Scene, World, random_scene, render
from .checkpoint_file import load_checkpoint, save_checkpoint
from .devices import bfloat16_autocast, training_device
from .growth import vae_width, widen_vae
from .models import load_vae
from .wan_vae import LATENT_CHANNELS, build_wan_vae, decode, encode

log = logging.getLogger(__name__)
VAE_FILE = Path("vae", "theatre_wan_vae.safetensors")  # in the models folder


@dataclass(frozen=True)
class VAERecipe:
    """Settings of `train vae`; `--set NAME=VALUE` changes them."""

    steps: int = 3600
    dim: int = 16  # base width; with --warm, a narrower VAE is widened
    rate: float = 1e-3
    latent_noise: float = (
        0.05  # deviation of the noise on latents that are normalised for the diffusion model
    )
    pool: int = 96  # scenes
    save_every: int = 500
    held_out: int = 4  # whole scenes that every save measures the EMA on; 0 for none
    held_out_frames: int = 49  # of each
    seed: int = 0


MINIMUM_RATE = 1e-5
PUPPET_WEIGHT, FACE_WEIGHT, MOUTH_WEIGHT = 2.0, 2.0, 3.0  # of the loss, added to the backdrop's 1
HELD_OUT_SEED = 900_000  # of scenes that no training draws
HELD_OUT_MOTION = (0.4, 1.0)  # in turn
FIGURES = ("loss", "crop_psnr", "psnr", "puppet_psnr", "latent_deviation", "seconds")

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


def _disc(heads: np.ndarray, left: int, top: int, side: int, lowered: float, radius: float) -> np.ndarray:
    """[F, side, side]: 1 inside of a disc on each head; its centre is `lowered` and it is `radius` large, in
    head radii.
    """
    y, x = np.mgrid[top : top + side, left : left + side][:, None, None]
    cx, cy, r = (heads[..., k][..., None, None] for k in range(3))
    return (((x - cx) ** 2 + (y - cy - lowered * r) ** 2) < (radius * r) ** 2).max(0).astype(np.float32)


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
    shown = heads[:, start : start + frames], left, top, side
    faces, mouths = _disc(*shown, 0.0, 0.8), _disc(*shown, 0.5, 0.55)
    weight = 1 + PUPPET_WEIGHT * masks[window] + FACE_WEIGHT * faces + MOUTH_WEIGHT * mouths
    picture = torch.from_numpy(pixels[window].copy()).permute(3, 0, 1, 2) / 127.5 - 1
    return picture, torch.from_numpy(weight.astype(np.float32))[None]


def _draw_crops(rng: np.random.Generator, pool: Sequence[tuple], step: int) -> tuple[Tensor, Tensor]:
    """The crops [B, 3, F, S, S] of a step, and their weights [B, 1, F, S, S]."""
    count, *window = CROPS[step % len(CROPS)]
    crops = [_crop(rng, pool[int(rng.integers(len(pool)))], *window) for _ in range(count)]
    pictures, weights = zip(*crops)
    return torch.stack(pictures), torch.stack(weights)


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


@dataclass(frozen=True)
class HeldOutScene:
    """A whole scene that moves: frames uint8 [F, H, W, 3], and where its puppets are, bool [F, H, W]."""

    frames: np.ndarray
    puppets: np.ndarray


def held_out_scenes(count: int, frames: int, world: World = FAST) -> list[HeldOutScene]:
    """Scenes of two puppets that training never draws, from HELD_OUT_MOTION in turn."""
    scenes = []
    for number in range(count):
        rng = np.random.default_rng(HELD_OUT_SEED + number)
        motion = HELD_OUT_MOTION[number % len(HELD_OUT_MOTION)]
        drawn = render(random_scene(rng, 2, motion=motion, world=world), random_mouths(rng, 2, frames))
        scenes.append(HeldOutScene(drawn.frames, drawn.masks.max(0) > 0.5))
    return scenes


@torch.no_grad()
def held_out_psnr(vae: nn.Module, scenes: list[HeldOutScene]) -> tuple[float, float]:
    """Peak signal-to-noise ratio in dB, of whole frames and of the puppets in them, mean over scenes; NaN
    without any.
    """
    device, found = next(vae.parameters()).device, []
    for scene in scenes:
        frames = torch.from_numpy(scene.frames).permute(3, 0, 1, 2)[None].float().to(device) / 127.5 - 1
        frames = frames.contiguous(memory_format=torch.channels_last_3d)
        error = (decode(vae, encode(vae, frames)).clamp(-1, 1) - frames).square().mean(1)[0].cpu()
        puppets = error[torch.from_numpy(scene.puppets)]
        found.append((psnr(error.mean().item()), psnr(puppets.mean().item())))
    whole, on_puppets = np.mean(found, 0) if found else (math.nan, math.nan)
    return float(whole), float(on_puppets)


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error; pictures are in -1..1."""
    return 10 * math.log10(4 / max(error, 1e-12))


def start_vae(recipe: VAERecipe, models: Path | None) -> nn.Module:
    """A fresh VAE or, from a models folder, its VAE widened to the recipe's width."""
    if models is None:
        return build_wan_vae(recipe.dim)
    vae = load_vae(models / VAE_FILE)
    return widen_vae(vae, max(recipe.dim, vae_width(vae.state_dict())))


def latent_format(warm: bool) -> tuple[Tensor, Tensor]:
    """Mean and deviation [1, 16, 1, 1, 1] of the latents that a VAE has as training begins: those of ComfyUI's
    Wan latent format for a finished one (`fold_latent_format`), 0 and 1 for a fresh one.
    """
    if not warm:
        return torch.zeros(1, LATENT_CHANNELS, 1, 1, 1), torch.ones(1, LATENT_CHANNELS, 1, 1, 1)
    from comfy.latent_formats import Wan21

    wan = Wan21()
    return wan.latents_mean.view(1, -1, 1, 1, 1), wan.latents_std.view(1, -1, 1, 1, 1)


def batch_loss(
    vae: nn.Module, batch: tuple[Tensor, Tensor], latents: tuple[Tensor, Tensor], noise: float, sharp: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss, the mean squared error of the crops and the deviation of the normalised latents.

    batch: crops [B, 3, F, S, S] and weights [B, 1, F, S, S]; latents: their mean and deviation
    (`latent_format`); noise: recipe.latent_noise; sharp: see `reconstruction_loss`.
    """
    (frames, weight), (mean, std) = batch, latents
    with bfloat16_autocast(frames.device):
        z = encode(vae, frames.contiguous(memory_format=torch.channels_last_3d))
        drawn = torch.randn(z.shape, dtype=z.dtype).to(z.device)
        decoded = decode(vae, z + noise * std.to(z.dtype) * drawn)
    z, decoded = (z.float() - mean) / std, decoded.float()
    spread = (z.mean(dim=(0, 2, 3, 4)) ** 2).mean() + 0.1 * (z**2).mean()
    loss = reconstruction_loss(decoded, frames, weight, sharp) + 0.01 * spread
    return loss, ((decoded - frames) ** 2).mean(), z.std()


def train_vae(
    recipe: VAERecipe, folder: Path, models: Path | None = None, world: World = FAST
) -> torch.nn.Module:
    """Train, or resume from `folder/vae.pt`; returns the EMA. Figures of every save go into `folder/vae.csv`.

    models: without a checkpoint, start from the VAE in this models folder, at step 0 of the schedule.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    device = training_device()
    vae = start_vae(recipe, models).train().to(device)
    latents = tuple(part.to(device) for part in latent_format(warm=models is not None))
    average = torch.optim.swa_utils.AveragedModel(
        vae, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    optimiser = torch.optim.AdamW(vae.parameters(), lr=recipe.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    parts = {"vae": vae, "average": average, "optimiser": optimiser}
    first = load_checkpoint(folder / "vae.pt", parts, rng)
    if first >= recipe.steps:
        return average.module
    curves = Curves(folder / "vae.csv", FIGURES, first)
    held_out = held_out_scenes(recipe.held_out, recipe.held_out_frames, world)
    pool = deque((_clip(rng, world) for _ in range(recipe.pool)), maxlen=recipe.pool)
    began, recent = time.monotonic(), deque(maxlen=50)
    for step in range(first, recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step)
        if step % 2 == 0:
            pool.append(_clip(rng, world))
        batch = tuple(part.to(device) for part in _draw_crops(rng, pool, step))
        # A finished VAE has learned the colours, so that only the edges are left.
        sharp = min(1.0, max(0.0, step / recipe.steps - 0.15) * 2) if models is None else 1.0
        figures = batch_loss(vae, batch, latents, recipe.latent_noise, sharp)
        optimiser.zero_grad(set_to_none=True)
        figures[0].backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(vae)
        recent.append(torch.stack(figures).detach())
        saves = (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps
        if step % 50 == 49 or saves:  # not at every step: reading a figure makes the CPU wait for the GPU
            loss, error, deviation = torch.stack(list(recent)).mean(0).tolist()
            seconds = time.monotonic() - began
            log.info(
                "vae step %d/%d  %.0f s  loss %.3f  psnr of crops %.1f dB  latent deviation %.2f",
                *(step + 1, recipe.steps, seconds, loss, psnr(error), deviation),
            )
        if saves:
            save_checkpoint(folder / "vae.pt", parts, step + 1, rng)
            whole, puppets = held_out_psnr(average.module, held_out)
            log.info("vae step %d  held out: psnr %.2f dB, on puppets %.2f dB", step + 1, whole, puppets)
            curves.add(step, loss, psnr(error), whole, puppets, deviation, seconds)
    return average.module


def learning_rate(recipe: VAERecipe, step: int) -> float:
    """A hundred steps of warm-up within a cosine."""
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps)
    return recipe.rate * min(1, (step + 1) / 100) * cosine + MINIMUM_RATE
