"""Who speaks when, by mouths and one sound that holds all voices. NumPy alone.

In every window the fewest mouths are looked for whose openings together explain how loud the sound is: one where
somebody speaks alone, two where voices overlap, none where the voice is of nobody who is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ...metrics import lips
from ...metrics.loudness import PAUSE, SPOKEN, speaking_spans
from ...metrics.types import Span

MOVES = 0.4  # of lips.OPEN: a mouth whose opening varies less than this within a window rests
BETTER = 0.1  # by which R^2 has to rise for one mouth more to be taken as speaking, too
LEAST_HEARD = 0.3  # of a window; below it there is too little sound to compare
LEAST_SEEN = 0.6  # of a window in which a mouth has to be seen to be compared
TOGETHER = 3  # most mouths that are taken to speak at a time
VOTES = 0.3  # of the windows around a frame in which a mouth has to speak
QUIET, NOISE = 0.06, 2.0  # of the loud parts, and of the quietest tenth: what is above both is heard,
CLEAR = 0.15  # and what is above this share of the loud parts always is
SHUT = 0.2  # mouths open from a tenth of a voice's loud parts on (loudness.mouth_opening): o (o + 0.2) is a power
AJAR = 0.12  # opening from which a mouth is not shut, in units of lips.OPEN
SPECK = 0.2  # seconds; what is shorter is the edge of a word


@dataclass(frozen=True, eq=False)
class Speaking:
    """Of N people in F frames.

    active: bool [N, F], who speaks; heard: bool [F], whether anybody does; lag: frames by which mouths follow the
    sound; matrix: float [N, N], correlation of every mouth (row) with every voice (column), the sound where that
    person speaks alone, NaN for voices that there are not.
    """

    active: np.ndarray
    heard: np.ndarray
    lag: int
    matrix: np.ndarray

    @property
    def speakers(self) -> list[int]:
        return np.flatnonzero(self.active.any(1)).tolist()

    @property
    def overlap(self) -> np.ndarray:
        """Where several speak at once, bool [F]."""
        return self.active.sum(0) > 1

    @property
    def off_screen(self) -> np.ndarray:
        """Where somebody is heard and nobody's mouth speaks, bool [F]."""
        return self.heard & ~self.active.any(0)


def who_speaks(
    openings: np.ndarray, level: np.ndarray, fps: float, open_from: float, least_fit: float
) -> Speaking:
    """Openings float [N, F], NaN where a mouth is not seen; level: float [F], the sound's loudness, its loud parts 1.

    open_from: the opening from which a mouth is clearly open; least_fit: correlation from which mouths explain a sound.
    """
    from_here = min(CLEAR, max(QUIET, NOISE * float(np.quantile(level, 0.1))))
    heard = in_spans(speaking_spans(level * (SPOKEN / from_here), fps), len(level))
    openings = openings * (lips.OPEN / open_from)  # in units of the theatre's
    windows = [w for w in lips.windows_of(len(level), fps) if heard[slice(*w)].mean() >= LEAST_HEARD]
    lags = range(-lips.MAX_LAG, lips.MAX_LAG + 1)
    found = {lag: _speakers(_moved(openings, lag), level, windows, least_fit) for lag in lags}
    lag = max(lags, key=lambda lag: (sum(fit for _, fit in found[lag]), -abs(lag)))
    moved = _moved(openings, lag)
    votes, around = np.zeros(openings.shape), np.zeros(len(level))
    for (first, last), (who, _) in zip(windows, found[lag], strict=True):
        around[first:last] += 1
        votes[list(who), first:last] += 1
    allowed = (votes >= VOTES * np.maximum(around, 1)) & (votes > 0)
    active = _without_specks(_mouthed(moved, allowed, fps) & heard, fps)
    off = heard & ~active.any(0)
    heard = heard & ~(off & ~_without_specks(off[None], fps)[0])
    return Speaking(active, heard, lag, _matrix(moved, level, active, fps))


def _mouthed(openings: np.ndarray, allowed: np.ndarray, fps: float) -> np.ndarray:
    """Whose mouth makes the sound of each frame, bool [N, F], of those who are allowed to.

    Whoever's mouth is open, pauses between two of its words included; where nobody's is, those who spoke last or speak
    next, if that is not further away than a pause: lips are shut for a p, and a word fades.
    """
    frames = np.arange(openings.shape[1])
    away = np.full(openings.shape, np.inf)
    for row, opening, may in zip(away, openings, allowed, strict=True):
        spans = speaking_spans(np.where(may, np.nan_to_num(opening), 0) * (SPOKEN / AJAR), fps)
        for first, last in spans:
            row[:] = np.minimum(row, np.maximum(first - frames, frames - (last - 1)).clip(0))
    return allowed & (away <= PAUSE * fps) & (away == away.min(0, keepdims=True))


def _speakers(
    openings: np.ndarray, level: np.ndarray, windows: Sequence[Span], least_fit: float
) -> list[tuple[tuple[int, ...], float]]:
    """For each window whose mouths explain it, and the correlation; () where none do."""
    return [_explaining(openings[:, a:b], level[a:b], least_fit) for a, b in windows]


def _explaining(openings: np.ndarray, level: np.ndarray, least_fit: float) -> tuple[tuple[int, ...], float]:
    moving = []
    for number, row in enumerate(openings):
        seen = np.isfinite(row)
        if (
            seen.mean() >= LEAST_SEEN
            and np.std(row[seen]) > MOVES * lips.OPEN
            and row[seen].max() > lips.OPEN
        ):
            moving.append(number)
    best: tuple[tuple[int, ...], float] = ((), 0.0)
    for count in range(1, min(TOGETHER, len(moving)) + 1):
        fits = {who: _fit(openings[list(who)], level) for who in combinations(moving, count)}
        who = max(fits, key=lambda some: fits[some])
        enough = best[1] ** 2 + BETTER if best[0] else least_fit**2
        if fits[who] ** 2 >= enough and fits[who] >= least_fit:
            best = who, fits[who]
    return best


def _fit(openings: np.ndarray, level: np.ndarray) -> float:
    """Correlation of a sound with what these mouths would make together; 0 where one of them would lower it.

    Powers of independent voices add, so powers are compared.
    """
    seen = np.isfinite(openings).all(0)
    power = level[seen] ** 2
    if seen.mean() < LEAST_SEEN or np.std(power) < lips.STILL:
        return 0.0
    terms = np.vstack([openings[:, seen] * (openings[:, seen] + SHUT), np.ones(int(seen.sum()))]).T
    share = np.linalg.lstsq(terms, power, rcond=None)[0]
    if (share[:-1] <= 0).any():
        return 0.0
    return max(0.0, float(np.corrcoef(terms @ share, power)[0, 1]))


def _matrix(openings: np.ndarray, level: np.ndarray, active: np.ndarray, fps: float) -> np.ndarray:
    """The lips' part of Speaking.matrix: over frames in which a voice is alone, or, where it hardly is, all its own."""
    matrix = np.full((len(openings),) * 2, np.nan)
    alone = active.sum(0) == 1
    for voice in np.flatnonzero(active.any(1)):
        where = active[voice] & alone
        if where.sum() < fps * SPECK:
            where = active[voice]
        for mouth, row in enumerate(openings):
            matrix[mouth, voice] = lips.sync(row[where], level[where])
    return matrix


def _moved(openings: np.ndarray, lag: int) -> np.ndarray:
    """Openings as they would be if mouths followed the sound by no frame."""
    moved = np.full(openings.shape, np.nan)
    frames = openings.shape[1]
    moved[:, max(0, -lag) : frames - max(0, lag)] = openings[:, max(0, lag) : frames - max(0, -lag)]
    return moved


def runs_of(shown: np.ndarray) -> list[Span]:
    """Spans of frames in which a row of bool [F] is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shown, [False]]).astype(int)))
    return [(first, last) for first, last in edges.reshape(-1, 2).tolist()]


def in_spans(spans: Sequence[Span], frames: int) -> np.ndarray:
    """Bool [F], which is true in spans of frames."""
    shown = np.zeros(frames, bool)
    for first, last in spans:
        shown[first:last] = True
    return shown


def _without_specks(rows: np.ndarray, fps: float) -> np.ndarray:
    """Rows of bool [N, F] without what is shorter than SPECK."""
    kept = rows.copy()
    for row in kept:
        for first, last in runs_of(row):
            row[first:last] = last - first >= SPECK * fps
    return kept
