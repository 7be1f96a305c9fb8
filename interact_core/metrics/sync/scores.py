"""Sync-D, Sync-C and offset from the features of lips and of a voice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFTS = 15  # frames by which a voice is moved to either side
AT_ONCE = 128  # windows; 16 MB
EPSILON = 1e-6  # that torch's pairwise_distance, which the original takes, adds to each difference


@dataclass(frozen=True, eq=False)
class SyncScore:
    """How well lips and a voice fit over some windows.

    distance: Sync-D, the mean distance at the best of all shifts, lower is better; confidence: Sync-C, the median over
    the shifts minus that, higher is better; offset: frames at 25 fps by which the lips come after the voice (the
    original's sign; -3: the voice is 3 frames late); windows: how many there were. Few windows lift Sync-C by chance,
    so compare scores of about as many.
    """

    distance: float
    confidence: float
    offset: int
    windows: int


def distances(mouths: Tensor, voices: Tensor, shifts: int = SHIFTS) -> Tensor:
    """Distance of each window's lips from the voice at every shift: [windows, 2 * shifts + 1].

    mouths, voices: [windows, width]; column k is the voice of window v - shifts + k. Beyond the ends the voice is a
    feature of zeros, as in the original, which makes those distances the length of the lips' feature.
    """
    windows = min(len(mouths), len(voices))
    padded = F.pad(voices[:windows], (0, 0, shifts, shifts))
    if not windows:
        return torch.zeros(0, 2 * shifts + 1)
    around = padded.unfold(0, 2 * shifts + 1, 1).transpose(1, 2)  # a view, [windows, shifts, width]
    found = mouths.new_empty(windows, 2 * shifts + 1)
    # One piece of memory for all blocks: a new one for each leaves holes that a long film adds up to gigabytes.
    gap = mouths.new_empty(min(AT_ONCE, windows), 2 * shifts + 1, mouths.shape[1])
    for at in range(0, windows, AT_ONCE):
        stop = min(at + AT_ONCE, windows)
        part = torch.sub(mouths[at:stop, None], around[at:stop], out=gap[: stop - at]).add_(EPSILON)
        torch.linalg.vector_norm(part, dim=2, out=found[at:stop])
    return found


def score(by_shift: Tensor, chosen: Tensor | None = None) -> SyncScore | None:
    """The score over the chosen windows, all of the same weight; None if there are none.

    by_shift: `distances`, [windows, 2 * shifts + 1]; chosen: bool [windows], None for all. Over somebody's speaking
    spans this weights each span by its duration, and one offset holds for all of them. (The mean of each span's own
    Sync-C is higher by chance, since every short span finds a best shift of its own.)
    """
    if chosen is not None:
        by_shift = by_shift[chosen]
    if not len(by_shift):
        return None
    mean = by_shift.mean(0)
    lowest, at = mean.min(0)
    return SyncScore(
        distance=float(lowest),
        confidence=float(mean.median() - lowest),
        offset=len(mean) // 2 - int(at),
        windows=len(by_shift),
    )


def margins(matrix: Tensor) -> Tensor:
    """For each voice how much better its own face fits than the best other one, [N]; NaN where one of them is missing.

    matrix: Sync-C [N, N], row: whose face, column: whose voice, NaN where there is no figure.
    """
    others = matrix.masked_fill(torch.eye(len(matrix), dtype=torch.bool) | matrix.isnan(), -torch.inf)
    best = others.amax(0) if len(matrix) else matrix.new_zeros(0)
    return torch.where(best.isinf(), torch.nan, matrix.diagonal() - best)
