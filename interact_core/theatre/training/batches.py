"""Training batches of the theatre: latents, conditions and targets drawn from its clips."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...host.forward.voice_tracks import VoiceTracks
from ...training.data.augmentation import Augmentation, noise_levels, track_weights
from ..prompts import motion_prompt
from .clips import SILENT, ClipGroup, SpeechBank, excerpt


@dataclass(frozen=True)
class Batch:
    """B clips of N puppets, each with a voice track (a silent puppet's is mute).

    clean, noise [B, 16, T, h8, w8]; references [B, 16, N, h8, w8]; masks [B, N, T*h*w] in 0..1; weights
    [B, N + 1, T*h*w], the share of each voice track for each video token, the mute track last; audio
    [B, N + 1, F + 1, L, C], packed VoiceTracks; flag [B, 1] (AudioRole values); emphasis [B, 1, T, h8, w8],
    weights of the velocity loss; t [B], noise levels in 0..1; has_references [B], false where references are
    blank; text [B, 1, 4096].
    """

    clean: Tensor
    noise: Tensor
    references: Tensor
    masks: Tensor
    weights: Tensor
    audio: Tensor
    flag: Tensor
    emphasis: Tensor
    t: Tensor
    has_references: Tensor
    text: Tensor

    def to(self, device: torch.device) -> Batch:
        """All but `flag`, which the hooks read on the CPU: reading it from a GPU would make the CPU wait."""
        moved = [f.name for f in fields(self) if f.name != "flag"]
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in moved})

    def pin_memory(self) -> Batch:
        """For torch's DataLoader: copies from pinned memory to a GPU overlap with computation."""
        return Batch(**{f.name: getattr(self, f.name).pin_memory() for f in fields(self)})


def make_batch(
    rng: np.random.Generator, group: ClipGroup, bank: SpeechBank, size: int, augmentation: Augmentation
) -> Batch:
    """Draw `size` clips of one group."""
    rows = torch.from_numpy(rng.integers(0, len(group.latents), size))
    puppets = group.masks.shape[1]
    order = torch.from_numpy(np.stack([rng.permutation(puppets) for _ in range(size)]))
    views = torch.from_numpy(rng.integers(0, group.references.shape[2], (size, puppets)))
    masks = group.masks[rows[:, None], order].float() / 255  # [B, N, T, h, w]
    t = noise_levels(rng, size, augmentation.high_noise)
    flag = torch.from_numpy(
        rng.choice(
            [0.0, 0.5, 1.0],
            (size, 1),
            p=[
                augmentation.no_audio,
                augmentation.all_mute,
                1 - augmentation.no_audio - augmentation.all_mute,
            ],
        )
    ).float()
    has_references = (flag[:, 0] > 0) | torch.from_numpy(rng.random(size) >= augmentation.no_references)
    has_text = torch.from_numpy(rng.random(size) >= augmentation.no_text)
    references = group.references[rows[:, None], order, views].float().transpose(1, 2)
    mouths = group.mouths[rows].float() / 255
    clean = group.latents[rows].float()
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    emphasis = 1 + 2 * masks.sum(1, keepdim=True).clamp(max=1) + 4 * mouths
    return Batch(
        clean=clean,
        noise=torch.randn(clean.shape, generator=generator),
        references=references * has_references.view(-1, 1, 1, 1, 1),
        masks=masks.flatten(2),
        weights=torch.stack(
            [track_weights(rng, clip, float(level), augmentation) for clip, level in zip(masks, t)]
        ),
        audio=VoiceTracks(
            torch.stack([_audio(group, bank, int(row), slots) for row, slots in zip(rows, order.tolist())])
        ).pack(),
        flag=flag,
        emphasis=F.interpolate(emphasis, scale_factor=(1, 2, 2), mode="nearest"),
        t=t,
        has_references=has_references,
        text=motion_prompt(group.motion[rows]) * (has_references & has_text).view(-1, 1, 1),
    )


def _audio(group: ClipGroup, bank: SpeechBank, row: int, slots: list[int]) -> Tensor:
    """[N + 1, F, L, C]: each puppet's excerpt, the mute track last."""
    mute = bank.mute.float()
    tracks = []
    for slot in slots:
        recording, offset = int(group.recordings[row, slot]), int(group.offsets[row, slot])
        spoken = mute.new_empty(0, *mute.shape) if recording == SILENT else bank.features[recording].float()
        tracks.append(excerpt(spoken, offset, mute, group.frames))
    tracks.append(mute.expand(group.frames, *mute.shape))
    return torch.stack(tracks)
