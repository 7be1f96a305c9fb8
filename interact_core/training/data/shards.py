"""WebDataset shards, the training data of an adapter: tar files of samples, whose parts share a key.

    KEY.json            {"concepts": N, "caption": "...", "starts": {"0": -1.5}}
    KEY.video.mp4       or .mkv, .webm: at least as long as the training's clips
    KEY.reference.I.png a picture of concept I (0..N-1), its alpha channel the outline; further ones:
                        KEY.reference.I.K.png. Without any, references are cut out of the video by the masks
                        (InterActHuman's way)
    KEY.masks.npz       masks uint8 [N, F, h, w], 255 inside, for every frame of the video, of any resolution;
                        optional: confidence [N, F] in 0..1, focus uint8 [F, h, w] (regions that the velocity
                        loss weighs more)
    KEY.speech.I.wav    or .flac: the recording of concept I; "starts" has the second of the video at which it
                        begins (negative: its beginning is cut off); a concept without one is silent

Only "concepts" and the video are required. The webdataset library reads these files too; here tarfile reads
them, because a resumed run has to find the same clip again at any step, and webdataset streams.
"""

from __future__ import annotations

import io
import json
import math
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InteractError, one_line
from ...media import EXACT, hdr_curve, read_sound
from .decoding import arrays_of, decoding

VIDEO_ENDINGS = ("mp4", "mkv", "webm", "mov")
SOUND_ENDINGS = ("wav", "flac")
PICTURE_ENDINGS = ("png", "jpg", "jpeg", "webp")
END_OF_ARCHIVE = b"\0" * 1024
"""Two empty blocks end every tar file; one without them is truncated."""


@dataclass(frozen=True)
class Sample:
    """One clip, decoded.

    frames uint8 RGB [F, H, W, 3] at `fps`; references: for each concept its pictures, uint8 RGB or RGBA [h,
    w, 3 or 4] of any size; masks uint8 [N, F, h, w] or None; confidence float32 [N, F] in 0..1; focus uint8
    [F, h, w] or None; speech: by concept float32 [samples] in -1..1 and Hz; starts: by concept seconds.
    """

    key: str
    frames: np.ndarray
    fps: float
    references: tuple[tuple[np.ndarray, ...], ...]
    masks: np.ndarray | None = None
    confidence: np.ndarray | None = None
    focus: np.ndarray | None = None
    speech: Mapping[int, tuple[np.ndarray, int]] | None = None
    starts: Mapping[int, float] | None = None
    caption: str = ""

    @property
    def concepts(self) -> int:
        return len(self.references)


class ShardWriter:
    """Writes samples into FOLDER/NAME-00000.tar and on; a file gets its name when it is complete. Use
    `writing_shards`.

    The same samples give the same bytes.
    """

    def __init__(self, folder: Path, name: str, samples_each: int = 100) -> None:
        self._folder, self._name, self._each = folder, name, samples_each
        self._tar: tarfile.TarFile | None = None
        self._inside = 0
        self.paths: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._name}-{len(self.paths):05d}.tar"

    @property
    def _partial(self) -> Path:
        return self._path.with_suffix(".partial")

    def abandon(self) -> None:
        """Discard the shard that is being written."""
        if self._tar is not None:
            tar, self._tar = self._tar, None
            with suppress(OSError):  # of a full disk, which cannot take the end of the archive either
                tar.close()
            self._partial.unlink(missing_ok=True)

    def finish(self) -> None:
        """Complete the shard that is being written."""
        if self._tar is not None:
            self._tar.close()
            self._partial.replace(self._path)
            self.paths.append(self._path)
            self._tar = None

    def write(self, sample: Sample) -> None:
        self.write_parts(sample.key, parts_of(sample))

    def write_parts(self, name: str, parts: Mapping[str, bytes]) -> None:
        """parts: file contents by the name behind the key, such as "video.mp4"."""
        if self._tar is None:
            self._tar, self._inside = tarfile.open(self._partial, "w"), 0  # noqa: SIM115 - open until finish()
        for ending, content in parts.items():
            member = tarfile.TarInfo(f"{name}.{ending}")
            member.size = len(content)
            self._tar.addfile(member, io.BytesIO(content))
        self._inside += 1
        if self._inside == self._each:
            self.finish()


@contextmanager
def writing_shards(folder: Path, name: str, samples_each: int = 100) -> Iterator[ShardWriter]:
    """A ShardWriter whose last shard is completed at the end, or discarded after an exception."""
    writer = ShardWriter(folder, name, samples_each)
    try:
        yield writer
        writer.finish()
    finally:
        writer.abandon()


def parts_of(sample: Sample) -> dict[str, bytes]:
    """A sample's files: the video as lossless FFV1, sound as 16-bit PCM."""
    about = {"concepts": sample.concepts, "caption": sample.caption}
    about["starts"] = {str(number): start for number, start in (sample.starts or {}).items()}
    parts = {"json": json.dumps(about).encode(), "video.mkv": write_video(sample.frames, sample.fps)}
    for number, pictures in enumerate(sample.references):
        for view, picture in enumerate(pictures):
            parts[f"reference.{number}.{view}.png"] = _png(picture)
    if sample.masks is not None:
        arrays = {"masks": sample.masks, "confidence": sample.confidence, "focus": sample.focus}
        packed = io.BytesIO()
        np.savez_compressed(packed, **{name: array for name, array in arrays.items() if array is not None})
        parts["masks.npz"] = packed.getvalue()
    for number, (waveform, rate) in (sample.speech or {}).items():
        parts[f"speech.{number}.wav"] = _wav(waveform, rate)
    return parts


def raw_samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and parts of every sample of a shard, in order, undecoded.

    Raises InteractError, before the first sample, for a file that is missing, not a tar file, or truncated.
    """
    try:
        with path.open("rb") as file:
            file.seek(-min(len(END_OF_ARCHIVE), file.seek(0, os.SEEK_END)), os.SEEK_END)
            whole = file.read() == END_OF_ARCHIVE
        if not whole:
            raise InteractError(f"The shard {path} is cut off before its end: fetch or write it again.")
        with tarfile.open(path, "r:") as tar:
            key, parts = "", {}
            for member in tar:
                if not member.isfile():
                    continue
                name, _, ending = member.name.rpartition("/")[2].partition(".")
                name = member.name[: member.name.rfind("/") + 1] + name
                if name != key and parts:
                    yield key, parts
                    parts = {}
                key = name
                parts[ending.lower()] = tar.extractfile(member).read()
            if parts:
                yield key, parts
    except (tarfile.TarError, ValueError, LookupError) as error:  # the latter two of damaged headers
        if isinstance(error, InteractError):
            raise
        raise InteractError(
            f"The shard {path} is not a tar file that can be read ({one_line(error)})."
        ) from error
    except OSError as error:
        raise InteractError(f"The shard {path} cannot be read ({error.strerror or error}).") from error


def decode_sample(key: str, parts: Mapping[str, bytes], max_frames: int | None = None) -> Sample:
    """Decode and check one sample; of its video at most `max_frames` frames.

    Raises InteractError, one sentence that names the sample, for a part that is missing, cannot be decoded or
    does not fit the others.
    """
    about = _about(key, parts)
    count, starts = about["concepts"], _starts(key, about)
    frames, fps = _video(key, parts, max_frames)
    masks, confidence, focus = _masks(key, parts, count, len(frames), cut=max_frames is not None)
    return Sample(
        key,
        frames,
        fps,
        tuple(tuple(_pictures(key, parts, number)) for number in range(count)),
        masks,
        confidence,
        focus,
        {number: sound for number in range(count) if (sound := _sound(key, parts, number)) is not None},
        starts,
        str(about.get("caption", "")),
    )


def _starts(key: str, about: Mapping[str, Any]) -> dict[int, float]:
    with decoding(f'Sample {key}: "starts" in {key}.json is not seconds by concept'):
        starts = {int(number): float(start) for number, start in about.get("starts", {}).items()}
        if not all(map(math.isfinite, starts.values())):
            raise ValueError("not finite")
    return starts


def _about(key: str, parts: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        about = json.loads(parts["json"])
    except KeyError:
        raise InteractError(f"Sample {key}: {key}.json is missing.") from None
    except (ValueError, RecursionError) as error:
        raise InteractError(f"Sample {key}: {key}.json is not JSON ({one_line(error)}).") from error
    count = about.get("concepts") if isinstance(about, dict) else None
    if not isinstance(count, int) or count < 1:
        raise InteractError(
            f'Sample {key}: "concepts" in {key}.json is {one_line(repr(count))}, not a number of 1 or more.'
        )
    return about


def _video(key: str, parts: Mapping[str, bytes], most: int | None) -> tuple[np.ndarray, float]:
    import av

    content = next((parts[f"video.{end}"] for end in VIDEO_ENDINGS if f"video.{end}" in parts), None)
    if content is None:
        raise InteractError(f"Sample {key}: there is no video ({key}.video.mp4).")
    with decoding(f"Sample {key}: the video cannot be decoded"):
        with av.open(io.BytesIO(content)) as film:
            stream = film.streams.video[0]
            fps, frames = float(stream.average_rate or 0), []
            for frame in film.decode(stream):
                if curve := hdr_curve(frame):
                    raise InteractError(f"Sample {key}: the video is in HDR ({curve}); convert it to SDR.")
                frames.append(frame.to_ndarray(format="rgb24", interpolation=EXACT))
                if len(frames) == most:
                    break
        if not frames or fps <= 0:
            raise InteractError(f"Sample {key}: the video has no frames or no frame rate.")
        return np.stack(frames), fps


def _masks(
    key: str, parts: Mapping[str, bytes], count: int, frames: int, cut: bool
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    if "masks.npz" not in parts:
        return None, None, None
    with decoding(f"Sample {key}: {key}.masks.npz cannot be read"):
        arrays = arrays_of(parts["masks.npz"])
        masks = arrays["masks"]
    if masks.ndim != 4 or len(masks) != count or masks.dtype != np.uint8:
        raise InteractError(
            f"Sample {key}: its masks are {masks.dtype} {list(masks.shape)}, expected uint8 "
            f"[{count}, frames, h, w]."
        )
    if masks.shape[1] < frames or (masks.shape[1] != frames and not cut):
        raise InteractError(f"Sample {key}: {masks.shape[1]} frames of masks for {frames} frames of video.")
    confidence = arrays.get("confidence", np.ones(masks.shape[:2], np.float32))
    focus = arrays.get("focus")
    if confidence.shape != masks.shape[:2] or (focus is not None and focus.shape[:1] != masks.shape[1:2]):
        raise InteractError(f"Sample {key}: confidence or focus is not of the masks' number of frames.")
    if confidence.dtype.kind != "f" or not bool(((confidence >= 0) & (confidence <= 1)).all()):
        raise InteractError(f"Sample {key}: confidence is not within 0..1.")
    if focus is not None and (focus.ndim != 3 or focus.dtype != np.uint8):
        raise InteractError(
            f"Sample {key}: focus is {focus.dtype} {list(focus.shape)}, expected uint8 [frames, h, w]."
        )
    confidence = confidence.astype(np.float32)
    return masks[:, :frames], confidence[:, :frames], None if focus is None else focus[:frames]


def _pictures(key: str, parts: Mapping[str, bytes], number: int) -> Iterator[np.ndarray]:
    from PIL import Image

    for name in sorted(parts):
        start, _, ending = name.rpartition(".")
        if ending in PICTURE_ENDINGS and (start + ".").startswith(f"reference.{number}."):
            with decoding(f"Sample {key}: {key}.{name} is no picture"):
                picture = np.asarray(Image.open(io.BytesIO(parts[name])).convert("RGBA"))
            yield picture


def _sound(key: str, parts: Mapping[str, bytes], number: int) -> tuple[np.ndarray, int] | None:
    for ending in SOUND_ENDINGS:
        content = parts.get(f"speech.{number}.{ending}")
        if content is None:
            continue
        with decoding(f"Sample {key}: {key}.speech.{number}.{ending} holds no sound"):
            waveform, rate = read_sound(io.BytesIO(content))
        if not np.isfinite(waveform).all():
            raise InteractError(f"Sample {key}: {key}.speech.{number}.{ending} holds NaN or infinity.")
        return waveform, rate
    return None


def write_video(frames: np.ndarray, fps: float, codec: str = "ffv1") -> bytes:
    """uint8 RGB [F, H, W, 3] as lossless Matroska (ffv1), or as MP4 that browsers play (libx264)."""
    import av

    packed = io.BytesIO()
    kind = "matroska" if codec == "ffv1" else "mp4"
    with av.open(
        packed, "w", format=kind, options={"fflags": "+bitexact"}
    ) as film:  # no date and no random id in the file
        stream = film.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(stream.encode())
    return packed.getvalue()


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "PNG")
    return packed.getvalue()


def _wav(waveform: np.ndarray, rate: int) -> bytes:
    import wave

    packed = io.BytesIO()
    with wave.open(packed, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(waveform, -1, 1) * 32767).round().astype("<i2").tobytes())
    return packed.getvalue()


@dataclass(frozen=True)
class Findings:
    """Result of `check_shards`: the number of good samples, of these with masks and with speech, and one
    sentence for everything that is broken.
    """

    good: int
    masked: int
    speaking: int
    broken: tuple[str, ...]


def check_shards(paths: Sequence[Path]) -> Findings:
    """Decode every sample of every shard."""
    good = masked = speaking = 0
    broken = []
    for path in paths:
        try:
            for key, parts in raw_samples(path):
                try:
                    sample = decode_sample(key, parts)
                except InteractError as error:
                    broken.append(f"{path.name}: {error}")
                    continue
                good += 1
                masked += sample.masks is not None
                speaking += bool(sample.speech)
        except InteractError as error:
            broken.append(str(error))
    return Findings(good, masked, speaking, tuple(broken))
