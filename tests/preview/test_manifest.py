"""The manifest of a run for viewers, and the masks that are read back from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.preview import atlas, manifest
from interacthuman.tests.support.run_records import COLUMNS, FRAMES, ROWS, drawn_record
from PIL import Image


def test_a_manifest_tells_all_and_its_pictures_are_there(tmp_path: Path) -> None:
    video = torch.rand(37, 1, 1, 3).expand(-1, 48, 64, -1)
    made = manifest.build_manifest(replace(drawn_record(), seed=2**64 - 1), video, tmp_path)
    assert json.loads(json.dumps(made)) == made
    assert list(made) == [
        "version",
        "run",
        "scene",
        "boundary_step",
        "steps",
        "voices",
        "sounds",
        "fixed",
        "video",
        "full",
    ]
    assert (made["version"], made["run"], made["boundary_step"]) == (1, "a" * 32, 1)
    assert made["scene"] == {
        "names": ["Mira", "\u9ce5"],
        "grid": [FRAMES, ROWS, COLUMNS],
        "width": 64,
        "height": 48,
        "frames": 37,
        "fps": 25.0,
        "total_steps": 3,
        "mask_source": "predicted",
        "seed": "18446744073709551615",
    }
    assert [(s["index"], s["sigma"], s["steered"]) for s in made["steps"]] == [
        (0, 1.0, False),
        (1, 0.75, True),
        (2, 0.5, True),
    ]
    assert made["voices"] == [list(range(148)), None]
    named = [
        made["video"],
        *made["full"],
        *(step[kind] for step in made["steps"] for kind in ("masks", "frames")),
    ]
    assert sorted(named) == sorted(path.name for path in tmp_path.iterdir()) and len(set(named)) == 7 + FRAMES
    for latent, name in enumerate(made["full"]):
        with Image.open(tmp_path / name) as picture:
            shown = torch.from_numpy(np.array(picture)).float() / 255
        assert (shown - video[4 * latent]).abs().max() < 0.02
    again = manifest.build_manifest(drawn_record(), torch.rand(1, 48, 64, 3), tmp_path)
    assert again["steps"] == made["steps"] and again["video"] != made["video"]
    assert len(again["full"]) == FRAMES and len(set(again["full"])) == 1  # a still picture is one file


def test_a_manifest_does_without_frames_voices_video_and_steps(tmp_path: Path) -> None:
    made = manifest.build_manifest(drawn_record(pictures=None, loudness=None), None, tmp_path)
    assert made["voices"] == [None, None] and made["video"] is None
    assert {step["frames"] for step in made["steps"]} == {None}
    nothing = drawn_record(0, boundary_step=-1, pictures=None)
    made = manifest.build_manifest(nothing, None, tmp_path)
    assert made["steps"] == [] and manifest.read_history(made, tmp_path).masks.shape == (0, 2, FRAMES, 3, 4)
    with pytest.raises(InteractError, match="5 frames, but the masks are of a video of 37"):
        manifest.build_manifest(drawn_record(), torch.rand(5, 48, 64, 3), tmp_path)


def test_masks_survive_their_manifest(tmp_path: Path) -> None:
    written = drawn_record()
    made = json.loads(json.dumps(manifest.build_manifest(written, None, tmp_path)))
    read = manifest.read_history(made, tmp_path)
    assert (read.masks - written.masks).abs().max() < 0.003
    for name in ("steps", "sigmas", "boundary_step", "total_steps", "names", "width", "frames", "run"):
        assert getattr(read, name) == getattr(written, name)
    (tmp_path / made["steps"][1]["masks"]).unlink()
    for broken in (made, {}, {"scene": None, "steps": []}):
        with pytest.raises(InteractError, match="cannot be read"):
            manifest.read_history(broken, tmp_path)


def test_a_long_film_keeps_only_some_pictures_in_full_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes would be 3,750 files of a run."""
    assert atlas.full_every(997, 480, 832) == 1 and atlas.full_every(15001, 480, 832) == 16
    assert atlas.full_every(5, 20000, 20000) == 2  # one picture is larger than the limit
    monkeypatch.setattr(atlas, "FULL_PIXELS", 4 * 48 * 64 + 1)
    video = torch.linspace(0, 1, 37).view(37, 1, 1, 1).expand(-1, 48, 64, 3)
    record = drawn_record()
    assert [(said.key, said.values) for said in manifest.said_of_full(record, video)] == [
        ("preview_full", {"kept": 4, "total": FRAMES, "every": 3})
    ]
    full = manifest.build_manifest(record, video, tmp_path)["full"]
    assert [place for place, name in enumerate(full) if name] == [0, 3, 6, 9] and len(full) == FRAMES
    for place in (0, 3, 6, 9):
        with Image.open(tmp_path / full[place]) as picture:
            assert abs(np.array(picture).mean() / 255 - 4 * place / 36) < 0.01
    still = torch.rand(1, 48, 64, 3)
    assert manifest.said_of_full(record, still) == manifest.said_of_full(record, None) == []
    assert all(manifest.build_manifest(record, still, tmp_path)["full"])
