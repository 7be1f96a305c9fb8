"""Values of JSON that somebody wrote by hand, checked one by one: each is what is asked for, or an InteractError."""

import json
from math import isfinite
from typing import Any

from .errors import InteractError, one_line


def read_json(text: str, what: str, most: int, instead: str) -> dict[str, Any]:
    """The object of a JSON text; "" is an empty one. Raises InteractError for what is none or is too long.

    what: as a sentence begins, such as "The dialogue"; most: characters; instead: how it is to be written.
    """
    if len(text) > most:
        raise InteractError(f"{what} is {len(text)} characters of JSON, where {most} are the most: {instead}")
    try:
        given = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise InteractError(f"{what} is not JSON ({one_line(error)}): {instead}") from error
    return mapping(given, what)


def mapping(value: Any, what: str) -> dict[str, Any]:
    """An object; what: as a sentence begins, such as "Lane 1"."""
    if not isinstance(value, dict):
        raise InteractError(f"{what} is {_shown(value)}; it has to be an object in braces.")
    return value


def items(value: Any, what: str) -> list[Any]:
    """A list; what: in the plural, such as "clips of lane 1"."""
    if not isinstance(value, list):
        raise InteractError(f"The {what} are {_shown(value)}; they have to be a list in brackets.")
    return value


def text(value: Any, what: str) -> str:
    """A text; what: as a sentence begins."""
    if not isinstance(value, str):
        raise InteractError(f"{what} is {_shown(value)}; it has to be text.")
    return value


def switch(value: Any, what: str) -> bool:
    """True or false; what: as a sentence begins."""
    if not isinstance(value, bool):
        raise InteractError(f"{what} is {_shown(value)}; use true or false.")
    return value


def number(value: Any, what: str, lowest: float, highest: float) -> float:
    """A finite number from `lowest` to `highest`; what: as a sentence begins."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not is_number or not lowest <= value <= highest:
        raise InteractError(f"{what} is {_shown(value)}; use a number from {lowest:g} to {highest:g}.")
    return float(value)


def _shown(value: Any) -> str:
    return one_line(json.dumps(value), 40)
