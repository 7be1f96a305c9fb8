"""Memory that runs out is told as that, and never as a fault of the file that was being read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from interacthuman.tests.project.test_packaging import shipped

WIDE = {"RuntimeError", "Exception", "BaseException", "MemoryError"}
"""torch's OutOfMemoryError, of a device, is a RuntimeError; of the computer's memory it raises a bare one."""
LETS_IT_PASS = ("is_out_of_memory(", "raise\n")
# The live view: a run goes on without its pictures, whatever they fail by.
FOR_THE_RUN = {"live.py"}


def handlers(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every `except` that memory running out would reach."""
    text = file.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            caught = (
                {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else WIDE
            )
            if caught & WIDE:
                yield node.lineno, f"{ast.get_source_segment(text, node)}\n"


def test_what_catches_errors_of_pytorch_lets_memory_pass(root: Path) -> None:
    found = [
        (file, *handler)
        for file in shipped(root)
        if file.name not in FOR_THE_RUN
        for handler in handlers(file)
    ]
    assert len(found) > 4
    careless = [
        f"{file.relative_to(root)}:{line}"
        for file, line, text in found
        if not any(words in text for words in LETS_IT_PASS)
    ]
    assert careless == []
