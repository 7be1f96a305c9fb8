"""Raw films of any size, rate and turn as frames on an even clock, and clips as files."""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...media import EXACT
from ...whole_file import whole_file
from ..pipeline.record import FPS, RATE

COARSE = 0x20
"""SWS_AREA, for pictures in which cuts are looked for: a fifth of the time."""
CLIP_COLOURS = {"format": "yuv420p", "dst_colorspace": "ITU601", "dst_color_range": 1}
"""What clips are stored as, with limited range, whatever their film has: most films of 720 lines and more are BT.709,
phones write full range, and a clip that kept those numbers without saying so had its red darker by 23 of 255.
"""
SMPTE_170M = 6  # BT.601 by its number in a file
KEYFRAME_EVERY = FPS
"""Frames from one keyframe of a clip to the next, so that a look into its middle decodes a second at most."""


def threads() -> int:
    """For decoders and encoders: as many as Ray gave to this worker, else 0, which is FFmpeg's own choice."""
    return int(os.environ.get("OMP_NUM_THREADS") or 0)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container of a film and its video stream, which has to be there."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = threads()
        stream.thread_type = "AUTO"
        yield container, stream


def frames_on_clock(
    path: Path, height: int = 0, fps: float = FPS, flags: int = EXACT
) -> Iterator[np.ndarray]:
    """The frames of a film that lie nearest to the ticks of a clock that begins with its first: uint8 BGR [H, W, 3],
    upright, with square pixels, sides even.

    height: of higher films, which are made smaller; 0 leaves all as they are. Any frame rate, also one that changes.
    flags: libswscale's.
    """
    for frame, aspect in decoded_on_clock(path, fps):
        yield picture_of(frame, height, aspect, flags)


def decoded_on_clock(path: Path, fps: float = FPS) -> Iterator[tuple[Any, float]]:
    """The same as the decoder's own frames, each with the aspect of its pixels."""
    tick, before, shown = 0, None, 0.0
    with opened(path) as (container, stream):
        first, aspect = None, float(stream.sample_aspect_ratio or 1)
        for frame in container.decode(stream):
            if frame.time is None:
                continue
            first = frame.time if first is None else first
            now = frame.time - first
            while before is not None and tick / fps <= (shown + now) / 2:
                yield before, aspect
                tick += 1
            if before is None or now > shown:  # a frame out of order is shown by nobody
                before, shown = frame, now
        if before is not None:
            while tick / fps < shown + 0.5 / fps:
                yield before, aspect
                tick += 1


def _size(frame: Any, most: int, aspect: float) -> tuple[int, int]:
    """Width and height, even, of a frame with square pixels, before it is turned."""
    width, height = round(frame.width * aspect), frame.height
    upright = width if frame.rotation % 180 else height
    scale = min(1.0, most / upright) if most else 1.0
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (width, height))
    return width, height


def picture_of(frame: Any, most: int, aspect: float, flags: int = EXACT) -> np.ndarray:
    """uint8 BGR [H, W, 3], upright, no higher than `most`, if that is not 0."""
    width, height = _size(frame, most, aspect)
    picture = frame.to_ndarray(format="bgr24", width=width, height=height, interpolation=flags)
    turned = frame.rotation % 360
    return np.ascontiguousarray(np.rot90(picture, turned // 90)) if turned else picture


class ClipWriter:
    """One clip's pictures as H.264 at `FPS`; the file gets its name when it is whole. crf: x264's, lower is better."""

    def __init__(self, path: Path, crf: int, preset: str = "veryfast") -> None:
        self._path, self._partial = path, path.with_suffix(".partial")
        self._options = {"crf": str(crf), "preset": preset}
        self._container: Any = None
        self._stream: Any = None
        self._count = 0

    def add(self, picture: np.ndarray) -> None:
        """uint8 BGR [H, W, 3], sides even."""
        import av

        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        self._encode(frame.reformat(**CLIP_COLOURS, interpolation=EXACT))

    def add_decoded(self, frame: Any, most: int, aspect: float) -> None:
        """A decoder's frame, no higher than `most`; it takes no way through RGB where it does not have to be turned."""
        if frame.rotation % 360:
            self.add(picture_of(frame, most, aspect))
            return
        width, height = _size(frame, most, aspect)
        self._encode(frame.reformat(width=width, height=height, **CLIP_COLOURS, interpolation=EXACT))

    def _encode(self, frame: Any) -> None:
        import av

        if self._container is None:
            self._container = av.open(str(self._partial), "w", format="mp4", options={"fflags": "+bitexact"})
            self._stream = self._container.add_stream("libx264", rate=Fraction(FPS), options=self._options)
            self._stream.width, self._stream.height = frame.width, frame.height
            self._stream.pix_fmt = CLIP_COLOURS["format"]
            self._stream.codec_context.colorspace = SMPTE_170M
            self._stream.codec_context.color_range = CLIP_COLOURS["dst_color_range"]
            self._stream.codec_context.gop_size = KEYFRAME_EVERY
            self._stream.codec_context.thread_count = threads()
        frame.pts, frame.time_base = self._count, Fraction(1, FPS)
        frame.pict_type = 0  # the film's own keyframes are none of the clip's
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._partial.replace(self._path)
            self._container = None


def write_wav(path: Path, sound: np.ndarray) -> None:
    """Write int16 [samples] at `RATE`; the file appears whole."""
    with whole_file(path) as partial:
        partial.write_bytes(wav_bytes(sound))


def wav_bytes(sound: np.ndarray) -> bytes:
    """A WAV file of int16 [samples] at `RATE`."""
    packed = io.BytesIO()
    with wave.open(packed, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.astype("<i2").tobytes())
    return packed.getvalue()


def read_wav(path: Path, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """int16 [samples] of a file of `write_wav`, between two seconds."""
    with wave.open(str(path), "rb") as file:
        first = min(file.getnframes(), round(start * RATE))
        last = file.getnframes() if end is None else min(file.getnframes(), round(end * RATE))
        file.setpos(first)
        return np.frombuffer(file.readframes(max(0, last - first)), "<i2")


def sampled_frames(path: Path, seconds: list[float]) -> Iterator[np.ndarray]:
    """The frames of a clip that are shown at these seconds, in rising order: uint8 BGR [H, W, 3].

    Each is looked for from the keyframe before it.
    """
    with opened(path) as (container, stream):
        for wanted in seconds:
            container.seek(round(wanted / stream.time_base), stream=stream)
            chosen = None
            for frame in container.decode(stream):
                chosen = frame
                if frame.time >= wanted - 0.5 / FPS:
                    break
            if chosen is not None:
                yield chosen.to_ndarray(format="bgr24", interpolation=EXACT)
