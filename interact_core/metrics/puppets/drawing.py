"""Felt puppets drawn with OpenCV: every look, its silhouette and the mouth whose opening is known.

Lengths are in head radii around the centre of the head (x right, y down), so that a puppet is one recipe of
shapes at any size. Drawing happens at `SUPERSAMPLE` times the wanted size with OpenCV's anti-aliased fills.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SUPERSAMPLE = 2
FRACTION_BITS = 4  # OpenCV draws at 1/16 pixel
MOUTH = (122, 16, 38)  # inside of every mouth, RGB 0..255; no felt, hair or cloth comes near it
EYE_WHITE, PUPIL = (250, 250, 246), (28, 26, 34)
# Nothing with gaps of an eye's size: small models fill gaps between spikes with eyes.
HAIR_STYLES = ("mop", "topknot", "pigtails", "bun", "cap", "fringe", "bald")
EARS = ("none", "round", "pointed", "side")
PROPS = ("none", "bow tie", "scarf", "buttons", "stripes")
STRIPE_PERIOD = 0.55  # head radii

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """What tells one puppet from another. Colours are RGB 0..255."""

    felt: Colour
    hair: Colour
    shirt: Colour
    accent: Colour
    hair_style: str
    ears: str
    prop: str
    glasses: bool
    head_width: float  # 0.8..1.0 of the head's height
    eye_gap: float  # 0.25..0.34 head radii from the middle
    gaze: tuple[float, float]  # pupils' shift, -1..1

    @property
    def colours(self) -> tuple[Colour, Colour, Colour, Colour]:
        """The colours by which this puppet is found in a frame."""
        return self.felt, self.hair, self.shirt, self.accent


@dataclass(frozen=True)
class Pose:
    """Where a puppet is: centre of the head and head radius in pixels, tilt in degrees, mouth opening
    0..1.
    """

    x: float
    y: float
    radius: float
    tilt: float = 0.0
    mouth: float = 0.0


def colour_distance(a: Colour, b: Colour) -> float:
    """Euclidean distance of two RGB colours, 0 to 441."""
    return math.dist(a, b)


def _hsv(h: float, s: float, v: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(h % 1.0, s, v)
    return round(255 * red), round(255 * green), round(255 * blue)


def random_look(rng: np.random.Generator) -> Look:
    """One look; its own colours keep 70 of 441 apart from each other and from the mouth's inside."""
    while True:
        felt = _hsv(rng.random(), rng.uniform(0.45, 0.8), rng.uniform(0.7, 0.95))
        hair = _hsv(rng.random(), rng.uniform(0.5, 0.95), rng.uniform(0.25, 0.9))
        shirt = _hsv(rng.random(), rng.uniform(0.55, 0.95), rng.uniform(0.4, 0.9))
        accent = _hsv(rng.random(), rng.uniform(0.6, 0.95), rng.uniform(0.5, 0.95))
        palette = (felt, hair, shirt, accent)
        apart = all(colour_distance(a, b) > 70 for i, a in enumerate(palette) for b in palette[:i])
        if apart and all(colour_distance(c, MOUTH) > 100 for c in palette):
            break
    return Look(
        felt,
        hair,
        shirt,
        accent,
        hair_style=str(rng.choice(HAIR_STYLES)),
        ears=str(rng.choice(EARS)),
        prop=str(rng.choice(PROPS)),
        glasses=bool(rng.random() < 0.2),
        head_width=float(rng.uniform(0.84, 1.0)),
        eye_gap=float(rng.uniform(0.27, 0.34)),
        gaze=(float(rng.uniform(-1, 1)), float(rng.uniform(-0.6, 0.6))),
    )


def random_looks(rng: np.random.Generator, count: int) -> tuple[Look, ...]:
    """`count` looks for one scene, told apart by felt, shirt and hair (at least 75 of 441 between
    puppets).
    """
    looks: list[Look] = []
    while len(looks) < count:
        new = random_look(rng)
        if all(colour_distance(a, b) > 75 for old in looks for a in old.colours[:3] for b in new.colours[:3]):
            looks.append(new)
    return tuple(looks)


class Canvas:
    """An RGB picture and, if wanted, a puppet's silhouette, drawn by the same strokes.

    image: uint8 [H*s, W*s, 3]; silhouette: uint8 [H*s, W*s]; s = SUPERSAMPLE.
    """

    def __init__(self, image: np.ndarray, silhouette: np.ndarray | None = None):
        self.image, self.silhouette = image, silhouette
        self.pose = Pose(0, 0, 1)

    def _place(self, points: np.ndarray) -> np.ndarray:
        a = math.radians(self.pose.tilt)
        turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
        centre = np.array([self.pose.x, self.pose.y])
        pixels = (points @ turn.T * self.pose.radius + centre) * SUPERSAMPLE - 0.5
        return np.round(pixels * (1 << FRACTION_BITS)).astype(np.int32)

    def polygon(self, points: np.ndarray | Sequence[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon, points [n, 2] in head radii."""
        import cv2

        placed = [self._place(np.asarray(points, float))]
        cv2.fillPoly(self.image, placed, colour, cv2.LINE_AA, FRACTION_BITS)
        if self.silhouette is not None:
            cv2.fillPoly(self.silhouette, placed, 255, cv2.LINE_AA, FRACTION_BITS)

    def ellipse(
        self, x: float, y: float, a: float, b: float, colour: Colour, start: float = 0, end: float = 360
    ) -> None:
        """Fill an ellipse or, between two angles in degrees (0 = right, 90 = down), the segment of one."""
        angle = np.radians(np.linspace(start, end, 40))
        self.polygon(np.stack([x + a * np.cos(angle), y + b * np.sin(angle)], 1), colour)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(c * factor)) for c in colour)
    return red, green, blue


def _draw_body(c: Canvas, look: Look) -> None:
    c.ellipse(0, 2.75, 1.3, 1.75, look.shirt)
    if look.prop == "stripes":
        for y in (1.55, 1.55 + STRIPE_PERIOD, 1.55 + 2 * STRIPE_PERIOD):
            half = 1.3 * math.sqrt(max(0.0, 1 - ((y - 2.75) / 1.75) ** 2))
            c.polygon([(-half, y), (half, y), (half, y + 0.22), (-half, y + 0.22)], look.accent)
    if look.prop == "buttons":
        for y in (1.5, 2.05):
            c.ellipse(0, y, 0.14, 0.14, look.accent)


def _draw_ears(c: Canvas, look: Look) -> None:
    w = look.head_width
    if look.ears == "round":
        for side in (-1, 1):
            c.ellipse(side * 0.72 * w, -0.8, 0.34, 0.34, look.felt)
    if look.ears == "pointed":
        for side in (-1, 1):
            c.polygon([(side * 0.3, -0.8), (side * 0.95, -1.45), (side * 0.92 * w, -0.3)], look.felt)
    if look.ears == "side":
        for side in (-1, 1):
            c.ellipse(side * 1.0 * w, 0.0, 0.2, 0.3, look.felt)


def _draw_hair_behind_head(c: Canvas, look: Look) -> None:
    w = look.head_width
    if look.hair_style in ("mop", "fringe", "topknot"):
        c.ellipse(0, -0.12, 1.08 * w + 0.06, 1.02, look.hair)
    if look.hair_style == "pigtails":
        for side in (-1, 1):
            c.ellipse(side * (w + 0.22), 0.05, 0.32, 0.52, look.hair)
    if look.hair_style in ("bun", "topknot"):
        c.ellipse(0, -1.12, 0.42, 0.38, look.hair)


def _draw_hair(c: Canvas, look: Look) -> None:
    w = look.head_width
    if look.hair_style in ("mop", "pigtails", "bun", "topknot"):
        c.ellipse(0, -0.45, 0.94 * w, 0.6, look.hair, 180, 360)
    if look.hair_style == "fringe":
        c.polygon(
            [
                (-0.98 * w, -0.35),
                (-0.7 * w, -0.95),
                (0, -1.08),
                (0.7 * w, -0.95),
                (0.98 * w, -0.35),
                (0.3, -0.62),
                (-0.2, -0.55),
            ],
            look.hair,
        )
    if look.hair_style == "cap":
        c.ellipse(0, -0.5, 0.98 * w, 0.68, look.hair, 180, 360)
        c.ellipse(0.45, -0.5, 0.75, 0.14, look.accent)


def _draw_face(c: Canvas, look: Look, mouth: float) -> None:
    for side in (-1, 1):
        x = side * look.eye_gap
        if look.glasses:
            c.ellipse(x, -0.22, 0.33, 0.33, look.accent)
        c.ellipse(x, -0.22, 0.25, 0.27, EYE_WHITE)
        c.ellipse(x + 0.09 * look.gaze[0], -0.2 + 0.1 * look.gaze[1], 0.12, 0.13, PUPIL)
    c.ellipse(0, 0.12, 0.14, 0.11, _shade(look.felt, 0.72))
    c.ellipse(0, 0.42 + 0.15 * mouth, 0.42 - 0.04 * mouth, 0.035 + 0.32 * mouth, MOUTH)


def draw_puppet(canvas: Canvas, look: Look, pose: Pose) -> None:
    """Draw one puppet onto the canvas (and its silhouette, if the canvas has one)."""
    canvas.pose = pose
    _draw_body(canvas, look)
    _draw_ears(canvas, look)
    _draw_hair_behind_head(canvas, look)
    canvas.ellipse(0, 0, look.head_width, 1.0, look.felt)
    if look.prop == "scarf":
        canvas.ellipse(0, 1.08, 0.78, 0.24, look.accent)
    if look.prop == "bow tie":
        for side in (-1, 1):
            canvas.polygon([(0, 1.18), (side * 0.45, 0.95), (side * 0.45, 1.41)], look.accent)
    _draw_hair(canvas, look)
    _draw_face(canvas, look, pose.mouth)


def portrait(look: Look, width: int, height: int, pose: Pose | None = None) -> np.ndarray:
    """A reference picture: the puppet on white, mouth closed. Returns uint8 RGB [height, width, 3]."""
    import cv2

    pose = pose or Pose(width / 2, height * 0.42, height * 0.2)
    canvas = Canvas(np.full((height * SUPERSAMPLE, width * SUPERSAMPLE, 3), 255, np.uint8))
    draw_puppet(canvas, look, pose)
    return cv2.resize(canvas.image, (width, height), interpolation=cv2.INTER_AREA)
