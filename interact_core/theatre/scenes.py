"""Scenes of the theatre: who stands where, how they move, the backdrop, and the ground truth of every frame.

A scene is a value: the same scene renders to the same frames. Speech enters only as mouth openings per
frame, so any puppet can speak any recording.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np

from ..metrics.puppets.drawing import SUPERSAMPLE, Canvas, Look, Pose, draw_puppet, random_looks


@dataclass(frozen=True)
class Walk:
    """The movement of all puppets together across the picture and back.

    reach: pixels to each side; rate: radians per frame; phase: radians, where on the way it begins.
    """

    reach: float = 0.0
    rate: float = 0.0
    phase: float = 0.0

    def offset(self, frame: int) -> float:
        return self.reach * math.sin(self.rate * frame + self.phase)


@dataclass(frozen=True)
class Path:
    """The path of one head: its resting place (x, y) in pixels, a sway in pixels around it, a nod in degrees,
    and the walk that all puppets of the scene share.

    Paths are periodic, so that a film of any length keeps its puppets in the picture.
    """

    x: float
    y: float
    radius: float
    sway: float
    sway_rate: float  # radians per frame
    phase: float
    nod: float
    walk: Walk = Walk()

    def pose(self, frame: int, mouth: float) -> Pose:
        swing = math.sin(self.sway_rate * frame + self.phase)
        return Pose(
            self.x + self.sway * swing + self.walk.offset(frame),
            self.y + 0.25 * self.sway * math.cos(1.7 * self.sway_rate * frame + self.phase),
            self.radius,
            self.nod * swing,
            mouth,
        )


@dataclass(frozen=True)
class Backdrop:
    """Two pastel colours from top to bottom and soft hills, RGB 0..255; hills are (x, y, half width, half
    height, colour, drift).
    """

    top: tuple[int, int, int]
    bottom: tuple[int, int, int]
    hills: tuple[tuple[float, float, float, float, tuple[int, int, int], float], ...]


@dataclass(frozen=True)
class Scene:
    """Puppets in painter's order (the last stands in front), their paths, and the backdrop."""

    width: int
    height: int
    looks: tuple[Look, ...]
    paths: tuple[Path, ...]
    backdrop: Backdrop


@dataclass(frozen=True)
class Rendering:
    """Frames and their ground truth.

    frames: uint8 [F, H, W, 3]; masks: float32 [N, F, H, W], the visible part of each puppet in 0..1;
    mouths: float32 [N, F], opening in 0..1; heads: float32 [N, F, 3], centre x, y and radius in pixels.
    """

    frames: np.ndarray
    masks: np.ndarray
    mouths: np.ndarray
    heads: np.ndarray


def _pastel(rng: np.random.Generator) -> tuple[int, int, int]:
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.22), rng.uniform(0.8, 0.97))
    return tuple(round(255 * c) for c in rgb)


def random_backdrop(rng: np.random.Generator, width: int, height: int) -> Backdrop:
    hills = tuple(
        (
            float(rng.uniform(0, width)),
            float(rng.uniform(0.2, 1.1) * height),
            float(rng.uniform(0.15, 0.6) * width),
            float(rng.uniform(0.1, 0.4) * height),
            _pastel(rng),
            float(rng.uniform(-0.5, 0.5)),
        )
        for _ in range(int(rng.integers(0, 4)))
    )
    return Backdrop(_pastel(rng), _pastel(rng), hills)


@dataclass(frozen=True)
class World:
    """How fast and how large the puppets are; each pair is the range that a scene draws from.

    radii: head radii of one or two puppets, in heights of the picture; nod: degrees to either side; walk_rate
    and sway_rate: radians per frame; walks: share of the scenes in which all walk across the picture (in the
    others each stays at its place).
    """

    radii: tuple[float, float]
    walk_rate: tuple[float, float]
    sway_rate: tuple[float, float]
    nod: float
    walks: float


FAST = World(radii=(0.175, 0.215), walk_rate=(0.05, 0.1), sway_rate=(0.09, 0.16), nod=7.0, walks=0.75)
"""The world that the autoencoder learned, the diffusion model at first, and that raw films are drawn in."""

CALM = World(radii=(0.19, 0.215), walk_rate=(0.03, 0.06), sway_rate=(0.05, 0.1), nod=5.0, walks=0.6)
"""The world that the diffusion model learned last: a latent frame holds a third less movement."""

WORLDS = {"fast": FAST, "calm": CALM}
HEAD_SCALE = (1.0, 1.0, 0.84, 0.68)  # by number of puppets, one to four


def random_paths(
    rng: np.random.Generator, width: int, height: int, count: int, motion: float, world: World = FAST
) -> tuple[Path, ...]:
    """Paths of `count` puppets in random order from left to right; motion, 0..1, scales how far they move.

    At 1, puppets that stay sway so far that a head can pass in front of a neighbour's; puppets that walk
    stand close together and cross the picture, so that everybody comes to where somebody else stood.
    """
    radii = height * rng.uniform(*world.radii, count) * HEAD_SCALE[count - 1]
    walks = rng.random() < world.walks
    apart = width / count
    if walks:
        apart += motion * (2.6 * radii.mean() - apart)  # a body is 1.3 radii wide to each side
    room = (width - (count - 1) * apart) / 2 - 0.9 * radii.max()
    phase = rng.choice([-0.5, 0.5]) * math.pi + rng.normal(0, 0.7)  # mostly from one side
    walk = Walk(min(50.0, motion * room), rng.uniform(*world.walk_rate), phase) if walks else Walk()
    sway = 8.0 if walks else 28.0 * (1.0, 1.0, 0.6, 0.35)[count - 1]
    return tuple(
        Path(
            x=width / 2 + (place - (count - 1) / 2) * apart + rng.uniform(-0.1, 0.1) * apart,
            y=height * rng.uniform(0.38, 0.5),
            radius=float(radius),
            sway=3.0 + motion * rng.uniform(0.4, 1.0) * sway,
            sway_rate=rng.uniform(*world.sway_rate),
            phase=rng.uniform(0, 2 * math.pi),
            nod=rng.uniform(-world.nod, world.nod),
            walk=walk,
        )
        for place, radius in zip(rng.permutation(count), radii)
    )


def random_scene(
    rng: np.random.Generator,
    count: int,
    width: int = 192,
    height: int = 128,
    motion: float | None = None,
    world: World = FAST,
) -> Scene:
    """One to four puppets side by side in random order; motion None draws it from 0..1, favouring large
    values.

    Raises ValueError for another number of puppets.
    """
    if not 1 <= count <= 4:
        raise ValueError(f"A scene holds 1 to 4 puppets, not {count}.")
    motion = float(rng.uniform(0, 1)) ** 0.5 if motion is None else motion
    looks = random_looks(rng, count)
    paths = random_paths(rng, width, height, count, motion, world)
    return Scene(width, height, looks, paths, random_backdrop(rng, width, height))


def _paint_backdrop(backdrop: Backdrop, width: int, height: int, frame: int) -> np.ndarray:
    down = np.linspace(0, 1, height * SUPERSAMPLE)[:, None, None]
    column = np.array(backdrop.top) * (1 - down) + np.array(backdrop.bottom) * down
    image = np.ascontiguousarray(
        np.broadcast_to(column, (height * SUPERSAMPLE, width * SUPERSAMPLE, 3)).round().astype(np.uint8)
    )
    canvas = Canvas(image)
    canvas.pose = Pose(0, 0, 1)
    for x, y, a, b, colour, drift in backdrop.hills:
        canvas.ellipse(x + drift * frame, y, a, b, colour)
    return image


def render(scene: Scene, mouths: np.ndarray, frames: range | None = None) -> Rendering:
    """Draw frames of the scene. mouths [N, F] gives every puppet's opening at every frame of the whole
    scene.
    """
    import cv2

    frames = range(mouths.shape[1]) if frames is None else frames
    count, size = len(scene.looks), (scene.width, scene.height)
    out = np.empty((len(frames), scene.height, scene.width, 3), np.uint8)
    masks = np.empty((count, len(frames), scene.height, scene.width), np.float32)
    heads = np.empty((count, len(frames), 3), np.float32)
    for k, frame in enumerate(frames):
        image = _paint_backdrop(scene.backdrop, *size, frame)
        for i, (look, path) in enumerate(zip(scene.looks, scene.paths)):
            silhouette = np.zeros(image.shape[:2], np.uint8)
            pose = path.pose(frame, float(mouths[i, frame]))
            draw_puppet(Canvas(image, silhouette), look, pose)
            masks[i, k] = cv2.resize(silhouette, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
            masks[:i, k] *= 1 - masks[i, k]
            heads[i, k] = pose.x, pose.y, pose.radius
        out[k] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return Rendering(out, masks, np.asarray(mouths[:, list(frames)], np.float32), heads)
