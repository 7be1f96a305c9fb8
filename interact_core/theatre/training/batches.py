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

SETTLED_ABOVE = 0.9
"""Noise level above which clips are of one kind, where there were several: characters stand from left to right in
their order, and who walks begins to the right.

Where people are is decided above this level, and a small model that is uncertain of it draws some of each: two heads,
four eyes. Below it clips are of every kind, so that people may be placed in any order and walk to either side: all
that is noised to at most this level shows who stands where.
"""
STANDING = 0.45  # amount of motion below which puppets keep to their places
NO_TEXT_OF_STANDING, NO_TEXT_OF_WALKING = 1.7, 0.2  # times the share: untold, puppets mostly stand
LEFTWARDS = -4.0  # pixels by which all heads together may go left and still not be walking there


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
    """Draw `size` clips of one group; above SETTLED_ABOVE only settled ones, their characters in order."""
    puppets = group.masks.shape[1]
    t = noise_levels(rng, size, augmentation.high_noise)
    rows, order = _draw_clips(rng, group, t > SETTLED_ABOVE)
    views = torch.from_numpy(rng.integers(0, group.references.shape[2], (size, puppets)))
    masks = group.masks[rows[:, None], order].float() / 255  # [B, N, T, h, w]
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
    standing = group.motion[rows].numpy() < STANDING
    no_text = augmentation.no_text * np.where(standing, NO_TEXT_OF_STANDING, NO_TEXT_OF_WALKING)
    has_text = torch.from_numpy(rng.random(size) >= no_text)
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


def _draw_clips(rng: np.random.Generator, group: ClipGroup, settled: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [B] of the group, and the puppet of each slot [B, N]; settled: bool [B], whether those of SETTLED_ABOVE
    are asked for (from all clips, where none is settled).
    """
    count, puppets, _ = group.places.shape
    size = len(settled)
    rows = torch.from_numpy(rng.integers(0, count, size))
    others = _settled(group).nonzero().flatten()
    if len(others):
        rows = torch.where(settled, others[torch.from_numpy(rng.integers(0, len(others), size))], rows)
    shuffled = torch.from_numpy(np.stack([rng.permutation(puppets) for _ in range(size)]))
    left_to_right = group.places[rows].mean(-1).argsort(1)
    return rows, torch.where(settled[:, None], left_to_right, shuffled)


def _settled(group: ClipGroup) -> Tensor:
    """Bool [K]: whose heads together do not go left, from the first frame to the middle one."""
    first, middle = group.places.mean(1).unbind(-1)
    return middle - first > LEFTWARDS


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
