"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from interacthuman.interact_core.theatre import raw_films
from interacthuman.interact_core.whole_file import whole_file


def test_what_fails_leaves_the_old_file_and_what_ends_well_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail() -> None:
        with whole_file(path) as partial:
            partial.write_text("half")
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    assert path.read_text() == "old"
    with whole_file(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("table.csv", "new")]


def test_a_raw_film_that_was_not_finished_is_no_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed while it draws one leaves nothing that the next would take for a whole film."""
    film = raw_films.draw_film(3, 0)
    drawn = raw_films.pictures(film)

    def three(_: raw_films.RawFilm) -> object:
        yield from (next(drawn) for _ in range(3))
        raise KeyboardInterrupt

    monkeypatch.setattr(raw_films, "pictures", three)
    with pytest.raises(KeyboardInterrupt):
        raw_films.write_film(film, tmp_path)
    assert not (tmp_path / film.name).exists()
