"""What a node says of its run, under it: what was found, changed or left out, where the artist looks for it.

It is part of the node's `ui` output: ComfyUI sends that to the browser that queued the prompt, again when the node
comes from its cache, and keeps it in the history, where clients without a browser read it. What is said while a node
still runs goes by the live view (run/live.py). web/node_text.js shows both.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..sentences import Sentence, sentence

KEY = "interact_text"


def with_text(sentences: Iterable[Sentence], shown: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `ui` output of a node that says `sentences`, a line each; none take away those of an earlier run.

    shown: what the node displays besides, as the as_dict() of ComfyUI's previews gives it. The sentences lie one list
    deeper than ComfyUI asks for, because it counts objects as files that a run has made.
    """
    return {**(shown or {}), KEY: [records(sentences)]}


def records(sentences: Iterable[Sentence]) -> list[dict[str, Any]]:
    """Sentences for JSON."""
    return [sentence.record() for sentence in sentences]


def with_view(sentences: Iterable[Sentence], show: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """As `with_text`, of a node whose preview lies in ComfyUI's temp folder; where it cannot be written, it says so.

    show: writes the preview and gives what displays it.
    """
    try:
        shown = show()
    except OSError as error:  # a full or read-only disk: what the node makes needs none
        return with_text([*sentences, view_missing(error)])
    return with_text(sentences, shown)


def view_missing(error: OSError) -> Sentence:
    """Why a view has no pictures. The error's own text would show a path of this machine, so its number is told."""
    return sentence("view_missing", reason=os.strerror(error.errno) if error.errno else type(error).__name__)
