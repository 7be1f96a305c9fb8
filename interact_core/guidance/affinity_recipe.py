"""Where in a model likeness is looked for: blocks, features and attention heads, as a text that people can share.

One block's hidden features are a guess that fits no model best. In the theatre the queries and keys of one attention
head, before their positions are rotated in, say who is where far better (adapter/affinity.py), and which head it is
differs from model to model.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeGuard

from ..errors import InteractError, one_line

FORMAT = "interact_affinity"
VERSION = 1
HIDDEN, QUERY_KEY = "hidden", "query_key"
MOST_CHARACTERS = 10_000
MOST_PLACES = 64

EXAMPLE = '{"interact_affinity": 1, "places": [{"block": 3, "features": "query_key", "head": 0}]}'
"""For theatre_wan."""


@dataclass(frozen=True)
class Place:
    """Features of one block: "hidden", what comes out of it; "query_key", of its self-attention without RoPE.

    head: one attention head of query_key, or None for all of them together.
    """

    block: int
    features: str = HIDDEN
    head: int | None = None

    def __str__(self) -> str:
        """As it is told: "block 3, hidden", "block 3, query_key, head 0"."""
        head = "" if self.head is None else f", head {self.head}"
        return f"block {self.block}, {self.features}{head}"


@dataclass(frozen=True)
class AffinityRecipe:
    """Places whose masks are averaged; temperature: of the softmax over cosines, None for the node's own."""

    places: tuple[Place, ...]
    temperature: float | None = None

    @property
    def attention_places(self) -> tuple[Place, ...]:
        return tuple(place for place in self.places if place.features == QUERY_KEY)

    def to_text(self) -> str:
        places = [
            {key: value for key, value in vars(place).items() if value is not None} for place in self.places
        ]
        warm = {} if self.temperature is None else {"temperature": self.temperature}
        return json.dumps({FORMAT: VERSION, "places": places, **warm})


@dataclass(frozen=True)
class PlaceScores:
    """IoU of the masks that likeness finds at each place, against given masks (host/probe/judge.py: BlockProbe).

    levels: sigmas at which the run was looked at, falling; 1 is pure noise in Wan. scores: for each place its IoU at
    each level, 0..1, the mean over the characters; at least one place. temperature: of the softmax over cosines.
    """

    levels: tuple[float, ...]
    scores: Mapping[Place, tuple[float, ...]]
    temperature: float

    def mean(self, place: Place) -> float:
        """IoU of a place over all levels; NaN for a place that was not scored."""
        return fmean(self.scores[place]) if place in self.scores else math.nan

    @property
    def ranked(self) -> tuple[Place, ...]:
        """All places, the best first; of equal ones the earlier block."""
        return tuple(sorted(self.scores, key=lambda place: (-self.mean(place), place.block, place.head or 0)))

    @property
    def best(self) -> Place:
        return self.ranked[0]

    def recipe(self) -> AffinityRecipe:
        """The best place by itself, as `affinity_recipe` takes it."""
        return AffinityRecipe((self.best,), self.temperature)

    def table(self) -> str:
        """Plain text: a heading with the noise levels, then a line for each place, the best first."""
        rows: list[tuple[str, ...]] = [("IoU at noise", *(f"{level:.2f}" for level in self.levels), "mean")]
        for place in self.ranked:
            figures = (*self.scores[place], self.mean(place))
            rows.append((str(place), *(f"{figure:.3f}" for figure in figures)))
        wide = max(len(row[0]) for row in rows)
        return "\n".join(row[0].ljust(wide) + "".join(cell.rjust(8) for cell in row[1:]) for row in rows)


def read_recipe(text: str | None) -> AffinityRecipe | None:
    """The recipe that a text holds, None for an empty one. Raises InteractError, one sentence, for anything else."""
    if text is not None and not isinstance(text, str):
        raise _wrong(f"it is a {type(text).__name__} and no text")
    if not (text or "").strip() or text is None:
        return None
    if len(text) > MOST_CHARACTERS:
        raise _wrong(f"it is {len(text)} characters long")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"it is not JSON, {one_line(error)}") from error
    if not isinstance(found, dict) or found.get(FORMAT) != VERSION:
        raise _wrong(f'it does not say "{FORMAT}": {VERSION}')
    places, temperature = found.get("places"), found.get("temperature")
    if not isinstance(places, list) or not 0 < len(places) <= MOST_PLACES:
        raise _wrong(f'"places" is not a list of 1 to {MOST_PLACES}')
    if temperature is not None and not (_is_number(temperature) and 0 < temperature < math.inf):
        raise _wrong(f'"temperature" is {one_line(temperature)}, not a number above 0')
    return AffinityRecipe(tuple(_place(one) for one in places), temperature)


def _place(found: Any) -> Place:
    if not isinstance(found, dict) or not set(found) <= {"block", "features", "head"}:
        raise _wrong(f'the place {one_line(found)} has other fields than "block", "features" and "head"')
    block, features, head = found.get("block"), found.get("features", HIDDEN), found.get("head")
    if not _is_count(block) or features not in (HIDDEN, QUERY_KEY) or not (head is None or _is_count(head)):
        raise _wrong(
            f'the place {one_line(found)} needs a block from 0 on, features "{HIDDEN}" or "{QUERY_KEY}", and a head '
            "from 0 on if any"
        )
    if features == HIDDEN and head is not None:
        raise _wrong(f"the place {one_line(found)} names a head, which hidden features do not have")
    return Place(block, features, head)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong(what: str) -> InteractError:
    return InteractError(
        f"affinity_recipe cannot be used: {what}. Leave it empty, or paste a recipe such as {EXAMPLE}"
    )
