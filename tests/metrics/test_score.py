"""One film's figures: puppets by the theatre's own measure, what is missing, and films that no memory could hold."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics import lips, mouths
from interacthuman.interact_core.metrics.mouths import face_mouths, puppet_mouths
from interacthuman.interact_core.metrics.puppets.drawing import portrait
from interacthuman.interact_core.metrics.puppets.reading import read_clip
from interacthuman.interact_core.metrics.puppets.recognition import look_of
from interacthuman.interact_core.metrics.score import PUPPETS, Scorer, score_film
from interacthuman.interact_core.metrics.sync.syncnet import SyncNet
from interacthuman.interact_core.metrics.sync.tracks import TrackRules
from interacthuman.interact_core.metrics.types import CHUNK, Face, Film, Person, frames_at_rate
from interacthuman.interact_core.theatre import voices
from interacthuman.interact_core.theatre.scenes import random_scene, render
from interacthuman.tests.support.theatre.scenes import FPS, degrade

FRAMES = 33
PART = 2 * CHUNK  # frames that are read at once, in place of more: reading puppets is slow


@pytest.fixture(scope="module")
def puppets():
    """Two puppets: looks, recordings, openings and a function that draws them with the mouths in any order."""
    rng = np.random.default_rng(4)
    scene = random_scene(rng, 2, motion=0.2)
    waves = [voices.babble(rng, FRAMES / FPS + 1) for _ in range(2)]
    truth = np.stack([voices.mouth_opening(wave, voices.RATE, FPS, FRAMES) for wave in waves])
    people = [
        Person(name, wave, reference=portrait(look, 384, 256))
        for name, wave, look in zip(("Anna", "Ben"), waves, scene.looks)
    ]
    return scene, truth, people


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_puppets_have_the_figures_of_the_theatres_benches(puppets, order: tuple[int, int]) -> None:
    scene, truth, people = puppets
    rendering = render(scene, truth[list(order)])
    frames = degrade(rendering.frames)
    bench = [lips.sync(opening, own) for opening, own in zip(read_clip(frames, scene.looks).openings, truth)]
    masked = [replace(person, mask=mask) for person, mask in zip(people, rendering.masks)]
    found = score_film(Film.of_frames(frames, FPS), masked)
    assert [person.lips for person in found.people] == pytest.approx(bench, abs=0.02)
    assert found.notes[0] == PUPPETS
    assert all(person.seen == 1.0 and person.mask_iou > 0.85 for person in found.people)
    if order == (0, 1):
        assert min(person.margin for person in found.people) > 0.3
        assert all(person.wrong == () and person.fits for person in found.people)
    else:
        assert [(w.mouth, w.voice) for person in found.people for w in person.wrong] == [
            ("Anna", "Ben"),
            ("Ben", "Anna"),
        ]


def test_a_look_is_read_off_its_portrait_and_off_no_other_picture(puppets) -> None:
    scene, _, people = puppets
    for person, look in zip(people, scene.looks):
        found = look_of(person.reference)
        assert (found.hair_style, found.prop, found.glasses) == (look.hair_style, look.prop, look.glasses)
        assert np.abs(np.subtract(found.felt, look.felt)).max() <= 2
        same_size = look_of(portrait(look, 192, 128))  # nothing is scaled: as the theatre's graphs have it
        assert abs(same_size.head_width - look.head_width) < 0.002
        assert abs(same_size.eye_gap - look.eye_gap) < 0.001
    gradient = np.broadcast_to(np.linspace(0, 255, 192)[None, :, None], (128, 192, 3)).astype(np.uint8)
    assert look_of(gradient) is None and look_of(np.full((128, 192, 3), 255, np.uint8)) is None


def test_a_film_longer_than_a_part_is_read_in_parts_and_never_held_whole(puppets, monkeypatch) -> None:
    monkeypatch.setattr(mouths, "PART", PART)
    scene, truth, people = puppets
    one = render(scene, truth).frames[:1]
    frames, made, most = 3 * PART + 5, [], 0

    def source() -> Iterator[np.ndarray]:
        nonlocal most
        for begin in range(0, frames, CHUNK):
            chunk = np.repeat(one, min(CHUNK, frames - begin), axis=0)
            made.append(weakref.ref(chunk))
            yield chunk
            del chunk
            most = max(most, sum(reference() is not None for reference in made))

    sizes = []
    film = Film("long", source, frames, one.shape[2], one.shape[1], FPS)
    found = puppet_mouths(film, people[:1], scene.looks[:1], sizes.append)
    assert found.openings.shape == (1, frames) and sizes == [PART, 2 * PART, frames]
    assert len(made) == -(-frames // CHUNK), "read once"
    assert most <= PART // CHUNK + 2, "chunks that are alive at a time"


class TwoFaces:
    """A face detector that finds one face in each half, whose mouths open as they are told; the left one leaves."""

    def __init__(self, openings: np.ndarray, left_until: int) -> None:
        self.openings, self.left_until, self.at = openings, left_until, 0

    def find(self, frames: np.ndarray) -> list[list[Face]]:
        found = []
        for _ in frames:
            left, right = self.openings[:, self.at]
            faces = [Face((130, 20, 190, 90), 1.0, float(right))]
            if self.at < self.left_until:
                faces.append(Face((10, 20, 70, 90), 1.0, float(left)))
            found.append(faces)
            self.at += 1
        return found


def grey_film(frames: int = FRAMES, fps: float = FPS) -> Film:
    return Film.of_frames(np.full((frames, 128, 200, 3), 128, np.uint8), fps, "grey.mp4")


def halves() -> list[np.ndarray]:
    left = np.zeros((1, 8, 12), np.float32)
    left[..., :6] = 1
    return [left, 1 - left]


def test_real_faces_are_tied_by_masks_and_one_that_leaves_counts_while_it_is_there(puppets) -> None:
    _, truth, people = puppets
    real = [Person(p.name, p.voice, mask=mask) for p, mask in zip(people, halves())]
    found = score_film(grey_film(), real, Scorer(faces=TwoFaces(truth, left_until=22)))
    assert [person.seen for person in found.people] == pytest.approx([22 / FRAMES, 1.0])
    assert [person.lips for person in found.people] == pytest.approx([1.0, 1.0], abs=0.02)
    assert np.isnan(found.openings[0, 22:]).all() and not np.isnan(found.openings[1]).any()


def test_masks_of_the_run_are_measured_by_given_ones_with_or_without_a_detector() -> None:
    left, right = halves()
    half_way = np.repeat(left, FRAMES, axis=0)
    half_way[FRAMES // 3 * 2 :] = right  # the run lost her in the last third
    people = [Person("Anna", mask=left, predicted=half_way), Person("Ben", mask=right)]
    for scorer in (Scorer(), Scorer(faces=TwoFaces(np.zeros((2, FRAMES)), left_until=99))):
        anna, ben = score_film(grey_film(), people, scorer).people
        both, lost = FRAMES // 3 * 2, FRAMES - FRAMES // 3 * 2
        assert anna.mask_iou == pytest.approx(both / (both + 2 * lost)) and ben.mask_iou is None


def test_the_scorers_rules_and_notes_reach_the_figures_of_real_people(puppets) -> None:
    _, truth, people = puppets
    real = [Person(p.name, p.voice, mask=mask) for p, mask in zip(people, halves())]
    away = np.arange(FRAMES) % 11 < 8  # found in eight frames of eleven

    class Blinking(TwoFaces):
        def find(self, frames: np.ndarray) -> list[list[Face]]:
            first = self.at
            return [some if away[first + k] else [] for k, some in enumerate(super().find(frames))]

    def tracks(**rules) -> int:
        tied = face_mouths(grey_film(), real, Blinking(truth, 99), rules=TrackRules(**rules)).tied
        return len(tied.tracks)

    assert tracks() == 2 and tracks(max_missed=2) == 2 * 3
    scorer = Scorer(
        faces=TwoFaces(truth, 99),
        syncnet=SyncNet(),
        rules=TrackRules(min_size=500.0, min_frames=13),
        notes=("Said.",),
    )
    found = score_film(grey_film(), real, scorer)
    assert found.notes[0] == "Said."
    assert all("more than 500 are needed" in person.missing[0] for person in found.people)


def test_what_is_missing_is_none_with_a_sentence_and_nothing_is_raised(puppets) -> None:
    _, truth, people = puppets
    real = [Person("Anna", people[0].voice, mask=halves()[0]), Person("Ben", mask=halves()[1])]
    scorer = Scorer(missing={"faces": "Put the face file into its folder."})
    found = score_film(grey_film(), real, scorer)
    assert [person.lips for person in found.people] == [None, None] and found.lips_matrix is None
    assert found.notes == ("Put the face file into its folder.",)
    nobody = score_film(grey_film(), real, Scorer(faces=TwoFaces(truth * 0, left_until=0)))
    assert nobody.people[0].lips is None
    assert any("No face was found in the mask of Anna" in sentence for sentence in nobody.people[0].missing)
    assert nobody.people[1].silent_open == 0.0 and nobody.people[1].crosstalk is None


def test_voices_of_12_fps_films_and_short_and_stereo_ones_are_in_time(puppets) -> None:
    """At 12 fps a second has 12 frames: the voice's loudness is taken at those, not relabelled."""
    _, _, people = puppets
    wave = people[0].voice
    at_12 = voices.mouth_opening(wave, voices.RATE, 12.0, 16)
    real = [Person("Anna", wave[: voices.RATE], mask=halves()[0]), Person("Ben", mask=halves()[1])]
    faces = TwoFaces(np.stack([at_12, at_12 * 0]), left_until=99)
    found = score_film(grey_film(16, 12.0), real, Scorer(faces=faces))
    assert found.people[0].lips > 0.9
    assert found.voices[0, 13:].max() == 0.0, "the recording is over after one second"


def test_a_recording_is_as_loud_in_a_part_of_the_film_as_in_the_whole(puppets) -> None:
    """A mouth opens by the loud parts of the whole recording, those before the film's first frame, too."""
    _, _, people = puppets
    wave = np.concatenate([people[0].voice * 3, people[0].voice])
    at = 58  # frames into the recording, in its quiet half
    whole = voices.mouth_opening(wave, voices.RATE, FPS, at + FRAMES)
    person = Person("Anna", wave, mask=halves()[0], skipped=int(at * voices.RATE / FPS))
    found = score_film(grey_film(), [person])
    assert found.voices[0] == pytest.approx(whole[at:], abs=1e-6)
    assert np.abs(voices.mouth_opening(person.heard, voices.RATE, FPS, FRAMES) - whole[at:]).max() > 0.2
    past = score_film(grey_film(), [replace(person, skipped=len(wave))])
    assert past.voices.max() == 0.0 and "is silent within the film" not in str(found.people[0].missing)


def test_wrong_input_is_refused_in_one_sentence() -> None:
    with pytest.raises(InteractError, match="scored for nobody"):
        score_film(grey_film(), [])
    with pytest.raises(InteractError, match="called 'A'"):
        score_film(grey_film(), [Person("A"), Person("A")])
    with pytest.raises(InteractError, match=r"voice of 'A' has shape \[2, 9\]"):
        Person("A", np.zeros((2, 9), np.float32))
    with pytest.raises(InteractError, match="holds no frames"):
        Film("empty.mp4", lambda: iter(()), 0, 8, 8, FPS)


def test_frames_at_another_rate_are_those_that_are_shown_then() -> None:
    assert frames_at_rate(24, 24.0, 25.0).tolist() == [*range(13), *range(12, 24)]
    assert frames_at_rate(6, 30.0, 25.0).tolist() == [0, 1, 3, 4, 5]
    numbered = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    film = Film.of_frames(numbered, 12.0).at_rate(25.0)
    shown = [int(frame[0, 0, 0]) for frame in film.each()]
    assert len(shown) == film.frames == 25 and shown == frames_at_rate(12, 12.0, 25.0).tolist()
    assert [int(frame[0, 0, 0]) for frame in film.pick([24, 0, 0])] == [11, 0, 0]
