"""Scenes whose puppets stay and scenes whose puppets walk."""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.interact_core.theatre.scenes import CALM, FAST, Scene, World, random_scene

FILM = 500  # twenty seconds
BODY = 1.3  # head radii to each side (drawing.py)


def heads(scene: Scene, frames: int = FILM) -> np.ndarray:
    """x, y and radius, [N, F, 3]."""
    poses = [[path.pose(frame, 0.0) for frame in range(frames)] for path in scene.paths]
    return np.array([[(pose.x, pose.y, pose.radius) for pose in path] for path in poses])


def random_scenes(count: int, motion: float | None, world: World = FAST) -> list[Scene]:
    return [
        random_scene(np.random.default_rng(seed), count, motion=motion, world=world) for seed in range(24)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_all_puppets_are_in_the_picture_to_the_end_of_a_long_film(count: int) -> None:
    for scene in random_scenes(count, 1.0):
        x, y, radius = np.moveaxis(heads(scene), -1, 0)
        assert (x > 0).all() and (x < scene.width).all()
        assert (y > radius).all() and (y < scene.height - radius).all()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_who_walks_comes_to_where_another_one_stood_and_who_stays_does_not(count: int) -> None:
    def where_others_stood(scene: Scene) -> float:
        x, radius = heads(scene)[..., 0], heads(scene)[:, 0, 2]
        there = np.abs(x[:, None] - x[None, :, :1]) < BODY * radius[None, :, None]
        return float(np.mean([there[i, j] for i in range(count) for j in range(count) if i != j]))

    scenes = random_scenes(count, 1.0)
    walks = [scene.paths[0].walk.reach > 0 for scene in scenes]
    assert 0.5 < np.mean(walks) < 1.0
    shares = {
        kind: [where_others_stood(s) for s, w in zip(scenes, walks) if w == kind] for kind in (True, False)
    }
    assert np.mean(shares[True]) > 2 * np.mean(shares[False]) and np.mean(shares[True]) > 0.04


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_without_motion_nobody_leaves_their_place(count: int) -> None:
    for scene in random_scenes(count, 0.0):
        x = heads(scene)[..., 0]
        assert np.abs(x - x[:, :1]).max() < 16 / 2


def test_the_puppets_of_a_scene_walk_together() -> None:
    for scene in random_scenes(3, 1.0):
        assert len({path.walk for path in scene.paths}) == 1


def test_the_calm_world_moves_less_from_frame_to_frame_and_still_leaves_its_places() -> None:
    def steps_and_reach(world: World) -> tuple[float, float]:
        x = np.array([heads(scene)[..., 0] for scene in random_scenes(2, 1.0, world)])
        return float(np.abs(np.diff(x)).mean()), float(np.median(np.ptp(x, axis=-1)))

    (fast, far), (calm, still_far) = steps_and_reach(FAST), steps_and_reach(CALM)
    assert calm < 0.75 * fast and still_far > 0.7 * far
    radii = [path.radius / scene.height for scene in random_scenes(2, 1.0, CALM) for path in scene.paths]
    assert min(radii) >= 0.19


def test_the_default_world_is_that_of_the_autoencoder_and_of_raw_films() -> None:
    scene = random_scene(np.random.default_rng(0), 2)
    first = scene.paths[0]
    assert (round(first.x, 4), round(first.sway_rate, 6)) == (62.0155, 0.158479)
    assert scene == random_scene(np.random.default_rng(0), 2, world=FAST)
