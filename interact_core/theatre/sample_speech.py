"""The project's own sample recordings: who says what in samples/*.wav, and how they were made.

    python -m interacthuman.interact_core.theatre.sample_speech

writes them again where espeak-ng is installed. The sentences are this project's; the sound is espeak-ng's
synthesis of them, in voices that training never hears (voices.HELD_OUT_VOICES); both are under this project's
licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .voices import HELD_OUT_VOICES, RATE, espeak

FOLDER = Path(__file__).parent / "samples"
PEAK = 0.8  # of full scale


@dataclass(frozen=True)
class Line:
    """One recording: file name, espeak-ng voice, words per minute, pitch 0..99, and the words."""

    file: str
    voice: str
    speed: int
    pitch: int
    text: str


LINES = (
    Line("one.wav", "en-gb-scotland", 145, 45, "Tonight you play the clever one and I shall play the king."),
    Line("two.wav", "es+f1", 150, 62, "Yo soy la reina y tú guardas todos los sombreros."),
    Line("three.wav", "fr", 140, 30, "La lune nous écoute et elle adore rire avec nous."),
    Line("four.wav", "cs+f5", 145, 75, "Starý kouzelník spí a malý drak má velký hlad."),
)


def sample_files(count: int) -> tuple[Path, ...]:
    """The first `count` recordings, 1 to 4."""
    return tuple(FOLDER / line.file for line in LINES[:count])


def speak(line: Line) -> np.ndarray:
    """The line as int16 [samples] at RATE, without the silence before and after it."""
    wave = espeak(line.text, line.voice, line.speed, line.pitch)
    sounding = np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max())
    wave = wave[sounding[0] : sounding[-1] + 1]
    return np.round(wave / np.abs(wave).max() * PEAK * 32767).astype(np.int16)


def main() -> None:
    from scipy.io import wavfile

    FOLDER.mkdir(exist_ok=True)
    for line in LINES:
        assert line.voice in HELD_OUT_VOICES
        wavfile.write(FOLDER / line.file, RATE, speak(line))


if __name__ == "__main__":
    main()
