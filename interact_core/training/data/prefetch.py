"""Prefetching: threads read training batches ahead, so that the device does not wait for the disk."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from ...errors import InteractError
from ..config import TrainingConfig
from .library import Library
from .samples import TrainingBatch, training_sample


def process_micro_batches(config: TrainingConfig, process: int, processes: int) -> list[list[int]]:
    """The positions in the global batch that this process fills, one list for each of its forward passes.

    Raises InteractError if the batch does not divide evenly.
    """
    batch, micro = config.run.batch, config.run.micro
    if batch % (micro * processes):
        raise InteractError(
            f"A batch of {batch} clips (run.batch) cannot be shared by {processes} processes in passes of "
            f"{micro} (run.micro): make it a multiple of {micro * processes}."
        )
    per_process = batch // processes
    positions = range(process * per_process, (process + 1) * per_process)
    return [list(positions[k : k + micro]) for k in range(0, per_process, micro)]


def make_micro_batch(
    library: Library, config: TrainingConfig, step: int, positions: list[int]
) -> TrainingBatch:
    """One forward pass of a step: the clips at these positions of its global batch."""
    clips = library.draw(config.run.seed, step, config.run.batch)
    samples = []
    for position in positions:
        rng = np.random.default_rng([config.run.seed, step, position])
        samples.append(training_sample(library.read(clips[position], rng), library, config, rng))
    return TrainingBatch.stack(samples)


class Prefetcher:
    """Micro-batches from step `first` on, read by shards.readers threads.

    seconds_waited: time that the training loop has spent waiting for a micro-batch.
    """

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
        self._micro_batches = process_micro_batches(config, process, processes)
        self._pool = ThreadPoolExecutor(config.shards.readers)
        self._pending: deque[Future[TrainingBatch]] = deque()
        self._submitted = first * len(self._micro_batches)
        self.seconds_waited = 0.0

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def next_step(self) -> list[TrainingBatch]:
        """The micro-batches of the next step, on the device."""
        return [self._next() for _ in self._micro_batches]

    def _next(self) -> TrainingBatch:
        while len(self._pending) <= self._config.shards.readers:
            step, number = divmod(self._submitted, len(self._micro_batches))
            positions = self._micro_batches[number]
            self._pending.append(
                self._pool.submit(make_micro_batch, self._library, self._config, step, positions)
            )
            self._submitted += 1
        began = time.perf_counter()
        batch = self._pending.popleft().result()
        self.seconds_waited += time.perf_counter() - began
        return batch.to(self._device)
