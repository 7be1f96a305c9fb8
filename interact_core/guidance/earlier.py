"""Masks of an earlier run on the same video, where one schedule is split between two samplers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from ..errors import InteractError
from .history import MaskHistory

if TYPE_CHECKING:
    from .cast import Cast


@dataclass(frozen=True, eq=False)  # tensors have no truth value: compare by identity
class EarlierMasks:
    """What a run takes over from the one before.

    masks: [B, N, T, h, w] float32 in 0..1, in cast order and on the cast's token grid, smoothed as that run had them.
    stage_two: whether that run had reached the stage boundary. This one then goes on in stage two whatever its own
        schedule says, as the model of a second sampler may have another.
    kept: [B, C, T, H / 8, W / 8], the latent of which that run's noise mask kept a part; None without one.
    """

    masks: Tensor
    stage_two: bool
    kept: Tensor | None = None


def earlier_masks(history: MaskHistory, cast: Cast) -> EarlierMasks:
    """The last masks of `history` for a run with `cast`; of another width or height they are scaled.

    Raises InteractError for masks that are empty, lack a character, or are of another length or part of the film.
    """
    last = history.latest
    if last is None:
        if not history.steps:
            raise InteractError(
                "The masks of the run before are empty, because nothing was sampled (denoise 0) or nothing predicted: "
                "leave masks unconnected, or sample at least one step there."
            )
        last = history.masks[-1:]
    missing = [name for name in cast.names if name not in history.names]
    if missing:
        raise InteractError(
            f"The masks of the run before have no {missing[0]!r} (they are of {', '.join(history.names)}): connect "
            "masks of a run with the same characters, or none."
        )
    start = 0 if cast.part is None else cast.part.start
    if (history.frames, history.start) != (cast.frames, start):
        raise InteractError(
            f"The masks of the run before are of {history.frames} frames from frame {history.start} on, but this run "
            f"is of {cast.frames} from {start} on: connect masks of the same video. Masks of the part before go into "
            "InterAct Next Part."
        )
    last = last[:, [history.index(name) for name in cast.names]].float()
    if last.shape[-2:] != cast.grid[1:]:
        flat = F.interpolate(last.flatten(0, 1), size=cast.grid[1:], mode="bilinear", align_corners=False)
        last = flat.unflatten(0, last.shape[:2]).clamp(0.0, 1.0)
    return EarlierMasks(last, history.boundary_step >= 0, history.kept)
