"""Bootstrap intervals of a mean or any other statistic. NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[np.ndarray], float] = np.mean,
    level: float = 0.95,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic; values [n, ...] are resampled along the first axis."""
    given = np.asarray(values, float)
    picks = np.random.default_rng(seed).integers(0, len(given), (draws, len(given)))
    tail = 50 * (1 - level)
    if statistic is np.mean and given.ndim == 1:
        drawn = given[picks].mean(1)  # the same, a hundred times as fast
    else:
        drawn = [statistic(given[pick]) for pick in picks]
    low, high = np.percentile(drawn, (tail, 100 - tail))
    return float(low), float(high)
