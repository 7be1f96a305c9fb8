"""The annotation bench's figures, on rows that are made of the truth itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from interacthuman.benchmarks.annotation.figures import _cut_figures, clips_of
from interacthuman.interact_core.annotation.pipeline.record import Record
from interacthuman.interact_core.theatre.raw_films import SPEAKING, RawFilm, draw_film


@pytest.fixture(scope="module")
def film() -> RawFilm:
    return draw_film(3, 1)


def rows_of(film: RawFilm) -> list[Record]:
    """A row for each shot, as long as the shot is."""
    edges = [shot.begin / film.fps for shot in film.shots]
    edges.append((film.shots[-1].begin + film.shots[-1].frames) / film.fps)
    return [Record(f"clip{k}", film.name, a, b) for k, (a, b) in enumerate(pairwise(edges))]


def test_cuts_that_are_missed_or_made_up_count(film: RawFilm) -> None:
    rows = rows_of(film)
    assert [figure.value for figure in _cut_figures([film], rows)] == [1.0, 1.0]
    missed = [replace(rows[0], end=rows[1].end), *rows[2:]]
    recall, precision = _cut_figures([film], missed)
    assert recall.value == pytest.approx(6 / 7) and precision.value == 1.0
    middle = (rows[0].start + rows[0].end) / 2
    split = [replace(rows[0], end=middle), replace(rows[0], start=middle), *rows[1:]]
    recall, precision = _cut_figures([film], split)
    assert recall.value == 1.0 and precision.value == pytest.approx(7 / 8)


def test_a_clip_is_of_the_shot_that_it_shows(film: RawFilm) -> None:
    clips = clips_of([film], rows_of(film))
    assert [clip.shot.kind for clip in clips] == [shot.kind for shot in film.shots]
    for clip in clips:
        frames = clip.frames()
        assert frames[0] == 0 and abs(frames[-1] - (clip.shot.frames - 1)) <= 1
        assert (np.diff(frames) >= 0).all()


def test_a_film_has_every_kind_of_speech_and_follows_from_its_seed(film: RawFilm) -> None:
    kinds = [shot.kind for shot in film.shots]
    assert set(SPEAKING) <= set(kinds) and len(kinds) == 8
    again = draw_film(3, 1)
    for one, other in zip(film.shots, again.shots, strict=True):
        np.testing.assert_array_equal(one.tracks, other.tracks)
    turns = next(shot for shot in film.shots if shot.kind == "turns")
    said = turns.speaking(film.fps)
    assert said[0].any() and said[1].any() and not (said[0] & said[1]).any() and not said[-1].any()
    assert (turns.mouths(film.fps)[0] > 0.3)[said[0]].any()
