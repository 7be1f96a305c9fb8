"""Loudness over the frames of a video, for the viewer."""

import torch
from torch import Tensor

from .types import Sound, Speech

PER_FRAME = 4


def peaks_on_timeline(speech: Speech | Sound, frames: int, fps: float) -> Tensor:
    """The waveform's highest amplitude in each quarter of a video frame, uint8 [4 * frames], 255 for 1.

    0 before and after the recording; what lies before the video or after it is cut.
    """
    amplitude = speech.waveform.abs().amax(0).clamp(max=1.0)
    seconds = speech.start + torch.arange(len(amplitude), dtype=torch.float64) / speech.sample_rate
    places = (seconds * fps * PER_FRAME).floor().long()
    inside = (places >= 0) & (places < PER_FRAME * frames)
    peaks = torch.zeros(PER_FRAME * frames).scatter_reduce_(0, places[inside], amplitude[inside], "amax")
    return (peaks * 255).round().to(torch.uint8)
