"""Shards: what is written is read, by webdataset too; each fault of a sample has its error sentence."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.training.data.shards import (
    check_shards,
    decode_sample,
    parts_of,
    raw_samples,
)
from interacthuman.tests.support.media.films import write_film
from interacthuman.tests.support.training import FRAMES, drawn_sample, write_drawn


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


def unsure(confidence: float) -> bytes:
    packed = io.BytesIO()
    about = np.full((2, FRAMES), confidence, np.float32)
    np.savez(packed, masks=np.zeros((2, FRAMES, 8, 8), np.uint8), confidence=about)
    return packed.getvalue()


def claiming(size: int) -> bytes:
    """Masks whose header claims `size` bytes, which are not there."""
    header, packed = io.BytesIO(), io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (2, FRAMES, size, 1)}
    np.lib.format.write_array_header_1_0(header, about)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("masks.npy", header.getvalue())
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
    "masks.npz cannot be read .Error": lambda parts: parts.update(
        {"masks.npz": parts["masks.npz"][:60] + b"\xff" + parts["masks.npz"][61:]}
    ),
    "claims to be": lambda parts: parts.update({"masks.npz": claiming(2**40)}),
    "confidence is not within 0..1": lambda parts: parts.update({"masks.npz": unsure(float("nan"))}),
    "not seconds by concept": lambda parts: parts.update(json=b'{"concepts": 2, "starts": {"0": "soon"}}'),
    "not seconds by": lambda parts: parts.update(json=b'{"concepts": 2, "starts": {"0": NaN}}'),
    "json is not JSON": lambda parts: parts.update(json=b"[" * 100000),
    "is no picture": lambda parts: parts.update({"reference.1.0.png": b"\x89PNG"}),
    "holds no sound": lambda parts: parts.update({"speech.0.wav": b"RIFF"}),
}


@pytest.mark.parametrize("message", BROKEN)
def test_each_fault_of_a_sample_has_its_sentence(message: str) -> None:
    parts = parts_of(drawn_sample(3))
    BROKEN[message](parts)
    with pytest.raises(InteractError, match=f"^Sample 0003: .*{message}"):
        decode_sample("0003", parts)


@pytest.mark.parametrize("transfer, curve", [(16, "PQ"), (18, "HLG")])
def test_a_video_in_hdr_is_a_fault_of_its_sample(tmp_path: Path, transfer: int, curve: str) -> None:
    write_film(tmp_path / "a.mkv", list(range(FRAMES)), transfer=transfer)
    parts = parts_of(drawn_sample(3)) | {"video.mkv": (tmp_path / "a.mkv").read_bytes()}
    with pytest.raises(InteractError, match=rf"^Sample 0003: the video is in HDR \({curve}\)"):
        decode_sample("0003", parts)


def test_the_check_counts_and_names_what_is_broken(shards: list[Path]) -> None:
    found = check_shards(shards)
    assert (found.good, found.masked, found.speaking) == (3, 3, 3)
    assert len(found.broken) == 2
    assert (
        "drawn-00000.tar: Sample 0000" in found.broken[0] and "drawn-00001.tar is cut off" in found.broken[1]
    )
