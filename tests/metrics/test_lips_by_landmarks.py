"""Lips read off landmarks say of puppets what the benches read off their colours.

The landmarks are put where the drawing has eyes, nose and lips, so this holds two independent readings against each
other: geometry of points here, amounts of a colour there.
"""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.interact_core.metrics import lips
from interacthuman.interact_core.metrics.detectors.landmarks import MESH, opening
from interacthuman.interact_core.metrics.puppets.reading import read_clip
from interacthuman.tests.support.theatre.scenes import example_scene

SEED, SCENES, FRAMES = 9_300_000, 16, 25
CLOSE = 0.02


def landmarks(look, pose) -> np.ndarray:
    """MediaPipe's numbering, [478, 2]: what lips are measured by, in the places of drawing._draw_face."""
    half_height = 0.035 + 0.32 * pose.mouth
    half_width, middle = 0.42 - 0.04 * pose.mouth, 0.42 + 0.15 * pose.mouth
    local = np.zeros((478, 2))
    for side, eye in zip((-1, 1), MESH.eyes, strict=True):
        local[eye] = side * (look.eye_gap + 0.25), -0.22
    local[MESH.nose] = 0, 0.23
    for x, (upper, lower) in zip((-0.08, 0.0, 0.08), MESH.gaps, strict=True):
        y = half_height * np.sqrt(1 - (x / half_width) ** 2)
        local[upper], local[lower] = (x, middle - y), (x, middle + y)
    angle = np.deg2rad(pose.tilt)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.array([pose.x, pose.y]) + pose.radius * local @ turn


@pytest.mark.slow
def test_landmarks_and_colours_agree_with_right_and_swapped_voices():
    differences = {"own": [], "other": [], "crosstalk": []}
    swapped = []
    for seed in range(SEED, SEED + SCENES):
        example = example_scene(seed, 2, frames=FRAMES)
        drawn = example.rendering
        by_colour = read_clip(drawn.frames, example.scene.looks, drawn.masks > 0.5).openings
        for i, (look, path) in enumerate(zip(example.scene.looks, example.scene.paths, strict=True)):
            poses = [path.pose(f, float(mouth)) for f, mouth in enumerate(example.voices[i])]
            by_points = np.array([opening(landmarks(look, pose), MESH) for pose in poses])
            by_points[np.isnan(by_colour[i])] = np.nan  # behind somebody: no detector finds it there
            own, other = example.voices[i], example.voices[1 - i]
            for name, voice in (("own", own), ("other", other)):
                differences[name].append(lips.sync(by_points, voice) - lips.sync(by_colour[i], voice))
            swapped.append(lips.sync(by_points, other))
            a, b = (lips.crosstalk(mouth, other[None], own) for mouth in (by_points, by_colour[i]))
            differences["crosstalk"].append(a - b)
    assert {name: np.abs(found).max() for name, found in differences.items()} == pytest.approx(
        dict.fromkeys(differences, 0.0), abs=CLOSE
    )
    assert np.ptp(swapped) > 0.5  # what was compared is no constant
