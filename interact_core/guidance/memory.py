"""The mask memory: what one model evaluation predicts steers the next one."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InteractError
from .cast import Cast
from .history import MaskHistory
from .settings import GuidanceSettings


class MaskMemory:
    """Double buffer and recorder for one sampling run.

    InterActHuman (method.md, "Two-stage, iterative guidance"): the mask predicted at step k is cached and
    steers injection at step k+1. Here k counts model evaluations, of which second-order samplers make several
    a step.

    An evaluation is `begin_evaluation`, any number of `add` (context windows, several positive conditionings,
    several devices at once: `add` may be called from threads), `commit`. Readers see `masks`, which only
    `commit` changes. Every item of a batch of latents keeps masks of its own.
    """

    def __init__(self, frames: int, settings: GuidanceSettings) -> None:
        """`frames` is the number of latent frames T of the whole video."""
        self.frames = frames
        self.settings = settings
        self.masks: Tensor | None = None  # [B, N, T, h, w] float32 0..1, smoothed: what steers
        self._predicted: Tensor | None = None  # the same before smoothing: what is recorded
        self._sum: Tensor | None = None  # [B, N, T, h, w], weighted sum within the evaluation under way
        self._weight: Tensor | None = None  # [T, 1, 1]
        self._lock = threading.Lock()
        self._recorder = _Recorder(settings.history_limit)

    def begin_evaluation(self) -> None:
        """Forget what an earlier evaluation, perhaps an interrupted one, left uncommitted."""
        with self._lock:
            self._sum = self._weight = None

    def add(self, masks: Tensor, frames: Sequence[int], weight: float = 1.0) -> None:
        """Add a prediction for some latent frames; where predictions meet they are averaged by weight.

        masks [B, N, T_w, h, w] or [N, T_w, h, w] in 0..1 (not logits), on any device; `frames` are the T_w
        latent frame numbers within the whole video (leave a window's anchor frame out). Raises InteractError
        where masks of one evaluation differ in batch, characters or size.
        """
        masks = masks.detach().float()
        if masks.ndim == 4:
            masks = masks.unsqueeze(0)
        batch, count, length, height, width = masks.shape
        if length != len(frames):
            raise InteractError(
                f"masks cover {length} latent frames but {len(frames)} frame numbers were given."
            )
        whole = (batch, count, self.frames, height, width)
        with self._lock:
            if self._sum is None:
                self._sum = masks.new_zeros(whole)
                self._weight = masks.new_zeros(self.frames, 1, 1)
            elif self._sum.shape != whole:
                raise InteractError(
                    f"two parts of one sampling step predicted masks of two sizes, {list(whole)} and "
                    f"{list(self._sum.shape)}: characters cannot be used with area conditioning."
                )
            device = self._sum.device
            index = torch.tensor(list(frames), dtype=torch.long, device=device)
            self._sum.index_add_(2, index, masks.to(device) * weight)
            self._weight.index_add_(0, index, torch.full((length, 1, 1), float(weight), device=device))

    def commit(self) -> None:
        """Make what was added the masks of the next evaluation.

        Frames that nothing was predicted for keep their old mask, all of them if the forward was skipped
        (caching nodes); before the first prediction they have none, 0. `smoothing` is the share of the old
        mask kept.
        """
        with self._lock:
            if self._sum is None or self._weight is None:
                return
            fresh = self._sum / self._weight.clamp(min=torch.finfo(self._weight.dtype).tiny)
            covered = self._weight > 0
            self._sum = self._weight = None
            if self.masks is None or self._predicted is None or self.masks.shape != fresh.shape:
                self.masks = self._predicted = fresh
                return
            old = self.masks.to(fresh.device)
            self._predicted = torch.where(covered, fresh, self._predicted.to(fresh.device))
            # lerp is exact at both ends: smoothing 0 is the fresh mask bit for bit, 1 the old one
            self.masks = torch.where(covered, torch.lerp(fresh, old, self.settings.smoothing), old)

    def record(
        self, step: int, sigma: float, pictures: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Keep the latest prediction for the history, once per sampler step; without one, nothing is kept.

        pictures: uint8 [T, h', w', 3] on the masks' device, the clean video as predicted now. Returns masks
        (None without a prediction) and pictures on the CPU, as MaskHistory has them. Of a batch of latents
        the FIRST item is kept.
        """
        masks = None if self._predicted is None else self._predicted[0].half()
        masks, pictures = _to_cpu(masks, pictures)
        if masks is not None:
            self._recorder.append(step, float(sigma), masks, pictures)
        return masks, pictures

    def history(
        self,
        cast: Cast,
        boundary_step: int,
        total_steps: int,
        run: str = "",
        voices: tuple[Tensor | None, ...] | None = None,
    ) -> MaskHistory:
        """What was recorded, with the cast's names and sizes; `boundary_step` is StageClock's."""
        entries = self._recorder.entries
        empty = torch.zeros(0, len(cast.characters), *cast.grid, dtype=torch.float16)
        pictures = [entry.pictures for entry in entries if entry.pictures is not None]
        return MaskHistory(
            masks=torch.stack([entry.masks for entry in entries]) if entries else empty,
            steps=tuple(entry.step for entry in entries),
            sigmas=tuple(entry.sigma for entry in entries),
            boundary_step=boundary_step,
            total_steps=total_steps,
            names=cast.names,
            width=cast.width,
            height=cast.height,
            frames=cast.frames,
            fps=cast.fps,
            run=run,
            frames_pictures=torch.stack(pictures) if entries and len(pictures) == len(entries) else None,
            voices=voices,
            mask_source=self.settings.mask_source,
            start=0 if cast.part is None else cast.part.start,
            carried=cast.carried(self.settings.mask_source),
        )


def _to_cpu(masks: Tensor | None, pictures: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Both on the CPU by ONE copy, as each copy waits until the device has done all it was told to do.

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


@dataclass(frozen=True, eq=False)
class _Record:
    number: int  # counted over all records, kept or not
    step: int
    sigma: float
    masks: Tensor
    pictures: Tensor | None


PICTURES_LIMIT = (
    2  # times the limit for masks: a step's pictures have twice the bytes of three people's masks
)


class _Recorder:
    """A list of records whose masks never outgrow `limit` bytes, but that always holds the first and the last.

    It keeps every `stride`-th record and the latest; when that is too much the stride doubles. So the kept
    steps spread evenly at any length of run, which is not known beforehand.
    """

    def __init__(self, limit: int) -> None:
        self.entries: list[_Record] = []
        self._limit = limit
        self._stride = 1
        self._count = 0

    def append(self, step: int, sigma: float, masks: Tensor, pictures: Tensor | None) -> None:
        if self.entries and self.entries[-1].step == step:
            # told twice of one step: the later prediction counts
            self.entries[-1] = _Record(self.entries[-1].number, step, sigma, masks, pictures)
            return
        if self.entries and self.entries[-1].number % self._stride:
            self.entries.pop()  # it was kept as the latest only
        self.entries.append(_Record(self._count, step, sigma, masks, pictures))
        self._count += 1
        capacity = self._limit // (masks.numel() * masks.element_size())
        if pictures is not None:
            capacity = min(capacity, PICTURES_LIMIT * self._limit // pictures.numel())
        while len(self.entries) > max(2, capacity):
            self._stride *= 2
            latest = self.entries[-1]
            self.entries = [
                entry for entry in self.entries if entry is latest or entry.number % self._stride == 0
            ]
