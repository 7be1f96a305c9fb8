"""How well a mouth follows a voice: correlation of its opening with the voice's loudness at the best lag.

It needs no network, so that every film has this figure. NumPy alone.
"""

from __future__ import annotations

import numpy as np

MAX_LAG = 2  # frames by which a mouth may lead or follow its voice
STILL = 0.02  # standard deviation below which an opening is the measurement's own noise


def sync(opening: np.ndarray, loudness: np.ndarray) -> float:
    """Correlation of a mouth with a voice at the best lag within MAX_LAG frames, -1..1.

    opening: float [F], frames of NaN are left out; loudness: float [F], the voice's loudness.mouth_opening. 0
    where either does not move, or where too little of the mouth was visible.

    Taking the best of five lags lifts unrelated series above 0 by chance, the more so the shorter the clip:
    the floor of a set of scenes is `crosstalk` of their true openings.
    """
    return max(by_lag(opening, loudness))


def crosstalk(opening: np.ndarray, others: np.ndarray, own: np.ndarray | None = None) -> float:
    """Mean over the other voices of `sync` with them.

    others: float [M, F]; silent ones are left out, and without any other the result is 0. own: float [F], the
    mouth's own voice: then the others are compared at the lag that is best for it, so that chance does not
    raise the result.
    """
    found = [by_lag(opening, other) for other in np.atleast_2d(others) if np.std(other) > STILL]
    if not found:
        return 0.0
    if own is None:
        return float(np.mean(np.max(found, axis=1)))
    return float(np.mean(found, axis=0)[np.argmax(by_lag(opening, own))])


def by_lag(opening: np.ndarray, loudness: np.ndarray) -> list[float]:
    """Correlations at every lag from -MAX_LAG to MAX_LAG; at a lag above 0 the mouth follows its voice."""
    return [_correlation(*_lagged(opening, loudness, lag)) for lag in range(-MAX_LAG, MAX_LAG + 1)]


def _lagged(a: np.ndarray, b: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """The overlap of a with b delayed by `lag` frames."""
    frames = min(len(a), len(b))
    return a[max(0, lag) : frames + min(0, lag)], b[max(0, -lag) : frames - max(0, lag)]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 5 or min(np.std(a[both]), np.std(b[both])) < STILL:
        return 0.0
    return float(np.corrcoef(a[both], b[both])[0, 1])
