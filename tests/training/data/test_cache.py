"""Encoded shards: broken samples are left out, nothing is encoded twice, tensors are the clip's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.training.config import ShardKeys, config_of
from interacthuman.interact_core.training.data import cache as cache_module
from interacthuman.interact_core.training.data.cache import encode_shards, read_cache
from interacthuman.interact_core.training.data.library import Library
from interacthuman.tests.support.training import FRAMES, SHARD_KEYS, drawn_sample, write_drawn


def test_broken_samples_are_left_out_and_nothing_is_encoded_twice(
    shards: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encode_shards(SHARD_KEYS, shards)
    assert "cut off" in caplog.text and "Sample 0000" in caplog.text
    cache = read_cache(SHARD_KEYS, shards)
    assert [clip.key for clip in cache.clips] == ["0001", "0004", "0005"]
    assert len(cache.broken) == 2

    whole = write_drawn(shards[0].parent / "again", range(6), each=2)
    for path, fetched in list(zip(shards, whole))[:2]:
        fetched.replace(path)
    encode_shards(SHARD_KEYS, shards)
    assert [clip.key for clip in read_cache(SHARD_KEYS, shards).clips] == [f"{k:04d}" for k in range(6)]
    monkeypatch.setattr(cache_module, "Encoders", lambda keys: pytest.fail("nothing is left to encode"))
    encode_shards(SHARD_KEYS, shards)


def test_a_damaged_index_and_damaged_constants_are_made_anew(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(1))
    folder = encode_shards(SHARD_KEYS, paths)
    (index,), constants = folder.glob("*.json"), folder / "constants.safetensors"
    whole = index.read_bytes(), constants.read_bytes()
    index.write_bytes(whole[0][:-9])
    constants.write_bytes(whole[1][:-9])
    with pytest.raises(InteractError, match="constants.safetensors cannot be read"):
        read_cache(SHARD_KEYS, paths)
    encode_shards(SHARD_KEYS, paths)
    assert (index.read_bytes(), constants.read_bytes()) == whole


@pytest.mark.parametrize(
    "name, before, after",
    [
        ("*.json", b'"masked"', b'"maskud"'),
        ("*.json", b'"concepts": 2', b'"concepts": 3'),
        ("constants.safetensors", b"", b""),
    ],
)
def test_a_flipped_bit_is_seen(tmp_path: Path, name: str, before: bytes, after: bytes) -> None:
    """Of an index, and of the encoding of silence, whose numbers stay finite: it is told, and made anew."""
    paths = write_drawn(tmp_path, range(1))
    folder = encode_shards(SHARD_KEYS, paths)
    (path,) = folder.glob(name)
    whole = path.read_bytes()
    rotten = whole.replace(before, after, 1) if before else whole[:-1] + bytes([whole[-1] ^ 1])
    assert rotten != whole
    path.write_bytes(rotten)
    with pytest.raises(InteractError, match=f"{path.name} cannot be read: start again"):
        read_cache(SHARD_KEYS, paths)
    encode_shards(SHARD_KEYS, paths)
    assert path.read_bytes() == whole
    assert len(read_cache(SHARD_KEYS, paths).clips) == 1


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    paths = write_drawn(tmp_path, range(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(InteractError, match="cannot be written to .*: make room there"):
            encode_shards(SHARD_KEYS, paths)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    folder = encode_shards(SHARD_KEYS, paths)
    assert len(read_cache(SHARD_KEYS, paths).clips) == 1
    assert not [path for path in folder.iterdir() if path.suffix == ".partial"]


def test_what_is_encoded_is_the_clip(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(2))
    encode_shards(SHARD_KEYS, paths)
    cache = read_cache(SHARD_KEYS, paths)
    config = config_of({"shards": {"people": [2, 2]}}, "test")
    library = Library(cache, config)
    clip = library.read(cache.clips[0], np.random.default_rng(0))
    sample = drawn_sample(0)
    encoders = cache_module.Encoders(SHARD_KEYS)

    pixels = torch.from_numpy(sample.frames).float() / 255
    torch.testing.assert_close(clip["latents"], encoders.latents(pixels), rtol=0, atol=0)
    picture = torch.from_numpy(sample.references[1][0])[None].float() / 255
    torch.testing.assert_close(clip["references"][1, 0], encoders.latents(picture)[:, 0], rtol=0, atol=0)
    assert clip["masks"].shape == (2, 3, 3, 4)
    first = sample.masks[0, 0, 16:32, 16:32].mean()  # one token of the first frame
    assert abs(float(clip["masks"][0, 0, 1, 1]) - first) <= 0.5
    later = sample.masks[0, 1:5, 16:32, 16:32].mean()  # the second latent frame covers frames 1 to 4
    assert abs(float(clip["masks"][0, 1, 1, 1]) - later) <= 0.5
    assert torch.equal(clip["audio"][1], library.mute.expand(FRAMES, *library.mute.shape))
    assert not torch.allclose(clip["audio"][0, 4], library.mute, atol=1e-2)


def test_a_clip_that_is_too_short_is_left_out(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(1))
    keys = ShardKeys(**{**SHARD_KEYS.__dict__, "frames": FRAMES + 4})
    encode_shards(keys, paths)
    (sentence,) = read_cache(keys, paths).broken
    assert "Sample 0000: the clip lasts 0.36 s, but clips of 0.52 s" in sentence
