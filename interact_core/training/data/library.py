"""The encoded clips that a run can train on."""

from __future__ import annotations

import logging
import zlib

import numpy as np
import safetensors.torch
from torch import Tensor

from ...errors import InteractError
from ..config import TrainingConfig
from .cache import Cache, CachedClip

log = logging.getLogger(__name__)
MAX_REPLACEMENTS = 20  # clips that are tried in place of one that cannot be read


class Library:
    """Encoded clips that fit a configuration, grouped by shape. Raises InteractError, with the reason, if
    none does.

    mute [L, C] and null_text [tokens, 4096]: the encodings of silence and of an empty caption; left_out: how
    many clips are not used, by reason; unreadable: read errors so far.
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
                f"None of the {len(counted)} clips in the shards has masks, which mix.injection = 'masks' "
                "and the mask loss need: add masks.npz to the samples, or train stage one "
                "(configs/stage_one.toml)."
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
        """The clips of one step, all of one shape; a shape is drawn in proportion to its number of clips."""
        rng = np.random.default_rng([seed, step])
        sizes = np.array([len(group) for group in self.groups.values()], float)
        group = list(self.groups.values())[int(rng.choice(len(sizes), p=sizes / sizes.sum()))]
        return [group[k] for k in rng.choice(len(group), batch, replace=len(group) < batch)]

    def read(self, clip: CachedClip, rng: np.random.Generator) -> dict[str, Tensor]:
        """The tensors of a clip, as `encode_sample` made them. A clip that cannot be read is reported,
        counted and replaced by another one of its shape.

        Raises InteractError after MAX_REPLACEMENTS failures.
        """
        group = self.groups[clip.shape]
        for _ in range(MAX_REPLACEMENTS):
            try:
                return safetensors.torch.load(_packed(clip))
            except (OSError, safetensors.SafetensorError) as error:
                self.unreadable += 1
                log.warning("left out: clip %s in %s cannot be read (%s)", clip.key, clip.file, error)
                clip = group[int(rng.integers(len(group)))]
        raise InteractError(
            f"{MAX_REPLACEMENTS} clips in {clip.file.parent} cannot be read: "
            "delete that folder, to encode anew."
        )


def _packed(clip: CachedClip) -> bytes:
    """The bytes of an encoded clip. Raises OSError where they are not those that were written."""
    with clip.file.open("rb") as file:
        file.seek(clip.offset)
        packed = file.read(clip.size)
    if clip.crc is not None and zlib.crc32(packed) != clip.crc:
        raise OSError("its checksum is wrong, the disk may be failing")
    return packed
