"""Grounding DINO with SAM2 from local folders: random weights show shapes and flow, drawn boxes the rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.annotation.models.segmenter import apart, distinct, load_segmenter
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.types import Film
from interacthuman.tests.support.models.tiny_annotators import (
    save_grounding_dino,
    save_sam2,
    save_sam3,
)

FRAMES, HEIGHT, WIDTH = 6, 64, 96


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("models")
    return save_grounding_dino(base / "dino"), save_sam2(base / "sam2")


@pytest.fixture(scope="module")
def film() -> Film:
    frames = np.random.default_rng(0).integers(0, 255, (FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
    return Film.of_frames(frames, 25.0)


def test_random_models_follow_everybody_through_all_frames(folders: tuple[Path, Path], film: Film) -> None:
    found = load_segmenter(*folders, "cpu").segment(film, ["the red puppet", "the blue puppet"])
    assert found.masks.shape == (2, FRAMES, HEIGHT, WIDTH) and found.masks.dtype == bool
    assert found.masks.sum(0).max() <= 1, "no pixel is two people's"
    assert found.confidence.shape == (2, FRAMES) and found.people >= 2
    assert ((found.confidence > 0) & (found.confidence <= 1)).all()


def test_sam3_alone_finds_and_follows_by_text(tmp_path: Path, film: Film) -> None:
    found = load_segmenter(None, save_sam3(tmp_path / "sam3"), "cpu").segment(film, ["the red puppet", "red"])
    assert found.masks.shape == (2, FRAMES, HEIGHT, WIDTH) and found.masks[0].any()
    assert found.masks.sum(0).max() == 1 and found.people >= 1
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all() and found.confidence[0].any()


def test_a_phrase_without_a_box_leaves_a_person_without_masks(
    folders: tuple[Path, Path], film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = load_segmenter(*folders, "cpu")
    boxes = {"the red puppet": [((4.0, 4.0, 40.0, 60.0), 0.6)], "person": [((4.0, 4.0, 40.0, 60.0), 0.9)]}
    monkeypatch.setattr(seen, "_detect", lambda frame, phrase: boxes.get(phrase, []))
    found = seen.segment(film, ["the blue puppet", "the red puppet"])
    assert not found.masks[0].any() and not found.confidence[0].any()
    assert (found.confidence[1] > 0).all() and found.people == 1


def test_two_phrases_never_share_a_box(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = load_segmenter(*folders, "cpu")
    left, right = (0.0, 0.0, 40.0, 60.0), (50.0, 0.0, 90.0, 60.0)
    boxes = {"a": [(left, 0.9), (right, 0.5)], "b": [(left, 0.8)], "c": [(left, 0.3)]}
    monkeypatch.setattr(seen, "_detect", lambda frame, phrase: boxes[phrase])
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert seen._boxes_of(frame, ["a", "b", "c"]) == {0: (right, 0.5), 1: (left, 0.8)}


def test_small_boxes_are_nobody(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = load_segmenter(*folders, "cpu")
    shown = {
        "boxes": torch.tensor([[0.0, 0.0, 7.0, 7.0], [-5.0, 0.0, 8.0, 8.0], [0.0, 0.0, 40.0, 40.0]]),
        "scores": torch.tensor([0.9, 0.8, 0.7]),
        "text_labels": ["red puppet", "red puppet", ""],
    }
    monkeypatch.setattr(
        type(seen.to_detector), "post_process_grounded_object_detection", lambda *a, **k: [shown]
    )
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert seen._detect(frame, "the red puppet") == [((0.0, 0.0, 8.0, 8.0), pytest.approx(0.8))]


def test_boxes_of_one_person_are_counted_once() -> None:
    one, same, other = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 9.0), (20.0, 0.0, 30.0, 10.0)
    assert distinct([(same, 0.5), (one, 0.9), (other, 0.3)]) == [(one, 0.9), (other, 0.3)]


def test_a_pixel_of_two_is_the_surer_ones() -> None:
    logits = torch.tensor([[[[3.0, -1.0]]], [[[1.0, -2.0]]]])
    np.testing.assert_array_equal(apart(logits, (1, 2)), [[[True, False]], [[False, False]]])


def test_folders_of_other_models_are_refused(folders: tuple[Path, Path]) -> None:
    dino, sam2 = folders
    with pytest.raises(InteractError, match="is of the kind 'sam2_video': give a folder of Grounding DINO"):
        load_segmenter(sam2, dino, "cpu")
    with pytest.raises(InteractError, match="is of the kind 'sam2_video': give a folder of SAM3"):
        load_segmenter(None, sam2, "cpu")
