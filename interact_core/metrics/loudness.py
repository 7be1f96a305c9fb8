"""How loud a voice is at each frame of a film, how far it would open a mouth, and when it speaks. NumPy alone."""

from __future__ import annotations

import numpy as np

SPOKEN = 0.15  # of a voice's own loud parts: a mouth's opening above which it speaks
PAUSE = 0.4  # seconds; a shorter pause belongs to the speech around it


def loudness(waveform: np.ndarray, rate: int, fps: float, frames: int, begin: int = 0) -> np.ndarray:
    """Root mean square of the sound around each video frame, [frames].

    waveform [samples]; begin: the sample at which frame 0 begins; frame f looks at 1.5 frame durations around
    (f + 0.5) / fps from there; beyond the recording is silence.
    """
    half = 0.75 * rate / fps
    power = np.concatenate([[0.0], np.cumsum(np.asarray(waveform, np.float64) ** 2)])
    centre = begin + (np.arange(frames) + 0.5) * rate / fps
    first, last = (
        np.clip(np.round(edge), 0, len(waveform)).astype(int) for edge in (centre - half, centre + half)
    )
    return np.sqrt((power[last] - power[first]) / (2 * half))


def mouth_opening(waveform: np.ndarray, rate: int, fps: float, frames: int, begin: int = 0) -> np.ndarray:
    """How far the mouth is open at each frame, float32 [frames] in 0..1.

    The loudness relative to the recording's own loud parts (the 90th percentile of its sounding frames),
    so that a quiet recording opens the mouth as far as a loud one; below a tenth of that the mouth is shut.
    begin: the sample at which frame 0 begins; what lies before it counts among the loud parts all the same.
    """
    whole = loudness(waveform, rate, fps, int(np.ceil(len(waveform) / rate * fps)))
    if whole.size == 0 or whole.max() < 1e-6:
        return np.zeros(frames, np.float32)
    loud = np.percentile(whole[whole > 0.1 * whole.max()], 90)
    level = loudness(waveform, rate, fps, frames, begin) / loud
    level[begin + np.arange(frames) * rate / fps >= len(waveform)] = 0.0  # frames that begin after its end
    return np.clip((level - 0.1) / 0.9, 0, 1).astype(np.float32)


def speaking_spans(opening: np.ndarray, fps: float) -> tuple[tuple[int, int], ...]:
    """Spans of frames, first and one after the last, in which a voice speaks; () where it never does.

    opening: float [F], the voice's `mouth_opening`. Pauses shorter than PAUSE count as speech.
    """
    spoken = np.flatnonzero(np.asarray(opening) > SPOKEN)
    if not spoken.size:
        return ()
    breaks = np.flatnonzero(np.diff(spoken) > PAUSE * fps)
    firsts = spoken[np.concatenate([[0], breaks + 1])]
    lasts = spoken[np.concatenate([breaks, [len(spoken) - 1]])]
    return tuple((int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True))
