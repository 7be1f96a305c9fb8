"""From encoded clips to what the model is shown: who is heard where, and what is left out.

Everything that is drawn follows from (seed, step, place in the batch) alone. A resumed run, a run on more processes
and a run with other micro-batches therefore see the same clips with the same noise.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InteractError
from ...guidance.blend import blend_weights
from ...guidance.settings import GuidanceSettings
from ..config import LossKeys, AugmentationKeys, TrainingConfig
from .augmentation import Augmentation, track_weights, noise_levels
from .cache import Cache, CachedClip

log = logging.getLogger(__name__)
OTHER_TRIES = 20  # clips that are tried in place of one that cannot be read


@dataclass(frozen=True)
class TrainingBatch:
    """B clips of N concepts, as one forward pass sees them.

    clean, noise [B, 16, T, h8, w8]; references [B, 16, N, h8, w8]; text [B, tokens, 4096]; weights [B, N + 1, T*h*w],
    the share of each track, mute last; audio [B, N + 1, F + 1, L, C] with the sentinel frame of `training_options`;
    flag [B, 1] (AudioRole values); t [B] noise levels in 0..1; masks [B, N, T*h*w] in 0..1; kept [B, N, T*h*w], 1
    where the mask loss looks; emphasis [B, 1, T, h8, w8], weights of the velocity loss.
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
    kept: Tensor
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
        return TrainingBatch(**{f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)})

    @classmethod
    def stack(cls, clips: Sequence[TrainingBatch]) -> TrainingBatch:
        """One pass of several clips; captions are padded with zeros, as Wan pads its text."""
        longest = max(clip.text.shape[1] for clip in clips)
        columns = {f.name: [getattr(clip, f.name) for clip in clips] for f in fields(cls)}
        columns["text"] = [F.pad(text, (0, 0, 0, longest - text.shape[1])) for text in columns["text"]]
        return cls(**{name: torch.cat(parts) for name, parts in columns.items()})


class Library:
    """Encoded clips that a configuration can use, in groups of one shape.

    Raises InteractError where none is left, and says why.
    """

    def __init__(self, cache: Cache, config: TrainingConfig) -> None:
        fewest, most = config.shards.people
        self.mute, self.null_text = cache.mute, cache.null_text
        counted = [clip for clip in cache.clips if fewest <= clip.concepts <= most]
        usable = [clip for clip in counted if clip.masked or not config.needs_masks]
        self.left_out = {
            "broken": len(cache.broken),
            "of another number of concepts": len(cache.clips) - len(counted),
            "without masks": len(counted) - len(usable),
        }
        if not usable and counted:
            raise InteractError(
                f"None of the {len(counted)} clips in the shards has masks, which mix.injection = 'masks' and the mask "
                "loss need: add masks.npz to the samples, or train stage one (configs/stage_one.toml)."
            )
        if not usable:
            first = f" ({cache.broken[0]})" if cache.broken else ""
            raise InteractError(
                f"The shards hold no clip that can be trained on: {len(cache.broken)} are broken{first}, and "
                f"{len(cache.clips)} are not of {fewest} to {most} concepts (shards.people)."
            )
        self.groups: dict[tuple[int, ...], list[CachedClip]] = {}
        for clip in usable:
            self.groups.setdefault(clip.shape, []).append(clip)
        self.unreadable = 0

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def draw(self, seed: int, step: int, batch: int) -> list[CachedClip]:
        """The clips of one step, all of one shape; a shape comes as often as it has clips."""
        rng = np.random.default_rng([seed, step])
        sizes = np.array([len(group) for group in self.groups.values()], float)
        group = list(self.groups.values())[int(rng.choice(len(sizes), p=sizes / sizes.sum()))]
        return [group[k] for k in rng.choice(len(group), batch, replace=len(group) < batch)]

    def read(self, clip: CachedClip, rng: np.random.Generator) -> dict[str, Tensor]:
        """The tensors of a clip; of another one of its shape where it cannot be read, which is reported and counted."""
        group = self.groups[clip.shape]
        for _ in range(OTHER_TRIES):
            try:
                with clip.file.open("rb") as file:
                    file.seek(clip.offset)
                    return safetensors.torch.load(file.read(clip.size))
            except (OSError, safetensors.SafetensorError) as error:
                self.unreadable += 1
                log.warning("left out: clip %s in %s cannot be read (%s)", clip.key, clip.file, error)
                clip = group[int(rng.integers(len(group)))]
        raise InteractError(
            f"{OTHER_TRIES} clips in {clip.file.parent} cannot be read: delete that folder, to encode anew."
        )


def training_sample(
    clip: dict[str, Tensor], library: Library, config: TrainingConfig, rng: np.random.Generator
) -> TrainingBatch:
    """One clip (B = 1) with all that is drawn for it.

    Audio and references are dropped for classifier-free guidance as method.md has it: text and audio share one scale,
    so a clip without audio has no caption either; in most of these references are blank too.
    """
    mix, concepts = config.mix, len(clip["references"])
    order = torch.from_numpy(rng.permutation(concepts))
    views = torch.from_numpy(rng.integers(0, clip["references"].shape[1], concepts))
    t = noise_levels(rng, 1)
    flag = float(rng.choice([0.0, 0.5, 1.0], p=[mix.no_audio, mix.all_mute, 1 - mix.no_audio - mix.all_mute]))
    referred = flag > 0 or rng.random() >= mix.no_references
    spoken_of = flag > 0 and rng.random() >= mix.no_text
    latents = clip["latents"].float()[None]
    masks, confidence = _truth(clip, order)
    tracks = torch.cat(
        (clip["audio"][order].float(), library.mute.float().expand(1, *clip["audio"].shape[1:]))
    )
    sure = (
        confidence >= config.loss.confidence
    ) & referred  # without a picture nobody can say whose mask is whose
    return TrainingBatch(
        clean=latents,
        noise=torch.randn(latents.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**62)))),
        references=clip["references"][order, views].float().transpose(0, 1)[None] * referred,
        text=(clip["text"] if spoken_of else library.null_text).float()[None],
        weights=_weights(rng, masks, float(t), mix)[None],
        audio=F.pad(tracks, (0, 0, 0, 0, 0, 1))[None],
        flag=torch.tensor([[flag]]),
        t=t,
        masks=masks.flatten(1)[None],
        kept=sure[..., None, None].expand_as(masks).flatten(1)[None].float(),
        emphasis=_emphasis(clip, masks, config.loss),
    )


def _truth(clip: dict[str, Tensor], order: Tensor) -> tuple[Tensor, Tensor]:
    """Masks [N, T, h, w] in 0..1 and confidence [N, T]; of a clip without any: nowhere, and not sure of it."""
    if "masks" in clip:
        return clip["masks"][order].float() / 255, clip["confidence"][order].float()
    _, frames, height, width = clip["latents"].shape
    return torch.zeros(len(order), frames, height // 2, width // 2), torch.full((len(order), frames), -1.0)


def _weights(rng: np.random.Generator, masks: Tensor, t: float, mix: AugmentationKeys) -> Tensor:
    if mix.injection == "everywhere":
        return blend_weights(
            None, (True,) * len(masks), GuidanceSettings(mask_source="none"), masks[0].numel()
        )
    recipe = Augmentation(**{f.name: getattr(mix, f.name) for f in fields(Augmentation)})
    if min(masks.shape[1:]) < 3:  # too small for the blur's window
        recipe = replace(recipe, blurred=0.0)
    return track_weights(rng, masks, t, recipe)


def _emphasis(clip: dict[str, Tensor], masks: Tensor, loss: LossKeys) -> Tensor:
    weight = 1 + loss.emphasis_people * masks.sum(0, keepdim=True).clamp(max=1)  # [1, T, h, w]
    if "focus" in clip:
        weight = weight + loss.emphasis_focus * clip["focus"].float() / 255
    return F.interpolate(weight[None], scale_factor=(1, 2, 2), mode="nearest")
