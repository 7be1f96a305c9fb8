"""Two people in a film whose faces are as bright as their voices are loud, by a network that sees just that."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from interacthuman.interact_core.metrics.sync.film import score_sync
from interacthuman.interact_core.metrics.sync.mfcc import mfcc
from interacthuman.interact_core.metrics.sync.scores import distances, score
from interacthuman.interact_core.metrics.sync.tracks import TrackRules, link_faces
from interacthuman.interact_core.metrics.ties import Tied, tie_to_people
from interacthuman.interact_core.metrics.types import Face, Film, Person
from interacthuman.tests.support.syncnet.loudness_net import LoudnessNet, tone

FRAMES = 100
SYLLABLE = 4  # frames
HEIGHT, HALF = 100, 110  # pixels; each person has half of the width


def speech(first: int, stop: int, frames: int = FRAMES, seed: int = 0) -> np.ndarray:
    """How loud somebody is in each frame who speaks from `first` to `stop`."""
    levels = np.random.default_rng(seed).uniform(0.25, 0.9, (stop - first) // SYLLABLE + 2)
    amplitudes = np.zeros(frames)
    amplitudes[first:stop] = np.interp(np.arange(stop - first) / SYLLABLE, np.arange(len(levels)), levels)
    return amplitudes


ANNA, BEN = speech(5, 50), speech(55, 95, seed=1)


def film_of(brightness: Sequence[np.ndarray], fps: float = 25) -> Film:
    frames = np.empty((len(brightness[0]), HEIGHT, HALF * len(brightness), 3), np.uint8)
    for n, bright in enumerate(brightness):
        frames[:, :, n * HALF : (n + 1) * HALF] = np.round(255 * bright)[:, None, None, None]
    return Film.of_frames(frames, fps, "talk.mp4")


SPANS = {"A": ((5, 50),), "B": ((55, 95),), "C": ()}


def people_of(voices: Sequence[np.ndarray | None], names: str = "AB", given: bool = True) -> list[Person]:
    """given: with spans, else they are told by the voice's loudness."""
    masks = np.repeat(np.eye(len(voices))[:, None, None], 10, 3).reshape(len(voices), 1, 1, -1)
    return [
        Person({"A": "Anna", "B": "Ben", "C": "Cleo"}[name], voice, SPANS[name] if given else None, mask)
        for name, voice, mask in zip(names, voices, masks, strict=True)
    ]


def faces_of(film: Film, people: int = 2, size: float = 60) -> list[list[Face]]:
    middle = [(n + 0.5) * HALF for n in range(people)]
    here = [Face((x - size / 2, 44 - size / 2, x + size / 2, 44 + size / 2)) for x in middle]
    return [here for _ in range(film.frames)]


def tied_of(film: Film, people: list[Person], faces: list[list[Face]] | None = None) -> Tied:
    faces = faces_of(film, len(people)) if faces is None else faces
    return tie_to_people(link_faces(faces, film.fps), people, film)


def measure(film: Film, people: list[Person], rules: TrackRules | None = None):
    return score_sync(film, people, tied_of(film, people), LoudnessNet(), rules)


def test_each_voice_fits_its_own_face_best() -> None:
    found = measure(film_of([ANNA, BEN]), people_of([tone(ANNA), tone(BEN)]))
    anna, ben = found.scores
    assert (anna.offset, ben.offset) == (0, 0)
    assert anna.windows == 41 and ben.windows == 36  # 45 and 40 frames
    assert anna.distance < 0.02 and ben.distance < 0.02
    assert found.confidence[0, 0] == anna.confidence > 0.5
    assert found.distance[1, 1] == ben.distance
    assert (found.margin > 0.4).all() and found.missing == ((), ()) and found.notes == ()


def test_who_speaks_all_through_has_the_originals_figures() -> None:
    """Beyond the film's ends the voice is zeros, and nothing else is."""
    loud = speech(0, 60, 60, 3)
    (person,) = people_of([tone(loud)], "A")
    found = measure(film_of([loud]), [replace(person, spans=((0, 60),))])
    net = LoudnessNet()
    crops = np.repeat(np.round(255 * loud), 12).reshape(60, 2, 2, 3).astype(np.uint8)
    by_shift = distances(
        net.mouths(torch.from_numpy(crops))[:55], net.voices(torch.from_numpy(mfcc(tone(loud))))
    )
    expected = score(by_shift)
    assert (found.scores[0].offset, found.scores[0].windows) == (expected.offset, expected.windows) == (0, 55)
    assert found.scores[0].distance == pytest.approx(expected.distance, abs=1e-5)
    assert found.scores[0].confidence == pytest.approx(expected.confidence, abs=1e-5)


def test_swapped_voices_lose_the_diagonal() -> None:
    found = measure(film_of([ANNA, BEN]), people_of([tone(BEN), tone(ANNA)], given=False))
    assert (found.margin < -0.4).all() and found.confidence.argmax(0).tolist() == [1, 0]


@pytest.mark.parametrize("late", [-4, 3])
def test_a_voice_that_comes_late_has_a_negative_offset(late: int) -> None:
    found = measure(
        film_of([ANNA, BEN]), people_of([tone(np.roll(ANNA, late)), tone(np.roll(BEN, late))], given=False)
    )
    assert [score.offset for score in found.scores] == [-late, -late]
    assert (found.margin > 0.4).all()


@pytest.mark.parametrize("fps", [12, 16, 24, 30])
def test_another_rate_is_resampled_and_said(fps: int) -> None:
    """Four seconds are four seconds: relabelled as 25 fps, lips and voice would run apart."""
    shown = np.clip(((np.arange(4 * fps) + 0.5) / fps * 25).astype(int), 0, 99)
    film = film_of([ANNA[shown], BEN[shown]], fps)
    found = measure(film, people_of([tone(ANNA), tone(BEN)], given=False))
    steps = 1 if fps < 20 else 0  # a frame that is shown for two cannot be told more finely
    assert max(abs(score.offset) for score in found.scores) <= steps and (found.margin > 0.2).all()
    assert found.scores[0].windows == pytest.approx(41, abs=2)
    (note,) = found.notes
    assert note.startswith(f"talk.mp4 has {fps} frames per second and SyncNet sees 25")
    assert ("Lips then move in steps" in note) == (fps < 20)


def test_given_spans_choose_the_windows() -> None:
    anna, ben = people_of([tone(ANNA), tone(BEN)])
    found = measure(film_of([ANNA, BEN]), [replace(anna, spans=((10, 40), (45, 50))), ben])
    assert found.scores[0].windows == 26 + 1


def test_a_short_voice_goes_on_in_silence() -> None:
    whole = measure(film_of([ANNA, BEN]), people_of([tone(ANNA), tone(BEN)]))
    short = measure(film_of([ANNA, BEN]), people_of([tone(ANNA[:52]), tone(BEN)]))
    assert short.scores[0].windows == 41
    assert short.scores[0].confidence == pytest.approx(whole.scores[0].confidence, abs=1e-6)


def test_what_is_missing_is_said_by_person() -> None:
    film = film_of([ANNA, BEN, ANNA * 0])
    people = people_of([tone(ANNA), None, tone(ANNA * 0)], "ABC")
    found = measure(film, people)
    assert found.scores[0] is not None and found.scores[1] is found.scores[2] is None
    assert found.missing[1] == ("Ben has no voice, so there is no Sync-C and Sync-D.",)
    assert found.missing[2] == ("The voice of Cleo is silent, so there is no Sync-C and Sync-D.",)
    assert np.isnan(found.confidence[:, 1:]).all() and np.isfinite(found.confidence[:, 0]).all()
    assert np.isnan(found.margin[1:]).all() and found.margin[0] > 0.4


def test_a_face_that_is_nowhere_or_too_small_is_said() -> None:
    film, people = film_of([ANNA, BEN]), people_of([tone(ANNA), tone(BEN)])
    faces = [here[:1] for here in faces_of(film, size=40)]
    found = score_sync(film, people, tied_of(film, people, faces), LoudnessNet())
    assert found.scores == (None, None) and np.isnan(found.confidence).all()
    assert found.missing[0] == (
        "Anna: the face in frames 0 to 99 was left out by SyncNet: it is 40 pixels large, and more than 50 are needed.",
    )
    assert found.missing[1] == (
        "No face was found in the mask of Ben, so they have no figures of the mouth.",
    )
    found = score_sync(film, people, tied_of(film, people, faces), LoudnessNet(), TrackRules(min_size=20))
    assert found.scores[0] is not None and found.missing[0] == ()


def test_a_face_that_leaves_counts_while_it_is_seen() -> None:
    film, people = film_of([ANNA, BEN]), people_of([tone(ANNA), tone(BEN)])
    faces = [here if n < 80 else here[:1] for n, here in enumerate(faces_of(film))]
    found = score_sync(film, people, tied_of(film, people, faces), LoudnessNet())
    assert found.scores[0].windows == 41 and found.scores[1] is None
    assert found.missing[1] == (
        "Ben is seen speaking in 21 windows of five frames at 25 fps, and Sync-C needs 25: use a longer film.",
    )


@pytest.mark.parametrize("frames", [1, 5, 6])
def test_a_film_too_short_for_a_window_has_no_figure(frames: int) -> None:
    loud = np.full(frames, 0.5)
    found = measure(film_of([loud]), people_of([tone(loud)], "A"))
    assert found.scores == (None,) and len(found.missing[0]) >= 1
    assert np.isnan(found.confidence).all()


def test_nobody_is_no_error() -> None:
    film = film_of([ANNA])
    found = score_sync(film, [], tie_to_people([], [], film), LoudnessNet())
    assert found.scores == () and found.confidence.shape == (0, 0) and found.margin.shape == (0,)


def test_crops_are_not_kept() -> None:
    """All of them together would be 300 frames of 150 KB for each face."""
    frames = 300
    loud = speech(0, frames, frames)

    def source():
        for bright in loud:
            yield np.full((1, HEIGHT, 2 * HALF, 3), round(255 * bright), np.uint8)

    film = Film("long.mp4", source, frames, 2 * HALF, HEIGHT, 25)
    people = people_of([tone(loud), tone(loud)], given=False)
    tied = tied_of(film, people)
    tracemalloc.start()
    found = score_sync(film, people, tied, LoudnessNet())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.scores[0].windows == pytest.approx(frames, abs=9)
    assert peak < 16e6  # NumPy's share; 90 MB with all crops
