"""How well a mouth follows a voice: correlation of its opening with the voice's loudness at the best lag.

It needs no network, so that every film has this figure. NumPy alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .types import Span, WrongVoice

MAX_LAG = 2  # frames by which a mouth may lead or follow its voice
STILL = 0.02  # standard deviation below which an opening is the measurement's own noise
# A puppet's shut mouth measures below 0.1 even at blur 1.2, noise 8 and a colour shift
# (tests/theatre/measuring/test_measure.py); one open by 0.2 is 2.5 times as high as a shut one (drawing._draw_face).
OPEN = 0.2
WINDOW = 1.2  # seconds over which a mouth is compared with voices, so that there are some syllables in it
STEP = 0.2  # seconds from one window to the next
FIT = 0.5  # correlation in a window from which a mouth follows a voice
BETTER = 0.3  # by which another voice must fit better than the mouth's own to be called the wrong one


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


def lag_of(opening: np.ndarray, loudness: np.ndarray) -> int:
    """Frames by which the mouth follows its voice where they fit best; below 0 it leads."""
    return int(np.argmax(by_lag(opening, loudness))) - MAX_LAG


def silent_open(opening: np.ndarray, least: float = OPEN) -> float:
    """Share of the frames that show the mouth, [F] without NaN, in which it is clearly open: by more than `least`.

    least: OPEN for puppets, that of detectors/landmarks.py for faces. 1 where it is never visible: somebody absent does
    not count as silent.
    """
    visible = opening[np.isfinite(opening)]
    return float((visible > least).mean()) if visible.size else 1.0


def lips_matrix(openings: np.ndarray, voices: np.ndarray) -> np.ndarray:
    """`sync` of every mouth with every voice, float [N, N]: row the mouth, column the voice.

    openings, voices: float [N, F]. NaN in the row of a mouth that is never seen, and in the column of a silent voice.
    """
    matrix = np.full((len(openings), len(voices)), np.nan)
    for row, opening in enumerate(openings):
        for column, voice in enumerate(voices):
            if np.isfinite(opening).any() and np.std(voice) > STILL:
                matrix[row, column] = sync(opening, voice)
    return matrix


def fitting_spans(opening: np.ndarray, own: np.ndarray, fps: float) -> tuple[Span, ...]:
    """Spans of frames in which a mouth follows its own voice: all windows that fit by FIT or more, put together."""
    windows = windows_of(len(opening), fps)
    return _spans(windows, _fits(windows, opening, own) >= FIT)


def wrong_voices(
    names: Sequence[str], openings: np.ndarray, voices: np.ndarray, fps: float
) -> tuple[tuple[WrongVoice, ...], ...]:
    """For each person the spans in which their mouth follows somebody else's voice, rather than their own.

    openings, voices: float [N, F]. In all windows of such a span another voice fits by FIT or more and by BETTER more
    than the mouth's own, each at its own best lag over the film. Of spans that share frames the best fit is kept.
    """
    return tuple(_wrong_voices(n, names, openings[n], voices, fps) for n in range(len(names)))


def _wrong_voices(
    mouth: int, names: Sequence[str], opening: np.ndarray, voices: np.ndarray, fps: float
) -> tuple[WrongVoice, ...]:
    windows = windows_of(len(opening), fps)
    fits = np.stack([_fits(windows, opening, voice) for voice in voices])  # [voices, windows]
    wrong = []
    for voice, name in enumerate(names):
        if voice == mouth:
            continue
        misled = (fits[voice] >= FIT) & (fits[voice] >= fits[mouth] + BETTER)
        for span in _spans(windows, misled):
            fit, own = (float(_fits([span], opening, voices[n])[0]) for n in (voice, mouth))
            wrong.append(WrongVoice(names[mouth], name, span, round(fit, 3), round(own, 3)))
    return _best_of_overlapping(wrong)


def windows_of(frames: int, fps: float) -> list[Span]:
    """Windows of WINDOW seconds, STEP apart; the whole of a shorter film."""
    long, step = round(WINDOW * fps), max(1, round(STEP * fps))
    if frames <= long:
        return [(0, frames)]
    starts = [*range(0, frames - long, step), frames - long]
    return [(start, start + long) for start in starts]


def _fits(windows: Sequence[Span], opening: np.ndarray, voice: np.ndarray) -> np.ndarray:
    """Correlation of a mouth with a voice in each window, at the lag that is best over the film; 0 where one rests."""
    lag = lag_of(opening, voice)
    found = []
    for first, last in windows:
        begin, end = max(first, lag), min(last, len(opening) + min(0, lag))
        found.append(_correlation(opening[begin:end], voice[begin - lag : end - lag]))
    return np.array(found)


def _spans(windows: Sequence[Span], wanted: np.ndarray) -> tuple[Span, ...]:
    """The wanted windows, those that touch put together."""
    spans: list[Span] = []
    for window, is_wanted in zip(windows, wanted, strict=True):
        if is_wanted and spans and window[0] <= spans[-1][1]:
            spans[-1] = (spans[-1][0], window[1])
        elif is_wanted:
            spans.append(window)
    return tuple(spans)


def _best_of_overlapping(wrong: Sequence[WrongVoice]) -> tuple[WrongVoice, ...]:
    """In the order of time; where two share frames, the one that fits better."""
    kept: list[WrongVoice] = []
    for one in sorted(wrong, key=lambda w: -w.fit):
        if all(one.span[1] <= other.span[0] or other.span[1] <= one.span[0] for other in kept):
            kept.append(one)
    return tuple(sorted(kept, key=lambda w: w.span))


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
