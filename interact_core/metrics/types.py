"""What every figure is measured from, and what comes out: a film, its people, faces that were found, figures.

NumPy alone. A film is a stream that can be opened again and again, never an array of all its frames, so that
ten minutes need no more memory than ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from ..errors import InteractError

VOICE_RATE = 16000  # Hz, of every voice that figures are measured with
CHUNK = 16  # frames that a film gives at once

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

Span = tuple[int, int]
"""First frame, and the frame after the last."""


@dataclass(frozen=True, eq=False)  # arrays have no truth value: compare by identity
class Film:
    """A finished video, frame by frame.

    name: what tables and sentences call it; source: starts the film anew at every call and gives chunks uint8 RGB
    [n, height, width, 3], n of 1 or more; frames: how many there are; fps: frames per second. Raises InteractError for
    a film without frames or a frame rate that is no number above 0.
    """

    name: str
    source: Callable[[], Iterator[np.ndarray]]
    frames: int
    width: int
    height: int
    fps: float

    def __post_init__(self) -> None:
        if self.frames < 1 or self.width < 1 or self.height < 1:
            raise InteractError(f"{self.name} holds no frames: give a video with pictures.")
        if not (isfinite(self.fps) and self.fps > 0):
            raise InteractError(
                f"{self.name} has {self.fps} frames per second: give a rate above 0, such as 25."
            )

    @classmethod
    def of_frames(cls, frames: np.ndarray, fps: float, name: str = "the film") -> Film:
        """From frames that are in memory, uint8 RGB [F, H, W, 3]."""
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise InteractError(
                f"{name} is {frames.dtype} of shape {list(frames.shape)}, expected uint8 [frames, height, width, 3]."
            )

        def source() -> Iterator[np.ndarray]:
            return (frames[begin : begin + CHUNK] for begin in range(0, len(frames), CHUNK))

        return cls(name, source, len(frames), frames.shape[2], frames.shape[1], fps)

    @property
    def seconds(self) -> float:
        return self.frames / self.fps

    def chunks(self) -> Iterator[np.ndarray]:
        """The film from its beginning, uint8 RGB [n, height, width, 3] at a time."""
        return self.source()

    def each(self) -> Iterator[np.ndarray]:
        """The film from its beginning, one frame uint8 RGB [height, width, 3] at a time."""
        for chunk in self.source():
            yield from chunk

    def pick(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Some frames, by number and in any order: uint8 RGB [len(numbers), height, width, 3]."""
        picked = np.empty((len(numbers), self.height, self.width, 3), np.uint8)
        places: dict[int, list[int]] = {}
        for place, number in enumerate(numbers):
            places.setdefault(int(number), []).append(place)
        last = max(places, default=-1)
        for number, frame in enumerate(self.each()):
            if number > last:
                break
            for place in places.get(number, ()):
                picked[place] = frame
        return picked

    def at_rate(self, fps: float) -> Film:
        """The same seconds at another rate: at each new frame's middle the frame that is shown then.

        Frames are dropped or shown twice, never played faster or slower. The film itself where the rate is its own.
        """
        if fps == self.fps:
            return self
        numbers = frames_at_rate(self.frames, self.fps, fps)

        def source() -> Iterator[np.ndarray]:
            place = 0
            for number, frame in enumerate(self.each()):
                count = int(np.searchsorted(numbers[place:], number, side="right"))
                if count:
                    yield np.repeat(frame[None], count, axis=0)
                    place += count

        return Film(self.name, source, len(numbers), self.width, self.height, fps)


def frames_at_rate(frames: int, fps: float, new_fps: float) -> np.ndarray:
    """For each frame of the film at `new_fps` the number of the frame that is shown then, int [max(1, round(...))]."""
    count = max(1, round(frames * new_fps / fps))
    numbers = np.floor((np.arange(count) + 0.5) * fps / new_fps).astype(int)
    return np.clip(numbers, 0, frames - 1)


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody in the film.

    name: unlike all others of the film; voice: float32 [samples], mono at VOICE_RATE, full scale 1, silent where the
    film is longer, or None for somebody who never speaks; skipped: samples of it that lie before the film's first
    frame: they are not heard, but say how loud the recording is; spans: frames in which they
    speak, or None to tell by the voice's loudness; mask: where they are, [F or 1, h, w] in 0..1, one for each frame of
    the film or one for all, of any size (a token grid, or pixels), or None where it is not known; reference: their
    picture, uint8 RGB [H, W, 3], or None; predicted: the masks that a run predicted for them, as `mask`, which mask IoU
    compares with `mask`, or None. Raises InteractError where one of these has another shape.
    """

    name: str
    voice: np.ndarray | None = None
    spans: tuple[Span, ...] | None = None
    mask: np.ndarray | None = None
    reference: np.ndarray | None = None
    predicted: np.ndarray | None = None
    skipped: int = 0

    @property
    def heard(self) -> np.ndarray | None:
        """The voice from the film's first frame on, as long as the recording goes on."""
        return None if self.voice is None else self.voice[self.skipped :]

    def __post_init__(self) -> None:
        for what, value, expected, dimensions in (
            ("voice", self.voice, "[samples]", 1),
            ("mask", self.mask, "[frames or 1, height, width]", 3),
            ("picture", self.reference, "[height, width, 3]", 3),
            ("predicted mask", self.predicted, "[frames or 1, height, width]", 3),
        ):
            if value is not None and (value.ndim != dimensions or value.size == 0):
                raise InteractError(
                    f"the {what} of {self.name!r} has shape {list(value.shape)}, expected {expected}."
                )


@dataclass(frozen=True, eq=False)
class Face:
    """A face that a detector found in one frame.

    box: around it, in pixels of the frame; confidence: 0..1; opening: how far the mouth is open, the inner lips'
    distance over the size of the face (detectors/landmarks.py), 0 shut, or None where the detector finds no lips;
    points: float32 [n, 2], x and y of the detector's own landmarks in pixels, or None.
    """

    box: Box
    confidence: float = 1.0
    opening: float | None = None
    points: np.ndarray | None = None


@dataclass(frozen=True)
class WrongVoice:
    """Frames in which a mouth followed somebody else's voice better than its own.

    mouth, voice: names; fit, own: correlation of the mouth with that voice and with its own over these frames.
    """

    mouth: str
    voice: str
    span: Span
    fit: float
    own: float


@dataclass(frozen=True)
class PersonFigures:
    """What was measured of one person in one film; None where a figure is missing, and `missing` says why.

    lips, crosstalk: correlation of the mouth with its own voice, and with the others' (metrics/lips.py); lag: frames
    by which the mouth follows its voice; silent_open: of somebody who never speaks, share of the frames in which the
    mouth is open; sync_c, sync_d, offset, windows: SyncNet's over the person's own spans (metrics/sync); hkv, hkc:
    hands (metrics/hands.py); clip_i, dino_i: likeness to the picture (metrics/likeness.py); steadiness: likeness to
    themselves over the film (metrics/steadiness.py); mask_iou: of the run's masks with where the person is; seen:
    share of the frames in which the face was found; spans: frames in which they speak; fits: those in which the mouth
    follows their own voice; wrong: those in which it follows somebody else's.
    """

    name: str
    lips: float | None = None
    crosstalk: float | None = None
    lag: int | None = None
    silent_open: float | None = None
    sync_c: float | None = None
    sync_d: float | None = None
    offset: int | None = None
    windows: int | None = None
    hkv: float | None = None
    hkc: float | None = None
    clip_i: float | None = None
    dino_i: float | None = None
    steadiness: float | None = None
    mask_iou: float | None = None
    seen: float | None = None
    spans: tuple[Span, ...] = ()
    fits: tuple[Span, ...] = ()
    wrong: tuple[WrongVoice, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def margin(self) -> float | None:
        """How much better the mouth follows its own voice than the others'."""
        return None if self.lips is None or self.crosstalk is None else self.lips - self.crosstalk


@dataclass(frozen=True, eq=False)
class FilmFigures:
    """What was measured of one film.

    people: in the order in which they were given; lips_matrix: float [N, N], row: whose mouth, column: whose voice,
    NaN for a voice or a mouth that is not there; sync_matrix: the same of SyncNet's Sync-C; flicker: of the whole
    picture, 0..255 (metrics/steadiness.py); openings, voices: float [N, F], the mouths' and voices' openings for the
    plot, NaN where a mouth is not seen; notes: sentences that concern the whole film, what is missing among them.
    """

    name: str
    frames: int
    fps: float
    people: tuple[PersonFigures, ...]
    lips_matrix: np.ndarray | None = None
    sync_matrix: np.ndarray | None = None
    flicker: float | None = None
    openings: np.ndarray | None = None
    voices: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def mean(self, figure: str) -> float | None:
        """Mean over the people for whom the figure, an attribute of PersonFigures, is there; None if there is none."""
        found = [value for person in self.people if (value := getattr(person, figure)) is not None]
        return float(np.mean(found)) if found else None
