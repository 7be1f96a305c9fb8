"""Hands: how sure they are (HKC) and how much they move (HKV), by a formula of our own.

CyberHost, OmniHuman and InterActHuman print figures of these names without a formula, and detectors differ: compare
within this formula and one detector only, never with theirs. NumPy alone.

HKC = mean of all 21 keypoints' confidences over both hands and all frames in which the body was found.

HKV = 10^4 times the variance over time of a keypoint's place, x and y added, in units of the person's shoulder width
and from the middle between the shoulders; mean over the keypoints of both hands. Counted are frames in which a hand's
mean confidence and both shoulders' are at least CONFIDENT. The shoulder width is the median over the counted frames,
so that somebody who turns does not seem to move the hands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .detectors.interface import Body

CONFIDENT = 0.3  # core's own threshold for a keypoint (comfy_extras/nodes_sdpose.py)
LEAST_FRAMES = 8  # of a hand: fewer say little of how it moves
SCALE = 1e4  # a hand that moves by 0.05 shoulder widths (standard deviation, in x and y each) has HKV 50


@dataclass(frozen=True)
class HandFigures:
    """HKC, 0..1, and HKV of one person; None where they cannot be told, and `missing` says why.

    frames: in which the body was found; counted: of each hand, the frames that HKV is made of; left_out: all others
    of `frames`, of each hand.
    """

    hkc: float | None
    hkv: float | None
    frames: int
    counted: tuple[int, int]
    missing: str | None = None

    @property
    def left_out(self) -> tuple[int, int]:
        return self.frames - self.counted[0], self.frames - self.counted[1]


def hand_figures(bodies: Iterable[Body], name: str = "the person") -> HandFigures:
    """Figures of one person's hands over a film, from a body for each frame that was looked at (`bodies_of`).

    Frames with no confidence anywhere are those without the body and count for neither figure.
    """
    seen = [body for body in bodies if body.hands[..., 2].any() or body.shoulders[..., 2].any()]
    if not seen:
        return HandFigures(None, None, 0, (0, 0), f"No hands of {name} were found.")
    hands = np.stack([body.hands for body in seen]).astype(np.float64)  # [F, 2, 21, 3]
    shoulders = np.stack([body.shoulders for body in seen]).astype(np.float64)  # [F, 2, 3]
    hkc = float(hands[..., 2].mean())
    upright = np.all(shoulders[..., 2] >= CONFIDENT, axis=1)
    counted = upright[:, None] & (hands[..., 2].mean(2) >= CONFIDENT)  # [F, 2]
    numbers = int(counted[:, 0].sum()), int(counted[:, 1].sum())
    enough = [hand for hand in (0, 1) if numbers[hand] >= LEAST_FRAMES]
    if not enough:
        return HandFigures(
            hkc,
            None,
            len(seen),
            numbers,
            f"The hands and shoulders of {name} were seen clearly in {max(numbers)} frames, and HKV needs "
            f"{LEAST_FRAMES}.",
        )
    width = float(np.median(_shoulder_widths(shoulders[counted.any(1)])))
    if width <= 0:
        return HandFigures(hkc, None, len(seen), numbers, f"The shoulders of {name} were found in one place.")
    places = (hands[..., :2] - shoulders[..., :2].mean(1)[:, None, None]) / width
    variances = [places[counted[:, hand], hand].var(0).sum(-1) for hand in enough]  # [21] each
    return HandFigures(hkc, SCALE * float(np.mean(variances)), len(seen), numbers)


def _shoulder_widths(shoulders: np.ndarray) -> np.ndarray:
    return np.linalg.norm(shoulders[:, 1, :2] - shoulders[:, 0, :2], axis=-1)
