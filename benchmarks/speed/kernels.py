"""The dearest operations that our patches add to a step, each beside the least that its products and bytes can take."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ...interact_core.host.forward import patches
from ..scenes.result import Figure
from .forward import Bench
from .models import build_adapter, cast_of
from .roofline import machine
from .timing import PRODUCTS, alternate, median, timed

DEAREST = 5
MARK = "interact "
NO_KERNEL = {
    torch.ops.aten._unsafe_view,
    torch.ops.aten.empty,
    torch.ops.aten.empty_like,
    torch.ops.aten.empty_strided,
}
"""Besides views: what moves nothing."""
AUDIO, MASKS = "audio", "masks"


@dataclass(frozen=True)
class Operation:
    """One call of an operation within our patches. name: with the sizes of what it reads; bytes: read once and written
    once.
    """

    part: str
    name: str
    flops: float
    bytes: float


class Ledger(TorchDispatchMode):
    """While entered, notes every operation, and marks it for the profiler by its number."""

    def __init__(self, operations: list[Operation], part: str) -> None:
        super().__init__()
        self._operations, self._part = operations, part

    def __torch_dispatch__(
        self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if op.is_view or op._overloadpacket in NO_KERNEL:
            return op(*args, **kwargs)
        count = PRODUCTS.get(op._overloadpacket)
        if count is None:
            with self:  # it may be composed of others
                result = op.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        with record_function(f"{MARK}{len(self._operations)}"):
            result = op(*args, **kwargs)
        read = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        written = [one for one in tree_leaves(result) if isinstance(one, Tensor)]
        sizes = " ".join("x".join(map(str, one.shape)) for one in read if one.ndim)
        flops = float(count(*args, **kwargs, out_val=result)) if count else 0.0
        moved = float(sum(map(_stored, (*read, *written))))
        name = f"{op._overloadpacket.__name__} {sizes}"
        self._operations.append(Operation(self._part, name, flops, moved))
        return result


def _stored(tensor: Tensor) -> int:
    """Bytes that there are of a tensor, which may repeat some."""
    return min(tensor.nbytes, tensor.untyped_storage().nbytes())


@contextmanager
def noting(operations: list[Operation]) -> Iterator[None]:
    """Within it the operations of our patches go into the list, marked for the profiler."""

    def noted(inner: Callable[..., Any], part: str) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            with Ledger(operations, part):
                return inner(*args)

        return run

    before = patches.add_voices, patches.mask_logits
    patches.add_voices, patches.mask_logits = (
        noted(inner, part) for inner, part in zip(before, (AUDIO, MASKS), strict=True)
    )
    try:
        yield
    finally:
        patches.add_voices, patches.mask_logits = before


def profiled(action: Callable[[], object], cuda: bool) -> list[tuple[Operation, float]]:
    """Every operation of our patches in one pass, with the seconds of its kernels; on a CPU, of the call."""
    operations: list[Operation] = []
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with noting(operations), profile(activities=activities) as found:
        action()
    seconds = [0.0] * len(operations)
    for event in found.events():
        if event.name.startswith(MARK) and event.device_type == DeviceType.CPU:
            took = event.device_time_total if cuda else event.cpu_time_total
            seconds[int(event.name.removeprefix(MARK))] = took / 1e6
    return list(zip(operations, seconds, strict=True))


def kernels(bench: Bench) -> list[Figure]:
    """Milliseconds of a step at full depth that our parts take, and the DEAREST operations of them."""
    setup = bench.setup()
    adapter = build_adapter(bench.shape, bench.depth, bench.device, bench.dtype)
    action, cuda = setup.guided(adapter, cast_of(bench.grid, 2)), bench.device.type == "cuda"
    best = machine(bench)
    with torch.inference_mode():
        found = alternate(
            {name: timed(part.action, bench.device) for name, part in best.items()}, bench.repeats
        )
    peak = best["product"].flops / min(found["product"])
    stream = best["copy"].bytes / min(found["copy"])
    action()
    passes = [profiled(action, cuda) for _ in range(min(bench.repeats, 5))]
    times = {AUDIO: bench.shape.blocks / bench.depth, MASKS: bench.shape.mask_blocks / bench.depth}
    groups: dict[Operation, list[float]] = {}  # seconds of a step, of each pass
    for done in passes:
        total: dict[Operation, float] = defaultdict(float)
        for operation, seconds in done:
            total[operation] += seconds * times[operation.part]
        for operation, seconds in total.items():
            groups.setdefault(operation, []).append(seconds)
    calls = defaultdict(float)
    for operation, _ in passes[0]:
        calls[operation] += times[operation.part]
    floors = {one: calls[one] * max(one.flops / peak, one.bytes / stream) for one in groups}
    figures = [
        Figure("machine_TFLOPS", peak / 1e12, (peak / 1e12,) * 2, bench.repeats),
        Figure("machine_GB_per_s", stream / 1e9, (stream / 1e9,) * 2, bench.repeats),
    ]
    for part in (AUDIO, MASKS):
        figures += _beside_floor(
            part, {one: took for one, took in groups.items() if one.part == part}, floors
        )
    dearest = sorted(groups, key=lambda one: -statistics.median(groups[one]))[:DEAREST]
    for rank, one in enumerate(dearest, 1):
        kind = "products" if one.flops / peak > one.bytes / stream else "memory"
        each = f"{one.flops / 1e9:.1f} GFLOP, {one.bytes / 1e6:.0f} MB each; floor by {kind}"
        note = f"{one.part}: {one.name}; {calls[one]:.0f} a step, {each}"
        figures += _beside_floor(f"dearest_{rank}", {one: groups[one]}, floors, note)
    return figures


def _beside_floor(
    name: str, groups: dict[Operation, list[float]], floors: dict[Operation, float], note: str = ""
) -> list[Figure]:
    """Milliseconds of a step, and over their floor."""
    totals = [sum(took) for took in zip(*groups.values(), strict=True)]
    floor = sum(floors[one] for one in groups)
    return [
        Figure(f"{name}_ms", *median(totals, 1000), note=note),
        Figure(f"{name}_over_floor", *median(totals, 1 / floor), note=f"floor {1000 * floor:.2f} ms"),
    ]
