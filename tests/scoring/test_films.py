"""Films, voices and masks from files: streamed, in time, and told where they break."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.types import CHUNK
from interacthuman.interact_core.scoring.films import open_film, read_person
from interacthuman.interact_core.scoring.jobs import PersonFiles
from interacthuman.tests.support.media.films import HEIGHT, WIDTH, greys, write_film


def test_frames_come_in_order_in_chunks_and_again_at_every_pass(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mp4", list(range(40)))
    opened = open_film(tmp_path / "a.mp4")
    film = opened.film
    assert (film.frames, film.width, film.height, film.fps, opened.notes) == (40, WIDTH, HEIGHT, 25.0, ())
    assert greys(film) == list(range(40)) == greys(film)
    assert [len(chunk) for chunk in film.chunks()] == [CHUNK, CHUNK, 8]
    assert [round(float(f.mean()) / 3) for f in film.pick([30, 2])] == [30, 2]


def test_a_film_whose_frames_come_unevenly_is_shown_in_time(tmp_path: Path) -> None:
    times = [*range(10), *range(30, 40)]  # frame 9 stands for 21 frames
    write_film(tmp_path / "a.mp4", times)
    opened = open_film(tmp_path / "a.mp4")
    assert "come unevenly" in opened.notes[0]
    shown, film = greys(opened.film), opened.film
    assert film.seconds == pytest.approx(1.6, abs=0.1) and len(shown) == film.frames
    half = shown[round(0.8 * film.fps)]
    assert half == 9, "at 0.8 s the tenth frame stands still"


@pytest.mark.parametrize("transfer, curve", [(16, "PQ"), (18, "HLG"), (1, None)])
def test_a_film_in_hdr_is_told(tmp_path: Path, transfer: int, curve: str | None) -> None:
    write_film(tmp_path / "a.mp4", list(range(10)), transfer=transfer)
    notes = open_film(tmp_path / "a.mp4").notes
    assert [f"is in HDR ({curve})" in note for note in notes] == ([True] if curve else [])


def test_a_film_that_breaks_off_is_told_and_so_is_one_that_is_none(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    write_film(whole, list(range(60)))
    content = whole.read_bytes()
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(content[: len(content) // 2])
    opened = open_film(damaged).film
    assert opened.frames < 60
    (tmp_path / "text.mp4").write_text("no film", encoding="utf-8")
    with pytest.raises(InteractError, match=r"text\.mp4 cannot be read as a film"):
        open_film(tmp_path / "text.mp4")
    with pytest.raises(InteractError, match=r"gone\.mp4 cannot be read"):
        open_film(tmp_path / "gone.mp4")


def test_voices_are_mono_at_16_khz_from_the_films_first_frame_on(tmp_path: Path) -> None:
    tone = np.sin(np.arange(16000) * 2 * np.pi * 440 / 16000)
    write_film(tmp_path / "mono.mp4", list(range(50)), sound=tone[None] * 0.5)
    write_film(tmp_path / "stereo.mp4", list(range(50)), sound=np.stack([tone, tone]) * 0.5)
    film = open_film(tmp_path / "mono.mp4").film
    loud = []
    for name in ("mono.mp4", "stereo.mp4"):
        person, notes = read_person(PersonFiles("A", tmp_path / name, start=0.5), film)
        assert notes and notes[0].startswith("The voice of A ends after 1.5")
        assert np.abs(person.voice[:7500]).max() == 0.0
        loud.append(float(np.sqrt((person.voice[10000:20000] ** 2).mean())))
    assert loud == pytest.approx([0.5 / np.sqrt(2)] * 2, abs=0.02)
    early, _ = read_person(PersonFiles("A", tmp_path / "mono.mp4", start=-0.25), film)
    assert early.skipped == 4000 and len(early.heard) == len(early.voice) - 4000


def test_a_film_without_sound_gives_no_voice_and_a_sentence(tmp_path: Path) -> None:
    write_film(tmp_path / "mute.mp4", list(range(10)))
    film = open_film(tmp_path / "mute.mp4").film
    person, notes = read_person(PersonFiles("A", tmp_path / "mute.mp4"), film)
    assert person.voice is None and notes[0].startswith("mute.mp4 has no sound")


def test_masks_are_pictures_or_films_in_0_to_1(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", list(range(20)))
    write_film(tmp_path / "mask.mp4", list(range(10)))
    film = open_film(tmp_path / "film.mp4").film
    person, notes = read_person(PersonFiles("A", mask=tmp_path / "mask.mp4"), film)
    assert person.mask.shape == (20, HEIGHT, WIDTH) and "10 frames and the film 20" in notes[0]
    assert np.round(person.mask[:, 0, 0].astype(float) * 255 / 3).tolist() == [k // 2 for k in range(20)]
