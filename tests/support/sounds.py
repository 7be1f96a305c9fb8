"""Sounds whose timing is known."""

import torch
from torch import Tensor

RATE = 16000


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> Tensor:
    """[samples] of quiet white noise."""
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(round(seconds * rate), generator=generator)


def syllables(seconds: float, rate: int = RATE, seed: int = 0) -> Tensor:
    """[samples] of a band-limited voice-like tone in syllables: the same sound at any sample rate."""
    time = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    generator = torch.Generator().manual_seed(seed)
    tone = torch.zeros_like(time)
    for harmonic in range(1, 12):
        phase, level = torch.rand(2, generator=generator).tolist()
        tone += level * torch.sin(2 * torch.pi * (harmonic * 140 * time + phase))
    envelope = torch.sin(2 * torch.pi * 2.3 * time).clamp(min=0)
    return (0.05 * tone * envelope).float()


def burst(seconds: float, at: float, rate: int = RATE, width: float = 0.02) -> Tensor:
    """[samples] of silence with one noise burst, `width` seconds long and centred at `at`."""
    sound = torch.zeros(round(seconds * rate))
    first, length = round((at - width / 2) * rate), round(width * rate)
    sound[first : first + length] = noise(1, rate)[:length] * 5
    return sound
