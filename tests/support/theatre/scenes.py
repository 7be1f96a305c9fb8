"""Small rendered scenes whose ground truth is known, clean and as a poor video autoencoder would return them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from interacthuman.interact_core.theatre import voices
from interacthuman.interact_core.theatre.measuring.measure import ClipReading, read_clip
from interacthuman.interact_core.theatre.scenes import Rendering, Scene, random_scene, render

FPS = 25.0


@dataclass(frozen=True)
class ExampleScene:
    """A scene, its voices' mouth openings float32 [N, F], and the rendering."""

    scene: Scene
    voices: np.ndarray
    rendering: Rendering


def example_scene(
    seed: int, count: int, frames: int = 25, silent: tuple[int, ...] = (), motion: float | None = None
) -> ExampleScene:
    """Puppets that babble; those in `silent` do not."""
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, count, motion=motion)
    spoken = [
        voices.mouth_opening(voices.babble(rng, frames / FPS + 0.2), voices.RATE, FPS, frames)
        for _ in range(count)
    ]
    openings = np.stack([np.zeros(frames, np.float32) if i in silent else o for i, o in enumerate(spoken)])
    return ExampleScene(scene, openings, render(scene, openings))


def degrade(frames: np.ndarray, seed: int = 0) -> np.ndarray:
    """Blur of 1.2 pixels, a colour shift, noise of 8."""
    import cv2

    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.2) for frame in frames]).astype(np.float32)
    shifted = soft * np.array([1.04, 0.95, 0.97]) + np.array([-6, 5, 4])
    noisy = shifted + np.random.default_rng(seed).normal(0, 8, soft.shape)
    return noisy.clip(0, 255).round().astype(np.uint8)


def read(example: ExampleScene, degraded: bool) -> tuple[np.ndarray, ClipReading]:
    """The frames, clean or degraded, and what was measured in them."""
    frames = degrade(example.rendering.frames) if degraded else example.rendering.frames
    return frames, read_clip(frames, example.scene.looks)


def scene_record(
    sync: float, crosstalk: float, travel: float = 20.0, mute: bool = False, characters: int = 2
) -> dict[str, Any]:
    """A bench's record of a scene in which all characters have these metrics; mute: the last one is silent."""
    one = {
        "sync": sync,
        "crosstalk": crosstalk,
        "crosstalk_at_own_lag": 0.0,
        "chance": 0.1,
        "silent_open": None,
        "identity": True,
        "mask_iou": 0.9,
        "boundary_iou": 0.6,
    }
    cast = [dict(one) for _ in range(characters)]
    if mute:
        cast[-1] |= {"sync": 0.0, "crosstalk": 0.0, "silent_open": 0.05}
    return {"characters": cast, "margin": sync - crosstalk, "travel": travel}
