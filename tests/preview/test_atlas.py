"""The pictures that a viewer fetches, and the manifest that tells of them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import MaskHistory
from interacthuman.interact_core.preview import atlas, manifest
from PIL import Image
from torch import Tensor

FRAMES, ROWS, COLUMNS = 10, 3, 4  # latent frames, token grid


def drawn(characters: int = 2, frames: int = FRAMES, seed: int = 0) -> Tensor:
    """[N, T, h, w] in 0..1, every value another."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(characters, frames, ROWS, COLUMNS, generator=generator)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def history(recorded: int = 3, **changes: object) -> MaskHistory:
    pictures = torch.arange(recorded).view(-1, 1, 1, 1, 1).expand(-1, FRAMES, 6, 8, 3) * 60
    steps = [drawn(seed=step).half() for step in range(recorded)]
    fields = {
        "masks": torch.stack(steps) if steps else torch.zeros(0, 2, FRAMES, ROWS, COLUMNS),
        "steps": tuple(range(recorded)),
        "sigmas": tuple(1 - step / 4 for step in range(recorded)),
        "boundary_step": 1,
        "total_steps": recorded,
        "names": ("Mira", "\u9ce5"),
        "width": 16 * COLUMNS,
        "height": 16 * ROWS,
        "frames": 4 * (FRAMES - 1) + 1,
        "fps": 25.0,
        "run": "a" * 32,
        "frames_pictures": pictures.to(torch.uint8),
        "voices": (torch.arange(148).to(torch.uint8), None),
    }
    return MaskHistory(**{**fields, **changes})


# --- pictures


@pytest.mark.parametrize(("characters", "frames"), [(1, 1), (2, 5), (3, 8), (2, 10), (1, 16), (64, 2)])
def test_every_tile_lies_where_a_reader_looks_for_it(characters: int, frames: int) -> None:
    masks = drawn(characters, frames)
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
    masks = drawn()
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
    ("size", "side", "frames", "expected"),
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


# --- manifest


def test_a_manifest_tells_all_and_its_pictures_are_there(tmp_path: Path) -> None:
    told = manifest.build_manifest(history(), torch.rand(37, 48, 64, 3), tmp_path)
    assert json.loads(json.dumps(told)) == told
    assert list(told) == ["version", "run", "scene", "boundary_step", "steps", "voices", "video"]
    assert (told["version"], told["run"], told["boundary_step"]) == (1, "a" * 32, 1)
    assert told["scene"] == {
        "names": ["Mira", "\u9ce5"],
        "grid": [FRAMES, ROWS, COLUMNS],
        "width": 64,
        "height": 48,
        "frames": 37,
        "fps": 25.0,
        "total_steps": 3,
        "mask_source": "predicted",
    }
    assert [(s["index"], s["sigma"], s["steered"]) for s in told["steps"]] == [
        (0, 1.0, False),
        (1, 0.75, True),
        (2, 0.5, True),
    ]
    assert told["voices"] == [list(range(148)), None]
    named = [told["video"], *(step[kind] for step in told["steps"] for kind in ("masks", "frames"))]
    assert sorted(named) == sorted(path.name for path in tmp_path.iterdir()) and len(set(named)) == 7
    again = manifest.build_manifest(history(), torch.rand(1, 48, 64, 3), tmp_path)
    assert again["steps"] == told["steps"] and again["video"] != told["video"]


def test_a_manifest_does_without_frames_voices_video_and_steps(tmp_path: Path) -> None:
    told = manifest.build_manifest(history(frames_pictures=None, voices=None), None, tmp_path)
    assert told["voices"] == [None, None] and told["video"] is None
    assert {step["frames"] for step in told["steps"]} == {None}
    nothing = history(0, boundary_step=-1, frames_pictures=None)
    told = manifest.build_manifest(nothing, None, tmp_path)
    assert told["steps"] == [] and manifest.read_history(told, tmp_path).masks.shape == (0, 2, FRAMES, 3, 4)
    with pytest.raises(InteractError, match="5 frames but the masks are of a video of 37"):
        manifest.build_manifest(history(), torch.rand(5, 48, 64, 3), tmp_path)


def test_masks_survive_their_manifest(tmp_path: Path) -> None:
    written = history()
    told = json.loads(json.dumps(manifest.build_manifest(written, None, tmp_path)))
    read = manifest.read_history(told, tmp_path)
    assert (read.masks - written.masks).abs().max() < 0.003
    for name in ("steps", "sigmas", "boundary_step", "total_steps", "names", "width", "frames", "run"):
        assert getattr(read, name) == getattr(written, name)
    (tmp_path / told["steps"][1]["masks"]).unlink()
    for broken in (told, {}, {"scene": None, "steps": []}):
        with pytest.raises(InteractError, match="cannot be read"):
            manifest.read_history(broken, tmp_path)


def test_a_history_checks_what_the_viewer_gets() -> None:
    assert history().steered == (False, True, True)
    assert history(boundary_step=-1).steered == (False,) * 3
    with pytest.raises(InteractError, match="pictures of shape"):
        history(frames_pictures=torch.zeros(2, FRAMES, 6, 8, 3, dtype=torch.uint8))
    with pytest.raises(InteractError, match="1 characters' voices"):
        history(voices=(None,))
