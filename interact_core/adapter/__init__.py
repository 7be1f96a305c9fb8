"""The trained parts of the method as plain torch modules, and the file that carries them."""

from .config import AdapterConfig
from .families import SpeechAdapter, SpeechSizes, load_any_adapter
from .file import read_adapter, save_adapter
from .initialisation import init_adapter
from .model import Adapter, AudioCrossAttention, AudioProjector, MaskPredictor, sdpa_attention
from .recommended import Recommended
from .rope import grid_positions, reference_positions

__all__ = [
    "Adapter",
    "AdapterConfig",
    "AudioCrossAttention",
    "AudioProjector",
    "MaskPredictor",
    "Recommended",
    "SpeechAdapter",
    "SpeechSizes",
    "grid_positions",
    "init_adapter",
    "load_any_adapter",
    "read_adapter",
    "reference_positions",
    "save_adapter",
    "sdpa_attention",
]
