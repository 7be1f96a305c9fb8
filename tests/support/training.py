"""Small training runs: shards of drawn clips, and configurations of a few steps on a random Wan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interacthuman.interact_core.training.config import ShardKeys, TrainingConfig, config_of
from interacthuman.interact_core.training.data.shards import Sample, writing_shards
from safetensors.torch import load_file

MODELS = Path(__file__).resolve().parents[2] / "models"
VAE = MODELS / "vae" / "theatre_wan_vae.safetensors"
WAV2VEC2 = MODELS / "audio_encoders" / "theatre_wav2vec2"
WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 9, 25.0
SHARD_KEYS = ShardKeys(
    vae=str(VAE), audio_encoder=str(WAV2VEC2), width=WIDTH, height=HEIGHT, frames=FRAMES, views=2, crops=False
)


class Killed(BaseException):
    """Ends a run as a kill signal would: nothing catches it."""


def drawn_sample(seed: int, concepts: int = 2, **changes: Any) -> Sample:
    """Coloured discs that drift over noise; the first speaks, the last is silent if there are two."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(90, 120, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    masks = np.zeros((concepts, FRAMES, HEIGHT, WIDTH), np.uint8)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pictures = []
    for number in range(concepts):
        colour, start = rng.integers(0, 256, 3), rng.uniform(8, WIDTH - 8)
        for frame in range(FRAMES):
            inside = (x - start - frame) ** 2 + (y - HEIGHT / 2) ** 2 < 49
            frames[frame][inside], masks[number, frame][inside] = colour, 255
        picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
        picture[(x - WIDTH / 2) ** 2 + (y - HEIGHT / 2) ** 2 < 120] = colour
        pictures.append((picture,))
    tone = 0.5 * np.sin(np.arange(4000) * rng.uniform(0.1, 0.4)).astype(np.float32)
    parts = {
        "key": f"{seed:04d}",
        "frames": frames,
        "fps": FPS,
        "references": tuple(pictures),
        "masks": masks,
        "confidence": np.ones((concepts, FRAMES), np.float32),
        "speech": {0: (tone, 16000)},
        "starts": {0: 0.04},
        "caption": "discs",
    }
    return Sample(**{**parts, **changes})


def write_drawn(folder: Path, seeds: range, name: str = "drawn", each: int = 4, **changes: Any) -> list[Path]:
    with writing_shards(folder, name, each) as writer:
        for seed in seeds:
            writer.write(drawn_sample(seed, **changes))
    return writer.paths


def small_run(folder: Path, base: Path, shards: Path, **changes: Any) -> TrainingConfig:
    """A run of a few steps on drawn clips; changes are "table__key"=value."""
    tables: dict[str, dict[str, Any]] = {
        "base": {"file": str(base)},
        "adapter": {
            "audio_frame_width": 6,
            "audio_window": 2,
            "audio_hidden": 16,
            "audio_tokens": 2,
            "audio_context_width": 12,
            "mask_width": 12,
            "mask_heads_each": 2,
        },
        "shards": {
            "train": [str(shards / "drawn-*.tar")],
            "vae": str(VAE),
            "audio_encoder": str(WAV2VEC2),
            "width": WIDTH,
            "height": HEIGHT,
            "frames": FRAMES,
            "crops": False,
            "views": 1,
        },
        "optimiser": {"rate": 1e-2, "warmup": 1, "cooldown": 2, "average": 0.5},
        "run": {
            "folder": str(folder),
            "steps": 4,
            "batch": 2,
            "micro": 2,
            "precision": "no",
            "save_every": 2,
            "log_every": 1,
            "validate_every": 0,
            "measure_peak": False,
        },
    }
    for name, value in changes.items():
        table, _, entry = name.partition("__")
        tables.setdefault(table, {})[entry] = value
    return config_of(tables, "test")


def lines_of(path: Path) -> Iterator[list[str]]:
    """A curve's rows without what a clock decides: step, velocity, mask, iou, rate."""
    for line in path.read_text().splitlines():
        yield line.split(",")[:5]


def run_in(workdir: Path, name: str, **changes: object) -> TrainingConfig:
    """`small_run` on the files that the fixture `workdir` holds."""
    return small_run(workdir / name, workdir / "wan.safetensors", workdir, **changes)


def assert_same_weights(first: Path, second: Path) -> None:
    one, two = load_file(first), load_file(second)
    assert one.keys() == two.keys()
    assert not [name for name in one if not torch.equal(one[name], two[name])]


def assert_same_course(first: Path, second: Path) -> None:
    """Equal to rounding: the losses of every step and nearly all weights. (A bias of the keys has no gradient
    but rounding, which Adam makes as large as any other.)
    """
    rows = [
        [list(map(float, row)) for row in list(lines_of(run / "training.csv"))[1:]] for run in (first, second)
    ]
    for one, two in zip(*rows, strict=True):
        assert one[:3] == pytest.approx(two[:3], rel=2e-3)
    one, two = (load_file(run / "adapter.safetensors") for run in (first, second))
    near = torch.cat(
        [((one[name] - two[name]).abs() < 4e-3).flatten() for name in one if "k.bias" not in name]
    )
    assert near.float().mean() > 0.98
