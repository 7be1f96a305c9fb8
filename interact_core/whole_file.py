"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The path to write to: what is written gets its name when the block has ended well.

    What a block that fails, or a process that is killed, leaves behind ends in .partial; the next one writes over it. A
    file that had the name stays until then.
    """
    partial = path.with_name(f"{path.name}.partial")
    yield partial
    partial.replace(path)
