"""Stage 1: what a raw film is, and its sound at 16 kHz. Its frames are brought to 25 a second when clips are cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...config_tables import key
from ...media import hdr_curve
from ..pipeline.record import FPS, RATE, SOUND, Places, Record, Rejected, Run, Stage
from .decoding import opened, write_wav

PIECE = 2**16  # samples that are looked through at a time


@dataclass(frozen=True)
class FilmKeys:
    """Stage 1: probing raw films. Those that fall short are rejected."""

    least_height: int = key(240, "pixels of the shorter side")
    least_fps: float = key(12.0, "frames per second; fewer cannot show lips")
    quiet: float = key(
        -60.0, "dB of full scale that the loudest second must pass; below it a film counts as silent"
    )


def probe(path: Path) -> dict[str, float]:
    """Seconds, width, height, frames per second, and the second at which the first frame stands, by the packets of the
    file, since containers claim anything. One frame is decoded. Raises Rejected for a file without pictures, and for
    one in HDR.
    """
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise Rejected("holds no pictures")
    with opened(path) as (container, stream):
        times = [float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None]
        container.seek(0)
        frame = next(iter(container.decode(stream)), None)
    if frame is None or not times:
        raise Rejected("holds no pictures")
    if curve := hdr_curve(frame):
        raise Rejected(f"is in HDR ({curve}); convert it to SDR first")
    first, last = min(times), max(times)
    fps = (len(times) - 1) / (last - first) if last > first else 0.0
    seconds = last - first + (1 / fps if fps else 0)
    figures = {"width": frame.width, "height": frame.height, "fps": fps, "first": first, "seconds": seconds}
    return {name: float(value) for name, value in figures.items()}


def decode_sound(path: Path, first: float, seconds: float) -> np.ndarray | None:
    """int16 [seconds * RATE], the film's sound from its first frame on, channels averaged; silence where there is
    none. None for a film without a sound stream.
    """
    import av

    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        to_ours = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        sound = np.zeros(round(seconds * RATE), np.int16)
        at = None
        for frame in container.decode(stream):
            for part in to_ours.resample(frame):
                if at is None:
                    at = round(((frame.time or 0.0) - first) * RATE)
                at = _lay(sound, part.to_ndarray()[0], at)
        for part in to_ours.resample(None):
            at = _lay(sound, part.to_ndarray()[0], at or 0)
    return None if at is None else sound


def _lay(sound: np.ndarray, part: np.ndarray, at: int) -> int:
    """Put samples at their place, as far as it is within the film; gives where the next ones go."""
    begin, end = max(0, at), min(len(sound), at + len(part))
    if end > begin:
        sound[begin:end] = part[begin - at : end - at]
    return at + len(part)


def loudest_second(sound: np.ndarray) -> float:
    """dB of full scale, root mean square; -inf for silence."""
    squares = [
        np.mean(np.square(sound[first : first + RATE].astype(np.float64)))
        for first in range(0, max(1, len(sound)), RATE)
        if len(sound[first : first + RATE])
    ]
    loudest = np.sqrt(max(squares, default=0.0)) / 32768
    return float(20 * np.log10(loudest)) if loudest > 0 else float("-inf")


def make_films(keys: FilmKeys) -> Run:
    """The stage's function."""

    def run(record: Record, places: Places) -> Record:
        path = places.film(record)
        found = probe(path)
        short = min(found["width"], found["height"])
        if short < keys.least_height:
            raise Rejected("smaller than films.least_height", short)
        if found["fps"] < keys.least_fps:
            raise Rejected("fewer frames a second than films.least_fps", found["fps"])
        sound = decode_sound(path, found["first"], found["seconds"])
        if sound is None:
            raise Rejected("has no sound")
        loudest = loudest_second(sound)
        if loudest < keys.quiet:
            raise Rejected("is silent", max(loudest, -200.0))
        write_wav(places.folder(record) / SOUND, sound)
        return _filmed(record, found, loudest)

    return run


def _filmed(record: Record, found: dict[str, float], loudest: float) -> Record:
    columns: dict[str, Any] = {f"film_{name}": found[name] for name in ("width", "height", "fps")}
    return replace(
        record.having(**columns, loudest=loudest), start=0.0, end=round(found["seconds"] * FPS) / FPS
    )


FILMS = Stage("films", 1, FilmKeys, make_films, isolated=True)
