"""The pictures that a viewer fetches: every tile of an atlas, written once."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.preview import atlas
from interacthuman.tests.support.run_records import COLUMNS, FRAMES, ROWS, drawn_masks
from PIL import Image


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("characters, frames", [(1, 1), (2, 5), (3, 8), (2, 10), (1, 16), (64, 2)])
def test_every_tile_lies_where_a_reader_looks_for_it(characters: int, frames: int) -> None:
    masks = drawn_masks(characters, frames)
    content = atlas.encode_masks(masks)
    sheet = np.array(opened(content))
    columns = min(frames, 8)
    rows = -(-frames // columns)
    assert opened(content).format == "PNG" and opened(content).mode == "L"
    assert sheet.shape == (characters * rows * ROWS, columns * COLUMNS)
    for n in range(characters):
        for t in range(frames):
            top, left = (t // columns + n * rows) * ROWS, t % columns * COLUMNS
            tile = sheet[top : top + ROWS, left : left + COLUMNS]
            assert (tile == (masks[n, t] * 255).round().numpy()).all()
    read = atlas.decode_masks(content, characters, (frames, ROWS, COLUMNS))
    assert read.dtype == torch.float16 and (read - masks).abs().max() <= 0.5 / 255 + 1e-3
    with pytest.raises(ValueError, match="not one of these masks"):
        atlas.decode_masks(content, characters + 1, (frames, ROWS, COLUMNS))


def test_values_are_those_of_the_half_precision_history() -> None:
    """Live and later, the same masks are the same picture."""
    masks = drawn_masks()
    assert atlas.encode_masks(masks.half()) == atlas.encode_masks(masks.half().clone())
    assert np.array(opened(atlas.encode_masks(torch.tensor([[[[0.0, 0.5, 1.0]]]]).half()))).tolist() == [
        [0, 128, 255]
    ]


def test_frames_lie_as_the_masks_do() -> None:
    shades = torch.arange(FRAMES, dtype=torch.uint8).view(-1, 1, 1, 1) * 20
    picture = opened(atlas.encode_frames(shades.expand(-1, 16, 24, 3)))
    assert picture.format == "JPEG" and picture.size == (8 * 24, 2 * 16)
    sheet = np.array(picture)
    for t in range(FRAMES):
        tile = sheet[t // 8 * 16 : t // 8 * 16 + 16, t % 8 * 24 : t % 8 * 24 + 24]
        assert abs(float(tile.mean()) - 20 * t) < 3


def test_a_video_gives_the_frame_that_a_latent_frame_ends_with() -> None:
    shades = torch.linspace(0, 1, 4 * (FRAMES - 1) + 1).view(-1, 1, 1, 1)
    picture = opened(atlas.encode_video(shades.expand(-1, 300, 500, 3)))
    assert picture.size == (8 * 256, 2 * 153)
    sheet = np.array(picture)
    for t in range(FRAMES):
        middle = sheet[t // 8 * 153 + 76, t % 8 * 256 + 128]
        assert abs(float(middle.mean()) - 255 * 4 * t / 36) < 4


@pytest.mark.parametrize(
    "size, side, frames, expected",
    [
        ((60, 104), 128, 21, (60, 104)),  # 832x480: as it is
        ((90, 160), 128, 21, (72, 128)),
        ((160, 90), 128, 21, (128, 72)),
        ((1, 400), 128, 21, (1, 128)),
        ((480, 832), 256, 8 * 655, (57, 100)),  # a JPEG ends at 65,535 pixels
    ],
)
def test_tiles_are_capped(size: tuple[int, int], side: int, frames: int, expected: tuple[int, int]) -> None:
    assert atlas.tile_size(*size, side, frames) == expected


def test_a_picture_is_named_by_its_content_and_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temp"
    name = atlas.write_picture(b"one", folder, ".png")
    assert name == "interact_fe05bcdcdc492801.png"  # the first 16 letters of its sha1
    assert (folder / name).read_bytes() == b"one"
    before = (folder / name).stat().st_mtime_ns
    assert atlas.write_picture(b"one", folder, ".png") == name
    assert (folder / name).stat().st_mtime_ns == before
    assert atlas.write_picture(b"two", folder, ".png") != name

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        atlas.write_picture(b"three", folder, ".png")
    assert len(list(folder.iterdir())) == 2  # nothing half written is left
