# Everything of scipy is Any to pyright: only ComfyUI's samplers import it, and reading it takes seconds.
from typing import Any

def __getattr__(name: str) -> Any: ...
