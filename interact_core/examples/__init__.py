"""Four puppets, each with a portrait and a recording, so that every template runs at once.

The files are made by interact_core/theatre/sample_speech.py and are under this project's licence. They lie in
web/examples, so that the node shows its portrait and plays its sound before any run (web/example.js).
"""

import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

FOLDER = Path(__file__).resolve().parents[2] / "web" / "examples"
NAMES = ("Mira", "Tobi", "Elsa", "Bruno")
FULL_SCALE = 2**15  # of 16 bit samples, as core's LoadAudio has it


def portrait_file(name: str) -> Path:
    """The portrait of one of NAMES."""
    return FOLDER / f"{name.lower()}.png"


def recording_file(name: str) -> Path:
    """The recording of one of NAMES."""
    return FOLDER / f"{name.lower()}.wav"


def load_example(name: str) -> tuple[Tensor, dict[str, Any]]:
    """IMAGE [1, H, W, 3] in 0..1 and AUDIO (waveform [1, 1, samples] in -1..1) of one of NAMES."""
    with Image.open(portrait_file(name)) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
    with wave.open(str(recording_file(name))) as recording:
        rate = recording.getframerate()
        sound = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2")
    waveform = torch.from_numpy(sound.astype(np.float32) / FULL_SCALE)
    return torch.from_numpy(pixels)[None], {"waveform": waveform[None, None], "sample_rate": rate}
