"""The one error that this pack raises for something its user can put right."""

from typing import Any

MOST_SHOWN = 160
"""Characters that an error shows of a name or a message that came from a file."""


class InteractError(ValueError):
    """One sentence: what is wrong, where, and what to do about it."""

    # ComfyUI shows an error's module before its sentence; a custom node's own is a path of the machine.
    __module__ = "interacthuman"


def one_line(text: object, most: int = MOST_SHOWN) -> str:
    """What came from a file or a library, for a sentence: on one line, printable, and cut if it is long."""
    words = " ".join(str(text)[: 4 * most].split())
    shown = "".join(letter if letter.isprintable() else "?" for letter in words)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def check_numbers(**inputs: Any) -> None:
    """Raise InteractError for the first of a node's inputs, by name, that is no tensor of real numbers; None passes."""
    for name, value in inputs.items():
        if value is None:
            continue
        if not hasattr(value, "is_complex"):
            found = f"a {type(value).__name__}"
        elif value.is_complex():
            found = "complex numbers"
        else:
            continue
        raise InteractError(
            f"{name} is {found}, expected a picture or mask as ComfyUI's nodes give it: connect another node there."
        )


def check_connected(**inputs: object) -> None:
    """Raise InteractError for the first of a node's inputs, by name, that is None.

    None comes from a switch with nothing on the chosen side, or from null in a graph in API form.
    """
    for name, value in inputs.items():
        if value is None:
            raise InteractError(
                f"Nothing arrives at {name}: the node connected there gives nothing (a switch, say, with nothing on "
                "the chosen side). Connect another, or choose the other side."
            )
