# Everything of transformers is Any to pyright. Its own type hints make pyright read its 1,700 model files, which takes
# longer than the rest of the check, and speech/wav2vec2.py is the one file that imports it.
from typing import Any

def __getattr__(name: str) -> Any: ...
