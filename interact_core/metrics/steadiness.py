"""Whether a film holds still where it should: flicker, sharpness, and people who stay who they are.

None of them needs a network. Say a film's figure beside that of a reference film (the drawn truth, a recording), as
grain and texture count as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .likeness import Embedder, cosines, frames_shown, person_crops
from .types import Film, Person

SHRUNK = 4  # times, for the optical flow: it only has to tell what stands still
STILL_PIXELS = 1.0  # from the frame before to the frame after; what moves less stands still
LEAST_STILL = 0.02  # of the picture; where less stands still, a frame says nothing of flicker
CUT = 40.0  # luma 0..255, mean change from the frame before to the frame after: another picture
BLUR = 11  # pixels of the box filter that sharpness compares with (Crete et al. 2007)
END = 0.2  # of the film: its beginning and its end, for identity over time
MOST_LOOKS = 60  # frames that identity over time looks at
BATCH = 8  # crops that are embedded at once
BINS = (8, 12, 12)  # of CIELAB, in which hair, skin and cloth are told apart


@dataclass(frozen=True)
class Flicker:
    """value: mean absolute second difference of luma over what stands still, 0..1020, or None where nothing does.

    still: share of the picture that stood still, mean over the frames that count; frames: how many counted; cuts: left
    out because the picture changed as a whole.
    """

    value: float | None
    still: float
    frames: int
    cuts: int


def flicker(film: Film) -> Flicker:
    """Mean of |before - 2 now + after| of luma (Rec. 601, 0..255) where nothing moves.

    Still is what the optical flow from the frame before to the frame after (Farneback 2003, on a picture shrunk by
    SHRUNK) moves by less than STILL_PIXELS. A steady fade has 0; noise of deviation s, new in every frame, 1.95 s;
    brightness that goes up and down by a from frame to frame 4 a. One pass, three frames at a time.
    """
    values, shares, cuts = [], [], 0
    before = now = None
    for after in _lumas(film):
        if before is not None and now is not None:
            if np.abs(after - before).mean() > CUT:
                cuts += 1
            else:
                still = _still(before, after)
                if still.mean() >= LEAST_STILL:
                    shares.append(float(still.mean()))
                    values.append(float(np.abs(before - 2 * now + after)[still].mean()))
        before, now = now, after
    if not values:
        return Flicker(None, 0.0, 0, cuts)
    return Flicker(float(np.mean(values)), float(np.mean(shares)), len(values), cuts)


def sharpness(film: Film, every: int = 1) -> float:
    """1 - blur of Crete et al. 2007 ("The blur effect"), mean over every `every`-th frame, 0..1.

    The share of the differences of neighbouring pixels that a box filter of BLUR pixels takes away, along rows and
    along columns; the smaller of the two. A step has 1 - 1/BLUR, contrast does not count, and a plain picture has 0.
    """
    found = [_sharpness(luma) for number, luma in enumerate(_lumas(film)) if number % every == 0]
    return float(np.mean(found))


@dataclass(frozen=True, eq=False)
class Identity:
    """Whether somebody stays who they are over a film.

    value: mean cosine of the film's end with its beginning, -1..1, or None, and `missing` says why; lowest: the
    smallest cosine of any look with the beginning; frames, cosines: of all looks.
    """

    value: float | None
    lowest: float | None
    frames: tuple[int, ...]
    cosines: np.ndarray
    missing: str | None = None


def identity_over_time(film: Film, person: Person, embedder: Embedder | None = None) -> Identity:
    """Cosine of the person in each of up to MOST_LOOKS frames, evenly spread, with their mean in the first END.

    value is the mean of those in the last END. embedder: of likeness.py (say which), or None for the colours within the
    mask alone (`Colours`), which every film has. One pass; only vectors are kept.
    """
    shown = frames_shown(film, person)
    if len(shown) < 2:
        return Identity(
            None, None, (), np.zeros(0), f"No mask shows {person.name} in two frames or more of the film."
        )
    embed = (embedder or Colours()).embed
    places = np.unique(np.linspace(0, len(shown) - 1, min(MOST_LOOKS, len(shown))).round().astype(int))
    frames, vectors, waiting = [], [], []
    for number, picture in person_crops(film, person, [shown[place] for place in places]):
        frames.append(number)
        waiting.append(picture)
        if len(waiting) == BATCH:
            vectors.append(embed(waiting))
            waiting = []
    if waiting:
        vectors.append(embed(waiting))
    looks = np.concatenate(vectors)
    looks = looks / np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-12)
    few = max(1, round(END * len(looks)))
    alike = cosines(looks, looks[:few].mean(0))
    return Identity(float(alike[-few:].mean()), float(alike.min()), tuple(frames), alike)


class Colours:
    """How much of each colour there is within a mask: the square roots of a CIELAB histogram, of length 1.

    The cosine of two is Bhattacharyya's coefficient: 1 for the same colours in the same shares, 0 for none in common.
    """

    kind = "colours"

    def embed(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Vectors float [n, 1152] of pictures uint8 [h, w, 4], the last channel the mask."""
        import cv2

        found = []
        for picture in pictures:
            lab = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2LAB)
            mask = (picture[..., 3] >= 128).astype(np.uint8)
            shares = cv2.calcHist([lab], [0, 1, 2], mask, list(BINS), [0, 256] * 3).ravel()
            found.append(np.sqrt(shares / max(1.0, float(shares.sum()))))
        return np.stack(found)


def _lumas(film: Film) -> Iterator[np.ndarray]:
    """Luma of each frame, float32 [H, W] in 0..255."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return (frame.astype(np.float32) @ weights for frame in film.each())


def _still(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where nothing moves from one luma to another, bool [H, W]."""
    import cv2

    height, width = before.shape
    size = max(16, width // SHRUNK), max(16, height // SHRUNK)
    first, last = (
        cv2.resize(luma, size, interpolation=cv2.INTER_AREA).round().astype(np.uint8)
        for luma in (before, after)
    )
    flow = np.zeros((*first.shape, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(first, last, flow, 0.5, 3, 15, 3, 5, 1.1, 0)
    moved = np.hypot(flow[..., 0] * width / size[0], flow[..., 1] * height / size[1])
    return cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR) < STILL_PIXELS


def _sharpness(luma: np.ndarray) -> float:
    import cv2

    kept = []
    for axis, kernel in ((1, (BLUR, 1)), (0, (1, BLUR))):
        soft = cv2.blur(luma, kernel, borderType=cv2.BORDER_REFLECT)
        sharp = np.abs(np.diff(luma, axis=axis))
        lost = np.maximum(0.0, sharp - np.abs(np.diff(soft, axis=axis)))
        if sharp.any():  # stripes have no differences along themselves
            kept.append(float(lost.sum() / sharp.sum()))
    return min(kept, default=0.0)
