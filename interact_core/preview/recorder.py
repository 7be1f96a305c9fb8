"""Records a run's masks and pictures step by step, within a limit of memory."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..guidance import Cast, GuidanceSettings
from .record import RunRecord

MASKS_LIMIT = 64 * 2**20
"""Bytes of float16 masks that are kept of a run."""

PICTURES_LIMIT = 2
"""Times the limit for masks: a step's pictures have twice the bytes of the masks of three people."""


@dataclass(frozen=True, eq=False)
class _Step:
    number: int  # counted over all records, kept or not
    step: int
    sigma: float
    masks: Tensor
    pictures: Tensor | None


class RunRecorder:
    """Keeps the masks of as many steps as fit into `limit` bytes, the first and the last always.

    It keeps every `stride`-th step and the latest; when that is too much, the stride doubles. So the kept steps are
    evenly spaced, though the number of steps is not given beforehand.
    """

    def __init__(self, limit: int = MASKS_LIMIT) -> None:
        self._kept: list[_Step] = []
        self._limit = limit
        self._stride = 1
        self._count = 0

    def record(
        self, step: int, sigma: float, masks: Tensor | None, pictures: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Keep a sampler step's masks, [N, T, h, w] float16; without any, nothing is kept.

        pictures: uint8 [T, h', w', 3] on the masks' device, the clean video as predicted now. Returns both on the
        CPU. A step that is recorded twice counts once, by its later prediction.
        """
        masks, pictures = _to_cpu(masks, pictures)
        if masks is not None:
            self._append(step, float(sigma), masks, pictures)
        return masks, pictures

    def finish(
        self,
        cast: Cast,
        settings: GuidanceSettings,
        boundary_step: int,
        total_steps: int,
        run: str = "",
        loudness: tuple[Tensor | None, ...] | None = None,
    ) -> RunRecord:
        """What was recorded, with the cast's names and sizes; `boundary_step` is StageClock's."""
        steps = self._kept
        empty = torch.zeros(0, len(cast.characters), *cast.grid, dtype=torch.float16)
        pictures = [step.pictures for step in steps if step.pictures is not None]
        return RunRecord(
            masks=torch.stack([step.masks for step in steps]) if steps else empty,
            steps=tuple(step.step for step in steps),
            sigmas=tuple(step.sigma for step in steps),
            boundary_step=boundary_step,
            total_steps=total_steps,
            names=cast.names,
            width=cast.width,
            height=cast.height,
            frames=cast.frames,
            fps=cast.fps,
            mask_source=settings.mask_source,
            start=0 if cast.part is None else cast.part.start,
            carried=cast.carried(settings.mask_source),
            run=run,
            pictures=torch.stack(pictures) if steps and len(pictures) == len(steps) else None,
            loudness=loudness,
        )

    def _append(self, step: int, sigma: float, masks: Tensor, pictures: Tensor | None) -> None:
        if self._kept and self._kept[-1].step == step:
            # one step was recorded twice: the later prediction counts
            self._kept[-1] = _Step(self._kept[-1].number, step, sigma, masks, pictures)
            return
        if self._kept and self._kept[-1].number % self._stride:
            self._kept.pop()  # it was kept as the latest only
        self._kept.append(_Step(self._count, step, sigma, masks, pictures))
        self._count += 1
        capacity = self._limit // (masks.numel() * masks.element_size())
        if pictures is not None:
            capacity = min(capacity, PICTURES_LIMIT * self._limit // pictures.numel())
        while len(self._kept) > max(2, capacity):
            self._stride *= 2
            latest = self._kept[-1]
            self._kept = [
                entry for entry in self._kept if entry is latest or entry.number % self._stride == 0
            ]


def _to_cpu(masks: Tensor | None, pictures: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Both on the CPU by ONE copy, as each copy waits until the device has done all its work.

    masks float16 of any shape; pictures uint8, which float16 holds exactly.
    """
    if masks is None or pictures is None or masks.device != pictures.device:
        return (
            None if masks is None else masks.cpu(),
            None if pictures is None else pictures.cpu(),
        )
    packed = torch.cat((masks.flatten(), pictures.flatten().half())).cpu()
    first, second = packed.split((masks.numel(), pictures.numel()))
    return first.clone().view(masks.shape), second.to(torch.uint8).view(pictures.shape)
