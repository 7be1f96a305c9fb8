"""Parts are counted right on drawn frames, and each part too many is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from interacthuman.interact_core.metrics.puppets.drawing import (
    EYE_WHITE,
    MOUTH,
    PUPIL,
    SUPERSAMPLE,
    Canvas,
    Colour,
    Look,
    Pose,
    draw_puppet,
)
from interacthuman.interact_core.theatre.measuring.measure import read_clip
from interacthuman.interact_core.theatre.measuring.wholeness import Parts, count_parts
from interacthuman.interact_core.theatre.scenes import render
from interacthuman.tests.support.theatre.scenes import ExampleScene, degrade, example_scene

SEED = 9_300_000  # of scenes that neither training nor the benches use
Draw = Callable[[Canvas, Look, Pose], None]


def parts_of(frames: np.ndarray, looks: tuple[Look, ...]) -> Parts:
    return count_parts(frames, read_clip(frames, looks))


@pytest.mark.parametrize("seed", range(12))
def test_all_are_whole_in_drawn_frames(seed: int) -> None:
    example = example_scene(SEED + seed, 1 + seed % 4, frames=3, motion=1.0)
    parts = parts_of(example.rendering.frames, example.scene.looks)
    assert parts.in_view.mean() > 0.6  # four puppets that walk hide one another
    assert np.array_equal(parts.whole, parts.in_view)


@pytest.mark.parametrize("seed", range(4))
def test_a_poor_autoencoder_changes_no_count(seed: int) -> None:
    example = example_scene(SEED + seed, 1 + seed % 2, frames=3, motion=0.4)
    assert np.mean(parts_of(degrade(example.rendering.frames), example.scene.looks).shares()) > 0.9


def test_a_mouth_that_is_shut_on_uneven_felt_is_one_and_a_face_without_any_is_not_whole() -> None:
    """Felt that a model drew is lighter here and there by more than a shut mouth's thin line is dark."""
    example = example_scene(SEED + 4, 1, frames=3, silent=(0,), motion=0.0)
    looks, frames = example.scene.looks, example.rendering.frames.astype(np.float32)
    heads = example.rendering.heads[0]
    rows, columns = np.mgrid[: frames.shape[1], : frames.shape[2]] + 0.5
    for f, (x, y, radius) in enumerate(heads):
        from_mouth = ((columns - x) ** 2 + (rows - y - 0.5 * radius) ** 2) / radius**2
        frames[f] += 25 * np.exp(-3 * from_mouth)[..., None]
    shut = frames.clip(0, 255).astype(np.uint8)
    assert parts_of(shut, looks).mouths[0].tolist() == [1, 1, 1]

    def no_mouth(canvas: Canvas, look: Look, _: Pose) -> None:
        canvas.ellipse(0, 0.42, 0.5, 0.12, look.felt)

    without = [with_drawing(frame, looks[0], Pose(*map(float, head)), no_mouth)
               for frame, head in zip(example.rendering.frames, heads)]  # fmt: skip
    parts = parts_of(np.stack(without), looks)
    assert parts.mouths[0].tolist() == [0, 0, 0] and not parts.whole.any()


def with_drawing(frame: np.ndarray, look: Look, pose: Pose, draw: Draw) -> np.ndarray:
    large = cv2.resize(frame, None, fx=SUPERSAMPLE, fy=SUPERSAMPLE, interpolation=cv2.INTER_NEAREST)
    canvas = Canvas(large)
    canvas.pose = pose
    draw(canvas, look, pose)
    return cv2.resize(large, frame.shape[1::-1], interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("seed", [0, 1, 10])
def test_a_mouth_that_reaches_the_chin_leaves_the_head_whole(seed: int) -> None:
    example = example_scene(SEED + seed, 1, frames=1, silent=(0,), motion=0.0)

    def wide(canvas: Canvas, look: Look, _: Pose) -> None:
        canvas.ellipse(0, 0.6, 0.55, 0.55, MOUTH)

    pose = Pose(*map(float, example.rendering.heads[0, 0]))
    frame = with_drawing(example.rendering.frames[0], example.scene.looks[0], pose, wide)
    assert parts_of(degrade(frame[None]), example.scene.looks).heads.tolist() == [[1]]


@pytest.mark.parametrize("seed", range(6))
def test_a_puppet_in_other_tones_whose_hat_sits_too_high_is_whole_and_its_mouth_is_read(seed: int) -> None:
    """As models draw them: brown felt is orange, and a cap's brim a band all around. Likeness is asked elsewhere."""
    example = example_scene(SEED + 20 + seed, 2, frames=9, motion=0.2)
    looks = tuple(replace(look, hair_style="cap") for look in example.scene.looks)
    toned = tuple(replace(look, felt=other_tone(look.felt), hair=other_tone(look.hair)) for look in looks)
    frames = render(replace(example.scene, looks=toned), example.voices).frames

    def band(canvas: Canvas, look: Look, _: Pose) -> None:
        canvas.ellipse(0, -0.95, 0.9 * look.head_width, 0.5, look.hair)
        canvas.polygon([(-1, -0.85), (1, -0.85), (1, -0.55), (-1, -0.55)], look.accent)

    for look, heads in zip(toned, example.rendering.heads):
        frames = [
            with_drawing(frame, look, Pose(*map(float, head)), band) for frame, head in zip(frames, heads)
        ]
    frames = degrade(np.stack(frames))
    reading = read_clip(frames, looks)
    parts = count_parts(frames, reading)
    assert parts.whole[parts.in_view].mean() > 0.9
    seen = np.isfinite(reading.openings) & parts.in_view
    assert np.sqrt(np.mean((reading.openings[seen] - example.voices[seen]) ** 2)) < 0.04


def other_tone(colour: Colour) -> Colour:
    """The same colour more vivid, by 40 of 441."""
    away = np.array(colour) - np.mean(colour)
    red, green, blue = np.clip(np.array(colour) + 40 * away / np.linalg.norm(away), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def eye_on_the_cheek(canvas: Canvas, look: Look, pose: Pose) -> None:
    canvas.ellipse(0.55, 0.3, 0.25, 0.27, EYE_WHITE)
    canvas.ellipse(0.58, 0.32, 0.12, 0.13, PUPIL)


def eye_on_the_brow(canvas: Canvas, look: Look, pose: Pose) -> None:
    canvas.ellipse(0.1, -0.7, 0.25, 0.27, EYE_WHITE)
    canvas.ellipse(0.13, -0.68, 0.12, 0.13, PUPIL)


def mouth_on_the_shirt(canvas: Canvas, look: Look, pose: Pose) -> None:
    canvas.ellipse(0, 1.8, 0.42, 0.13, MOUTH)


def mouth_on_the_brow(canvas: Canvas, look: Look, pose: Pose) -> None:
    canvas.ellipse(0, -0.75, 0.42, 0.13, MOUTH)


def head_beside(canvas: Canvas, look: Look, pose: Pose) -> None:
    side = 1 if pose.x < 96 else -1
    draw_puppet(canvas, look, replace(pose, x=pose.x + 2.0 * side * pose.radius))


def head_that_overlaps(canvas: Canvas, look: Look, pose: Pose) -> None:
    side = 1 if pose.x < 96 else -1
    draw_puppet(canvas, look, replace(pose, x=pose.x + 1.2 * side * pose.radius))


def half_a_body(canvas: Canvas, look: Look, pose: Pose) -> None:
    """The half of a second shirt that is farther away from the puppet."""
    side = 1 if pose.x < 96 else -1
    angle = np.linspace(-90, 90, 40) if side > 0 else np.linspace(90, 270, 40)
    across, down = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    canvas.polygon(np.stack([1.4 * side + 1.3 * across, 2.75 + 1.75 * down], 1), look.shirt)


@pytest.fixture(scope="module", params=range(3))
def example(request: pytest.FixtureRequest) -> ExampleScene:
    return example_scene(SEED + request.param, 1 + request.param % 2, frames=3, motion=0.4)


@pytest.mark.parametrize(
    "draw",
    [
        eye_on_the_cheek,
        eye_on_the_brow,
        mouth_on_the_shirt,
        mouth_on_the_brow,
        head_beside,
        head_that_overlaps,
        half_a_body,
    ],
)
def test_who_has_a_part_too_many_is_not_whole_in_these_frames(example: ExampleScene, draw: Draw) -> None:
    looks, frames = example.scene.looks, example.rendering.frames.copy()
    x, y, radius = (float(value) for value in example.rendering.heads[0, 1])
    frames[1] = with_drawing(frames[1], looks[0], Pose(x, y, radius), draw)
    parts = parts_of(frames, looks)
    assert parts.whole[0].tolist() == [True, False, True]
    assert parts.in_view[0].all() and parts.shares()[0] == pytest.approx(2 / 3)


def test_a_head_behind_another_is_not_judged_and_one_that_is_nowhere_is_not_whole() -> None:
    example = example_scene(SEED + 1, 2, frames=3, motion=0.4)
    looks, frames = example.scene.looks, example.rendering.frames
    reading = read_clip(frames, looks)
    x, y, _ = example.rendering.heads[0, 1].astype(int)
    masks = reading.masks.copy()
    masks[1, 1, y - 40 : y + 40, max(0, x - 25) : x + 25] = True
    masks[0, 1] &= ~masks[1, 1]
    parts = count_parts(frames, replace(reading, masks=masks))
    assert parts.in_view[0].tolist() == [True, False, True] and parts.shares()[0] == 1
    missing = tuple(replace(head, distance=np.full(3, np.inf)) for head in reading.heads)
    nowhere = count_parts(frames, replace(reading, heads=missing))
    assert (nowhere.shares() == 0).all()
