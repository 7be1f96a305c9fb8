"""Shards: what is written is read, by webdataset too; broken things are named, counted and left out; encoded once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.tests.support import tiny_wan  # noqa: F401 - before anything of comfy
from interacthuman.tests.support.training import (
    FRAMES,
    HEIGHT,
    VAE,
    WAV2VEC2,
    WIDTH,
    drawn_sample,
    write_drawn,
)

from interacthuman.interact_core.training.data import cache as cache_room  # isort: skip
from interacthuman.interact_core.theatre.training.shards import theatre_samples, write_theatre_shards
from interacthuman.interact_core.training.config import ShardKeys, config_of
from interacthuman.interact_core.training.data.cache import encode_shards, read_cache
from interacthuman.interact_core.training.data.framing import confidence_per_latent, cover, reference_views
from interacthuman.interact_core.training.data.samples import Library
from interacthuman.interact_core.training.data.shards import (
    check_shards,
    decode_sample,
    parts_of,
    raw_samples,
)

KEYS = ShardKeys(
    vae=str(VAE), audio_encoder=str(WAV2VEC2), width=WIDTH, height=HEIGHT, frames=FRAMES, views=2, crops=False
)


def test_a_sample_survives_its_shard(tmp_path: Path) -> None:
    written = drawn_sample(1)
    (path,) = write_drawn(tmp_path, range(1, 2))
    ((key, parts),) = raw_samples(path)
    read = decode_sample(key, parts)
    assert (read.key, read.caption, read.fps, read.starts) == ("0001", "discs", 25.0, {0: 0.04})
    assert np.array_equal(read.frames, written.frames) and np.array_equal(read.masks, written.masks)
    assert np.array_equal(read.references[1][0][..., :3], written.references[1][0])
    waveform, rate = read.speech[0]
    assert rate == 16000 and set(read.speech) == {0}
    np.testing.assert_allclose(waveform, written.speech[0][0], atol=1 / 32000)


def test_the_webdataset_library_reads_the_same(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    (path,) = write_drawn(tmp_path, range(3))
    theirs = list(webdataset.WebDataset(str(path), shardshuffle=False))
    ours = list(raw_samples(path))
    assert [sample["__key__"] for sample in theirs] == [key for key, _ in ours]
    for sample, (_, parts) in zip(theirs, ours):
        assert {name: content for name, content in sample.items() if name[0] != "_"} == parts


def test_the_same_samples_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_drawn(tmp_path / name, range(3), each=2) for name in "ab")
    assert [p.name for p in first] == ["drawn-00000.tar", "drawn-00001.tar"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def masks_of(shape: tuple[int, ...]) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, masks=np.zeros(shape, np.uint8))
    return packed.getvalue()


BROKEN = {
    "json is missing": lambda parts: parts.pop("json"),
    "is not JSON": lambda parts: parts.update(json=b"{"),
    '"concepts" in .*json is 0': lambda parts: parts.update(json=json.dumps({"concepts": 0}).encode()),
    "there is no video": lambda parts: parts.pop("video.mkv"),
    "video cannot be decoded": lambda parts: parts.update({"video.mkv": b"nothing" * 99}),
    "expected uint8": lambda parts: parts.update({"masks.npz": masks_of((3, FRAMES, 8, 8))}),
    "4 frames of masks for 9": lambda parts: parts.update({"masks.npz": masks_of((2, 4, 8, 8))}),
    "masks.npz cannot be read": lambda parts: parts.update({"masks.npz": b"PK"}),
    "is no picture": lambda parts: parts.update({"reference.1.0.png": b"\x89PNG"}),
    "holds no sound": lambda parts: parts.update({"speech.0.wav": b"RIFF"}),
}


@pytest.mark.parametrize("words", BROKEN)
def test_each_fault_of_a_sample_has_its_sentence(words: str) -> None:
    parts = parts_of(drawn_sample(3))
    BROKEN[words](parts)
    with pytest.raises(InteractError, match=f"^Sample 0003: .*{words}"):
        decode_sample("0003", parts)


def spoil(path: Path, fault: Callable[[bytes], bytes]) -> None:
    path.write_bytes(fault(path.read_bytes()))


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Three shards: of two samples the first is broken, one is cut off, one is good."""
    paths = write_drawn(tmp_path, range(6), each=2)
    spoil(paths[0], lambda content: content.replace(b'"concepts": 2', b'"concepts": 0', 1))
    spoil(paths[1], lambda content: content[: len(content) // 2])
    return paths


def test_the_check_counts_and_names_what_is_broken(shards: list[Path]) -> None:
    found = check_shards(shards)
    assert (found.good, found.masked, found.speaking) == (3, 3, 3)
    assert len(found.broken) == 2
    assert (
        "drawn-00000.tar: Sample 0000" in found.broken[0] and "drawn-00001.tar is cut off" in found.broken[1]
    )


def test_broken_samples_are_left_out_and_nothing_is_encoded_twice(
    shards: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encode_shards(KEYS, shards)
    assert "cut off" in caplog.text and "Sample 0000" in caplog.text
    cache = read_cache(KEYS, shards)
    assert [clip.key for clip in cache.clips] == ["0001", "0004", "0005"]
    assert len(cache.broken) == 2

    whole = write_drawn(shards[0].parent / "again", range(6), each=2)
    for path, fetched in list(zip(shards, whole))[:2]:
        fetched.replace(path)
    encode_shards(KEYS, shards)
    assert [clip.key for clip in read_cache(KEYS, shards).clips] == [f"{k:04d}" for k in range(6)]
    monkeypatch.setattr(cache_room, "Encoders", lambda keys: pytest.fail("nothing is left to encode"))
    encode_shards(KEYS, shards)


def test_what_is_encoded_is_the_clip(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(2))
    encode_shards(KEYS, paths)
    cache = read_cache(KEYS, paths)
    config = config_of({"shards": {"people": [2, 2]}}, "test")
    library = Library(cache, config)
    clip = library.read(cache.clips[0], np.random.default_rng(0))
    sample = drawn_sample(0)
    encoders = cache_room.Encoders(KEYS)

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


def test_a_clip_that_cannot_be_read_is_replaced_and_counted(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(3))
    encode_shards(KEYS, paths)
    cache = read_cache(KEYS, paths)
    library = Library(cache, config_of({}, "test"))
    spoiled = cache.clips[1]
    content = bytearray(spoiled.file.read_bytes())
    content[spoiled.offset : spoiled.offset + 8] = b"\xff" * 8
    spoiled.file.write_bytes(bytes(content))
    read = library.read(spoiled, np.random.default_rng(1))
    others = [library.read(clip, np.random.default_rng(2)) for clip in (cache.clips[0], cache.clips[2])]
    assert any(torch.equal(read["latents"], other["latents"]) for other in others)
    assert library.unreadable >= 1


def test_frames_and_masks_are_scaled_and_cropped_alike() -> None:
    """A square in the middle of a wide frame stays where it is, for frames and for masks of half the size."""
    frames, masks = torch.zeros(1, 3, 64, 160), torch.zeros(1, 1, 32, 80)
    frames[:, :, 16:48, 64:96], masks[:, :, 8:24, 32:48] = 1, 1
    shown, mask = (cover(x, (64, 160), 48, 32) for x in (frames, masks))
    assert shown.shape[2:] == mask.shape[2:] == (32, 48)
    assert shown[0, 0, 16, 24] > 0.9 and shown[0, 0, 2, 24] < 0.1 and shown[0, 0, 16, 4] < 0.1
    assert (shown[:, :1] - mask).abs().mean() < 0.03


def test_a_latent_frame_is_as_sure_as_its_least_sure_frame() -> None:
    sure = np.array([[0.2, 1, 1, 0.4, 1, 1, 0.9, 1, 1]], np.float32)
    assert confidence_per_latent(sure).tolist() == [pytest.approx([0.2, 0.4, 0.9])]


def test_without_pictures_concepts_are_cut_out_of_the_video() -> None:
    sample = drawn_sample(4, references=((), ()))
    views = reference_views(sample, KEYS, np.random.default_rng(0))
    assert views.shape == (2, 2, HEIGHT, WIDTH, 3)
    colour = torch.from_numpy(drawn_sample(4).references[0][0][HEIGHT // 2, WIDTH // 2]).float() / 255
    assert (views[0, 0] - colour).abs().sum(-1).amin() < 0.05
    assert (views[0, 0, 0] == 1).all()  # white around
    with pytest.raises(InteractError, match="neither a picture nor a mask"):
        reference_views(drawn_sample(4, references=((), ()), masks=None), KEYS, np.random.default_rng(0))


def test_crops_show_a_part_of_the_person() -> None:
    keys = ShardKeys(width=WIDTH, height=HEIGHT, views=24, crops=True)
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    picture[4:24, 20:40], picture[24:44, 20:40] = (200, 0, 0), (0, 0, 200)  # head red, legs blue
    views = reference_views(
        drawn_sample(5, references=((picture,), (picture,))), keys, np.random.default_rng(1)
    )
    blue = ((views[0][..., 2] > 0.6) & (views[0][..., 0] < 0.2)).flatten(1).any(1)
    red = ((views[0][..., 0] > 0.6) & (views[0][..., 2] < 0.2)).flatten(1).any(1)
    assert red.all() and blue.any() and not blue.all()


def test_a_clip_that_is_too_short_is_left_out(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(1))
    keys = ShardKeys(**{**KEYS.__dict__, "frames": FRAMES + 4})
    encode_shards(keys, paths)
    (sentence,) = read_cache(keys, paths).broken
    assert "Sample 0000: the clip lasts 0.36 s, but clips of 0.52 s" in sentence


def test_no_masks_where_they_are_needed_is_one_sentence(tmp_path: Path) -> None:
    paths = write_drawn(tmp_path, range(2), masks=None, confidence=None)
    encode_shards(KEYS, paths)
    cache = read_cache(KEYS, paths)
    with pytest.raises(InteractError, match="None of the 2 clips in the shards has masks"):
        Library(cache, config_of({}, "test"))
    stage_one = {"mix": {"injection": "everywhere"}, "adapter": {"mask_heads": False}}
    assert len(Library(cache, config_of(stage_one, "test"))) == 2


def test_the_theatre_writes_shards_with_its_truth(tmp_path: Path) -> None:
    (path,) = write_theatre_shards(tmp_path, 7, 2, puppets=(2, 1), frames=5)
    read = [decode_sample(*sample) for sample in raw_samples(path)]
    assert [sample.concepts for sample in read] == [2, 1]
    again = next(theatre_samples(7, 1, (2, 1), 5))
    assert np.array_equal(read[0].frames, again.frames) and np.array_equal(read[0].masks, again.masks)
    for sample in read:
        assert sample.frames.shape == (5, 128, 192, 3) and sample.masks.max() == 255
        assert all(len(pictures) == 3 for pictures in sample.references)
        assert sample.focus.max() == 255 and set(sample.starts) == set(sample.speech)
