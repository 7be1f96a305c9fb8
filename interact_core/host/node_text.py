"""The line of text under a node: what was found, changed or left out, where the artist looks for it."""

import sys
from typing import Any


def show_text(text: str, node: str) -> None:
    """Show `text` (lines are kept) under the node with this execution id, such as "5:1", in place of an earlier text.

    Does nothing without a node, or outside ComfyUI's server.
    """
    # Not imported: outside ComfyUI's server there is none, and importing its module would start half of it.
    server: Any = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is not None and node:
        server.send_progress_text(text, node)


def show_on(node: Any, text: str) -> None:
    """show_text for a node class that is executing, which has asked for its hidden unique_id."""
    show_text(text, str(getattr(getattr(node, "hidden", None), "unique_id", None) or ""))
