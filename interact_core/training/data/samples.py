"""From an encoded clip to a training sample: noise, augmented masks, and the dropout of conditions.

Every random draw follows from (seed, step, position in the batch) alone. A resumed run, a run on more
processes and a run with other micro-batches therefore train on the same clips with the same noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...guidance.blend import blend_weights
from ...guidance.settings import GuidanceSettings
from ...host.forward.voice_tracks import VoiceTracks
from ..config import AugmentationKeys, LossKeys, TrainingConfig
from .augmentation import Augmentation, noise_levels, track_weights
from .library import Library


@dataclass(frozen=True)
class TrainingBatch:
    """B clips of N concepts, the input of one forward pass and the targets of its losses.

    clean, noise [B, 16, T, h8, w8]; references [B, 16, N, h8, w8]; text [B, tokens, 4096]; weights
    [B, N + 1, T*h*w], the share of each voice track for each video token, the mute track last; audio
    [B, N + 1, F + 1, L, C], packed VoiceTracks; flag [B, 1] (AudioRole values); t [B], noise levels in 0..1;
    masks [B, N, T*h*w] in 0..1; mask_loss_weights [B, N, T*h*w], 1 for tokens that the mask loss counts,
    else 0; emphasis [B, 1, T, h8, w8], weights of the velocity loss.
    """

    clean: Tensor
    noise: Tensor
    references: Tensor
    text: Tensor
    weights: Tensor
    audio: Tensor
    flag: Tensor
    t: Tensor
    masks: Tensor
    mask_loss_weights: Tensor
    emphasis: Tensor

    @property
    def noisy(self) -> Tensor:
        """z_t = (1 - t) z_0 + t e (rectified flow)."""
        t = self.t.view(-1, 1, 1, 1, 1)
        return (1 - t) * self.clean + t * self.noise

    @property
    def tokens(self) -> int:
        """Video and reference tokens of all clips."""
        rows, _, frames, height, width = self.clean.shape
        return rows * (frames + self.references.shape[2]) * (height // 2) * (width // 2)

    def to(self, device: torch.device) -> TrainingBatch:
        moved = {f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)}
        return TrainingBatch(**moved)

    @classmethod
    def stack(cls, samples: Sequence[TrainingBatch]) -> TrainingBatch:
        """One batch of several; captions are padded with zeros, as Wan pads its text."""
        longest = max(sample.text.shape[1] for sample in samples)
        columns = {f.name: [getattr(sample, f.name) for sample in samples] for f in fields(cls)}
        columns["text"] = [F.pad(text, (0, 0, 0, longest - text.shape[1])) for text in columns["text"]]
        return cls(**{name: torch.cat(parts) for name, parts in columns.items()})


def training_sample(
    clip: dict[str, Tensor], library: Library, config: TrainingConfig, rng: np.random.Generator
) -> TrainingBatch:
    """One clip (B = 1) with everything that is drawn for it.

    Conditions are dropped for classifier-free guidance. At sampling time one scale (`cfg`) guides text and
    audio together, and its negative branch has neither: so a sample without audio has no caption either, and
    most of these have blank references too.
    """
    mix, concepts = config.mix, len(clip["references"])
    order = torch.from_numpy(rng.permutation(concepts))
    views = torch.from_numpy(rng.integers(0, clip["references"].shape[1], concepts))
    t = noise_levels(rng, 1, mix.high_noise)
    flag = float(rng.choice([0.0, 0.5, 1.0], p=[mix.no_audio, mix.all_mute, 1 - mix.no_audio - mix.all_mute]))
    has_references = flag > 0 or rng.random() >= mix.no_references
    has_text = flag > 0 and rng.random() >= mix.no_text
    latents = clip["latents"].float()[None]
    masks, confidence = _true_masks(clip, order)
    tracks = torch.cat(
        (clip["audio"][order].float(), library.mute.float().expand(1, *clip["audio"].shape[1:]))
    )
    # With blank references the mask heads cannot know which concept is which.
    counted = (confidence >= config.loss.confidence) & has_references
    return TrainingBatch(
        clean=latents,
        noise=torch.randn(latents.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**62)))),
        references=clip["references"][order, views].float().transpose(0, 1)[None] * has_references,
        text=(clip["text"] if has_text else library.null_text).float()[None],
        weights=_track_weights(rng, masks, float(t), mix)[None],
        audio=VoiceTracks(tracks[None]).pack(),
        flag=torch.tensor([[flag]]),
        t=t,
        masks=masks.flatten(1)[None],
        mask_loss_weights=counted[..., None, None].expand_as(masks).flatten(1)[None].float(),
        emphasis=_emphasis(clip, masks, config.loss),
    )


def _true_masks(clip: dict[str, Tensor], order: Tensor) -> tuple[Tensor, Tensor]:
    """Masks [N, T, h, w] in 0..1 and confidence [N, T]; for a clip without masks, empty masks of confidence
    -1.
    """
    if "masks" in clip:
        return clip["masks"][order].float() / 255, clip["confidence"][order].float()
    _, frames, height, width = clip["latents"].shape
    return torch.zeros(len(order), frames, height // 2, width // 2), torch.full((len(order), frames), -1.0)


def _track_weights(rng: np.random.Generator, masks: Tensor, t: float, mix: AugmentationKeys) -> Tensor:
    """[N + 1, T*h*w], the share of each voice track for each video token."""
    if mix.injection == "everywhere":
        return blend_weights(
            None, (True,) * len(masks), GuidanceSettings(mask_source="none"), masks[0].numel()
        )
    augmentation = Augmentation(**{f.name: getattr(mix, f.name) for f in fields(Augmentation)})
    if min(masks.shape[1:]) < 3:  # too small for the blur's window
        augmentation = replace(augmentation, blurred=0.0)
    return track_weights(rng, masks, t, augmentation)


def _emphasis(clip: dict[str, Tensor], masks: Tensor, loss: LossKeys) -> Tensor:
    """[1, 1, T, h8, w8], weights of the velocity loss."""
    weight = 1 + loss.emphasis_people * masks.sum(0, keepdim=True).clamp(max=1)  # [1, T, h, w]
    if "focus" in clip:
        weight = weight + loss.emphasis_focus * clip["focus"].float() / 255
    return F.interpolate(weight[None], scale_factor=(1, 2, 2), mode="nearest")
