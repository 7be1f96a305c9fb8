"""Validation on held-out clips: loss and mask IoU at fixed noise levels, and whole clips sampled and decoded.

Every process goes through the same clips with the same noise, because a sharded model runs on all processes
or none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..guidance.blend import blend_weights
from ..guidance.settings import GuidanceSettings
from ..host.forward.call import AudioRole
from ..host.forward.differentiable import differentiable_host
from ..preview.masks import enlarge
from ..preview.overlay import tint
from .config import AugmentationKeys, TrainingConfig
from .data.library import Library
from .data.samples import TrainingBatch, training_sample
from .data.shards import write_video
from .losses import velocity_loss

log = logging.getLogger(__name__)
NOISE_LEVELS = (0.25, 0.5, 0.75, 0.95)
NO_AUGMENTATION = AugmentationKeys(
    no_audio=0, no_references=0, no_text=0, all_mute=0, no_masks_early=0, blurred=0, dilated=0
)

Model = Callable[[Tensor, TrainingBatch], tuple[Tensor, list[Tensor]]]


def held_out_clips(library: Library, config: TrainingConfig) -> list[TrainingBatch]:
    """The first run.validation_clips clips, each with all of its voices and references (B = 1)."""
    config = replace(config, mix=replace(NO_AUGMENTATION, injection=config.mix.injection))
    clips = [clip for group in library.groups.values() for clip in group][: config.run.validation_clips]
    chosen = []
    for number, clip in enumerate(clips):
        rng = np.random.default_rng([config.run.seed, number])
        chosen.append(training_sample(library.read(clip, rng), library, config, rng))
    return chosen


def overlap(logits: list[Tensor], batch: TrainingBatch) -> tuple[float, float]:
    """Intersection and union, in tokens, of predicted and true masks above 0.5, where the mask loss counts.

    logits: per mask block [B, N, T*h*w], averaged as probabilities.
    """
    predicted = torch.stack([logit.float().sigmoid() for logit in logits]).mean(0) > 0.5
    true, counted = batch.masks > 0.5, batch.mask_loss_weights > 0
    return (predicted & true & counted).sum().item(), ((predicted | true) & counted).sum().item()


@torch.no_grad()
def validate(model: Model, clips: list[TrainingBatch], device: torch.device) -> tuple[float, float]:
    """Mean unweighted velocity loss and mask IoU over all clips at all NOISE_LEVELS."""
    losses, intersections, unions = [], 0.0, 0.0
    for clip in clips:
        for level in NOISE_LEVELS:
            batch = replace(clip, t=torch.full_like(clip.t, level)).to(device)
            with differentiable_host():
                velocity, logits = model(batch.noisy, batch)
            unweighted = torch.ones_like(batch.emphasis)
            losses.append(velocity_loss(velocity.float(), batch.clean, batch.noise, unweighted).item())
            intersection, union = overlap(logits, batch)
            intersections, unions = intersections + intersection, unions + union
    return float(np.mean(losses)), intersections / max(unions, 1.0)


def noise_schedule(steps: int, shift: float) -> list[float]:
    """`steps` + 1 noise levels from 1 to 0, with the shift of Wan's schedule."""
    levels = [1 - k / steps for k in range(steps + 1)]
    return [shift * level / (1 + (shift - 1) * level) for level in levels]


@torch.no_grad()
def sample_clip(
    model: Model, clip: TrainingBatch, config: TrainingConfig, null_text: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Sample a held-out clip from its noise: latents [16, T, h8, w8] and the last step's masks [N, T, h, w].

    Euler steps with one guidance scale for text and audio. Above the stage boundary no masks are used; below
    it each step uses the masks of the step before (InterActHuman). The nodes do this through ComfyUI's
    samplers, which need the whole model in one process; a sharded model only works through its wrapper, so
    the loop is written out here.
    """
    run, settings = config.run, GuidanceSettings()
    tokens = clip.masks.shape[-1]
    frames, concepts = clip.clean.shape[2], clip.masks.shape[1]
    grid = (concepts, frames, clip.clean.shape[3] // 2, clip.clean.shape[4] // 2)
    speaking = (True,) * concepts
    everywhere = config.mix.injection == "everywhere"
    levels = noise_schedule(run.sampling_steps, run.sampling_shift)
    boundary = noise_schedule(1000, run.sampling_shift)[round(1000 * settings.stage_boundary)]
    x, masks = clip.noise.to(device), None
    if everywhere:
        settings = replace(settings, mask_source="none")
    for level, next_level in pairwise(levels):
        current_masks = None if everywhere or level > boundary else masks
        weights = blend_weights(current_masks, speaking, settings, tokens)[None]
        conditions = replace(clip, t=torch.full_like(clip.t, level), weights=weights.cpu()).to(device)
        no_conditions = replace(
            conditions,
            flag=torch.full_like(conditions.flag, AudioRole.NONE.value),
            references=torch.zeros_like(conditions.references),
            text=null_text.float()[None].to(device),
        )
        with differentiable_host():
            positive, logits = model(x, conditions)
            negative, _ = model(x, no_conditions)
        masks = torch.stack([logit.float().sigmoid() for logit in logits]).mean(0)[0].view(grid).cpu()
        velocity = negative.float() + run.sampling_cfg * (positive.float() - negative.float())
        x = x + (next_level - level) * velocity
    return x[0].cpu(), masks


def write_clip(path: Path, pixels: Tensor, masks: Tensor, fps: float) -> None:
    """Write an MP4 with the video on the left and the video with its masks on the right.

    pixels [F, H, W, 3] in 0..1; masks [N, T, h, w] in 0..1.
    """
    height, width = pixels.shape[1:3]
    large = [enlarge(masks[:, t].float(), width, height) for t in range(masks.shape[1])]
    tinted = torch.stack([tint(frame, large[(f + 3) // 4]) for f, frame in enumerate(pixels)])
    side_by_side = (torch.cat((pixels, tinted), dim=2).clamp(0, 1) * 255).round().to(torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_video(side_by_side.numpy(), fps, codec="libx264"))


class LatentDecoder:
    """Decodes latents by the VAE that encoded the clips, loaded for the first one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._vae = None

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """[16, T, h8, w8] in the diffusion model's scale -> [F, H, W, 3] in 0..1."""
        import comfy.sd
        import comfy.utils
        from comfy.latent_formats import Wan21

        if self._vae is None:
            weights, metadata = comfy.utils.load_torch_file(self._path, return_metadata=True)
            self._vae = comfy.sd.VAE(sd=weights, metadata=metadata)
        pixels = self._vae.decode(Wan21().process_out(latents[None].float()))
        return pixels.reshape(-1, *pixels.shape[-3:]).float().cpu()
