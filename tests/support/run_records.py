"""Records of runs that nobody sampled: every value another, or each character in a column of its own."""

from __future__ import annotations

import torch
from interacthuman.interact_core.preview.record import RunRecord
from torch import Tensor

FRAMES, ROWS, COLUMNS = 10, 3, 4  # latent frames, token grid
WIDTH, HEIGHT = 16 * COLUMNS, 16 * ROWS
COLUMN_FRAMES = 9  # video frames of a column_record
COLUMN_GRID = (3, ROWS, COLUMNS)


def drawn_masks(characters: int = 2, frames: int = FRAMES, seed: int = 0) -> Tensor:
    """[N, T, h, w] in 0..1, every value another."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(characters, frames, ROWS, COLUMNS, generator=generator)


def drawn_record(recorded: int = 3, **changes: object) -> RunRecord:
    """Two characters, of whom the second is silent; every mask value another, the pictures of each step one grey."""
    pictures = torch.arange(recorded).view(-1, 1, 1, 1, 1).expand(-1, FRAMES, 6, 8, 3) * 60
    steps = [drawn_masks(seed=step).half() for step in range(recorded)]
    fields = {
        "masks": torch.stack(steps) if steps else torch.zeros(0, 2, FRAMES, ROWS, COLUMNS),
        "steps": tuple(range(recorded)),
        "sigmas": tuple(1 - step / 4 for step in range(recorded)),
        "boundary_step": 1,
        "total_steps": recorded,
        "names": ("Mira", "\u9ce5"),
        "width": WIDTH,
        "height": HEIGHT,
        "frames": 4 * (FRAMES - 1) + 1,
        "fps": 25.0,
        "run": "a" * 32,
        "pictures": pictures.to(torch.uint8),
        "loudness": (torch.arange(148).to(torch.uint8), None),
    }
    return RunRecord(**{**fields, **changes})


def column_record(
    recorded: int = 4, names: tuple[str, ...] = ("Mira", "Tobi"), boundary: int = 1, **changes: object
) -> RunRecord:
    """The first character is in the left column, the second in the right one, nobody else anywhere."""
    drawn = torch.zeros(recorded, len(names), *COLUMN_GRID)
    drawn[:, 0, :, :, 0] = 1.0
    drawn[:, -1, :, :, -1] = 1.0
    fields = {
        "masks": drawn.half(),
        "steps": tuple(range(recorded)),
        "sigmas": tuple(1 - step / recorded for step in range(recorded)),
        "boundary_step": boundary,
        "total_steps": recorded,
        "names": names,
        "width": WIDTH,
        "height": HEIGHT,
        "frames": COLUMN_FRAMES,
        "fps": 25.0,
    }
    return RunRecord(**{**fields, **changes})
