"""Finished videos and any recording, decoded by PyAV, which ComfyUI brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

EXACT = 4 | 0x2000 | 0x4000 | 0x40000
"""libswscale's flags BICUBIC, FULL_CHR_H_INT, FULL_CHR_H_INP and ACCURATE_RND: without the last three every way between
RGB and a video's colours makes pictures darker by 1 of 255, and one between two videos' colours by up to 5.
"""

HDR = {16: "PQ", 18: "HLG"}
"""Transfer curves of ITU-T H.273 that are high dynamic range, by their number in a file. Read with an ordinary
display's curve such a film is grey and pale, faces too.
"""


def hdr_curve(picture: Any) -> str | None:
    """The curve in HDR of PyAV's video frame or codec context, None for one of an ordinary display."""
    return HDR.get(picture.color_trc)


def read_frames(path: Path) -> np.ndarray:
    """Every frame of a video file, uint8 RGB [F, H, W, 3]."""
    import av

    with av.open(str(path)) as film:
        return np.stack(
            [frame.to_ndarray(format="rgb24", interpolation=EXACT) for frame in film.decode(video=0)]
        )


def read_sound(path: Path | BinaryIO, rate: int | None = None) -> tuple[np.ndarray, int]:
    """The sound of any audio or video file, its channels averaged: float32 [samples] in -1..1, and Hz.

    rate: Hz to resample to as it is decoded, None for the file's own. Raises ValueError as read_channels.
    """
    sound, rate = read_channels(path, rate)
    return sound.mean(0), rate


def read_channels(path: Path | BinaryIO, rate: int | None = None) -> tuple[np.ndarray, int]:
    """The sound of any audio or video file, float32 [channels, samples] in -1..1, and Hz.

    rate: Hz to resample to as it is decoded, None for the file's own. Raises ValueError for a file that PyAV cannot
    read or that holds no sound.
    """
    import av

    try:
        with av.open(str(path) if isinstance(path, Path) else path) as recording:
            if not recording.streams.audio:
                raise ValueError(f"{path} holds no sound: give a recording of speech.")
            stream = recording.streams.audio[0]
            rate = rate or stream.rate
            floats = av.AudioResampler(format="fltp", rate=rate)
            pieces = [
                part.to_ndarray() for frame in recording.decode(stream) for part in floats.resample(frame)
            ]
            pieces += [part.to_ndarray() for part in floats.resample(None)]
    except (OSError, av.FFmpegError) as error:
        raise ValueError(f"{path} is not a recording that can be read ({error}).") from error
    if not pieces:
        raise ValueError(f"{path} holds no sound: give a recording of speech.")
    return np.concatenate(pieces, axis=1).astype(np.float32), int(rate)
