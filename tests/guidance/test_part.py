"""How a film is divided into parts."""

import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import plan_part


@pytest.mark.parametrize("length, overlap", [(25, 9), (25, 1), (81, 5), (81, 33), (13, 9)])
@pytest.mark.parametrize("film", [1, 5, 25, 29, 81, 93, 501])
@pytest.mark.parametrize("given", [0, 34, 40])
def test_parts_make_the_whole_film(film: int, length: int, overlap: int, given: int) -> None:
    """From nothing or from somebody's clip of any length: each part goes on where the film ends."""
    finished = given if given < film else 0
    while finished < film:
        part = plan_part(film, finished, length, overlap)
        assert part.finished == finished and part.start >= 0
        assert part.frames % 4 == 1 and part.known % 4 == (1 if finished else 0)
        assert part.known_latents == (0 if finished == 0 else (part.known - 1) // 4 + 1)
        if film >= length and part.start >= 4:
            assert part.frames == length
        assert part.known >= overlap or finished == 0
        assert finished < part.end <= film
        finished = part.end
    with pytest.raises(
        InteractError, match=f"{film} frames long and {film} are finished, so there is no next"
    ):
        plan_part(film, film, length, overlap)


def test_what_cannot_be_continued_is_said() -> None:
    with pytest.raises(InteractError, match="an overlap of 13 add no new frames.*at most 9"):
        plan_part(81, 40, 13, 13)
    with pytest.raises(InteractError, match="Only 6 frames are finished, but the overlap is 9.*overlap to 5"):
        plan_part(81, 6, 13, 9)
