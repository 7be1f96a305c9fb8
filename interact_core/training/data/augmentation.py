"""Augmentation of training samples: noise levels, and masks as sampling has them at each noise level."""

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
    """How often a condition is dropped, a mask altered or a level of high noise drawn: probabilities and noise
    levels, all in 0..1.

    The names are the keys of the table [mix] of a training configuration; the defaults are the theatre's.

    Why `high_noise`: who stands where, and how many eyes and heads there are, is decided above level 0.9. The
    theatre's clips that were noised to a level and sampled to the end got no eye too many from 0.43, 0.67 and
    0.82, in 2 % of the puppet-frames from 0.90 and in 26 % from 0.96. Of the logit-normal levels 8 % lie above
    0.9 and 1.3 % above 0.96, whereas a sampling run at the theatre's shift takes five of its twenty steps there.
    """

    no_audio: float = 0.12  # no audio at all: the negative branch of guidance
    no_references: float = 0.8  # of the clips without audio: blank references too, so that cfg means likeness
    no_text: float = 0.3  # no text prompt, of the clips with references; those without never have one
    all_mute: float = 0.05  # the mute track everywhere: the middle branch of audio guidance
    no_masks_early: float = 0.5  # above stage_one_above: no masks yet, mute or all voices everywhere
    stage_one_above: float = 0.8  # noise level above which that may happen (the shipped graph: until 0.92)
    held: float = 0.35  # above held_above: the masks of one latent frame for all latent frames
    held_above: float = 0.6
    blurred: float = 0.3  # masks blurred, as a model predicts them while the video forms
    dilated: float = 0.15  # masks one token wider on each side
    high_noise: float = 0.0  # of the samples: level uniform between HIGH_NOISE_ABOVE and 1


HIGH_NOISE_ABOVE = 0.82  # the highest level measured from which no sampling run adds an eye or a head


def noise_levels(rng: np.random.Generator, count: int, high_noise: float = 0.0) -> Tensor:
    """[count] rectified-flow noise levels in 0..1, logit-normal: most in the middle, where mouths and layout
    are decided. high_noise: share of them that is uniform above HIGH_NOISE_ABOVE instead; 0 draws no more
    random numbers than before there was such a share.
    """
    levels = 1 / (1 + np.exp(-rng.normal(0.5, 1.2, count)))
    if high_noise > 0:
        high = rng.random(count) < high_noise
        levels = np.where(high, rng.uniform(HIGH_NOISE_ABOVE, 1.0, count), levels)
    return torch.from_numpy(levels).float()


def track_weights(rng: np.random.Generator, masks: Tensor, t: float, augmentation: Augmentation) -> Tensor:
    """The share of each voice track for each video token, [N + 1, T*h*w] with the mute track last, from the
    true masks [N, T, h, w] of one clip, altered as sampling would have them at noise level t.

    At high noise a sampled video's masks come from an earlier, different estimate of it, or from a drawn
    layout that holds for the first frame only. A model trained on true masks alone learns that a mask is
    where the person must be, and its people stop moving. Hence `held`, at noise levels where mouths are not
    yet decided; below them the voice is where the person is.
    """
    speaking, tokens = (True,) * len(masks), masks[0].numel()
    if t > augmentation.stage_one_above and rng.random() < augmentation.no_masks_early:
        stage_one = GuidanceSettings(stage_one_audio="all" if rng.random() < 0.3 else "mute")
        return blend_weights(None, speaking, stage_one, tokens)
    if t > augmentation.held_above and rng.random() < augmentation.held:
        frame = int(rng.integers(masks.shape[1]))
        masks = masks[:, frame : frame + 1].expand_as(masks)
    if rng.random() < augmentation.blurred:
        masks = F.avg_pool3d(masks[None], 3, 1, 1, count_include_pad=False)[0]
    elif rng.random() < augmentation.dilated:
        masks = F.max_pool3d(masks[None], (1, 3, 3), 1, (0, 1, 1))[0]
    return blend_weights(masks, speaking, GuidanceSettings(mask_gain=float(rng.uniform(1.0, 2.5))))
