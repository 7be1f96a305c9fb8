"""Batches of the theatre's training: what the model is shown, and the shares in which it hears each track."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..guidance.blend import blend_weights
from ..guidance.settings import GuidanceSettings
from ..theatre.words import told
from .clips import SILENT, ClipGroup, SpeechBank, excerpt


@dataclass(frozen=True)
class BatchRecipe:
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


@dataclass(frozen=True)
class Batch:
    """B clips of N puppets, every one with a track (a silent puppet's is mute).

    clean [B, 16, T, h8, w8]; references [B, 16, N, h8, w8]; masks [B, N, T*h*w] in 0..1; weights [B, N +
    1, T*h*w]; audio [B, N + 1, F + 1, L, C]; flag [B, 1] (AudioRole values); emphasis [B, 1, T, h8, w8]
    weights of the velocity loss; t [B], noise level in 0..1; shown [B], false where references are blank; text
    [B, 1, 4096]; noise like clean, so that all that is drawn follows from a batch's generator.
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
    shown: Tensor
    text: Tensor

    def to(self, device: torch.device) -> Batch:
        """Flags stay on the processor, where the hooks read them: a GPU would be halted for them."""
        moved = [f.name for f in fields(self) if f.name != "flag"]
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in moved})

    def pin_memory(self) -> Batch:
        """For torch's DataLoader: what lies in pinned memory is copied to a GPU while it computes."""
        return Batch(**{f.name: getattr(self, f.name).pin_memory() for f in fields(self)})


def noise_levels(rng: np.random.Generator, count: int) -> Tensor:
    """Rectified-flow noise levels, logit-normal: most in the middle, where mouths and layout are decided."""
    return torch.from_numpy(1 / (1 + np.exp(-rng.normal(0.5, 1.2, count)))).float()


def make_batch(
    rng: np.random.Generator, group: ClipGroup, bank: SpeechBank, size: int, recipe: BatchRecipe
) -> Batch:
    """Draw `size` clips of one group."""
    rows = torch.from_numpy(rng.integers(0, len(group.latents), size))
    puppets = group.masks.shape[1]
    order = torch.from_numpy(np.stack([rng.permutation(puppets) for _ in range(size)]))
    views = torch.from_numpy(rng.integers(0, group.references.shape[2], (size, puppets)))
    masks = group.masks[rows[:, None], order].float() / 255  # [B, N, T, h, w]
    t = noise_levels(rng, size)
    flag = torch.from_numpy(
        rng.choice(
            [0.0, 0.5, 1.0],
            (size, 1),
            p=[recipe.no_audio, recipe.all_mute, 1 - recipe.no_audio - recipe.all_mute],
        )
    ).float()
    shown = (flag[:, 0] > 0) | torch.from_numpy(rng.random(size) >= recipe.no_references)
    said = torch.from_numpy(rng.random(size) >= recipe.no_text)
    references = group.references[rows[:, None], order, views].float().transpose(1, 2)
    mouths = group.mouths[rows].float() / 255
    clean = group.latents[rows].float()
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    emphasis = 1 + 2 * masks.sum(1, keepdim=True).clamp(max=1) + 4 * mouths
    return Batch(
        clean=clean,
        noise=torch.randn(clean.shape, generator=generator),
        references=references * shown.view(-1, 1, 1, 1, 1),
        masks=masks.flatten(2),
        weights=torch.stack(
            [guided_weights(rng, clip, float(level), recipe) for clip, level in zip(masks, t)]
        ),
        audio=torch.stack([_audio(group, bank, int(row), slots) for row, slots in zip(rows, order.tolist())]),
        flag=flag,
        emphasis=F.interpolate(emphasis, scale_factor=(1, 2, 2), mode="nearest"),
        t=t,
        shown=shown,
        text=told(group.motion[rows]) * (shown & said).view(-1, 1, 1),
    )


def guided_weights(rng: np.random.Generator, masks: Tensor, t: float, recipe: BatchRecipe) -> Tensor:
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


def _audio(group: ClipGroup, bank: SpeechBank, row: int, slots: list[int]) -> Tensor:
    """[N + 1, F + 1, L, C]: each puppet's excerpt, mute last, and the sentinel frame that the hooks never
    read.
    """
    mute = bank.mute.float()
    tracks = []
    for slot in slots:
        recording, offset = int(group.recordings[row, slot]), int(group.offsets[row, slot])
        spoken = mute.new_empty(0, *mute.shape) if recording == SILENT else bank.features[recording].float()
        tracks.append(excerpt(spoken, offset, mute, group.frames))
    tracks.append(mute.expand(group.frames, *mute.shape))
    return F.pad(torch.stack(tracks), (0, 0, 0, 0, 0, 1))
