"""The project's own examples in web/examples: who says what, and how they were made.

    python -m interacthuman.interact_core.theatre.sample_speech

writes the pictures and their masks again and, where espeak-ng is installed, the recordings. The sentences are this
project's; the sound is espeak-ng's synthesis of them, in voices that training never uses
(voices.HELD_OUT_VOICES); both are under this project's licence.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..examples import GROUP, IN_GROUP, NAMES, mask_file, portrait_file, recording_file
from ..metrics.puppets.drawing import SUPERSAMPLE, Canvas, Look, Pose, draw_puppet, portrait
from .demo_characters import draw_characters
from .scenes import Backdrop, Scene, render
from .scenes import Path as Place
from .voices import HELD_OUT_VOICES, RATE, espeak, has_espeak

PEAK = 0.8  # of full scale
SEED = 3  # of the looks, as in the demo: it draws four that are easy to tell apart
WIDTH, HEIGHT = 384, 256  # of a portrait in pixels: pleasant to look at, and of the theatre's proportions
BACKDROP = Backdrop(
    top=(214, 230, 240),
    bottom=(240, 228, 212),
    hills=(
        (90.0, 262.0, 150.0, 62.0, (214, 232, 210), 0.0),
        (300.0, 258.0, 130.0, 52.0, (226, 220, 238), 0.0),
    ),
)
"""Of the group's picture; hills in pixels."""


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


def silhouette(look: Look) -> np.ndarray:
    """Where the puppet is in its portrait: uint8 [HEIGHT, WIDTH], 255 on it."""
    import cv2

    rows, columns = HEIGHT * SUPERSAMPLE, WIDTH * SUPERSAMPLE
    mask = np.zeros((rows, columns), np.uint8)
    pose = Pose(WIDTH / 2, HEIGHT * 0.42, HEIGHT * 0.2)  # as `portrait` has it
    draw_puppet(Canvas(np.zeros((rows, columns, 3), np.uint8), mask), look, pose)
    return cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def group_picture() -> tuple[np.ndarray, np.ndarray]:
    """IN_GROUP side by side with closed mouths: uint8 RGB [HEIGHT, WIDTH, 3], and where they are [HEIGHT, WIDTH]."""
    looks = {one.name: one.look for one in draw_characters(sample_files(len(NAMES)), SEED)}
    apart = WIDTH / len(IN_GROUP)
    places = tuple(
        Place((place + 0.5) * apart, HEIGHT * 0.44, HEIGHT * 0.2, 0.0, 0.0, 0.0, 0.0)
        for place in range(len(IN_GROUP))
    )
    scene = Scene(WIDTH, HEIGHT, tuple(looks[name] for name in IN_GROUP), places, BACKDROP)
    drawn = render(scene, np.zeros((len(IN_GROUP), 1), np.float32))
    return drawn.frames[0], np.round(drawn.masks[:, 0].max(0) * 255).astype(np.uint8)


def write_pictures() -> None:
    from PIL import Image

    pictures = {
        one.name: (portrait(one.look, WIDTH, HEIGHT), silhouette(one.look))
        for one in draw_characters(sample_files(len(NAMES)), SEED)
    }
    for name, (picture, mask) in {**pictures, GROUP: group_picture()}.items():
        Image.fromarray(picture).save(portrait_file(name), optimize=True)
        Image.fromarray(mask).save(mask_file(name), optimize=True)


def main() -> None:
    write_pictures()
    if not has_espeak():
        sys.exit("The recordings stay as they are: making them needs espeak-ng.")
    write_recordings()


if __name__ == "__main__":
    main()
