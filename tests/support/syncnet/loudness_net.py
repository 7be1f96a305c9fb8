"""A network in SyncNet's place whose features are known: a face's brightness and a voice's loudness, frame by frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

WIDTH = 1024
PITCH = 1000  # Hz
FULL = 126_305.0  # of that tone at full scale: the square root of its energy in a column of MFCC


def tone(amplitudes: np.ndarray, fps: float = 25.0) -> np.ndarray:
    """A voice whose amplitude is given for every frame, 0..1: float32 at 16 kHz."""
    at = np.arange(round(len(amplitudes) * 16000 / fps))
    frame = np.minimum((at * fps / 16000).astype(int), len(amplitudes) - 1)
    return (np.sin(2 * np.pi * PITCH * at / 16000) * amplitudes[frame]).astype(np.float32)


class LoudnessNet(nn.Module):
    """What SyncNet offers, and beside it what the package syncnet-python calls."""

    def mouths(self, crops: Tensor) -> Tensor:
        bright = crops.float().mean((1, 2, 3)) / 255
        return _wide(bright.unfold(0, 5, 1)) if len(crops) > 4 else torch.zeros(0, WIDTH)

    def voices(self, columns: Tensor) -> Tensor:
        return _wide(_loudness(columns[:, 0].unfold(0, 20, 4)))

    def forward_lip(self, frames: Tensor) -> Tensor:
        return _wide(frames.mean((1, 3, 4)) / 255)

    def forward_aud(self, columns: Tensor) -> Tensor:
        return _wide(_loudness(columns[:, 0, 0]))


def _loudness(energies: Tensor) -> Tensor:
    """[windows, 20] logarithms to [windows, 5] amplitudes, by the two columns of four that lie within one frame."""
    return (energies / 2).exp().unflatten(-1, (5, 4))[..., :2].mean(-1) / FULL


def _wide(values: Tensor) -> Tensor:
    """Around 0, so that features that have nothing to do with each other are further apart than each is from zeros."""
    return nn.functional.pad(2 * values - 1, (0, WIDTH - values.shape[-1]))
