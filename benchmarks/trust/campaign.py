"""What every campaign shares: trials drawn from a seed, each told apart by how it ended, and what they add up to.

A campaign is a module with `TRIALS` (how many a full run makes) and `run(order) -> Tally`; `__main__.py: CAMPAIGNS`
lists them. A trial is drawn from `Order.draw(number)` alone, so that one that failed can be had again by itself.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from scipy.stats import beta

from ..scenes.result import Figure, at_most

KEPT_FAULTS = 50
"""Faults that are written into the JSON; all are counted."""


@dataclass(frozen=True)
class Order:
    """What is to be run. folder: empty, for whatever the campaign writes, and removed afterwards."""

    seed: int
    numbers: Sequence[int]  # of the trials, usually 0, 1, 2, ...
    folder: Path

    def draw(self, number: int) -> random.Random:
        """The chance of one trial, the same whatever other trials are run."""
        return random.Random(f"{self.seed} {number}")


@dataclass(frozen=True)
class Fault:
    """A trial in which something did not hold."""

    trial: int
    tried: str  # what was done, in one line
    found: str  # what happened instead of what must


@dataclass
class Tally:
    """What a campaign found. figures: those of its own, beside the share of faulty trials."""

    trials: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def count(self, outcome: str) -> None:
        """One more trial that ended as it may."""
        self.trials += 1
        self.outcomes[outcome] += 1

    def fault(self, trial: int, tried: str, found: str) -> None:
        """One more trial that ended as it must not."""
        self.count("FAULT")
        self.faults.append(Fault(trial, tried, found))

    def all_figures(self) -> list[Figure]:
        faulty = len({fault.trial for fault in self.faults})
        share = faulty / self.trials if self.trials else 0.0
        held = at_most("faulty_share", share, exact_interval(faulty, self.trials), self.trials, 0, FAULTY)
        return [held, *self.figures]


FAULTY = "Of all trials. The interval is Clopper and Pearson's."
MOST = "The largest of all trials; in the interval's place the median and the largest."


def most(name: str, values: Iterable[float], bound: float) -> Figure:
    """The largest of what was measured in the trials, held against a bound."""
    measured = list(values) or [0.0]
    largest = max(measured)
    return at_most(name, largest, (statistics.median(measured), largest), len(measured), bound, MOST)


def exact_interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share, Clopper and Pearson's, which holds for no hits at all, too."""
    low = float(beta.ppf(0.025, hits, trials - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high


class Campaign(Protocol):
    """A module of this folder."""

    TRIALS: int

    def run(self, order: Order) -> Tally: ...
