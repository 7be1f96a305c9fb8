"""The project's own examples in web/examples: who says what, and how they were made.

    python -m interacthuman.interact_core.theatre.sample_speech

writes the portraits again and, where espeak-ng is installed, the recordings. The sentences are this
project's; the sound is espeak-ng's synthesis of them, in voices that training never uses
(voices.HELD_OUT_VOICES); both are under this project's licence.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..examples import NAMES, portrait_file, recording_file
from ..metrics.puppets.drawing import portrait
from .demo_characters import draw_characters
from .voices import HELD_OUT_VOICES, RATE, espeak, has_espeak

PEAK = 0.8  # of full scale
SEED = 3  # of the looks, as in the demo: it draws four that are easy to tell apart
WIDTH, HEIGHT = 384, 256  # of a portrait in pixels: pleasant to look at, and of the theatre's proportions


@dataclass(frozen=True)
class Line:
    """One recording: whose it is, espeak-ng voice, words per minute, pitch 0..99, and the text."""

    name: str
    voice: str
    speed: int
    pitch: int
    text: str


LINES = (
    Line("Mira", "en-gb-scotland", 145, 45, "Tonight you play the clever one and I shall play the king."),
    Line("Tobi", "es+f1", 150, 62, "Yo soy la reina y tú guardas todos los sombreros."),
    Line("Elsa", "fr", 140, 30, "La lune nous écoute et elle adore rire avec nous."),
    Line("Bruno", "cs+f5", 145, 75, "Starý kouzelník spí a malý drak má velký hlad."),
)


def sample_files(count: int) -> tuple[Path, ...]:
    """The first `count` recordings, 1 to 4."""
    return tuple(recording_file(name) for name in NAMES[:count])


def speak(line: Line) -> np.ndarray:
    """The line as int16 [samples] at RATE, without the silence before and after it."""
    wave = espeak(line.text, line.voice, line.speed, line.pitch)
    sounding = np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max())
    wave = wave[sounding[0] : sounding[-1] + 1]
    return np.round(wave / np.abs(wave).max() * PEAK * 32767).astype(np.int16)


def write_recordings() -> None:
    from scipy.io import wavfile

    for line in LINES:
        assert line.voice in HELD_OUT_VOICES
        wavfile.write(recording_file(line.name), RATE, speak(line))


def write_portraits() -> None:
    from PIL import Image

    for character in draw_characters(sample_files(len(NAMES)), SEED):
        picture = Image.fromarray(portrait(character.look, WIDTH, HEIGHT))
        picture.save(portrait_file(character.name), optimize=True)


def main() -> None:
    write_portraits()
    if not has_espeak():
        sys.exit("The recordings stay as they are: making them needs espeak-ng.")
    write_recordings()


if __name__ == "__main__":
    main()
