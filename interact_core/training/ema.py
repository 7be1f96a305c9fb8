"""The exponential moving average (EMA) of the trained weights, on any number of processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EMA:
    """The EMA of all trainable weights; each process averages its own shard.

    decay: share of the average that each step keeps; 0: no average. values: the average, by parameter name.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        # Without DistributedDataParallel's prefix: a run may resume on another number of processes.
        named = ((name.removeprefix("module."), p) for name, p in model.named_parameters())
        self._trained = {name: p for name, p in named if p.requires_grad}
        self.values = {name: p.detach().clone() for name, p in self._trained.items()} if decay else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Call after optimiser step `step` (the first is 0). The decay is at most (1 + step) / (10 + step):
        otherwise the average would still contain the initial weights after a thousand steps.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in self.values.items():
            value.mul_(decay).add_(self._trained[name].detach(), alpha=1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the trained weights and the average; call again to put them back."""
        for name, value in self.values.items():
            current = self._trained[name].detach().clone()
            self._trained[name].copy_(value)
            value.copy_(current)

    def gather(self) -> dict[str, Tensor]:
        """All averaged weights (the trained ones if there is no average), unsharded. Every process must call
        this.
        """
        values = self.values or {name: p.detach() for name, p in self._trained.items()}
        return {name: unsharded(value) for name, value in values.items()}


def unsharded(value: Tensor) -> Tensor:
    """A weight on the CPU, put together from the shards of all processes. Every process must call this."""
    value = value.detach()
    return (value.full_tensor() if hasattr(value, "full_tensor") else value).cpu()
