"""A clip's side files, as the stages that look at people read and write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...media import read_sound
from ...metrics.loudness import loudness
from ...metrics.types import Film
from ...scoring.films import open_film
from ...whole_file import whole_file
from ..pipeline.record import RATE, SOUND, VIDEO, Places, Record
from .speaking import in_spans, runs_of

KINDS = ("public", "theatre")
KIND = "who looks at the clips: public models from local folders, or the theatre's, which know puppets by their colours"
LOOKS = "the theatre's looks by film (a JSON file), for kind = 'theatre'"
SILENT = 1e-4  # of full scale: a sound that nowhere exceeds it is none
DEVICE = "where the model runs, by torch's name; empty: on the GPU where there is one"


def open_clip(record: Record, places: Places) -> Film:
    """The clip's frames as a stream, called by the name of the raw film."""
    return replace(open_film(places.folder(record) / VIDEO).film, name=record.source)


def clip_sound(record: Record, places: Places) -> np.ndarray:
    """The clip's sound, float32 [samples] at RATE."""
    return read_sound(places.folder(record) / SOUND, RATE)[0]


def level_of(sound: np.ndarray, film: Film) -> np.ndarray:
    """How loud a clip's sound is at each frame, float [F]; 1 is the 90th percentile of where it sounds, 0 silence."""
    level = loudness(sound, RATE, film.fps, film.frames)
    if level.max(initial=0.0) < SILENT:
        return np.zeros_like(level)
    return level / np.percentile(level[level > 0.1 * level.max()], 90)


def device_of(name: str) -> str:
    """The device of a key: the name, or what there is."""
    import torch

    return name or ("cuda" if torch.cuda.is_available() else "cpu")


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a side file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        write(file)


def spans_of(shown: np.ndarray, fps: float) -> list[tuple[float, float]]:
    """Spans of seconds in which a row of bool [F] is true."""
    return [(first / fps, last / fps) for first, last in runs_of(shown)]


def frames_in(spans: Sequence[tuple[float, float]], frames: int, fps: float) -> np.ndarray:
    """Bool [F]: what `spans_of` came from."""
    return in_spans([(round(first * fps), round(last * fps)) for first, last in spans], frames)
