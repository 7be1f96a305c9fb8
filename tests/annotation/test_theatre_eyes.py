"""The theatre's eyes find puppets, masks and mouths by pictures alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from interacthuman.interact_core.annotation.models.theatre import (
    TheatreCaptioner,
    TheatreCast,
    TheatreSegmenter,
    TheatreTalker,
    phrase_of,
    present,
    read_cast,
)
from interacthuman.interact_core.annotation.people.captions import parse
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.puppets.drawing import random_looks
from interacthuman.interact_core.metrics.regions import mask_iou
from interacthuman.interact_core.metrics.types import Film, Person
from interacthuman.interact_core.theatre.scenes import (
    Rendering,
    Scene,
    random_backdrop,
    random_paths,
    render,
)

LOOKS = random_looks(np.random.default_rng(5), 4)
HERE = (2, 0)
MOUTHS = np.array([[0.0, 0.5, 1.0, 0.6, 0.2, 0.0], [0.0] * 6], np.float32)


@pytest.fixture(scope="module")
def drawn() -> Rendering:
    rng = np.random.default_rng(1)
    paths = random_paths(rng, 192, 128, 2, 0.3)
    return render(
        Scene(192, 128, tuple(LOOKS[k] for k in HERE), paths, random_backdrop(rng, 192, 128)), MOUTHS
    )


def test_everybody_is_named_masked_and_read(drawn: Rendering) -> None:
    film = Film.of_frames(drawn.frames, 25.0, "film.mp4")
    cast = TheatreCast({"film.mp4": LOOKS})
    across = np.argsort(drawn.heads[:, 0, 0])
    answer = parse(TheatreCaptioner(cast).answer(film, [0, 2, 5], "Who is there?"))
    assert [p.phrase for p in answer.people] == [phrase_of(LOOKS[HERE[k]]) for k in across]
    assert [p.talks for p in answer.people] == [bool(MOUTHS[k].any()) for k in across]
    found = TheatreSegmenter(cast).segment(film, [phrase_of(LOOKS[k]) for k in HERE])
    assert found.people == 2 and (found.confidence == 1).all()
    assert min(mask_iou(found.masks[k], drawn.masks[k]) for k in (0, 1)) > 0.9
    people = [Person(phrase_of(LOOKS[HERE[k]]), mask=found.masks[k]) for k in (0, 1)]
    faces = TheatreTalker(cast).faces(film, people)
    np.testing.assert_allclose(faces.openings, MOUTHS, atol=0.12)
    middle = (faces.boxes[..., :2] + faces.boxes[..., 2:]) / 2
    np.testing.assert_allclose(middle, drawn.heads[..., :2], atol=2)


def test_nobody_is_seen_where_nobody_is() -> None:
    rng = np.random.default_rng(2)
    empty = render(Scene(192, 128, (), (), random_backdrop(rng, 192, 128)), np.zeros((0, 2), np.float32))
    assert present(empty.frames, LOOKS) == []


def test_looks_are_read_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "looks.json"
    path.write_text(json.dumps({"film.mp4": [asdict(look) for look in LOOKS]}), encoding="utf-8")
    assert read_cast(path).films["film.mp4"] == LOOKS
    with pytest.raises(InteractError, match="does not name other.mp4"):
        read_cast(path).of(Film.of_frames(np.zeros((1, 8, 8, 3), np.uint8), 25.0, "other.mp4"))
    with pytest.raises(InteractError, match="No puppet of film.mp4 is 'a dog'"):
        read_cast(path).named(Film.of_frames(np.zeros((1, 8, 8, 3), np.uint8), 25.0, "film.mp4"), ["a dog"])
    path.write_text('{"film.mp4": [{"felt": 1}]}', encoding="utf-8")
    with pytest.raises(InteractError, match="is no file of looks"):
        read_cast(path)
    with pytest.raises(InteractError, match="cannot be read"):
        read_cast(tmp_path / "none.json")
