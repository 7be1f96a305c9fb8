"""Runs that nobody sampled: people as soft shapes who walk about and talk in turns, told of as the host does."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interacthuman.interact_core.preview.atlas import encode_frames, encode_masks, write_picture
from interacthuman.interact_core.preview.sounds import film_sounds, write_sounds

PEAKS_PER_FRAME = 4
RATE = 8000  # Hz of the voices
TONES = (440.0, 880.0, 660.0)  # Hz: the voice of each character


@functools.lru_cache(maxsize=256)
def figure(grid: tuple[int, int, int], count: int, number: int, frame: int, blur: float = 0.0) -> np.ndarray:
    """[h, w] in 0..1: one of `count` people, a head on shoulders, sharp for blur 0.

    Kept, as the pictures of all steps have the same.
    """
    frames, height, width = grid
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = (u + 0.5) / width, (v + 0.5) / height
    phase = 2 * np.pi * frame / max(2, frames) + 1.7 * number
    x = (number + 0.5) / count + 0.25 / count * np.sin(phase)
    size = min(1.0, 2.4 / count) * (1.0, 0.8, 0.65)[number % 3]
    y = 1.0 - 0.62 * size + 0.03 * np.cos(2 * phase)
    aspect = width / height
    head = ((u - x) * aspect / (0.13 * size)) ** 2 + ((v - y) / (0.17 * size)) ** 2
    body = ((u - x) * aspect / (0.27 * size)) ** 2 + np.square((v - y - 0.62 * size) / (0.48 * size)) ** 2
    inside = np.minimum(head, body)
    return 1 / (1 + np.exp(np.clip((inside - 1) * (9 / (0.5 + 6 * blur)), -30, 30)))


@dataclass(frozen=True)
class SyntheticRun:
    """Who is in it and how it was sampled. grid: latent frames, rows, columns."""

    names: tuple[str, ...] = ("Mira", "Tobi", "Ann")
    grid: tuple[int, int, int] = (21, 60, 104)
    steps: int = 20
    boundary: int = 4
    backdrop: bool = True
    silent: tuple[str, ...] = ("Ann",)
    run: str = "synthetic"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        return 4 * (self.grid[0] - 1) + 1

    @property
    def scene(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "grid": list(self.grid),
            "width": 8 * self.grid[2],
            "height": 8 * self.grid[1],
            "frames": self.frames,
            "fps": 25.0,
            "total_steps": self.steps,
        }

    def masks(self, step: int) -> torch.Tensor:
        """[N, T, h, w]: unsure at first, settled after about half of the steps."""
        done = step / max(1, self.steps - 1)
        generator = np.random.default_rng(step)
        doubts = [float(np.exp(-(4 + 3 * (n % 3)) * done)) for n in range(len(self.names))]
        count = len(self.names)
        figures = [
            [
                figure(self.grid, count, n, t, doubt) * (1 - (0.5 + 0.1 * (n % 3)) * doubt)
                for t in range(self.grid[0])
            ]
            for n, doubt in enumerate(doubts)
        ]
        masks = np.array(figures, dtype=np.float32)
        coarse = generator.normal(0, 0.16, (*masks.shape[:2], 6, 10)).astype(np.float32)
        coarse *= np.array(doubts, dtype=np.float32)[:, None, None, None]
        noise = torch.nn.functional.interpolate(
            torch.from_numpy(coarse), size=masks.shape[2:], mode="bilinear"
        )
        return (torch.from_numpy(masks) + noise * (torch.from_numpy(masks) > 0.02)).clamp(0, 1)

    def pictures(self, step: int | None) -> torch.Tensor:
        """uint8 [T, h, w, 3]: the running prediction of a step; None for the decoded video, larger."""
        frames, rows, columns = self.grid
        done = 1.0 if step is None else step / max(1, self.steps - 1)
        width = 128 if step is not None else 256
        height = max(1, round(width * rows / columns))
        v, u = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
        room = np.stack([0.20 + 0.25 * u, 0.22 + 0.15 * v, 0.30 - 0.12 * u], -1)
        clothes = [(0.62, 0.28, 0.25), (0.25, 0.35, 0.55), (0.45, 0.48, 0.30), (0.5, 0.3, 0.5)]
        drawn = np.empty((frames, height, width, 3), np.float32)
        generator = np.random.default_rng(step or 0)
        for t in range(frames):
            picture = room.copy()
            for number in range(len(self.names)):
                shape = figure((frames, height, width), len(self.names), number, t)[..., None]
                picture = picture * (1 - shape) + np.array(clothes[number % 4], np.float32) * shape
            grain = generator.normal(0, 0.22 * (1 - done) ** 2 + 0.01, (height // 4 + 1, width // 4 + 1, 3))
            grain = np.kron(grain, np.ones((4, 4, 1)))[:height, :width]
            drawn[t] = picture * (0.35 + 0.65 * done) + 0.3 * (1 - done) + grain
        return torch.from_numpy((drawn.clip(0, 1) * 255).astype(np.uint8))

    def voices(self) -> list[list[int] | None]:
        """They talk one after another in syllables."""
        times = np.arange(PEAKS_PER_FRAME * self.frames) / (PEAKS_PER_FRAME * self.frames)
        said: list[list[int] | None] = []
        speakers = [name for name in self.names if name not in self.silent]
        for name in self.names:
            if name in self.silent:
                said.append(None)
                continue
            turn = np.sin(2 * np.pi * (times * 1.5 + speakers.index(name) / max(1, len(speakers)))) > 0.05
            syllables = np.abs(np.sin(2 * np.pi * times * 13)) ** 0.7 * (0.6 + 0.4 * np.cos(40 * times))
            said.append([int(value) for value in (225 * turn * syllables).clip(0, 255)])
        return said

    def layouts(self) -> torch.Tensor:
        """Fixed masks [N, T, h, w]: everybody has a column of their own."""
        frames, rows, columns = self.grid
        owner = torch.arange(columns) * len(self.names) // columns
        drawn = (owner[None] == torch.arange(len(self.names))[:, None]).float()
        return drawn[:, None, None].expand(-1, frames, rows, -1).contiguous()

    def tracks(self) -> list[torch.Tensor | None]:
        """A tone for each speaker, at 0.3 of full scale from the start to the end of the video."""
        times = torch.arange(round(self.frames / 25.0 * RATE)) / RATE
        return [
            None if name in self.silent else 0.3 * torch.sin(2 * torch.pi * TONES[number % 3] * times)
            for number, name in enumerate(self.names)
        ]


def write_run(synthetic: SyntheticRun, folder: Path, video: bool = False) -> dict[str, Any]:
    """Writes a run's pictures into `folder`; its manifest."""
    steps = []
    for index in range(synthetic.steps):
        frames = encode_frames(synthetic.pictures(index)) if synthetic.backdrop else None
        steps.append(
            {
                "index": index,
                "sigma": 1 - index / max(1, synthetic.steps),
                "steered": 0 <= synthetic.boundary <= index,
                "masks": write_picture(encode_masks(synthetic.masks(index)), folder, ".png"),
                "frames": None if frames is None else write_picture(frames, folder, ".jpg"),
            }
        )
    return {
        "format": 1,
        "run": synthetic.run,
        "scene": synthetic.scene,
        "boundary_step": synthetic.boundary,
        "steps": steps,
        "voices": synthetic.voices(),
        "fixed": write_picture(encode_masks(synthetic.layouts()), folder, ".png"),
        "sounds": write_sounds(film_sounds(synthetic.tracks(), None, RATE), folder),
        "video": write_picture(encode_frames(synthetic.pictures(None)), folder, ".jpg") if video else None,
    }


def events_of(manifest: dict[str, Any], workflow: str = "graph", source: str = "31") -> list[dict[str, Any]]:
    """The events that a run with this manifest would have sent, one per step."""
    origin = {"workflow": workflow, "source": source, "prompt": "prompt"}
    shared = {"format": 1, "run": manifest["run"], "scene": manifest["scene"], **origin}
    return [{**shared, "step": step} for step in manifest["steps"]]


def copy_of(manifest: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(manifest))
