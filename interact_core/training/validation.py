"""How a run does on held-out clips: losses and mask IoU at fixed noise, and clips sampled to the end.

Every process walks through the same clips with the same noise, for a sharded model runs on all of them or on none.
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
from .data.samples import Library, TrainingBatch, training_sample
from .data.shards import write_video
from .losses import velocity_loss

log = logging.getLogger(__name__)
NOISE_LEVELS = (0.25, 0.5, 0.75, 0.95)
WHOLE = AugmentationKeys(no_audio=0, no_references=0, no_text=0, all_mute=0, no_masks_early=0, blurred=0, dilated=0)
"""Nothing left out and nothing spoiled."""

Model = Callable[[Tensor, TrainingBatch], tuple[Tensor, list[Tensor]]]


def held_out(library: Library, config: TrainingConfig) -> list[TrainingBatch]:
    """The first run.validation_clips clips, each with all of its voices and references."""
    clean = replace(config, mix=replace(WHOLE, injection=config.mix.injection))
    clips = [clip for group in library.groups.values() for clip in group][: config.run.validation_clips]
    chosen = []
    for number, clip in enumerate(clips):
        rng = np.random.default_rng([config.run.seed, number])
        chosen.append(training_sample(library.read(clip, rng), library, clean, rng))
    return chosen


def overlap(logits: list[Tensor], shown: TrainingBatch) -> tuple[float, float]:
    """Intersection and union, in tokens, of the averaged masks above one half with the true ones, where kept."""
    found = torch.stack([logit.float().sigmoid() for logit in logits]).mean(0) > 0.5
    true, kept = shown.masks > 0.5, shown.kept > 0
    return (found & true & kept).sum().item(), ((found | true) & kept).sum().item()


@torch.no_grad()
def validate(model: Model, clips: list[TrainingBatch], device: torch.device) -> tuple[float, float]:
    """Mean velocity loss, unweighted, and mask IoU over all clips, at all NOISE_LEVELS."""
    losses, both, either = [], 0.0, 0.0
    for clip in clips:
        for level in NOISE_LEVELS:
            shown = replace(clip, t=torch.full_like(clip.t, level)).to(device)
            with differentiable_host():
                velocity, logits = model(shown.noisy, shown)
            plain = torch.ones_like(shown.emphasis)
            losses.append(velocity_loss(velocity.float(), shown.clean, shown.noise, plain).item())
            shared, covered = overlap(logits, shown)
            both, either = both + shared, either + covered
    return float(np.mean(losses)), both / max(either, 1.0)


def noise_schedule(steps: int, shift: float) -> list[float]:
    """Noise levels from 1 to 0, `steps` + 1 of them, shifted as Wan's schedule is."""
    levels = [1 - k / steps for k in range(steps + 1)]
    return [shift * level / (1 + (shift - 1) * level) for level in levels]


@torch.no_grad()
def sample_clip(
    model: Model, clip: TrainingBatch, config: TrainingConfig, null_text: Tensor, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Sample a held-out clip from its noise: latents [16, T, h8, w8] and the last step's masks [N, T, h, w].

    Euler steps with one scale for text and audio; no masks for the first fifth of the schedule, then each step's
    masks steer the next (InterActHuman). The nodes do this through ComfyUI's samplers, which need the whole model in
    one process; a sharded one answers through its own wrapper only, so the loop is written out here.
    """
    run, settings = config.run, GuidanceSettings()
    tokens = clip.masks.shape[-1]
    frames, concepts = clip.clean.shape[2], clip.masks.shape[1]
    grid = (concepts, frames, clip.clean.shape[3] // 2, clip.clean.shape[4] // 2)
    speaking = (True,) * concepts
    everywhere = config.mix.injection == "everywhere"
    levels = noise_schedule(run.sampling_steps, run.sampling_shift)
    boundary = noise_schedule(1000, run.sampling_shift)[round(1000 * settings.boundary)]
    x, masks = clip.noise.to(device), None
    for level, following in pairwise(levels):
        guiding = None if everywhere or level > boundary else masks
        rule = replace(settings, mask_source="none") if everywhere else settings
        weights = blend_weights(guiding, speaking, rule, tokens)[None]
        # Wrapped as a clip without noise: its own `noisy` is never asked for.
        now = replace(clip, t=torch.full_like(clip.t, level), weights=weights.cpu()).to(device)
        nothing = replace(
            now,
            flag=torch.full_like(now.flag, AudioRole.NONE.value),
            references=torch.zeros_like(now.references),
            text=null_text.float()[None].to(device),
        )
        with differentiable_host():
            positive, logits = model(x, now)
            negative, _ = model(x, nothing)
        masks = torch.stack([logit.float().sigmoid() for logit in logits]).mean(0)[0].view(grid).cpu()
        velocity = negative.float() + run.sampling_cfg * (positive.float() - negative.float())
        x = x + (following - level) * velocity
    return x[0].cpu(), masks


def write_clip(path: Path, pixels: Tensor, masks: Tensor, fps: float) -> None:
    """The video, and beside it the same with its masks, as MP4; pixels [F, H, W, 3] in 0..1, masks [N, T, h, w]."""
    height, width = pixels.shape[1:3]
    large = [enlarge(masks[:, t].float(), width, height) for t in range(masks.shape[1])]
    tinted = torch.stack([tint(frame, large[(f + 3) // 4]) for f, frame in enumerate(pixels)])
    both = (torch.cat((pixels, tinted), dim=2).clamp(0, 1) * 255).round().to(torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_video(both.numpy(), fps, codec="libx264"))


class LatentDecoder:
    """Latents to pictures, by the VAE that encoded the clips; loaded for the first clip."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._vae = None

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """[16, T, h8, w8] as the diffusion model has them -> [F, H, W, 3] in 0..1."""
        import comfy.sd
        import comfy.utils
        from comfy.latent_formats import Wan21

        if self._vae is None:
            weights, metadata = comfy.utils.load_torch_file(self._path, return_metadata=True)
            self._vae = comfy.sd.VAE(sd=weights, metadata=metadata)
        pixels = self._vae.decode(Wan21().process_out(latents[None].float()))
        return pixels.reshape(-1, *pixels.shape[-3:]).float().cpu()
