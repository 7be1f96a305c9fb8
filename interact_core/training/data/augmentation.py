"""What training draws for a clip: its noise level, and the masks as sampling would have them at that level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...guidance.blend import blend_weights
from ...guidance.settings import GuidanceSettings


@dataclass(frozen=True)
class Augmentation:
    """How often what happens; all in 0..1."""

    no_audio: float = 0.12  # no injection at all: the negative branch of guidance
    no_references: float = 0.8  # of the clips without audio: blank references too, so that cfg means likeness
    no_text: float = 0.3  # of the clips with references; nothing is said of those without
    all_mute: float = 0.05  # mute everywhere: the middle branch of audio guidance
    no_masks_early: float = 0.5  # in stage one's noise: no masks yet, mute or all voices everywhere
    stage_one_above: float = 0.8  # noise level t from which that may happen (the shipped graph: until 0.92)
    held: float = 0.35  # masks of one moment of the clip at all its moments, in noise above held_above
    held_above: float = 0.6
    blurred: float = 0.3  # masks as a model predicts them while the video forms
    dilated: float = 0.15


def noise_levels(rng: np.random.Generator, count: int) -> Tensor:
    """Rectified-flow noise levels, logit-normal: most in the middle, where mouths and layout are decided."""
    return torch.from_numpy(1 / (1 + np.exp(-rng.normal(0.5, 1.2, count)))).float()


def track_weights(rng: np.random.Generator, masks: Tensor, t: float, recipe: Augmentation) -> Tensor:
    """[N + 1, T*h*w] from the true masks [N, T, h, w] of one clip, as sampling would have them at this
    noise level.

    While the layout forms, masks show where somebody stood in an earlier guess, or, if drawn, at the start. A model
    that has only ever seen true ones takes a mask for an order to stand there: it pins its people. Hence `held`, in
    noise so high that mouths are not yet drawn; below it the voice's place is the true one.
    """
    speaking, tokens = (True,) * len(masks), masks[0].numel()
    if t > recipe.stage_one_above and rng.random() < recipe.no_masks_early:
        stage_one = GuidanceSettings(stage_one_audio="all" if rng.random() < 0.3 else "mute")
        return blend_weights(None, speaking, stage_one, tokens)
    if t > recipe.held_above and rng.random() < recipe.held:
        moment = int(rng.integers(masks.shape[1]))
        masks = masks[:, moment : moment + 1].expand_as(masks)
    if rng.random() < recipe.blurred:
        masks = F.avg_pool3d(masks[None], 3, 1, 1, count_include_pad=False)[0]
    elif rng.random() < recipe.dilated:
        masks = F.max_pool3d(masks[None], (1, 3, 3), 1, (0, 1, 1))[0]
    return blend_weights(masks, speaking, GuidanceSettings(mask_gain=float(rng.uniform(1.0, 2.5))))
