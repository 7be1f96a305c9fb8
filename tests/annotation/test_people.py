"""Stages 5 to 8 on one small clip: what is kept, what is rejected and why, and what lies in the side files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from interacthuman.interact_core.annotation.film.decoding import ClipWriter, write_wav
from interacthuman.interact_core.annotation.models.segmenter import Segments
from interacthuman.interact_core.annotation.models.talker import Faces
from interacthuman.interact_core.annotation.people import captions, masks, references, voices
from interacthuman.interact_core.annotation.people.captions import CaptionKeys, describe, parse
from interacthuman.interact_core.annotation.people.masks import MaskKeys, find_people
from interacthuman.interact_core.annotation.people.references import ReferenceKeys, choose_references
from interacthuman.interact_core.annotation.people.voices import VoiceKeys, find_voices
from interacthuman.interact_core.annotation.pipeline.record import (
    RATE,
    SOUND,
    VIDEO,
    Places,
    Record,
    Rejected,
)
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.types import Film, Person
from PIL import Image

FRAMES, HEIGHT, WIDTH = 150, 64, 96
CLIP = Record("clip", "film.mp4", 0.0, FRAMES / 25, "clip")
LEFT, RIGHT = (slice(10, 60), slice(8, 40)), (slice(10, 60), slice(56, 88))
GOOD = {
    "caption": "Two people talk.",
    "people": [
        {"who": "Ann", "phrase": "the woman in red", "clothes": "a coat", "talks": True},
        {"who": "Ben", "phrase": "the man in blue", "talks": True},
    ],
}


def opening(first: int, last: int, seed: int) -> np.ndarray:
    """A mouth that speaks from first to last."""
    rng = np.random.default_rng(seed)
    row = np.zeros(FRAMES)
    for at in range(first, last, 6):
        row[at : min(at + 4, last)] = rng.uniform(0.4, 1.0)
    return row


def sound(level: np.ndarray) -> np.ndarray:
    """A tone of that loudness at each frame, int16."""
    at = np.arange(FRAMES * RATE // 25)
    return (8000 * np.sin(2 * np.pi * 220 * at / RATE) * level[at * 25 // RATE]).astype(np.int16)


TURNS = np.stack([opening(0, 66, 1), opening(84, 150, 2)])


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A clip in which every frame is as bright as its number, with the two turns as its sound."""
    places = Places(tmp_path / "raw", tmp_path / "out")
    writer = ClipWriter(places.folder(CLIP) / VIDEO, 10)
    for number in range(FRAMES):
        writer.add(np.full((HEIGHT, WIDTH, 3), number + 50, np.uint8))
    writer.finish()
    write_wav(places.folder(CLIP) / SOUND, sound(TURNS.max(0)))
    (places.folder(CLIP) / captions.CAPTION_FILE).write_text(json.dumps(GOOD), encoding="utf-8")
    shown = np.zeros((2, FRAMES, HEIGHT, WIDTH), bool)
    for mask, (rows, columns) in zip(shown, (LEFT, RIGHT), strict=True):
        mask[:, rows, columns] = True
    masks.write_masks(places.folder(CLIP), shown, np.ones((2, FRAMES)))
    return places


class Says:
    """Gives answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), list[str]()

    def answer(self, film: Film, frames: Sequence[int], question: str) -> str:
        self.asked.append(question)
        assert film.name == "film.mp4" and len(frames) == 8
        return self.answers.pop(0)


class Sees:
    """Finds what it was told to find."""

    def __init__(self, shown: np.ndarray, confidence: np.ndarray, people: int) -> None:
        self.found = Segments(shown, confidence, people)

    def segment(self, film: Film, phrases: Sequence[str]) -> Segments:
        assert list(phrases) == ["the woman in red", "the man in blue"]
        return self.found


class Hears:
    """Mouths that were drawn, and a matrix of SyncNet's."""

    def __init__(self, openings: np.ndarray, matrix: list[list[float]] | None = None) -> None:
        self.openings, self.given = openings, matrix

    def faces(self, film: Film, people: Sequence[Person]) -> Faces:
        boxes = np.zeros((2, FRAMES, 4)) + np.array([[[14, 12, 34, 24]], [[62, 12, 82, 24]]])
        return Faces(self.openings, boxes, 0.2)

    def matrix(self, film: Film, people: Sequence[Person], faces: Faces) -> np.ndarray | None:
        if self.given is None:
            return None
        assert people[0].voice is not None and not people[0].voice[77 * RATE // 25 :].any(), (
            "silence elsewhere"
        )
        return np.array(self.given)


def test_answers_are_read_out_of_what_stands_around_them() -> None:
    said = f"Sure! ```json\n{json.dumps(GOOD)}\n``` I hope that helps."
    assert [person.who for person in parse(said).people] == ["Ann", "Ben"]
    for text, why in (
        ("no idea", "no JSON object"),
        ('{"caption": "x"}', "people: Field required"),
        ('{"caption": "x", "people": [{"who": "a", "phrase": "b"}]}', "people.0.talks: Field required"),
        (json.dumps({**GOOD, "people": GOOD["people"][:1] * 2}), "two people have the phrase"),
        ('{"caption": "x", "people": [}', "Invalid JSON"),
    ):
        with pytest.raises(InteractError, match=why):
            parse(text)


def test_a_bad_answer_is_asked_for_once_more_and_kept_where_it_stays_bad(places: Places) -> None:
    keys = CaptionKeys()
    mended = Says("no idea", json.dumps(GOOD))
    found = describe(CLIP, places, keys, mended)
    assert found.figures["people"] == 2 and found.texts["caption"] == "Two people talk."
    assert "no idea" in mended.asked[1] and "there is no JSON object in it" in mended.asked[1]
    assert captions.read_caption(places.folder(CLIP)) == "Two people talk."
    lost = describe(CLIP, places, keys, Says("no idea", "still none"))
    assert "no JSON object" in lost.rejected and lost.texts["answer"] == "still none"


@pytest.mark.parametrize("count, why", [(0, "nobody"), (4, "more people")])
def test_nobody_and_crowds_are_rejected(places: Places, count: int, why: str) -> None:
    people = [{**GOOD["people"][0], "phrase": f"person {k}"} for k in range(count)]
    with pytest.raises(Rejected, match=why) as rejected:
        describe(CLIP, places, CaptionKeys(), Says(json.dumps({"caption": "x", "people": people})))
    assert rejected.value.figure == count


def test_masks_come_back_as_they_were_and_doubtful_people_are_rejected(places: Places) -> None:
    shown = np.random.default_rng(0).random((2, FRAMES, HEIGHT, WIDTH)) < 0.5
    sure = np.ones((2, FRAMES), np.float32)
    sure[1, :60] = 0.4
    found = find_people(CLIP, places, MaskKeys(), Sees(shown, sure, 2))
    read, confidence = masks.read_masks(places.folder(CLIP))
    np.testing.assert_array_equal(read, shown * np.uint8(255))
    np.testing.assert_array_equal(confidence, sure)
    assert found.figures["mask_sure"] == pytest.approx(90 / 150)
    sure[1, :90] = 0.4
    with pytest.raises(Rejected, match="Ben is found in too few frames"):
        find_people(CLIP, places, MaskKeys(), Sees(shown, sure, 2))
    with pytest.raises(Rejected, match="more people are seen"):
        find_people(CLIP, places, MaskKeys(), Sees(shown, np.ones_like(sure), 4))


def test_turns_are_written_as_spans_of_those_who_take_them(places: Places) -> None:
    found = find_voices(CLIP, places, VoiceKeys(), Hears(TURNS))
    assert found.figures["speakers"] == 2 and found.figures["off_screen"] == found.figures["overlap"] == 0
    ((begin, end),), ((later, last),) = voices.read_voices(places.folder(CLIP))
    assert begin == 0 and last > 5.9
    assert 2.5 < end < 2.75 and 3.25 < later < 3.4, "they speak to frame 66, and from frame 84"
    clear, unclear = voices.speech_of(places.folder(CLIP), FRAMES, 25.0)
    assert clear[:64].all() and clear[85:148].all() and not clear[70:80].any() and not unclear.any()


@pytest.mark.parametrize(
    "heard, why",
    [
        (Hears(np.stack([TURNS[0], 0 * TURNS[1]])), "nobody who is seen"),
        (Hears(np.stack([TURNS[0] + TURNS[1], TURNS[0] + TURNS[1]])), "another mouth fits a voice as well"),
        (Hears(TURNS, [[5.0, 1.0], [1.0, 1.2]]), "below least_sync"),
        (Hears(TURNS, [[5.0, 6.0], [1.0, 5.5]]), "not diagonal"),
    ],
)
def test_clips_whose_voices_are_not_clearly_somebodys_are_rejected(
    places: Places, heard: Hears, why: str
) -> None:
    with pytest.raises(Rejected, match=why):
        find_voices(CLIP, places, VoiceKeys(), heard)


def test_a_diagonal_matrix_is_kept_and_silence_is_not(places: Places) -> None:
    found = find_voices(CLIP, places, VoiceKeys(), Hears(TURNS, [[5.0, 1.0], [0.5, 4.0]]))
    assert found.figures["sync"] == 4.0
    write_wav(places.folder(CLIP) / SOUND, np.zeros(FRAMES * RATE // 25, np.int16))
    with pytest.raises(Rejected, match="there is no sound"):
        find_voices(CLIP, places, VoiceKeys(), Hears(TURNS))


def test_pictures_show_other_moments_than_those_that_are_trained_on(places: Places) -> None:
    find_voices(CLIP, places, VoiceKeys(), Hears(TURNS))
    keys = ReferenceKeys(window=2.0, gap=0.4, pictures=4, least_side=20)
    found = choose_references(CLIP, places, keys)
    first, last = (round(found.figures[f"window_{end}"] * 25) for end in ("start", "end"))
    assert last - first == 50 and found.figures["references"] == 4
    spoken, _ = voices.speech_of(places.folder(CLIP), FRAMES, 25.0)
    assert spoken[first:last].all(), "the window lies where somebody speaks clearly"
    for person in (0, 1):
        for path in references.reference_files(places.folder(CLIP), person):
            with Image.open(path) as picture:
                pixels = np.asarray(picture)
            inside = pixels[..., 3] > 0
            assert inside.any() and pixels.shape[-1] == 4
            assert (pixels[~inside][:, :3] == 255).all()
            frame = float(np.median(pixels[inside][:, :3])) - 50  # as bright as its number
            assert frame < first - 8 or frame > last + 8
    names = [path.name for path in references.reference_files(places.folder(CLIP), 0)]
    choose_references(CLIP, places, keys)
    assert names == [path.name for path in references.reference_files(places.folder(CLIP), 0)]


def test_kinds_of_pictures_are_drawn_in_their_shares(places: Places) -> None:
    find_voices(CLIP, places, VoiceKeys(), Hears(TURNS))
    kinds = []
    for number in range(12):
        clip = replace(CLIP, id=f"clip{number}")
        choose_references(clip, places, ReferenceKeys(window=1.0, pictures=8, least_side=16))
        for person in (0, 1):
            files = references.reference_files(places.folder(CLIP), person)
            kinds += [path.stem.split("_")[1] for path in files]
    shares = [kinds.count(kind) / len(kinds) for kind in ("face", "half", "whole")]
    np.testing.assert_allclose(shares, [0.7, 0.15, 0.15], atol=0.1)


def test_clips_without_another_moment_are_rejected(places: Places) -> None:
    find_voices(CLIP, places, VoiceKeys(), Hears(TURNS))
    with pytest.raises(Rejected, match="no other moment"):
        choose_references(CLIP, places, ReferenceKeys(window=5.9))
    with pytest.raises(Rejected, match="shorter than window"):
        choose_references(CLIP, places, ReferenceKeys(window=6.5))


def test_a_run_without_anything_to_find_faces_with_stops_before_its_first_film() -> None:
    """In a process of its own, as `dev.py annotate` begins: nobody has prepared ComfyUI there."""
    words = f"""
from {voices.__name__} import VOICES, VoiceKeys
for keys in (VoiceKeys(), VoiceKeys(syncnet="nowhere.safetensors")):
    try:
        VOICES.check(keys)
    except Exception as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True)
    first, second = done.stdout.splitlines()[-2:]
    assert first.startswith("InteractError There is nothing to find faces with")
    assert second.startswith("InteractError [voices] syncnet is nowhere.safetensors, which is no file")
