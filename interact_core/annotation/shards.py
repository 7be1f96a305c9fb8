"""Stage 9: WebDataset shards for `dev.py train adapter`, and their encoding.

Films are held out for validation whole, so that no face and no room is in both.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..config_tables import key
from ..errors import InteractError, one_line
from ..weights_file import is_out_of_memory
from .film.decoding import ClipWriter, frames_on_clock, read_wav, wav_bytes
from .people.captions import read_caption
from .people.masks import read_masks
from .people.references import reference_files
from .people.voices import gated, read_voices
from .pipeline.manifest import Manifest, digest, is_full
from .pipeline.record import FPS, SOUND, VIDEO, Places, Record, Rejected, Run, Stage

FOLDER = "shards"
TRAIN, VALIDATION = "train", "validation"


@dataclass(frozen=True)
class GroupKeys:
    """Stage 9, first part: which clips share a shard."""

    clips: int = key(100, "clips of a shard")
    validation: float = key(0.02, "share of the films whose clips are held out, in shards/validation-*.tar")

    def __post_init__(self) -> None:
        if self.clips < 1 or not 0 <= self.validation < 1:
            raise InteractError("[groups] clips must be 1 or more and validation within 0..1, without 1.")


@dataclass(frozen=True)
class ShardKeys:
    """Stage 9, second part: WebDataset shards (format: docs/training.md)."""

    crf: int = key(
        14, "quality of the H.264 of a window that is cut out of its clip; lower is better and larger"
    )


@dataclass(frozen=True)
class EncodeKeys:
    """Stage 9, third part: latents and audio features of the shards, by `[run] gpu_share` of a GPU for each worker."""

    training: str = key(
        "", "the training configuration whose [shards] names the encoders; empty: training encodes"
    )


def group_clips(rows: list[Record], keys: GroupKeys, places: Places) -> list[Record]:
    """A row for each shard. What an earlier run put together stays together as long as all of it is there unchanged;
    new clips go into new shards, so that a film more does not write and encode all of them anew.
    """
    settings = f"{keys.clips} {keys.validation}"
    there = {row.id: row for row in rows}
    groups, grouped = [], set()
    before = [row for done in Manifest(places.out).read(GROUPS.name) for row in done.rows]
    for group in before:
        members = json.loads(group.texts["members"])
        if group.texts["settings"] == settings and all(
            member["id"] in there and there[member["id"]].key == member["key"] for member in members
        ):
            # The manifest's key is of this stage's result, and would be made a key of again.
            groups.append(replace(group, key=digest(*(member["key"] for member in members))))
            grouped |= {member["id"] for member in members}
    left = sorted((row for row in rows if row.id not in grouped), key=lambda row: (row.source, row.start))
    for part in (TRAIN, VALIDATION):
        some = [row for row in left if _is_held_out(row, keys.validation) == (part == VALIDATION)]
        groups += [
            _group(part, some[first : first + keys.clips], settings)
            for first in range(0, len(some), keys.clips)
        ]
    _delete_stale([group.id for group in before], {group.id for group in groups}, places)
    return sorted(groups, key=lambda group: group.id)


def _group(part: str, clips: Sequence[Record], settings: str) -> Record:
    members = [
        {"id": clip.id, "key": clip.key, "folder": clip.folder, "window": _window(clip)} for clip in clips
    ]
    made_from = digest(*(clip.key for clip in clips))
    texts = {"members": json.dumps(members), "settings": settings}
    seconds = sum(last - first for first, last in map(_window, clips))
    figures = {"clips": float(len(clips)), "seconds": seconds}
    return Record(f"{part}-{made_from[:10]}", "", folder=FOLDER, figures=figures, texts=texts, key=made_from)


def _window(clip: Record) -> tuple[float, float]:
    """Seconds of the clip that are trained on."""
    return clip.figures.get("window_start", 0.0), clip.figures.get("window_end", clip.seconds)


def _is_held_out(clip: Record, share: float) -> bool:
    return int(hashlib.sha256(clip.source.encode()).hexdigest()[:8], 16) < share * 2**32


def _delete_stale(before: Sequence[str], now: set[str], places: Places) -> None:
    for name in set(before) - now:
        for path in (places.out / FOLDER).rglob(f"{name}-*"):
            path.unlink(missing_ok=True)


def make_shards(keys: ShardKeys) -> Run:
    """The stage's function: one shard, its clips in their order. A clip whose side files cannot be read is left out and
    named in the column `left_out`.
    """

    def run(record: Record, places: Places) -> Record:
        from ..training.data.shards import writing_shards

        members = json.loads(record.texts["members"])
        left_out = []
        with writing_shards(places.out / FOLDER, record.id, samples_each=2**31) as writer:
            for member in members:
                try:
                    parts = sample_parts(places.out / member["folder"], tuple(member["window"]), keys.crf)
                except Exception as error:
                    if is_full(error) or is_out_of_memory(error):
                        raise
                    left_out.append(f"{member['id']}: {one_line(error)}")
                else:
                    writer.write_parts(member["id"], parts)
        if not writer.paths:
            raise Rejected(f"error: none of its clips can be read, the first: {left_out[0]}")
        return record.having(
            {"shard": f"{FOLDER}/{writer.paths[0].name}", "left_out": "; ".join(left_out)},
            left_out=len(left_out),
            megabytes=writer.paths[0].stat().st_size / 2**20,
        )

    return run


def sample_parts(folder: Path, window: tuple[float, float], crf: int) -> dict[str, bytes]:
    """The files of one sample, by the name behind its key: what lies in a clip's folder, cut to its window."""
    first, end = (round(second * FPS) for second in window)
    masks, confidence = read_masks(folder)
    whole = first == 0 and end >= masks.shape[1]
    masks, confidence = masks[:, first:end], confidence[:, first:end]
    about = {"concepts": len(masks), "caption": read_caption(folder), "starts": {}}
    parts = {"json": json.dumps(about).encode()}
    parts["video.mp4"] = (folder / VIDEO).read_bytes() if whole else _cut_video(folder, first, end, crf)
    for number in range(len(masks)):
        for view, picture in enumerate(reference_files(folder, number)):
            parts[f"reference.{number}.{view}.png"] = picture.read_bytes()
    packed = io.BytesIO()
    np.savez_compressed(packed, masks=masks, confidence=confidence)
    parts["masks.npz"] = packed.getvalue()
    sound = read_wav(folder / SOUND, *window)
    for number, spans in enumerate(read_voices(folder)):
        own = [(max(0.0, start - window[0]), last - window[0]) for start, last in spans if last > window[0]]
        heard = gated(sound, own)
        if heard.any():
            parts[f"speech.{number}.wav"] = wav_bytes(heard)
    return parts


def _cut_video(folder: Path, first: int, end: int, crf: int) -> bytes:
    """A clip's frames first..end - 1 as a video of their own."""
    path = folder / "window.mp4"
    writer = ClipWriter(path, crf)
    for number, picture in enumerate(frames_on_clock(folder / VIDEO)):
        if number >= end:
            break
        if number >= first:
            writer.add(picture)
    writer.finish()
    try:
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def make_encode(keys: EncodeKeys) -> Run:
    """The stage's function: latents, features and masks on the token grid of a shard, where training looks for them."""
    from ..host.standalone import prepare_comfy

    prepare_comfy()
    from ..training.data.cache import Encoders, encode_shards

    training = _training_shards(keys)
    encoders = Encoders(training)

    def run(record: Record, places: Places) -> Record:
        folder = encode_shards(training, [places.out / record.texts["shard"]], encoders=encoders)
        return record.having({"encoded": str(folder)})

    return run


def _training_shards(keys: EncodeKeys) -> Any:
    from ..training.config import read_config

    return read_config(Path(keys.training)).shards


def _check_encode(keys: EncodeKeys) -> None:
    if not keys.training:
        return
    shards = _training_shards(keys)
    for name in ("vae", "audio_encoder"):
        path = getattr(shards, name)
        if not path or not Path(path).expanduser().exists():
            raise InteractError(
                f"{keys.training}: shards.{name} is {path!r}, which is not there: encode.training needs a "
                "configuration that names the VAE and the audio encoder."
            )


def _encoders_of(keys: EncodeKeys) -> str:
    """What an encoded shard depends on: the name of the trainer's cache."""
    if not keys.training:
        return ""
    from ..training.data.cache import cache_folder

    return cache_folder(_training_shards(keys), [Path(FOLDER)]).name


GROUPS = Stage("groups", 1, GroupKeys, whole=group_clips, of_shards=True)
SHARDS = Stage("shards", 1, ShardKeys, make_shards, of_shards=True)
ENCODE = Stage(
    *("encode", 1, EncodeKeys, make_encode, _check_encode),
    gpu=True,
    identity=_encoders_of,
    of_shards=True,
    idle=lambda keys: not keys.training,
)
