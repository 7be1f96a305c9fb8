"""The line of text under a node: what was found, changed or left out, where the artist looks for it."""

import sys
from typing import Any

_with_text: set[str] = set()
"""Nodes that show a text."""


def show_text(text: str, node: str) -> None:
    """Show `text` (lines are kept) under the node with this execution id, such as "5:1", in place of an earlier text.

    An empty text takes an earlier one away. Does nothing without a node, or outside ComfyUI's server.
    """
    # Not imported: outside ComfyUI's server there is none, and importing its module would start half of it.
    server: Any = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is None or not node or not (text or node in _with_text):
        return
    _with_text.add(node)
    server.send_progress_text(_plain(text), node)


def show_on(node: Any, text: str) -> None:
    """show_text for a node class that is executing, which has asked for its hidden unique_id."""
    show_text(text, str(getattr(getattr(node, "hidden", None), "unique_id", None) or ""))


def _plain(text: str) -> str:
    """Frontends show it as text, as Markdown or as HTML: lines end as in Markdown, and a name makes no HTML tag."""
    return text.replace("<", "\u2039").replace(">", "\u203a").replace("\n", "  \n")
