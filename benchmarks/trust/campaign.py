"""What every campaign shares: trials drawn from a seed, kept as they end, and what they add up to.

A campaign is a module with `TRIALS` (how many a full run makes), `run(order)` and `figures(tally)`; `__main__.py:
CAMPAIGNS` lists them. `run` makes what its trials need, draws each of `order.left()` from `order.draw(number)`
alone, and tells how it ended (`Tally.count`, `Tally.fault`). With a journal each trial is on the disk before the next
one begins, so that a campaign that was killed goes on where it was, and `figures` are those of all of them.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from scipy.stats import beta

from ..scenes.result import Figure, at_most

KEPT_FAULTS = 50
"""Faults that are written into the JSON; all are counted."""

FAULT = "FAULT"


@dataclass(frozen=True)
class Trial:
    """How one trial ended. outcome: a few words, FAULT where something did not hold."""

    number: int
    outcome: str
    tried: str = ""  # of a fault: what was done, in one line
    found: str = ""  # of a fault: what happened instead of what must
    values: dict[str, float] = field(default_factory=dict)  # what was measured, by name
    session: int = (
        0  # counts the processes that the campaign took, from 0: one server lives as long as one of them
    )
    code: str = ""  # the commit that it was tried with
    at: float = 0.0  # seconds since 1970


@dataclass
class Tally:
    """Trials by their number; one that is had again replaces its earlier self.

    journal: where each is written as a line of JSON when it ends; None keeps them in memory alone.
    """

    journal: Path | None = None
    code: str = ""
    kept: dict[int, Trial] = field(default_factory=dict)
    session: int = 0

    @classmethod
    def of(cls, journal: Path | None, code: str = "") -> Tally:
        """What a journal holds. A last line that a kill has cut is left out."""
        kept: dict[int, Trial] = {}
        if journal is not None and journal.is_file():
            for line in journal.read_text(encoding="utf-8").splitlines():
                try:
                    trial = Trial(**json.loads(line))
                except (ValueError, TypeError):
                    continue
                kept[trial.number] = trial
        sessions = [trial.session for trial in kept.values()]
        return cls(journal, code, kept, max(sessions) + 1 if sessions else 0)

    def count(self, number: int, outcome: str, **values: float) -> None:
        """A trial has ended as it may."""
        self._keep(number, outcome, values=values)

    def fault(self, number: int, tried: str, found: str, **values: float) -> None:
        """A trial has ended as it must not."""
        self._keep(number, FAULT, tried, found, values)

    def _keep(
        self,
        number: int,
        outcome: str,
        tried: str = "",
        found: str = "",
        values: dict[str, float] | None = None,
    ) -> None:
        trial = Trial(number, outcome, tried, found, values or {}, self.session, self.code, time.time())
        self.kept[number] = trial
        if self.journal is not None:
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            with self.journal.open("a", encoding="utf-8") as lines:
                lines.write(f"\n{json.dumps(asdict(trial))}")  # in front: the line before may have been cut

    @property
    def trials(self) -> list[Trial]:
        return [self.kept[number] for number in sorted(self.kept)]

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(trial.outcome for trial in self.trials)

    @property
    def faults(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.outcome == FAULT]

    def values(self, name: str) -> list[float]:
        """What was measured by this name, of every trial that has it."""
        return [trial.values[name] for trial in self.trials if name in trial.values]


@dataclass(frozen=True)
class Order:
    """What is to be run. folder: empty, for whatever the campaign writes, and removed afterwards."""

    seed: int
    numbers: Sequence[int]  # of the trials, usually 0, 1, 2, ...
    folder: Path
    tally: Tally = field(default_factory=Tally)  # of what was run earlier, and where the rest is told
    anew: bool = False  # run all of `numbers`, also those that have ended well
    until: float = math.inf  # of time.monotonic(); no trial begins later

    def draw(self, number: int) -> random.Random:
        """The chance of one trial, the same whatever other trials are run."""
        return random.Random(f"{self.seed} {number}")

    def open(self) -> list[int]:
        """The numbers that are left: never tried, or a fault when they were, as it may be mended now."""
        done = {trial.number for trial in self.tally.trials if trial.outcome != FAULT}
        return [number for number in self.numbers if self.anew or number not in done]

    def left(self) -> Iterator[int]:
        """The same one by one, until the time is over."""
        for number in self.open():
            if time.monotonic() >= self.until:
                return
            yield number


FAULTY = "Of all trials. The interval is Clopper and Pearson's."
MOST = "The largest of all trials; in the interval's place the median and the largest."


def faulty_share(tally: Tally) -> Figure:
    """The figure that every campaign has."""
    faulty, trials = len(tally.faults), len(tally.kept)
    share = faulty / trials if trials else 0.0
    return at_most("faulty_share", share, exact_interval(faulty, trials), trials, 0, FAULTY)


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

    def run(self, order: Order) -> None:
        """Run `order.left()` and tell `order.tally` how each ended."""

    def figures(self, tally: Tally) -> list[Figure]:
        """Those of its own, beside `faulty_share`."""
