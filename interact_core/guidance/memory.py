"""The mask memory: what one model evaluation predicts steers the next one."""

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InteractError
from .settings import GuidanceSettings


class MaskMemory:
    """Double buffer of one sampling run.

    InterActHuman sec. 3 (docs/method.md): the mask predicted at step k is cached and steers injection at step
    k+1. Here k counts model evaluations, of which second-order samplers make several a step.

    An evaluation is `begin_evaluation`, any number of `add` (context windows, several positive conditionings,
    several devices at once: `add` may be called from threads), `commit`. Readers see `masks`, which only
    `commit` changes. Every item of a batch of latents keeps masks of its own.
    """

    def __init__(self, frames: int, settings: GuidanceSettings) -> None:
        """frames: latent frames T of the whole video."""
        self.frames = frames
        self.settings = settings
        self.masks: Tensor | None = None  # [B, N, T, h, w] float32 0..1, smoothed: what steers
        self._predicted: Tensor | None = None  # the same before smoothing: what is recorded
        self._sum: Tensor | None = None  # [B, N, T, h, w], sum within the evaluation under way
        self._count: Tensor | None = None  # [T, 1, 1], how many predictions each frame got
        self._lock = threading.Lock()

    def start_from(self, masks: Tensor, batch: int) -> None:
        """Begin with masks [b, N, T, h, w] of an earlier run; those of one latent serve a batch of any size."""
        kept = masks if masks.shape[0] == batch else masks[:1].expand(batch, -1, -1, -1, -1)
        self.masks = self._predicted = kept

    def begin_evaluation(self) -> None:
        """Drop what an earlier evaluation, perhaps an interrupted one, left uncommitted."""
        with self._lock:
            self._sum = self._count = None

    def add(self, masks: Tensor, frames: Sequence[int]) -> None:
        """Add a prediction for some latent frames; where predictions meet they are averaged.

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
                f"masks cover {length} latent frames, but {len(frames)} frame numbers were given."
            )
        whole = (batch, count, self.frames, height, width)
        with self._lock:
            if self._sum is None or self._count is None:
                self._sum = masks.new_zeros(whole)
                self._count = masks.new_zeros(self.frames, 1, 1)
            elif self._sum.shape != whole:
                raise InteractError(
                    f"two conditionings of one sampling step predicted masks of different sizes, {list(whole)} and "
                    f"{list(self._sum.shape)}: characters do not work with area conditioning."
                )
            device = self._sum.device
            index = torch.tensor(list(frames), dtype=torch.long, device=device)
            self._sum.index_add_(2, index, masks.to(device))
            self._count.index_add_(0, index, torch.ones(length, 1, 1, device=device))

    def commit(self) -> None:
        """Make what was added the masks of the next evaluation.

        Frames without a prediction keep their old mask, all of them if a caching node skipped the forward pass;
        before the first prediction it is 0. `mask_smoothing` is the share of the old mask that is kept.
        """
        with self._lock:
            if self._sum is None or self._count is None:
                return
            fresh = self._sum / self._count.clamp(min=torch.finfo(self._count.dtype).tiny)
            covered = self._count > 0
            self._sum = self._count = None
            if self.masks is None or self._predicted is None or self.masks.shape != fresh.shape:
                self.masks = self._predicted = fresh
                return
            old = self.masks.to(fresh.device)
            self._predicted = torch.where(covered, fresh, self._predicted.to(fresh.device))
            # lerp is exact at both ends: smoothing 0 is the fresh mask bit for bit, 1 the old one
            self.masks = torch.where(covered, torch.lerp(fresh, old, self.settings.mask_smoothing), old)

    @property
    def prediction(self) -> Tensor | None:
        """The latest masks before smoothing, [N, T, h, w] float16; of a batch of latents the FIRST item's."""
        return None if self._predicted is None else self._predicted[0].half()
