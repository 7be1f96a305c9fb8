"""Reading batches ahead, so that the device does not wait for the disk."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from ...errors import InteractError
from ..config import TrainingConfig
from .samples import Library, TrainingBatch, training_sample


def process_micro_batches(config: TrainingConfig, process: int, processes: int) -> list[list[int]]:
    """The places in the batch that this process fills, a list for each of its forward passes.

    Raises InteractError where the batch does not divide.
    """
    batch, micro = config.run.batch, config.run.micro
    if batch % (micro * processes):
        raise InteractError(
            f"A batch of {batch} clips (run.batch) cannot be shared by {processes} processes in passes of {micro} "
            f"(run.micro): make it a multiple of {micro * processes}."
        )
    own = batch // processes
    places = range(process * own, (process + 1) * own)
    return [list(places[k : k + micro]) for k in range(0, own, micro)]


def make_micro_batch(library: Library, config: TrainingConfig, step: int, places: list[int]) -> TrainingBatch:
    """One forward pass of a step: the clips at these places of its batch."""
    clips = library.draw(config.run.seed, step, config.run.batch)
    shown = []
    for place in places:
        rng = np.random.default_rng([config.run.seed, step, place])
        shown.append(training_sample(library.read(clips[place], rng), library, config, rng))
    return TrainingBatch.stack(shown)


class Prefetcher:
    """The passes of steps `first` and on, read ahead by threads; `waited` counts seconds that nobody had any."""

    def __init__(
        self,
        library: Library,
        config: TrainingConfig,
        first: int,
        process: int,
        processes: int,
        device: torch.device,
    ) -> None:
        self._library, self._config, self._device = library, config, device
        self._places = process_micro_batches(config, process, processes)
        self._pool = ThreadPoolExecutor(config.shards.readers)
        self._ahead: deque[Future[TrainingBatch]] = deque()
        self._asked = first * len(self._places)
        self.waited = 0.0

    def __enter__(self) -> Prefetcher:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def step(self) -> list[TrainingBatch]:
        """The passes of the next step, on the device."""
        return [self._next() for _ in self._places]

    def _next(self) -> TrainingBatch:
        while len(self._ahead) <= self._config.shards.readers:
            step, number = divmod(self._asked, len(self._places))
            self._ahead.append(
                self._pool.submit(make_micro_batch, self._library, self._config, step, self._places[number])
            )
            self._asked += 1
        began = time.perf_counter()
        shown = self._ahead.popleft().result()
        self.waited += time.perf_counter() - began
        return shown.to(self._device)
