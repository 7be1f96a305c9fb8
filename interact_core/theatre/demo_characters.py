"""The characters of a demo: names, looks drawn from a seed, recordings, and the files that a graph loads."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..examples import NAMES
from ..metrics.puppets.drawing import Look, portrait, random_looks

FIRST_SEED = 8_000_000  # training draws its scenes from seeds below 1,000,000, the benches from 9,000,000
WIDTH, HEIGHT = 192, 128  # of a portrait in pixels: the size of the theatre's video


@dataclass(frozen=True)
class DemoCharacter:
    """A puppet with a name, a look and the recording that it speaks."""

    name: str
    look: Look
    recording: Path

    @property
    def image_file(self) -> str:
        """Name of the portrait in ComfyUI's input folder."""
        return f"interact_{self.name.lower()}.png"

    @property
    def sound_file(self) -> str:
        """Name of the recording in ComfyUI's input folder."""
        return f"interact_{self.name.lower()}{self.recording.suffix.lower()}"


def draw_characters(recordings: Sequence[Path], seed: int) -> tuple[DemoCharacter, ...]:
    """One character for each of one to four recordings; the same seed draws the same looks in the same order.

    Raises ValueError for any other number of recordings.
    """
    if not 1 <= len(recordings) <= len(NAMES):
        raise ValueError(
            f"Give one to {len(NAMES)} recordings, one for each character, not {len(recordings)}."
        )
    looks = random_looks(np.random.default_rng(FIRST_SEED + seed), len(recordings))
    return tuple(DemoCharacter(*each) for each in zip(NAMES, looks, recordings))


def write_input_files(characters: Sequence[DemoCharacter], folder: Path) -> None:
    """Write portraits and recordings where LoadImage and LoadAudio find them."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    for character in characters:
        picture = cv2.cvtColor(portrait(character.look, WIDTH, HEIGHT), cv2.COLOR_RGB2BGR)
        written, data = cv2.imencode(".png", picture)
        assert written
        (folder / character.image_file).write_bytes(
            data.tobytes()
        )  # cv2.imwrite fails at some paths on Windows
        shutil.copyfile(character.recording, folder / character.sound_file)
