"""A world small enough to train in: shards of drawn clips, a random Wan of the true key layout, short runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from interacthuman.interact_core.training.config import TrainingConfig, config_of
from interacthuman.interact_core.training.data.shards import Sample, writing_shards

MODELS = Path(__file__).resolve().parents[2] / "models"
VAE = MODELS / "vae" / "theatre_wan_vae.safetensors"
WAV2VEC2 = MODELS / "audio_encoders" / "theatre_wav2vec2"
WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 9, 25.0


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
