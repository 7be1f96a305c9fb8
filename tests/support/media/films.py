"""Small films as files, each frame of a grey that tells its number."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 64, 48


def write_film(
    path: Path, times: Sequence[int], fps: int = 25, sound: np.ndarray | None = None, transfer: int = 2
) -> None:
    """Frame k is grey of 3 k, shown from times[k] / fps on; sound: [channels, samples] at 16 kHz; transfer: curve of
    ITU-T H.273 that the film says it has, 2 for none.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"crf": "2", "bf": "2"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.color_trc = transfer
        audio = None if sound is None else container.add_stream("aac", rate=16000)
        if audio is not None:
            audio.layout = "stereo" if len(sound) == 2 else "mono"
        for number, time in enumerate(times):
            picture = np.full((HEIGHT, WIDTH, 3), 3 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            samples = np.ascontiguousarray(sound, np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=audio.layout.name)
            frame.rate, frame.pts = 16000, 0
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))


def greys(film) -> list[int]:
    """The numbers of the frames, as they are shown."""
    return [round(float(frame.mean()) / 3) for frame in film.each()]
