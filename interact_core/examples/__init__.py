"""Four puppets, each with a portrait and a recording, and a picture of two of them: so every template runs at once.

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
GROUP = "Group"
"""The example that is one picture of several, and its recording one of all of them."""
IN_GROUP = ("Mira", "Tobi")
"""Who is in it, from left to right."""
GROUP_PAUSE = 0.4  # seconds between the two recordings
FULL_SCALE = 2**15  # of 16 bit samples, as core's LoadAudio has it


def portrait_file(name: str) -> Path:
    """The portrait of one of NAMES, or the picture of GROUP."""
    return FOLDER / f"{name.lower()}.png"


def recording_file(name: str) -> Path:
    """The recording of one of NAMES."""
    return FOLDER / f"{name.lower()}.wav"


def mask_file(name: str) -> Path:
    """Where the puppets are in the picture of one of NAMES, or of GROUP."""
    return FOLDER / f"{name.lower()}_mask.png"


def load_example(name: str) -> tuple[Tensor, dict[str, Any]]:
    """IMAGE [1, H, W, 3] in 0..1 and AUDIO (waveform [1, 1, samples] in -1..1) of one of NAMES, or of GROUP: there the
    recordings of IN_GROUP one after the other.
    """
    with Image.open(portrait_file(name)) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels)[None], _group_sound() if name == GROUP else _recording(name)


def load_mask(name: str) -> Tensor:
    """MASK [1, H, W] in 0..1 of `load_example`'s picture: 1 on puppets. Those of GROUP stand apart in it."""
    with Image.open(mask_file(name)) as picture:
        return torch.from_numpy(np.asarray(picture.convert("L"), dtype=np.float32) / 255)[None]


def _group_sound() -> dict[str, Any]:
    first, second = map(_recording, IN_GROUP)
    rate = first["sample_rate"]  # of all recordings here
    pause = torch.zeros(1, 1, round(GROUP_PAUSE * rate))
    return {"waveform": torch.cat([first["waveform"], pause, second["waveform"]], -1), "sample_rate": rate}


def _recording(name: str) -> dict[str, Any]:
    with wave.open(str(recording_file(name))) as recording:
        rate = recording.getframerate()
        sound = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2")
    waveform = torch.from_numpy(sound.astype(np.float32) / FULL_SCALE)
    return {"waveform": waveform[None, None], "sample_rate": rate}
