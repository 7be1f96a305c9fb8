"""Mouths against voices: the lag and its sign, the matrix, and where a voice went to the wrong mouth."""

from __future__ import annotations

import numpy as np
import pytest
from interacthuman.interact_core.metrics import lips, loudness

FPS = 25.0


def voices_of(count: int, frames: int = 100) -> np.ndarray:
    """Unrelated openings that rise and fall as syllables do, [count, frames] in 0..1."""
    rng = np.random.default_rng(3)
    return np.stack(
        [np.convolve(rng.random(frames + 4), np.ones(5) / 5, "valid") ** 3 * 4 for _ in range(count)]
    ).clip(0, 1)


@pytest.mark.parametrize("lag", [-2, -1, 0, 1, 2])
def test_a_mouth_that_follows_its_voice_by_some_frames_has_that_lag(lag: int) -> None:
    voice = voices_of(1)[0]
    opening = np.roll(voice, lag)
    assert lips.lag_of(opening, voice) == lag
    assert lips.sync(opening, voice) > 0.99
    assert lips.fitting_spans(opening, voice, FPS) == ((0, 100),)


def test_the_matrix_has_mouths_as_rows_and_leaves_out_who_is_unseen_or_silent() -> None:
    voices = voices_of(3)
    openings = np.stack([voices[1], voices[0], np.full(100, np.nan)])
    voices[2] = 0.0
    matrix = lips.lips_matrix(openings, voices)
    assert matrix[0, 1] == pytest.approx(1.0) and matrix[1, 0] == pytest.approx(1.0)
    assert matrix[0, 0] == pytest.approx(lips.sync(voices[1], voices[0])) and matrix[0, 0] < 0.5
    assert np.isnan(matrix[2]).all() and np.isnan(matrix[:, 2]).all()


def test_a_voice_that_goes_to_the_wrong_mouth_for_a_while_is_told_with_its_frames() -> None:
    voices = voices_of(2)
    openings = voices.copy()
    openings[0, 50:] = voices[1, 50:]
    (wrong,), nothing = lips.wrong_voices(("Anna", "Ben"), openings, voices, FPS)
    assert nothing == ()
    assert (wrong.mouth, wrong.voice) == ("Anna", "Ben")
    assert abs(wrong.span[0] - 50) <= 12 and wrong.span[1] == 100
    assert wrong.fit > 0.75 and wrong.own < 0.4
    ((first, last),) = lips.fitting_spans(openings[0], voices[0], FPS)
    assert first == 0 and 45 <= last <= 75


def test_mouths_that_follow_their_own_voices_are_not_accused() -> None:
    voices = voices_of(3)
    assert lips.wrong_voices("abc", voices, voices, FPS) == ((), (), ())


def test_of_a_silent_person_the_share_of_frames_with_an_open_mouth_is_told() -> None:
    assert lips.silent_open(np.array([0.0, 0.1, 0.5, np.nan, 0.9])) == 0.5
    assert lips.silent_open(np.full(4, np.nan)) == 1.0


def test_spans_of_speech_close_short_pauses_and_keep_long_ones() -> None:
    opening = np.zeros(100)
    opening[5:20] = opening[26:40] = opening[70:75] = 0.6
    assert loudness.speaking_spans(opening, FPS) == ((5, 40), (70, 75))
    assert loudness.speaking_spans(np.zeros(10), FPS) == ()
