"""What a node says of its run, under it: what was found, changed or left out, where the artist looks for it.

It is part of the node's `ui` output: ComfyUI sends that to the browser that queued the prompt, again when the node
comes from its cache, and keeps it in the history, where clients without a browser read it. What is said while a node
still runs goes by the live view (run/live.py). web/node_text.js shows both.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..sentences import Sentence

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
