"""What the plot of a scored film shows, read off its pixels."""

import numpy as np
import pytest
from interacthuman.interact_core.metrics.types import FilmFigures, PersonFigures, WrongVoice
from interacthuman.interact_core.preview.score_plot import FITS, MARGIN, WIDTH, WRONG, draw_score

FRAMES = 40


def figures(**of_tobi) -> FilmFigures:
    mira = PersonFigures("Mira", lips=0.9, crosstalk=0.1, fits=((0, FRAMES),))
    tobi = PersonFigures("Tobi", lips=0.4, crosstalk=0.8, **of_tobi)
    curve = np.sin(np.linspace(0, 20, FRAMES)) ** 2
    return FilmFigures(
        name="film",
        frames=FRAMES,
        fps=25.0,
        people=(mira, tobi),
        lips_matrix=np.array([[0.9, 0.1], [0.8, 0.4]]),
        openings=np.stack([curve, curve]),
        voices=np.stack([curve, curve[::-1]]),
    )


def marked(picture: np.ndarray, colour: tuple[int, int, int]) -> dict[int, float]:
    """Of every row that holds this colour over at least 30 pixels: share of the plot's width."""
    row = (picture == np.array(colour)).all(-1).sum(1)
    return {int(y): row[y] / (WIDTH - 2 * MARGIN) for y in np.flatnonzero(row >= 30)}


def test_marks_are_as_long_as_the_spans_that_fit_and_that_follow_somebody_else():
    wrong = WrongVoice("Tobi", "Mira", (10, 30), 0.8, 0.2)
    picture = draw_score(figures(fits=((0, 10),), wrong=(wrong,)))
    green, orange = marked(picture, FITS), marked(picture, WRONG)
    of_mira = [share for share in green.values() if share > 0.9]
    of_tobi = [share for y, share in green.items() if y in orange and y < max(green)]
    assert of_mira == pytest.approx([1.0] * 6, abs=0.01)
    assert of_tobi and of_tobi == pytest.approx([0.25] * len(of_tobi), abs=0.01)
    assert [share for share in orange.values() if share > 0.4] == pytest.approx([0.5] * 6, abs=0.01)


def test_a_film_in_which_every_mouth_follows_its_own_voice_has_no_orange_mark():
    assert not {
        y for y, share in marked(draw_score(figures(fits=((0, FRAMES),))), WRONG).items() if share > 0.1
    }


def test_what_is_not_known_leaves_the_plot_as_wide_and_says_so():
    nothing = FilmFigures(name="film", frames=FRAMES, fps=25.0, people=(PersonFigures("Mira"),))
    picture = draw_score(nothing)
    assert picture.shape[1] == WIDTH
    assert not marked(picture, FITS)
