"""Flicker, sharpness and identity over time, on films whose values are known."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from interacthuman.interact_core.metrics.steadiness import (
    BLUR,
    Colours,
    flicker,
    identity_over_time,
    sharpness,
)
from interacthuman.interact_core.metrics.types import Film, Person

HEIGHT, WIDTH, FRAMES = 96, 128, 12


def film(frames) -> Film:
    return Film.of_frames(np.stack(frames).clip(0, 255).round().astype(np.uint8), 25.0)


def texture(height=HEIGHT, width=WIDTH) -> np.ndarray:
    """Grey spots of a few pixels, float [height, width, 3] in 60..180."""
    spots = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (height, width)), (0, 0), 3.0)
    return np.repeat((120 + 25 * spots / spots.std()).clip(60, 180)[..., None], 3, 2)


def test_a_still_film_and_a_fade_have_no_flicker():
    still = flicker(film([texture()] * FRAMES))
    assert still.value == 0 and still.still == 1 and still.frames == FRAMES - 2 and still.cuts == 0
    fade = flicker(film([np.full((HEIGHT, WIDTH, 3), 40.0 + 3 * t) for t in range(FRAMES)]))
    assert fade.value == pytest.approx(0, abs=1e-4)


def test_brightness_that_goes_up_and_down_has_four_times_its_half():
    frames = [texture() + 3 * (-1) ** t for t in range(FRAMES)]
    assert flicker(film(frames)).value == pytest.approx(12, rel=0.02)


@pytest.mark.parametrize("deviation", [2.0, 6.0])
def test_noise_has_its_closed_form(deviation):
    rng = np.random.default_rng(1)
    grey = rng.normal(0, deviation, (FRAMES, HEIGHT, WIDTH, 1))
    found = flicker(film(list(texture() + grey)))
    assert found.value == pytest.approx(np.sqrt(6 * 2 / np.pi) * deviation, rel=0.05)
    assert found.still > 0.9


def test_pumping_every_fourth_frame_is_seen():
    """As a video autoencoder of four frames a latent does it."""
    frames = [texture() + 4 * (t % 4 == 0) for t in range(17)]
    assert 3 < flicker(film(frames)).value < 5


def test_movement_is_no_flicker():
    """Something passes before a still wall."""
    wall, ball = texture(), texture(24, 24)[..., ::-1] + 40
    frames = []
    for t in range(FRAMES):
        frame = wall.copy()
        frame[30:54, 8 * t : 8 * t + 24] = ball
        frames.append(frame)
    moving = flicker(film(frames))
    assert moving.value < 1.5 and 0.5 < moving.still < 1
    shaking = [np.roll(wall, (5 * t, 7 * t), (0, 1)) for t in range(FRAMES)]
    assert flicker(film(shaking)).value is None or flicker(film(shaking)).still < 0.1


def test_a_cut_is_left_out():
    other = 255 - texture()[::-1]
    dark = other * 0.1
    frames = [texture()] * 6 + [dark] * 6
    found = flicker(film(frames))
    assert found.cuts == 2 and found.value == pytest.approx(0, abs=1e-4)


def test_a_step_has_the_sharpness_of_its_closed_form():
    step = np.full((HEIGHT, WIDTH, 3), 50.0)
    step[:, 64:] = 150.0
    assert sharpness(film([step])) == pytest.approx(1 - 1 / BLUR, abs=1e-3)
    assert sharpness(film([step.transpose(1, 0, 2)])) == pytest.approx(1 - 1 / BLUR, abs=1e-3)
    assert sharpness(film([50 + 0.3 * step])) == pytest.approx(
        1 - 1 / BLUR, abs=1e-3
    )  # contrast does not count
    assert sharpness(film([np.full((HEIGHT, WIDTH, 3), 50.0)])) == 0


def test_blur_lowers_sharpness_step_by_step():
    picture = np.random.default_rng(2).uniform(0, 255, (HEIGHT, WIDTH, 3))
    found = [
        sharpness(film([cv2.GaussianBlur(picture, (0, 0), blur) if blur else picture] * 2))
        for blur in (0, 1, 2, 4)
    ]
    assert all(a > b + 0.02 for a, b in itertools.pairwise(found))


def test_a_picture_blurred_in_one_direction_is_not_sharp():
    picture = np.random.default_rng(2).uniform(0, 255, (HEIGHT, WIDTH, 3))
    panned = cv2.blur(picture, (9, 1))
    assert sharpness(film([panned])) < sharpness(film([picture])) - 0.1
    assert sharpness(film([panned])) == pytest.approx(sharpness(film([panned.transpose(1, 0, 2)])), abs=0.01)


def people_film(colours) -> tuple[Film, Person]:
    """A person of one colour a frame, before grey; they walk."""
    frames, masks = [], []
    for t, colour in enumerate(colours):
        frame, mask = np.full((HEIGHT, WIDTH, 3), 128.0), np.zeros((HEIGHT, WIDTH), np.float32)
        frame[20:80, 10 + 2 * t : 50 + 2 * t] = colour
        mask[20:80, 10 + 2 * t : 50 + 2 * t] = 1
        frames.append(frame)
        masks.append(mask)
    return film(frames), Person("Anna", mask=np.stack(masks))


def test_somebody_who_stays_the_same_has_one_and_somebody_who_changes_less():
    steady = identity_over_time(*people_film([(200, 60, 40)] * 20))
    assert steady.value == pytest.approx(1) == steady.lowest and len(steady.frames) == 20
    changed = identity_over_time(*people_film([(200, 60, 40)] * 15 + [(30, 90, 200)] * 5))
    assert changed.value == pytest.approx(0, abs=1e-6)
    passing = identity_over_time(
        *people_film([(200, 60, 40)] * 9 + [(30, 90, 200)] * 2 + [(200, 60, 40)] * 9)
    )
    assert passing.value == pytest.approx(1) and passing.lowest == pytest.approx(0, abs=1e-6)


def test_half_a_shirt_in_another_colour_has_bhattacharyyas_coefficient():
    film_, person = people_film([(200, 60, 40)] * 10)
    frames = film_.pick(range(10))
    frames[8:, 50:80][person.mask[8:, 50:80] > 0] = (30, 90, 200)
    found = identity_over_time(Film.of_frames(frames, 25.0), person)
    assert found.value == pytest.approx(np.sqrt(0.5))


def test_a_network_may_be_asked_instead_and_nobody_is_no_error():
    class Brightness(Colours):
        kind = "brightness"

        def embed(self, pictures):
            return np.array([[p[..., :3].mean(), 128.0] for p in pictures])

    film_, person = people_film([(128, 128, 128)] * 10)
    assert identity_over_time(film_, person, Brightness()).value == pytest.approx(1)
    nobody = identity_over_time(film_, Person("Ben"))
    assert nobody.value is None and nobody.missing.startswith("No mask shows Ben")
