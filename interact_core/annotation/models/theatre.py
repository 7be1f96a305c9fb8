"""The theatre's own eyes: its puppets are known by their colours, so that the whole pipeline works without a network.

An oracle is told who may appear in a film, as looks, and finds out by the pictures who does, where, and how far their
mouths are open. It is never told which voice is whose.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InteractError, one_line
from ...metrics import lips
from ...metrics.puppets.drawing import Look
from ...metrics.puppets.faces import find_heads
from ...metrics.puppets.reading import read_clip
from ...metrics.puppets.segmentation import palette, segment
from ...metrics.types import Film, Person
from .segmenter import Segments
from .talker import Faces

PART = 128  # frames that are looked at at once: heads keep one size over such a part
NEAR = 30.0  # RGB distance up to which a pixel has a look's colour
LEAST_AREA = 0.002  # of the frame that each of a present puppet's colours fills
LEAST_FIT = 45.0  # RGB distance of a face from its drawing; faces that are there fit by 10 to 30
FACE_HALF = 1.0  # head radii from a head's middle to the sides of a face's box
LOOKED_AT = 3  # frames of a clip in which is looked for who is there


@dataclass(frozen=True)
class TheatreCast:
    """Who may appear: looks by the name of the raw film."""

    films: Mapping[str, tuple[Look, ...]]

    def of(self, film: Film) -> tuple[Look, ...]:
        """The looks of a film. Raises InteractError for a film that the file does not name."""
        if film.name not in self.films:
            raise InteractError(f"The file of looks does not name {film.name}: write its looks into it.")
        return self.films[film.name]

    def named(self, film: Film, phrases: Sequence[str]) -> list[Look]:
        """The looks that are meant by phrases. Raises InteractError for a phrase of nobody."""
        by_phrase = {phrase_of(look): look for look in self.of(film)}
        unknown = next((phrase for phrase in phrases if phrase not in by_phrase), None)
        if unknown is not None:
            raise InteractError(f"No puppet of {film.name} is {one_line(repr(unknown))}.")
        return [by_phrase[phrase] for phrase in phrases]


def read_cast(path: Path) -> TheatreCast:
    """The theatre's looks.json: by film a list of looks. Raises InteractError for anything else."""
    try:
        films = json.loads(path.read_text(encoding="utf-8"))
        return TheatreCast({film: tuple(_look(one) for one in looks) for film, looks in films.items()})
    except OSError as error:
        raise InteractError(f"{path} cannot be read ({error.strerror}): name a file of looks.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InteractError(f"{path} is no file of looks: {one_line(error)}.") from error


def _look(about: Mapping[str, Any]) -> Look:
    values: dict[str, Any] = {field.name: about[field.name] for field in fields(Look)}
    for name, value in values.items():
        values[name] = tuple(value) if isinstance(value, list) else value  # JSON has no tuples
    return Look(**values)


def phrase_of(look: Look) -> str:
    """What tells a puppet from all others, in words."""
    return f"the puppet with {_hex(look.felt)} felt, {_hex(look.hair)} hair and a {_hex(look.shirt)} shirt"


def _hex(colour: Sequence[int]) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)


def present(frames: np.ndarray, looks: Sequence[Look]) -> list[int]:
    """Numbers of the looks that some of these frames uint8 [n, H, W, 3] show, from left to right.

    Somebody is there whose colours fill some of a frame and whose face fits their drawing.
    """
    places: dict[int, float] = {}
    pictures = frames.astype(np.float32)
    for number, look in enumerate(looks):
        near = np.stack([_near(pictures, colour) for colour in palette(look)])
        colourful = (near.mean((2, 3)) >= LEAST_AREA).all(0)
        if not colourful.any():
            continue
        felt = near[0][colourful]  # its face is there, if anywhere
        heads = find_heads(frames[colourful], look, felt, np.zeros_like(felt))
        fits = heads.distance < LEAST_FIT
        if fits.any():
            places[number] = float(heads.x[fits][0])
    return sorted(places, key=lambda number: places[number])


def _near(pictures: np.ndarray, colour: Sequence[int]) -> np.ndarray:
    """Where float32 pictures [n, H, W, 3] have a colour, bool [n, H, W]."""
    return np.asarray(np.square(pictures - np.asarray(colour, np.float32)).sum(-1) < NEAR**2)


def _some(film: Film) -> np.ndarray:
    numbers = np.linspace(0, film.frames - 1, LOOKED_AT + 2).round().astype(int)[1:-1]
    return film.pick(np.unique(numbers))


class TheatreCaptioner:
    """Answers as a vision-language model is asked to, whatever the question is."""

    def __init__(self, cast: TheatreCast) -> None:
        self.cast = cast

    def answer(self, film: Film, frames: Sequence[int], question: str) -> str:
        """Who is there, from left to right, as JSON."""
        shown, looks = film.pick(frames), self.cast.of(film)
        here = [looks[number] for number in present(shown, looks)]
        talks = np.zeros(0, bool)
        if here:
            talks = np.asarray((read_clip(shown, here).openings > lips.OPEN).any(1))
        people = [
            {
                "who": f"puppet {place}",
                "phrase": phrase_of(look),
                "clothes": f"a {_hex(look.shirt)} shirt",
                "talks": bool(talking),
            }
            for place, (look, talking) in enumerate(zip(here, talks, strict=True), start=1)
        ]
        caption = f"{len(here)} felt puppet{'' if len(here) == 1 else 's'} on a stage."
        return json.dumps({"caption": caption, "people": people})


class TheatreSegmenter:
    """Finds puppets by their colours (metrics/puppets/segmentation.py)."""

    def __init__(self, cast: TheatreCast) -> None:
        self.cast = cast

    def segment(self, film: Film, phrases: Sequence[str]) -> Segments:
        """Masks of the puppets that the phrases mean; confidence 1 where a puppet is seen."""
        looks = self.cast.named(film, phrases)
        masks = np.concatenate([segment(frames, looks) for frames in film.chunks()], axis=1)
        people = len(present(_some(film), self.cast.of(film)))
        return Segments(masks, np.asarray(masks.any((2, 3)), np.float32), people)


class TheatreTalker:
    """Reads mouths by the drawings (metrics/puppets/faces.py); people are called by their phrases."""

    def __init__(self, cast: TheatreCast) -> None:
        self.cast = cast

    def faces(self, film: Film, people: Sequence[Person]) -> Faces:
        """Mouths and faces of puppets whose masks are known."""
        looks = self.cast.named(film, [person.name for person in people])
        frames = film.pick(range(film.frames))
        masks = np.stack([np.asarray(person.mask, bool) for person in people])
        openings, boxes = [], []
        for at in range(0, film.frames, PART):
            part = slice(at, at + PART)
            reading = read_clip(frames[part], looks, masks[:, part])
            openings.append(reading.openings)
            boxes.append(
                [
                    np.where(head.found[:, None], _box(head.x, head.y, head.radius), np.nan)
                    for head in reading.heads
                ]
            )
        return Faces(np.concatenate(openings, 1), np.concatenate(boxes, 1), lips.OPEN)

    def matrix(self, film: Film, people: Sequence[Person], faces: Faces) -> None:
        """SyncNet has never seen a puppet: lips alone are compared."""


def _box(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    half = FACE_HALF * radius
    return np.stack([x - half, y - half, x + half, y + half], 1)
