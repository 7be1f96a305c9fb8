"""Stage 2: cuts and fades (PySceneDetect), and clips between them at 25 frames a second with 16 kHz sound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ...config_tables import key
from ...errors import InteractError
from ..pipeline.record import FPS, SOUND, VIDEO, Places, Record, Rejected, Run, Stage
from .decoding import COARSE, ClipWriter, decoded_on_clock, frames_on_clock, read_wav, write_wav

LOOKED_AT = 270
"""Height of the pictures in which cuts are looked for."""
STEADY = 0.9
"""Of a clip's median luminance: a fade is what stays below it at a clip's dark end."""


@dataclass(frozen=True)
class CutKeys:
    """Stage 2: cuts, and clips between them."""

    shortest: float = key(4.0, "seconds of a clip; shorter ones are rejected (paper)")
    longest: float = key(30.0, "seconds; longer shots are split into equal parts (paper)")
    detector: str = key(
        "content",
        "PySceneDetect's: content compares a frame with the one before, adaptive also with those around",
        ("content", "adaptive"),
    )
    threshold: float = key(0.0, "of the detector; 0: PySceneDetect's own, 27 for content and 3 for adaptive")
    least_scene: float = key(0.6, "seconds between two cuts (PySceneDetect: 0.6)")
    black: float = key(
        12.0, "mean luminance, 0-255, below which a picture is black (PySceneDetect's fades: 12)"
    )
    height: int = key(720, "pixels; higher films are made smaller; 0 leaves them")
    crf: int = key(14, "quality of the clips' H.264: 14 can hardly be told from the film, lower is larger")

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest:
            raise InteractError("[cuts] shortest must be above 0 and at most longest.")


def find_cuts(pictures: Iterable[np.ndarray], keys: CutKeys) -> tuple[list[int], np.ndarray]:
    """The first frames of all shots but the first, and the mean luminance of each frame, 0-255.

    pictures: uint8 BGR [H, W, 3] at `FPS`.
    """
    from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, ThresholdDetector

    least = max(1, round(keys.least_scene * FPS))
    if keys.detector == "adaptive":
        own = {"adaptive_threshold": keys.threshold} if keys.threshold else {}
        detector = AdaptiveDetector(min_scene_len=least, **own)
    else:
        detector = ContentDetector(
            min_scene_len=least, **({"threshold": keys.threshold} if keys.threshold else {})
        )
    detectors = (detector, ThresholdDetector(threshold=keys.black, min_scene_len=least))
    cuts: set[int] = set()
    luminance, at = [], FrameTimecode(0, float(FPS))
    for number, picture in enumerate(pictures):
        at = FrameTimecode(number, float(FPS))
        luminance.append(float(picture.mean()))
        cuts |= {cut.frame_num for each in detectors for cut in each.process_frame(at, picture)}
    for each in detectors:
        cuts |= {cut.frame_num for cut in each.post_process(at)}
    return sorted(cut for cut in cuts if 0 < cut < len(luminance)), np.array(luminance)


def shots_between(cuts: Sequence[int], luminance: np.ndarray, black: float) -> list[tuple[int, int]]:
    """Spans of frames (first, end) without the black between them and without the fades at their dark ends."""
    dark = luminance < black
    edges = [0, *cuts, len(luminance)]
    # Black within a shot, which a hard cut to black leaves there, parts it like a cut.
    edges += [int(n) for n in np.flatnonzero(np.diff(dark.astype(np.int8))) + 1]
    edges = sorted(set(edges))
    shots = []
    for first, end in pairwise(edges):
        if dark[first:end].all():
            continue
        before = first > 0 and bool(dark[first - 1])
        after = end < len(dark) and bool(dark[end])
        shots.append(_without_fades(luminance, first, end, before, after))
    return shots


def _without_fades(luminance: np.ndarray, first: int, end: int, before: bool, after: bool) -> tuple[int, int]:
    """before, after: whether black stands there, so that the end may be a fade: it grows lighter frame by frame."""
    steady = STEADY * float(np.median(luminance[first:end]))
    while before and first + 1 < end and luminance[first] < min(steady, luminance[first + 1]):
        first += 1
    while after and end - 2 > first and luminance[end - 1] < min(steady, luminance[end - 2]):
        end -= 1
    return first, end


def spans_of(shots: Sequence[tuple[int, int]], longest: float) -> list[tuple[int, int]]:
    """Shots that are too long in equal parts."""
    spans = []
    for first, end in shots:
        parts = max(1, -(-(end - first) // int(longest * FPS)))
        edges = np.linspace(first, end, parts + 1).round().astype(int)
        spans += [(int(a), int(b)) for a, b in pairwise(edges)]
    return spans


def make_cuts(keys: CutKeys) -> Run:
    """The stage's function: a film to its clips, those that are too short among them as rejected ones."""

    def run(record: Record, places: Places) -> list[Record]:
        cuts, luminance = find_cuts(frames_on_clock(places.film(record), LOOKED_AT, flags=COARSE), keys)
        spans = spans_of(shots_between(cuts, luminance, keys.black), keys.longest)
        if not spans:
            raise Rejected("is black throughout", float(luminance.max(initial=0.0)))
        clips, written = [], {}
        for first, end in spans:
            clip = clip_of(record, first, end)
            if clip.seconds < keys.shortest:
                clip = clip.reject("shorter than cuts.shortest", clip.seconds)
            else:
                written[first, end] = clip
            clips.append(clip)
        write_clips(record, written, keys, places)
        return clips

    return run


def clip_of(film: Record, first: int, end: int) -> Record:
    """The row of the frames first..end - 1 of a film."""
    return replace(
        film,
        id=f"{film.id}-{first:06d}",
        start=first / FPS,
        end=end / FPS,
        folder=f"clips/{film.id}/{first:06d}",
    )


def write_clips(film: Record, clips: dict[tuple[int, int], Record], keys: CutKeys, places: Places) -> None:
    """Write pictures and sound of all clips of a film, in one pass through it."""
    waiting = sorted(clips)
    writer: ClipWriter | None = None
    frames = decoded_on_clock(places.film(film)) if waiting else ()
    for number, (frame, aspect) in enumerate(frames):
        if number == waiting[0][0]:
            writer = ClipWriter(places.folder(clips[waiting[0]]) / VIDEO, keys.crf)
        if writer is not None:
            writer.add_decoded(frame, keys.height, aspect)
            if number + 1 == waiting[0][1]:
                writer.finish()
                writer = None
                waiting.pop(0)
                if not waiting:
                    break
    for clip in clips.values():
        sound = read_wav(places.folder(film) / SOUND, clip.start, clip.end)
        write_wav(places.folder(clip) / SOUND, sound)


CUTS = Stage("cuts", 2, CutKeys, make_cuts, isolated=True)
