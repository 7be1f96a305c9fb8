"""Encoding shards once: latents, reference latents, masks on the token grid, audio features, captions.

Encoded clips are stored in tar files, one safetensors file per clip, beside a JSON index of each clip's
offset. The cache folder's name is a hash of the settings and encoder files that affect the result, so nothing
stale is ever read. A shard is encoded once; one that was interrupted or broken is tried again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import Tensor

from ...errors import InteractError, one_line
from ...guidance.layout import layouts_on_grid
from ...speech.from_core import SPEECH_KEY
from ...speech.timeline import features_on_timeline
from ...whole_file import whole_file
from ..config import ShardKeys
from .framing import confidence_per_latent, frame_numbers, reference_views, select_frames
from .shards import Sample, decode_sample, raw_samples, writing_shards

log = logging.getLogger(__name__)
FORMAT = "1"  # part of the hash: raised when the encoding changes
ENCODING_KEYS = ("width", "height", "frames", "fps", "views", "crops")


class Encoders:
    """The frozen VAE, audio encoder and text encoder; the text encoder is loaded for the first caption.

    Raises InteractError for a file that is missing or another VAE than Wan 2.1's.
    """

    def __init__(self, keys: ShardKeys) -> None:
        import comfy.sd
        import comfy.utils

        from ...host.encode.audio_encoder import load_audio_encoder

        self._keys = keys
        weights, metadata = comfy.utils.load_torch_file(
            str(_existing(keys.vae, "shards.vae")), return_metadata=True
        )
        self.vae = comfy.sd.VAE(sd=weights, metadata=metadata)
        if getattr(self.vae, "latent_channels", None) != 16 or getattr(self.vae, "latent_dim", None) != 3:
            raise InteractError(f"{keys.vae} is not the VAE of Wan 2.1: set shards.vae to that.")
        self.audio = load_audio_encoder(_existing(keys.audio_encoder, "shards.audio_encoder"))
        self._text: Any = None

    @torch.no_grad()
    def latents(self, pixels: Tensor) -> Tensor:
        """[F, H, W, 3] in 0..1 -> [16, T, H/8, W/8] float16, normalised as the diffusion model takes them."""
        from comfy.latent_formats import Wan21

        return Wan21().process_in(self.vae.encode(pixels).float().cpu())[0].half()

    @torch.no_grad()
    def speech(self, waveform: np.ndarray, rate: int, start: float) -> Tensor:
        """[F, L, C] float16, one row for each video frame; start: second of the clip at which the recording
        begins.
        """
        sound = torch.from_numpy(waveform)[None, None]
        speech = self.audio.encode_audio(sound, rate, fps=self._keys.fps, start=start)[SPEECH_KEY]
        return features_on_timeline(speech, self._keys.frames, self._keys.fps).half()

    @cached_property
    def mute(self) -> Tensor:
        """[L, C] float16, the encoding of silence."""
        with torch.no_grad():
            return self.audio.encode_audio(torch.zeros(1, 1, 16000), 16000)[SPEECH_KEY].mute.half()

    @torch.no_grad()
    def text(self, caption: str) -> Tensor:
        """[tokens, 4096] bfloat16; one zero token where there is no text encoder."""
        if not self._keys.text_encoder:
            return torch.zeros(1, 4096, dtype=torch.bfloat16)
        if self._text is None:
            import comfy.sd

            path = _existing(self._keys.text_encoder, "shards.text_encoder")
            self._text = comfy.sd.load_clip(ckpt_paths=[str(path)], clip_type=comfy.sd.CLIPType.WAN)
        return self._text.encode_from_tokens(self._text.tokenize(caption))[0].to("cpu", torch.bfloat16)


def _existing(path: str, name: str) -> Path:
    found = Path(path).expanduser()
    if not path or not found.exists():
        raise InteractError(
            f"{name} is {path!r}, which is not there: name the file in the training configuration."
        )
    return found


def encode_sample(sample: Sample, keys: ShardKeys, encoders: Encoders) -> dict[str, Tensor]:
    """The tensors of one clip of N concepts.

    latents [16, T, h8, w8] and references [N, views, 16, h8, w8], float16, deviation about 1; audio [N, F, L,
    C] float16, mute for concepts without speech; text [tokens, 4096]; and, where the sample has masks: masks
    uint8 [N, T, h, w] (255 = 1, the visible share of each token), confidence float16 [N, T], focus uint8 [1,
    T, h, w]. Raises InteractError for a clip that is too short, or without pictures.
    """
    numbers, frame_size = frame_numbers(sample, keys), sample.frames.shape[1:3]
    rng = np.random.default_rng(list(hashlib.sha256(sample.key.encode()).digest()[:8]))
    views = reference_views(sample, keys, rng)
    starts, speech = sample.starts or {}, sample.speech or {}
    mute = encoders.mute
    silence = mute.expand(keys.frames, *mute.shape)
    tracks = [
        encoders.speech(*speech[number], starts.get(number, 0.0)) if number in speech else silence
        for number in range(sample.concepts)
    ]
    clip = {
        "latents": encoders.latents(select_frames(sample.frames, numbers, frame_size, keys).movedim(1, -1)),
        "references": torch.stack(
            [torch.stack([encoders.latents(view[None])[:, 0] for view in concept]) for concept in views]
        ),
        "audio": torch.stack(tracks),
        "text": encoders.text(sample.caption),
    }
    if sample.masks is not None:
        clip["masks"] = torch.stack(
            [_on_token_grid(mask, numbers, frame_size, keys) for mask in sample.masks]
        )
        clip["confidence"] = confidence_per_latent(sample.confidence[:, numbers]).half()
        if sample.focus is not None:
            clip["focus"] = _on_token_grid(sample.focus, numbers, frame_size, keys)[None]
    return {name: value.contiguous() for name, value in clip.items()}


def _on_token_grid(
    mask: np.ndarray, numbers: np.ndarray, frame_size: tuple[int, int], keys: ShardKeys
) -> Tensor:
    pixels = select_frames(mask, numbers, frame_size, keys).squeeze(1)
    return (layouts_on_grid(pixels, keys.frames, keys.width, keys.height) * 255).round().to(torch.uint8)


@dataclass(frozen=True)
class CachedClip:
    """Location of one encoded clip in the cache, and what batching needs to know of it."""

    file: Path
    offset: int
    size: int
    key: str
    concepts: int
    grid: tuple[int, int, int]  # T, h, w
    masked: bool
    crc: int | None = None  # zlib's, of the encoded clip; caches of earlier versions have none

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of concepts and token grid, which all clips of a batch share."""
        return (self.concepts, *self.grid)


def cache_folder(keys: ShardKeys, sources: Sequence[Path]) -> Path:
    """The folder for these settings and encoders; its name changes with any of them."""
    digest = hashlib.sha256(FORMAT.encode())
    digest.update(json.dumps([getattr(keys, name) for name in ENCODING_KEYS]).encode())
    for name in ("vae", "audio_encoder", "text_encoder"):
        given = getattr(keys, name)
        if given:
            digest.update(_file_digest(_existing(given, f"shards.{name}")))
    folder = Path(keys.cache).expanduser() if keys.cache else sources[0].parent / "encoded"
    return folder / digest.hexdigest()[:12]


def _file_digest(path: Path) -> bytes:
    """SHA-256 of the size and the first and last megabyte of a file, or of all files of a folder: hashing 14B
    models whole would take minutes.
    """
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as opened:
                digest.update(opened.read(2**20))
                opened.seek(-min(2**20, file.stat().st_size), os.SEEK_END)
                digest.update(opened.read() + str(file.stat().st_size).encode())
    return digest.digest()


def find_shards(patterns: Sequence[str], name: str) -> list[Path]:
    """The files that match the patterns of a key. Raises InteractError for a pattern that matches none."""
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern).expanduser()
        matches = sorted(path.parent.glob(path.name))
        if not matches:
            raise InteractError(f"{name}: there is no shard {pattern}; name tar files, a path may hold *.")
        found += [match for match in matches if match not in found]
    return found


def encode_shards(
    keys: ShardKeys,
    sources: Sequence[Path],
    part: int = 0,
    parts: int = 1,
    encoders: Encoders | None = None,
) -> Path:
    """Encode the shards that are not in the cache yet; this process takes shards part, part + parts, ... of
    them. encoders: of these keys, from whoever encodes shard after shard; loaded here where there are none.

    Broken samples are reported, counted and left out; a truncated shard is reported and left out whole.
    Returns the cache folder, for `read_cache`. Raises InteractError as Encoders does.
    """
    folder = cache_folder(keys, sources)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [source for source in sources[part::parts] if not _is_encoded(folder, source)]
    constants = folder / "constants.safetensors"
    without = part == 0 and _constants(folder) is None
    if encoders is None and (missing or without):
        encoders = Encoders(keys)
    try:
        if without:
            partial = constants.with_suffix(f".of{os.getpid()}.partial")
            made = {"mute": encoders.mute, "null_text": encoders.text("")}
            save_file(made, partial, metadata={"crc": str(_crc_of(made))})
            partial.replace(constants)
        for number, source in enumerate(missing, 1):
            try:
                _encode_shard(folder, source, keys, encoders)
            except InteractError as error:
                log.warning("left out: %s", error)
            else:
                log.info("encoded %s, %d of %d", source.name, number, len(missing))
    except (OSError, SafetensorError) as error:
        reason = one_line(getattr(error, "strerror", None) or error)
        raise InteractError(
            f"The encoded shards cannot be written to {folder} ({reason}): make room there and start again, what is "
            "encoded is kept."
        ) from error
    return folder


def _constants(folder: Path) -> dict[str, Tensor] | None:
    """The encodings of silence and of an empty caption; None if they are not there or damaged."""
    try:
        with safe_open(folder / "constants.safetensors", "pt") as file:
            names = file.keys()
            found = {name: file.get_tensor(name) for name in names}
            crc = (file.metadata() or {}).get("crc")
    except (OSError, SafetensorError):
        return None
    whole = {"mute", "null_text"} <= found.keys() and all(
        bool(value.isfinite().all()) for value in found.values()
    )
    return found if whole and crc in (None, str(_crc_of(found))) else None


def _crc_of(tensors: Mapping[str, Tensor]) -> int:
    return zlib.crc32(save(dict(sorted(tensors.items()))))


def _cache_files(folder: Path, source: Path) -> tuple[Path, Path]:
    """Tar file and index of a shard."""
    place = hashlib.sha256(str(source.resolve().parent).encode()).hexdigest()[:6]
    return folder / f"{source.stem}-{place}.tar", folder / f"{source.stem}-{place}.json"


def _source_state(source: Path) -> list[int]:
    """Size and modification time."""
    status = source.stat()
    return [status.st_size, status.st_mtime_ns]


@dataclass(frozen=True)
class _Index:
    """What is known of an encoded shard. source: the state of the shard that it was made of."""

    source: list[int]
    clips: tuple[CachedClip, ...]
    broken: tuple[str, ...]


def _read_index(folder: Path, source: Path) -> _Index | None:
    """The index of a shard; None if it is not there or damaged. Those of earlier versions have no checksum."""
    encoded, index = _cache_files(folder, source)
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
        crc = found.pop("crc", None)
        if crc not in (None, _crc_of_text(found)):
            return None
        clips = (CachedClip(encoded, **{**clip, "grid": tuple(clip["grid"])}) for clip in found["clips"])
        return _Index(found["source"], tuple(clips), tuple(found["broken"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _crc_of_text(value: Any) -> int:
    return zlib.crc32(json.dumps(value).encode())


def _is_encoded(folder: Path, source: Path) -> bool:
    index = _read_index(folder, source)
    return (
        index is not None
        and index.source == _source_state(source)
        and _cache_files(folder, source)[0].exists()
    )


def _encode_shard(folder: Path, source: Path, keys: ShardKeys, encoders: Encoders) -> None:
    encoded, index = _cache_files(folder, source)
    index.unlink(missing_ok=True)
    clips, broken, state = [], [], _source_state(source)
    with writing_shards(folder, f"{encoded.stem}.of{os.getpid()}", samples_each=2**31) as writer:
        for number, (key, parts) in enumerate(raw_samples(source)):
            try:
                clip = encode_sample(decode_sample(key, parts), keys, encoders)
            except InteractError as error:
                broken.append(f"{source.name}: {error}")
                log.warning("left out: %s: %s", source.name, error)
                continue
            packed = save(clip)
            writer.write_parts(f"{number:06d}", {"safetensors": packed})
            grid = [clip["latents"].shape[1], clip["latents"].shape[2] // 2, clip["latents"].shape[3] // 2]
            about = {"concepts": len(clip["references"]), "grid": grid, "masked": "masks" in clip}
            clips.append({"key": key, **about, "crc": zlib.crc32(packed)})
    if writer.paths:
        writer.paths[0].replace(encoded)
        with tarfile.open(encoded, "r:") as tar:
            for clip, member in zip(clips, tar, strict=True):
                clip.update(offset=member.offset_data, size=member.size)
    else:
        encoded.touch()
    found = {"source": state, "clips": clips, "broken": broken}
    with whole_file(index) as partial:
        partial.write_text(json.dumps({**found, "crc": _crc_of_text(found)}), encoding="utf-8")


@dataclass(frozen=True)
class Cache:
    """The encoded clips of some shards.

    mute [L, C], the encoding of silence; null_text [tokens, 4096], that of an empty caption; broken: one
    sentence for each sample or shard that was left out.
    """

    clips: tuple[CachedClip, ...]
    mute: Tensor
    null_text: Tensor
    broken: tuple[str, ...]


def read_cache(keys: ShardKeys, sources: Sequence[Path]) -> Cache:
    """Read the indices that `encode_shards` wrote; a shard that it could not read has none."""
    folder = cache_folder(keys, sources)
    constants = _constants(folder)
    if constants is None:
        raise InteractError(
            f"{folder / 'constants.safetensors'} cannot be read: start again, to encode it anew."
        )
    clips: list[CachedClip] = []
    broken: list[str] = []
    for source in sources:
        path = _cache_files(folder, source)[1]
        if not path.exists():
            broken.append(f"{source.name}: the whole shard")
            continue
        index = _read_index(folder, source)
        if index is None:
            raise InteractError(f"{path} cannot be read: start again, to encode {source.name} anew.")
        broken += index.broken
        clips += index.clips
    return Cache(tuple(clips), constants["mute"], constants["null_text"], tuple(broken))
