"""Times, FLOPs and peak memory of forward passes, by sections, and what they come to at full depth."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from ...interact_core.metrics.intervals import bootstrap_interval

Action = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Pass:
    """Seconds, or FLOPs by a `FlopClock`, of one evaluation of a model cut to a few blocks.

    blocks: of each block, with whatever patches do inside it; behind: of each block, from its end to the next
    one's begin, where `double_block` patches run: the mask heads; once: all else, as often as there are
    steps.
    """

    blocks: tuple[float, ...]
    behind: tuple[float, ...]
    once: float

    @property
    def seconds(self) -> float:
        return self.once + sum(self.blocks) + sum(self.behind)

    def whole(self, blocks: int, heads: int) -> float:
        """Seconds at the full number of blocks, of which `heads` carry a mask head.

        The cut model carries one in every block. What is behind a block without one is nothing.
        """
        return self.once + blocks * statistics.mean(self.blocks) + heads * statistics.mean(self.behind)


def finish(device: torch.device) -> None:
    """Wait for what a GPU has yet to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(action: Action, device: torch.device, clock: Clock = time.perf_counter) -> float:
    finish(device)
    began = clock()
    action()
    finish(device)
    return clock() - began


def timed(action: Action, device: torch.device) -> Callable[[], float]:
    """The action as a function that returns its seconds."""
    return lambda: seconds(action, device)


class Stopwatch:
    """Marks the sections of passes of a WanModel from outside: hooks on its blocks and its head.

    Passes may run in several threads at once, each by a clock of its own.
    """

    def __init__(self, wan: nn.Module, device: torch.device) -> None:
        self._device = device
        self._of_thread = threading.local()
        mark = self._mark
        for part in (*wan.blocks, wan.head):
            part.register_forward_pre_hook(lambda *_: mark())
        for block in wan.blocks:
            block.register_forward_hook(lambda *_: mark())

    def _mark(self) -> None:
        finish(self._device)
        self._of_thread.marks.append(self._of_thread.clock())

    def time(self, evaluate: Action, clock: Clock = time.perf_counter) -> Pass:
        marks: list[float] = []  # begin and end of every block, then the head's begin
        self._of_thread.marks, self._of_thread.clock = marks, clock
        total = seconds(evaluate, self._device, clock)
        blocks = tuple(end - begin for begin, end in zip(marks[:-1:2], marks[1::2]))
        behind = tuple(begin - end for end, begin in zip(marks[1::2], marks[2::2]))
        return Pass(blocks, behind, total - sum(blocks) - sum(behind))


def alternate(
    actions: Mapping[str, Callable[[], object]], repeats: int, warm: bool = True
) -> dict[str, list[object]]:
    """Results of every action, `repeats` times in turn: what disturbs the machine disturbs all of them alike."""
    if warm:
        for action in actions.values():
            action()
    found: dict[str, list[object]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            found[name].append(action())
    return found


def side_by_side(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[object]]:
    """Results of every action, `repeats` of each, all of them at once: each in a thread that computes alone.

    For CPUs on which others work too: what disturbs them for seconds then disturbs all actions alike, where a
    median of neighbours in time would need hundreds of passes. A finished action goes on until all are
    finished, so that the last one has no quieter machine.
    """
    found: dict[str, list[object]] = {name: [] for name in actions}
    done: set[str] = set()

    def repeat(name: str) -> None:
        torch.set_num_threads(1)
        try:
            for _ in range(repeats):
                found[name].append(actions[name]())
        finally:
            done.add(name)
        while len(done) < len(actions):
            actions[name]()

    with ThreadPoolExecutor(len(actions)) as pool:
        list(pool.map(repeat, actions))
    return found


class FlopClock(TorchDispatchMode):
    """While entered, counts the FLOPs of the products that this thread makes, by torch's own registry.

    torch's FlopCounterMode hooks the modules of all threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self._flops = 0.0

    def __call__(self) -> float:
        return self._flops

    def __torch_dispatch__(
        self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        count = PRODUCTS.get(op._overloadpacket)
        if count is not None:
            result = op(*args, **kwargs)
            self._flops += count(*args, **kwargs, out_val=result)
            return result
        with self:  # it may be composed of others that are counted
            result = op.decompose(*args, **kwargs)
        return op(*args, **kwargs) if result is NotImplemented else result


def _attention_flops(q: Tensor, k: Tensor, v: Tensor, *_: object, **__: object) -> int:
    return sdpa_flop_count(q.shape, k.shape, v.shape)


PRODUCTS = {**flop_registry, torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
"""torch's registry lacks the attention of a CPU."""


def ratio(over: Sequence[float], under: Sequence[float]) -> tuple[float, tuple[float, float], int]:
    """Median of the ratios of passes that were neighbours in time, its bootstrap interval, and their number."""
    ratios = [a / b for a, b in zip(over, under)]
    return float(np.median(ratios)), bootstrap_interval(ratios, np.median), len(ratios)


def median(values: Sequence[float], scale: float = 1.0) -> tuple[float, tuple[float, float], int]:
    scaled = [scale * value for value in values]
    return float(np.median(scaled)), bootstrap_interval(scaled, np.median), len(scaled)


def peak_memory(action: Action, device: torch.device) -> int | None:
    """Bytes that `action` needs at its peak above what was held before; None where it cannot be measured.

    A GPU's from torch's allocator. A processor's is the resident memory, whose peak Linux lets one reset.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        action()
        finish(device)
        return torch.cuda.max_memory_allocated(device) - held
    try:
        Path("/proc/self/clear_refs").write_text("5")
        held = _resident("VmRSS")
        action()
        return _resident("VmHWM") - held
    except OSError:
        return None


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(field)))


@contextmanager
def all_cores() -> Iterator[None]:
    """Compute on every core that this process may use, whatever the environment sets."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, usable_cores()))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def usable_cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
