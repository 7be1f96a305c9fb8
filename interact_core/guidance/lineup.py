"""Who is who among the people that were found in a start image: names, order, merges, and who is left out.

The JSON is what a workflow keeps, and what web/people writes:

    {"people": [{"name": "Mira", "at": [[0.21, 0.55]]}, {"name": "Tobi", "at": [[0.6, 0.5], [0.8, 0.52]]}],
     "dropped": [[0.93, 0.4]]}

A point is a place on somebody, as shares of the picture's width and height: it stays true where another threshold finds
more people, or the picture is scaled. Several points are one person whom something parts. Those of whom the JSON says
nothing come behind the others, from left to right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import json_values
from ..errors import InteractError, one_line
from .people import opencv

MAX_PEOPLE = 64  # in the JSON; as many as InterAct Pick Person counts
MAX_CHARACTERS = 100_000  # of the JSON
EXACT = 4  # decimals of a point
PERSON_KEYS = frozenset({"name", "at"})

Point = tuple[float, float]
"""x and y as shares of width and height, 0..1."""


@dataclass(frozen=True)
class Entry:
    """Somebody of the JSON. name: "" for the default one; at: a point on each part of the person, at least one."""

    name: str
    at: tuple[Point, ...]


@dataclass(frozen=True)
class Edits:
    """people: in the order of their numbers; dropped: a point on each that is left out; unknown: keys not read here."""

    people: tuple[Entry, ...] = ()
    dropped: tuple[Point, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Person:
    """found: which of the people that were found, from 0; several where they were merged. edited: by the JSON."""

    name: str
    found: tuple[int, ...]
    edited: bool


@dataclass(frozen=True)
class Lineup:
    """people: in the order of their numbers; dropped: which of the people that were found are left out."""

    people: tuple[Person, ...]
    dropped: tuple[int, ...]

    def masks(self, found: Tensor) -> Tensor:
        """The masks of the lineup [M, H, W] out of those that were found [N, H, W]."""
        return torch.stack([found[list(person.found)].amax(0) for person in self.people])


def read_edits(text: str) -> Edits:
    """The edits of a JSON text; "" is none. Raises InteractError for whatever it cannot be."""
    how = (
        "press Start over on InterAct People, or write "
        '{"people": [{"name": "Mira", "at": [[0.25, 0.5]]}], "dropped": [[0.9, 0.5]]}.'
    )
    given = json_values.read_json(text, "people", MAX_CHARACTERS, how)
    entries = json_values.items(given.get("people", []), "people")
    dropped = json_values.items(given.get("dropped", []), "dropped people")
    if len(entries) + len(dropped) > MAX_PEOPLE:
        raise InteractError(f"people names {len(entries) + len(dropped)} people; {MAX_PEOPLE} are the most.")
    unknown = set(given) - {"people", "dropped"}
    people = tuple(_read_entry(entry, number, unknown) for number, entry in enumerate(entries, 1))
    named = [entry.name for entry in people if entry.name]
    for name in named:
        if named.count(name) > 1:
            raise InteractError(f"Two people are named {one_line(name, 60)!r}: give each a name of its own.")
    points = tuple(_read_point(point, f"Dropped person {at}") for at, point in enumerate(dropped, 1))
    return Edits(people, points, tuple(sorted(map(one_line, unknown))))


def _read_entry(given: Any, number: int, unknown: set[str]) -> Entry:
    where = f"Person {number} of people"
    entry = json_values.mapping(given, where)
    unknown |= set(entry) - PERSON_KEYS
    at = json_values.items(entry.get("at", []), f"points of person {number}")
    if not at or len(at) > MAX_PEOPLE:
        raise InteractError(
            f'{where} has {len(at)} points, expected 1 to {MAX_PEOPLE}: write "at": [[0.25, 0.5]] for somebody at a '
            "quarter of the picture's width and half of its height."
        )
    name = json_values.text(entry.get("name", ""), f"The name of person {number}").strip()
    return Entry(name, tuple(_read_point(point, where) for point in at))


def _read_point(given: Any, where: str) -> Point:
    point = json_values.items(given, f"coordinates of {where[0].lower()}{where[1:]}")
    if len(point) != 2:
        raise InteractError(
            f"{where} has a point of {len(point)} numbers; write x and y, such as [0.25, 0.5]."
        )
    x, y = (json_values.number(value, f"{where}: a coordinate", 0.0, 1.0) for value in point)
    return x, y


def line_up(edits: Edits, found: Tensor) -> Lineup:
    """Gives the people that were found [N, H, W] their names and numbers.

    Raises InteractError for a point at which nobody was found, as everybody behind would get another's voice, and where
    nobody is left.
    """
    places = places_of(found)
    free = set(range(len(places)))
    dropped = []
    for point in edits.dropped:
        gone = _found_at(point, found, places, free)
        if gone is not None:  # who is not there is left out already
            free.discard(gone)
            dropped.append(gone)
    named: list[tuple[str, tuple[int, ...], bool]] = []
    for number, entry in enumerate(edits.people, 1):
        parts = []
        for point in entry.at:
            part = _found_at(point, found, places, free)
            if part is None:
                raise _nobody_there(entry.name or f"Person {number}", point)
            free.discard(part)
            parts.append(part)
        named.append((entry.name, tuple(parts), True))
    named += [("", (rest,), False) for rest in sorted(free)]
    if not named:
        raise InteractError("Everybody is dropped: bring somebody back on InterAct People.")
    taken = {name for name, _, _ in named}
    people = []
    for number, (name, parts, edited) in enumerate(named, 1):
        called = name or _default_name(number, taken)
        taken.add(called)
        people.append(Person(called, parts, edited))
    return Lineup(tuple(people), tuple(sorted(dropped)))


def places_of(found: Tensor) -> list[Point]:
    """A point well inside of each of the people [N, H, W]: as far from the outline as can be, in the middle of such."""
    cv2 = opencv()
    height, width = found.shape[1:]
    places = []
    for mask in found:
        drawn = cv2.copyMakeBorder((mask > 0.5).byte().numpy(), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        depth = torch.from_numpy(cv2.distanceTransform(drawn, cv2.DIST_L2, 5))[1:-1, 1:-1]
        deepest = (depth >= depth.max() - 0.5).nonzero()
        middle = (mask > 0.5).nonzero().float().mean(0)
        row, column = deepest[int((deepest - middle).square().sum(1).argmin())].tolist()
        places.append((round((column + 0.5) / width, EXACT), round((row + 0.5) / height, EXACT)))
    return places


def _found_at(point: Point, found: Tensor, places: Sequence[Point], free: set[int]) -> int | None:
    """Whose mask covers a point, the one whose own place is nearest where several do; None for nobody."""
    height, width = found.shape[1:]
    column, row = min(int(point[0] * width), width - 1), min(int(point[1] * height), height - 1)
    there = [number for number in sorted(free) if float(found[number, row, column]) > 0.5]

    def distance(number: int) -> float:
        x, y = places[number]
        return ((x - point[0]) * width) ** 2 + ((y - point[1]) * height) ** 2

    return min(there, key=distance, default=None)


def _default_name(number: int, taken: set[str]) -> str:
    """As lanes of a dialogue are called; the next number where somebody has the name already."""
    while f"Character {number}" in taken:
        number += 1
    return f"Character {number}"


def _nobody_there(name: str, point: Point) -> InteractError:
    x, y = (f"{100 * share:.0f} %" for share in point)
    return InteractError(
        f"{one_line(name, 60)!r} is expected {x} from the left and {y} from the top of the picture, but nobody else "
        "was found there: for another picture press Start over on InterAct People; for the same one lower the "
        "threshold of the node that looks for people."
    )
