"""Who speaks when: syllables whose mouths are known, mixed into one sound."""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.interact_core.annotation.people.speaking import Speaking, who_speaks

FPS, FRAMES = 25.0, 150


def syllables(seed: int, first: int = 0, last: int = FRAMES) -> np.ndarray:
    """An opening that moves as in speech, float [FRAMES], shut outside of first..last."""
    rng = np.random.default_rng(seed)
    opening = np.zeros(FRAMES)
    at = first
    while at < last:
        long = int(rng.integers(3, 8))
        here = np.sin(np.linspace(0, np.pi, long + 2))[1:-1] * rng.uniform(0.5, 1)
        opening[at : at + long] = here[: FRAMES - at]
        at += long + int(rng.integers(0, 4))
    opening[last:] = 0
    return opening


def judged(mouths: list[np.ndarray], voices: list[np.ndarray], lag: int = 0, fit: float = 0.6) -> Speaking:
    """With a little noise on the mouths; voices: everything that is heard."""
    noise = np.random.default_rng(9).normal(0, 0.04, (len(mouths), FRAMES))
    loud = np.sqrt(np.sum(np.square(voices), 0))
    shown = np.roll(np.stack(mouths), lag, 1) + noise
    return who_speaks(np.clip(shown, 0, 1), np.clip(loud, 0, 1), FPS, 0.2, fit)


def share(active: np.ndarray, true: np.ndarray) -> float:
    """Of the frames in which a mouth is truly open, those that were found."""
    return float(active[true > 0.3].mean())


def test_turns_go_to_those_who_take_them() -> None:
    one, other, still = syllables(0, 0, 70), syllables(1, 80), np.zeros(FRAMES)
    found = judged([one, still, other], [one, other])
    assert found.speakers == [0, 2] and not found.overlap.any()
    assert share(found.active[0], one) > 0.9 and share(found.active[2], other) > 0.9
    assert not found.active[0, 80:].any() and not found.active[2, :70].any()
    assert found.off_screen.sum() <= 0.1 * found.heard.sum()
    assert found.matrix[0, 0] > 0.8 > 0.3 > found.matrix[2, 0], "row: whose mouth, column: whose voice"
    assert np.isnan(found.matrix[:, 1]).all()


def test_two_at_once_are_both_found() -> None:
    one, other = syllables(2, 0, 110), syllables(3, 50)
    found = judged([one, other], [one, other])
    assert share(found.active[0], one) > 0.8 and share(found.active[1], other) > 0.8
    assert found.overlap[55:105].mean() > 0.7 and not found.overlap[:45].any()


@pytest.mark.parametrize("fit", [0.5, 0.85])
def test_a_voice_of_nobody_in_sight_is_off_screen(fit: float) -> None:
    one, narrator = syllables(4, 0, 70), syllables(5, 80)
    found = judged([one, np.zeros(FRAMES)], [one, narrator], fit=fit)
    assert found.speakers == [0] and not found.off_screen[:70].any()
    assert found.off_screen[85:145].mean() > 0.8


def test_a_mouth_that_moves_to_other_words_does_not_speak() -> None:
    chewing, narrator = syllables(6), syllables(7)
    found = judged([chewing, np.zeros(FRAMES)], [narrator], fit=0.85)
    assert not found.speakers and found.off_screen.sum() > 100


def test_mouths_may_follow_their_sound() -> None:
    one, other = syllables(8, 0, 70), syllables(9, 80)
    found = judged([one, other], [one, other], lag=2)
    assert found.lag == 2 and share(found.active[0], one) > 0.9


def test_a_hidden_mouth_is_nobodys_and_silence_is_nothing() -> None:
    one = syllables(10)
    hidden = judged([np.full(FRAMES, np.nan)], [one])
    assert not hidden.speakers and hidden.off_screen.any()
    silent = judged([one], [np.zeros(FRAMES)])
    assert not silent.heard.any() and not silent.speakers
