"""Features of all faces and voices of a film, read once from its beginning to its end.

Only a few crops of each face are kept at a time, so that ten minutes need no more memory than ten seconds, but for the
features themselves (4 KB a window).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..types import VOICE_RATE, Film
from .crop import Path
from .mfcc import mfcc
from .syncnet import MOUTHS_AT_ONCE, WIDTH, WINDOW, SyncNet
from .tracks import SYNC_FPS

SAMPLES_PER_FRAME = int(VOICE_RATE / SYNC_FPS)
LAST_WINDOWS = WINDOW  # a window more would fit, but the original leaves it out


def window_count(frames: int) -> int:
    """Windows of a film, or of a voice, of so many frames at 25 fps."""
    return max(0, frames - LAST_WINDOWS)


@dataclass(frozen=True, eq=False)
class MouthFeatures:
    """Of one person: features float32 [windows, 1024], and bool [windows], whether the face is seen all through."""

    features: Tensor
    seen: Tensor


def mouth_features(film: Film, paths: Sequence[Sequence[Path]], net: SyncNet) -> list[MouthFeatures]:
    """Of every person in a film at 25 fps; paths: each person's, no two of which share a frame."""
    windows = window_count(film.frames)
    found = [
        MouthFeatures(torch.zeros(windows, WIDTH), torch.zeros(windows, dtype=torch.bool)) for _ in paths
    ]
    running = [
        _RunningMouth(net, path, person)
        for person, theirs in zip(found, paths, strict=True)
        for path in theirs
    ]
    for number, frame in enumerate(_until_last(film, running)):
        for mouth in running:
            mouth.show(frame, number)
    return found


def _until_last(film: Film, running: Sequence[_RunningMouth]) -> Iterable[np.ndarray]:
    stop = max((mouth.path.stop for mouth in running), default=0)
    return (frame for frame, _ in zip(film.each(), range(stop), strict=False))


class _RunningMouth:
    """One path, crop by crop; what was computed goes into its person's features at once."""

    def __init__(self, net: SyncNet, path: Path, into: MouthFeatures) -> None:
        self.path = path
        self._net, self._into = net, into
        self._crops: list[np.ndarray] = []
        self._window = path.first

    def show(self, frame: np.ndarray, number: int) -> None:
        if not self.path.first <= number < self.path.stop:
            return
        self._crops.append(self.path.crop(frame, number))
        if len(self._crops) == MOUTHS_AT_ONCE + WINDOW - 1 or number == self.path.stop - 1:
            self._compute()

    def _compute(self) -> None:
        features = self._net.mouths(torch.from_numpy(np.stack(self._crops)))
        kept = features[: max(0, len(self._into.seen) - self._window)]
        here = slice(self._window, self._window + len(kept))
        self._into.features[here] = kept
        self._into.seen[here] = True
        self._window += len(features)
        self._crops = self._crops[len(features) :]


def voice_features(voice: np.ndarray, frames: int, net: SyncNet) -> Tensor:
    """Float32 [windows, 1024] of a voice, float [samples] mono at 16 kHz, for a film of so many frames at 25 fps.

    A voice that is shorter than the film goes on in silence, a longer one is cut.
    """
    windows = window_count(frames)
    if not windows:
        return torch.zeros(0, WIDTH)
    sound = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    heard = voice[: len(sound)]
    sound[: len(heard)] = heard
    return net.voices(torch.from_numpy(mfcc(sound)))[:windows]
