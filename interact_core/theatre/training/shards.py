"""The theatre's clips as WebDataset shards, for the adapter trainer (interact_core/training)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...metrics.puppets.drawing import portrait
from ...training.data.shards import Sample, writing_shards
from ..scenes import random_scene, render
from ..voices import RATE, mouth_opening, training_recordings
from .clips import FPS, HEIGHT, REFERENCE_VIEWS, WIDTH, mouth_discs, reference_pose

SILENT_SHARE = 0.2


def theatre_samples(
    seed: int, count: int, puppets: tuple[int, ...] = (2, 2, 1, 2, 3, 2, 2, 4, 2, 3), frames: int = 25
) -> Iterator[Sample]:
    """`count` clips of `frames` frames; puppets: numbers of puppets, repeated. Each clip follows from (seed,
    its number) alone.
    """
    for number in range(count):
        yield theatre_sample(
            np.random.default_rng([seed, number]), f"{number:06d}", puppets[number % len(puppets)], frames
        )


def theatre_sample(rng: np.random.Generator, key: str, puppets: int, frames: int) -> Sample:
    """One clip with its speech, reference portraits and true masks."""
    scene = random_scene(rng, puppets, WIDTH, HEIGHT)
    recordings = training_recordings(rng, puppets, seconds=frames / FPS + 1.5)
    speaking = [number for number in range(puppets) if rng.random() >= SILENT_SHARE]
    mouths, starts = np.zeros((puppets, frames), np.float32), {}
    for number in speaking:
        before = int(
            rng.integers(-8, 24)
        )  # frames of the recording before the clip; negative: it begins later
        opening = mouth_opening(recordings[number], RATE, FPS, max(0, before) + frames)[max(0, before) :]
        late = min(frames, max(0, -before))
        mouths[number, late:] = opening[: frames - late]
        starts[number] = -before / FPS
    drawn = render(scene, mouths)
    return Sample(
        key=key,
        frames=drawn.frames,
        fps=FPS,
        references=tuple(
            tuple(portrait(look, WIDTH, HEIGHT, reference_pose(rng)) for _ in range(REFERENCE_VIEWS))
            for look in scene.looks
        ),
        masks=(drawn.masks * 255).round().astype(np.uint8),
        confidence=np.ones((puppets, frames), np.float32),
        focus=(mouth_discs(drawn.heads).max(0) * 255).astype(np.uint8),
        speech={number: (recordings[number], RATE) for number in speaking},
        starts=starts,
        caption=f"{puppets} felt puppet{'s' if puppets > 1 else ''} on a stage.",
    )


def write_theatre_shards(
    folder: Path, seed: int, count: int, samples_each: int = 100, **choices: object
) -> list[Path]:
    """Write `count` clips and return the shards; choices: `puppets` and `frames` of `theatre_samples`."""
    with writing_shards(folder, "theatre", samples_each) as writer:
        for sample in theatre_samples(seed, count, **choices):
            writer.write(sample)
    return writer.paths
