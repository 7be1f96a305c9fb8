"""Films, voices, pictures and masks from files, decoded by PyAV as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InteractError, one_line
from ..media import hdr_curve, read_sound
from ..metrics.types import CHUNK, VOICE_RATE, Film, Person, Span
from .jobs import PICTURES, PersonFiles

MASK_SIDE = 128  # pixels, at most, of a mask's longer side: a film of ten minutes then holds 130 MB of them
UNEVEN = 0.6  # of a frame's duration by which a frame may be early or late in a film of one rate


@dataclass(frozen=True)
class OpenedFilm:
    """A film and what is to be said of its file."""

    film: Film
    notes: tuple[str, ...]


def open_film(path: Path) -> OpenedFilm:
    """A film from a file. Its frames are counted without decoding them, and decoded anew at every pass.

    A film whose frames come unevenly is read at its mean rate, one in HDR as if it were not, and a note says so.
    Raises InteractError for a file that cannot be opened, without a picture, or without frames; while it is read, for
    one that breaks off.
    """
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InteractError(f"{path.name} has no picture, only sound: give a film.")
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            times = [
                float(packet.pts * packet.time_base) if packet.pts is not None else None
                for packet in container.demux(stream)
                if packet.size
            ]
            width, height = stream.codec_context.width, stream.codec_context.height
            curve = hdr_curve(stream.codec_context)
    except (OSError, av.FFmpegError) as error:
        raise InteractError(f"{path.name} cannot be read as a film: {_why(error)}.") from error
    if not rate:
        raise InteractError(f"{path.name} does not say how many frames per second it has: convert it.")
    fps, notes = float(rate), []
    numbers = _numbers(times, fps)
    if numbers is not None:
        notes.append(f"The frames of {path.name} come unevenly: it was read at their mean rate of {fps:.2f}.")
    if curve:
        notes.append(
            f"{path.name} is in HDR ({curve}) and was read like an ordinary film, too pale: its figures may be off. "
            "Convert it to SDR."
        )
    count = len(times) if numbers is None else len(numbers)

    def source() -> Iterator[np.ndarray]:
        return _chunks(path, len(times), numbers)

    return OpenedFilm(Film(path.name, source, count, width, height, fps), tuple(notes))


def _numbers(times: list[float | None], fps: float) -> np.ndarray | None:
    """For each frame at an even rate the frame that is shown then; None where they come evenly, or nobody knows."""
    known = sorted(time for time in times if time is not None)
    if len(known) < 2 or len(known) != len(times):
        return None
    at = np.array(known) - known[0]
    if np.abs(at - np.arange(len(at)) / fps).max() <= UNEVEN / fps:
        return None
    middles = (np.arange(max(1, round((at[-1] + 1 / fps) * fps))) + 0.5) / fps
    return np.clip(np.searchsorted(at, middles, side="right") - 1, 0, len(at) - 1)


def _chunks(path: Path, count: int, numbers: np.ndarray | None) -> Iterator[np.ndarray]:
    """Frames of a file in chunks; numbers: which are shown, rising, or None for each once."""
    chunk: list[np.ndarray] = []
    place = decoded = 0
    for number, frame in enumerate(_frames(path)):
        decoded = number + 1
        if decoded > count:
            break
        times = 1
        if numbers is not None:
            times = int(np.searchsorted(numbers[place:], number, side="right"))
            place += times
        chunk += [frame] * times
        while len(chunk) >= CHUNK:
            yield np.stack(chunk[:CHUNK])
            chunk = chunk[CHUNK:]
    if decoded < count:
        raise InteractError(f"{path.name} breaks off: {decoded} of its {count} frames could be decoded.")
    if chunk:
        yield np.stack(chunk)


def _frames(path: Path) -> Iterator[np.ndarray]:
    import av

    try:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (OSError, av.FFmpegError) as error:
        raise InteractError(f"{path.name} cannot be decoded: {_why(error)}.") from error


def _why(error: Exception) -> str:
    """What PyAV or the system says, without number and path."""
    return str(getattr(error, "strerror", None) or one_line(error)).rstrip(".")


def read_person(files: PersonFiles, film: Film) -> tuple[Person, tuple[str, ...]]:
    """Somebody of a film from their files, and sentences about what was missing or short."""
    notes: list[str] = []
    voice, skipped = _voice(files, film, notes)
    reference = None if files.reference is None else _picture(files.reference)
    mask, predicted = (
        None if path is None else _mask(path, film, notes) for path in (files.mask, files.predicted)
    )
    spans = None
    if files.spans is not None:
        frames = [(round(begin * film.fps), round(end * film.fps)) for begin, end in files.spans]
        spans: tuple[Span, ...] | None = tuple(
            (begin, min(end, film.frames)) for begin, end in frames if begin < film.frames
        )
    return Person(files.name, voice, spans, mask, reference, predicted, skipped), tuple(notes)


def _voice(files: PersonFiles, film: Film, notes: list[str]) -> tuple[np.ndarray | None, int]:
    """The recording, with silence before it where it begins late, and its samples that lie before the film."""
    if files.voice is None:
        return None, 0
    try:
        sound, _ = read_sound(files.voice, VOICE_RATE)
    except ValueError as error:
        if files.voice.name == film.name and "holds no sound" in str(error):
            notes.append(f"{film.name} has no sound, so {files.name} has no voice: give one by --voices.")
            return None, 0
        raise InteractError(str(error)) from error
    begin = round(files.start * VOICE_RATE)
    skipped = min(max(0, -begin), len(sound))
    sound = np.concatenate([np.zeros(max(0, begin), np.float32), sound])
    seconds = (len(sound) - skipped) / VOICE_RATE
    if seconds < film.seconds - 1 / film.fps:
        notes.append(
            f"The voice of {files.name} ends after {seconds:.2f} s of {film.seconds:.2f}: silence follows it."
        )
    return (sound if sound.size else None), skipped


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError) as error:
        raise InteractError(f"{path} is no picture that can be read: {one_line(error)}.") from error


def _mask(path: Path, film: Film, notes: list[str]) -> np.ndarray:
    """[1, h, w] from a picture, [frames, h, w] from a film in grey, in 0..1, made smaller where they are large."""
    if path.suffix.lower() in PICTURES:
        return _smaller(_picture(path))[None]
    opened = open_film(path).film
    if opened.frames != film.frames:
        notes.append(
            f"{path.name} has {opened.frames} frames and the film {film.frames}: each was used where it is shown."
        )
        opened = opened.at_rate(film.frames / opened.seconds)
    masks = np.stack([_smaller(frame) for frame in opened.each()])
    return masks[: film.frames]


def _smaller(frame: np.ndarray) -> np.ndarray:
    import cv2

    factor = min(1.0, MASK_SIDE / max(frame.shape[:2]))
    size = max(1, round(frame.shape[1] * factor)), max(1, round(frame.shape[0] * factor))
    grey = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).max(-1)
    return (grey / 255).astype(np.float16)
