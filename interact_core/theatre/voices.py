"""Voices of the theatre: a babble synthesiser, espeak-ng where it is installed, and how a mouth follows a
voice.

A mouth's truth is a function of the waveform alone (`mouth_opening`), so any recording can be judged.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ..metrics.loudness import mouth_opening as mouth_opening

RATE = 16000  # samples per second of everything synthesised here

# espeak-ng voices, and sentences. The held-out ones never sound in training.
TRAINING_VOICES = (
    "en-us",
    "en-gb+m3",
    "de",
    "it+f2",
    "nl",
    "sv+m2",
    "pt",
    "ro+f4",
    "hu",
    "fi+m5",
    "tr",
    "en-us+f3",
)
HELD_OUT_VOICES = ("es+f1", "fr", "pl+m4", "cs+f5", "en-gb-scotland", "el+m1")
SENTENCES = (
    "Good evening and welcome to the smallest theatre in town.",
    "I never said that the moon was made of cheese, did I?",
    "Wait, wait, wait. Listen to me for one moment, please.",
    "Seven silver spoons were hidden under the old piano.",
    "No! Yes! Maybe tomorrow, when the rain has stopped.",
    "Our neighbour's cat plays chess better than the mayor.",
    "Would anybody like another cup of tea before we begin?",
    "He laughed, she danced, and nobody noticed the time.",
)


def _resonate(source: np.ndarray, frequency: float, bandwidth: float) -> np.ndarray:
    from scipy.signal import lfilter

    r = np.exp(-np.pi * bandwidth / RATE)
    return lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * frequency / RATE), r * r], source)


def _syllable(rng: np.random.Generator, pitch: float, tract: float) -> np.ndarray:
    length = int(RATE * rng.uniform(0.09, 0.3))
    glide = pitch * np.linspace(1, rng.uniform(0.8, 1.25), length) * (1 + 0.01 * rng.normal())
    phase = np.cumsum(glide) / RATE
    voiced = (phase % 1.0) ** 3 - 0.25 + 0.02 * rng.normal(size=length)
    if rng.random() < 0.3:  # a hissing onset
        onset = int(length * rng.uniform(0.15, 0.4))
        voiced[:onset] = 0.4 * rng.normal(size=onset)
    first, second = rng.uniform(280, 850) * tract, rng.uniform(900, 2400) * tract
    sound = (
        _resonate(voiced, first, 90)
        + 0.6 * _resonate(voiced, second, 120)
        + 0.2 * _resonate(voiced, 3000 * tract, 250)
    )
    rise, fall = rng.uniform(0.1, 0.3), rng.uniform(0.2, 0.5)
    t = np.linspace(0, 1, length)
    shape = np.clip(t / rise, 0, 1) * np.clip((1 - t) / fall, 0, 1)
    return sound / (np.abs(sound).max() + 1e-9) * shape * rng.uniform(0.25, 1.0)


def babble(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Nonsense speech of one random speaker: syllables, pauses, a little noise. float32 [seconds * RATE],
    peak <= 1.
    """
    pitch, tract = rng.uniform(85, 280), rng.uniform(0.85, 1.2)
    total, pieces, at = int(seconds * RATE), [], 0
    while at < total:
        quiet = rng.uniform(0.25, 0.7) if rng.random() < 0.18 else rng.uniform(0.0, 0.09)
        pieces += [np.zeros(int(RATE * quiet)), _syllable(rng, pitch * rng.uniform(0.9, 1.15), tract)]
        at += len(pieces[-1]) + len(pieces[-2])
    wave = np.concatenate(pieces)[:total]
    wave += rng.normal(size=total) * 10 ** rng.uniform(-4, -2.3)
    return (wave * rng.uniform(0.2, 0.95) / np.abs(wave).max()).astype(np.float32)


def has_espeak() -> bool:
    return shutil.which("espeak-ng") is not None


def espeak(text: str, voice: str, speed: int = 160, pitch: int = 50) -> np.ndarray:
    """One sentence spoken by espeak-ng, resampled to RATE. float32 [samples]."""
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        subprocess.run(
            ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(path), text],
            check=True,
            capture_output=True,
        )
        rate, samples = wavfile.read(path)
    return resample_poly(samples.astype(np.float32) / 32768, RATE, rate).astype(np.float32)


def training_recordings(rng: np.random.Generator, count: int, seconds: float = 4.0) -> list[np.ndarray]:
    """Recordings for training: babble, and as many espeak-ng sentences where it is installed."""
    recordings = []
    for k in range(count):
        if k % 2 and has_espeak():
            wave = espeak(
                str(rng.choice(SENTENCES)),
                str(rng.choice(TRAINING_VOICES)),
                int(rng.integers(120, 200)),
                int(rng.integers(20, 80)),
            )[: int(seconds * RATE)]
            wave = wave * rng.uniform(0.2, 1.0) + rng.normal(size=len(wave)) * 10 ** rng.uniform(-4.5, -2.5)
            recordings.append(wave.astype(np.float32))
        else:
            recordings.append(babble(rng, seconds))
    return recordings
