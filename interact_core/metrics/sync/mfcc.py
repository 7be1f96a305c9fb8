"""MFCC of a voice as SyncNet was trained on them: those of python_speech_features with its defaults.

NumPy's FFT and SciPy's DCT (ComfyUI brings SciPy). Equal to python_speech_features 0.6 to 1e-5
(tests/metrics/sync/test_mfcc.py). torchaudio's MFCC is another: its triangles are not laid on whole bins, it has no
lifter, adds 1e-6 before the logarithm and leaves the energy out.
"""

from __future__ import annotations

import numpy as np

from ..types import VOICE_RATE

HOP = 160  # samples from one column to the next: 10 ms
LENGTH = 400  # samples of a column, 25 ms, without a window function
COEFFICIENTS = 13

INT16_SCALE = 32768.0
FFT_SIZE = 512
FILTERS = 26
PREEMPHASIS = 0.97
LIFTER = 22
BLOCK = 4096  # columns at once: ten minutes of them would take a gigabyte


def mfcc(voice: np.ndarray) -> np.ndarray:
    """Float32 [columns, 13] of a voice, float [samples] mono at 16 kHz, full scale 1.

    The samples are rounded to whole numbers of 16 bits first, as the original reads them from a WAV file. A voice of
    LENGTH samples or less has one column; the last column is filled up with zeros.
    """
    samples = np.clip(np.round(np.asarray(voice, np.float64) * INT16_SCALE), -INT16_SCALE, INT16_SCALE - 1)
    columns = 1 + max(0, -(-(len(samples) - LENGTH) // HOP))
    sound = np.zeros((columns - 1) * HOP + LENGTH)
    sound[: len(samples)] = samples
    sound[1 : len(samples)] -= PREEMPHASIS * samples[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(sound, LENGTH)[::HOP]
    filters = _triangles().T
    blocks = [_coefficients(frames[at : at + BLOCK], filters) for at in range(0, columns, BLOCK)]
    return np.concatenate(blocks)


def _coefficients(frames: np.ndarray, filters: np.ndarray) -> np.ndarray:
    from scipy.fft import dct

    power = np.abs(np.fft.rfft(frames, FFT_SIZE)) ** 2 / FFT_SIZE
    cepstra = np.asarray(dct(_log(power @ filters), type=2, axis=1, norm="ortho"))[:, :COEFFICIENTS]
    cepstra *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    cepstra[:, 0] = _log(power.sum(1))
    return cepstra.astype(np.float32)


def _log(values: np.ndarray) -> np.ndarray:
    """Of 0, digital silence, that of the smallest step of a float."""
    return np.log(np.where(values == 0, np.finfo(float).eps, values))


def _triangles() -> np.ndarray:
    """The mel filters, [26, 257]: evenly spaced in mel from 0 Hz to half the rate, their corners on whole bins."""
    mel = np.linspace(0, 2595 * np.log10(1 + VOICE_RATE / 2 / 700), FILTERS + 2)
    corners = np.floor((FFT_SIZE + 1) * 700 * (10 ** (mel / 2595) - 1) / VOICE_RATE)
    low, middle, high = (corners[k : k + FILTERS, None] for k in range(3))
    bins = np.arange(FFT_SIZE // 2 + 1)
    return np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)
