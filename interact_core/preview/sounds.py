"""What is heard of a film, as files that a browser plays: a FLAC for each voice, and one for the scene.

Their sum is the mixed dialogue, so that a viewer can let each of them sound alone.
"""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from .atlas import write_file

HIGHEST_RATE = 48000  # Hz
FULL_SCALE = 32767


@dataclass(frozen=True, eq=False)  # tensors have no truth value: compare by identity
class FilmSounds:
    """Mono tracks of one rate, each as long as the film; the first sample is its start.

    voices: of each character int16 [samples], None where nothing is heard; scene: what belongs to nobody, or None.
    """

    voices: tuple[Tensor | None, ...]
    scene: Tensor | None
    rate: int


def film_sounds(voices: Sequence[Tensor | None], scene: Tensor | None, rate: int) -> FilmSounds | None:
    """FilmSounds of float tracks [samples] of one length and rate, full scale 1; None if there is no track.

    All are turned down alike where one of them or their sum would pass full scale, as the mixed dialogue is.
    """
    tracks = [track for track in (*voices, scene) if track is not None]
    if not tracks:
        return None
    peaks = [track.abs().amax().item() for track in (*tracks, torch.stack(tracks).sum(0)) if track.numel()]
    scale = FULL_SCALE / max(1.0, *peaks)
    whole = [None if track is None else (track * scale).round().to(torch.int16) for track in (*voices, scene)]
    return FilmSounds(tuple(whole[:-1]), whole[-1], rate)


def write_sounds(sounds: FilmSounds | None, folder: str | os.PathLike[str]) -> dict[str, object] | None:
    """Write the tracks into `folder`; their names for a manifest. What is there already is kept. Raises OSError."""
    if sounds is None:
        return None
    names = [
        None if track is None else _write(track, sounds.rate, folder)
        for track in (*sounds.voices, sounds.scene)
    ]
    return {"voices": names[:-1], "scene": names[-1]}


def _write(track: Tensor, rate: int, folder: str | os.PathLike[str]) -> str:
    samples = track.numpy()
    key = rate.to_bytes(4, "little") + samples.tobytes()
    return write_file(key, folder, ".flac", lambda: encode_flac(samples, rate))


def encode_flac(samples: np.ndarray, rate: int) -> bytes:
    """A FLAC file of int16 [samples], mono."""
    import av  # ComfyUI's own; here, because nothing else of a preview needs it

    written = io.BytesIO()
    with av.open(written, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return written.getvalue()
