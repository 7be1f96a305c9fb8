"""FVD: how far two sets of films lie apart, by the features that a network of people's actions (I3D) sees in them.

Unterthiner et al. 2018 (arXiv 1812.01717): the Frechet distance (frechet.py) of I3D's 400 logits before the softmax.
The network is handed in (scoring/i3d.py): it is published as TorchScript, which holds code, so that no node loads it.
Clips, their size and their number change the figure: compare within one choice of all three only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InteractError
from ..types import Film
from .frechet import Moments, frechet_distance

LOGITS = 400
LEAST_CLIPS = LOGITS + 1  # of each set: with fewer their covariance has no full rank
SIDE = 224
LENGTH = 16  # frames of a clip, as public implementations have it
LEAST_LENGTH = 10  # fewer do not reach through I3D's temporal pooling
DRAWS = 10  # of the bias

Fit = Literal["crop", "squash"]
Features = Callable[[Tensor], Tensor]
"""Clips float32 [n, 3, T, SIDE, SIDE] in -1..1 to logits [n, LOGITS]."""


@dataclass(frozen=True)
class Fvd:
    """value: 0 or more; bias: what two sets as large have that are drawn from the reference alone, None where it holds
    too few for two; clips: of both sets.
    """

    value: float
    bias: float | None
    clips: tuple[int, int]


def clips_of(film: Film, length: int = LENGTH, fit: Fit = "crop") -> Iterator[Tensor]:
    """All clips of `length` frames of a film, one after the other, float32 [3, length, SIDE, SIDE] in -1..1.

    The rest at the end is left out, and a film that is shorter gives none. fit: "crop" scales the shorter side to SIDE
    and cuts the middle out, "squash" scales both sides, as cd-fvd does; bilinear, without antialiasing, in both. Frames
    are taken as they are: films of different rates should be brought to one first (Film.at_rate). Raises InteractError
    for a length below LEAST_LENGTH.
    """
    if length < LEAST_LENGTH:
        raise InteractError(f"clips of {length} frames are too short for I3D: use {LEAST_LENGTH} or more.")
    waiting: list[Tensor] = []
    for frame in film.each():
        waiting.append(_fitted(frame, fit))
        if len(waiting) == length:
            yield torch.stack(waiting, 1)
            waiting = []


def clip_features(clips: Iterable[Tensor], features: Features, batch: int = 4) -> np.ndarray:
    """Logits of clips, float64 [n, LOGITS], `batch` clips at a time; [0, LOGITS] for none.

    Raises InteractError where the network answers in another shape.
    """
    found: list[np.ndarray] = []
    waiting: list[Tensor] = []

    def ask() -> None:
        answer = features(torch.stack(waiting))
        if tuple(answer.shape) != (len(waiting), LOGITS):
            raise InteractError(
                f"the network for FVD answers {list(answer.shape)} to {len(waiting)} clips, expected "
                f"[{len(waiting)}, {LOGITS}]: give I3D as i3d_torchscript.pt."
            )
        found.append(answer.double().cpu().numpy())
        waiting.clear()

    for clip in clips:
        waiting.append(clip)
        if len(waiting) == batch:
            ask()
    if waiting:
        ask()
    return np.concatenate(found) if found else np.zeros((0, LOGITS))


def fvd(films: np.ndarray, reference: np.ndarray, seed: int = 0, least: int = LEAST_CLIPS) -> Fvd:
    """FVD of the films' features [n, D] and the reference's [m, D].

    The figure grows where sets are small: `bias` says how much of it there would be without any difference. Raises
    InteractError where either holds fewer than `least` clips.
    """
    check_clips("films", films, least)
    check_clips("reference films", reference, least)
    value = frechet_distance(Moments.of(films), Moments.of(reference))
    return Fvd(value, sampling_bias(reference, len(films), seed), (len(films), len(reference)))


def check_clips(what: str, features: np.ndarray, least: int = LEAST_CLIPS) -> None:
    """Raise InteractError for features [n, D] of fewer than `least` clips; what: whose they are."""
    if len(features) < least:
        raise InteractError(
            f"The {what} give {len(features)} clips, and FVD needs {least} of each set (its covariance is of "
            f"{features.shape[1]} numbers): give more films, or leave FVD out."
        )


def sampling_bias(reference: np.ndarray, count: int, seed: int = 0, draws: int = DRAWS) -> float | None:
    """Mean distance of two sets of `count` clips that are drawn from the reference [m, D], no clip twice.

    Of m // 2 clips each where the reference has fewer than 2 count; None where that is below 2.
    """
    size = min(count, len(reference) // 2)
    if size < 2:
        return None
    rng = np.random.default_rng(seed)
    distances = []
    for _ in range(draws):
        order = rng.permutation(len(reference))
        a, b = (reference[order[first : first + size]] for first in (0, size))
        distances.append(frechet_distance(Moments.of(a), Moments.of(b)))
    return float(np.mean(distances))


def _fitted(frame: np.ndarray, fit: Fit) -> Tensor:
    """A frame uint8 [H, W, 3] as float32 [3, SIDE, SIDE] in -1..1."""
    picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1).float()
    height, width = picture.shape[1:]
    size = (SIDE, SIDE)
    if fit == "crop":
        scale = SIDE / min(height, width)
        size = max(SIDE, round(height * scale)), max(SIDE, round(width * scale))
    scaled = F.interpolate(picture[None], size=size, mode="bilinear", align_corners=False)[0]
    top, left = ((edge - SIDE) // 2 for edge in size)
    return 2 * scaled[:, top : top + SIDE, left : left + SIDE] / 255 - 1
