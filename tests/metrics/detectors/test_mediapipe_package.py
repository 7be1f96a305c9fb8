"""The package mediapipe: said to be missing where it is, and its answers in the frame's pixels."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.detectors import mediapipe_package as package


def test_without_the_package_a_sentence_says_where_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    for detector in (package.MediaPipeFaces, package.MediaPipeHands):
        with pytest.raises(
            InteractError, match=r"no package mediapipe with models.*mediapipe 0\.10\.21 from PyPI"
        ):
            detector()


def search(*faces):
    """As FaceDetection answers: score, left, top, width and height in shares of the picture."""
    found = [
        SimpleNamespace(
            score=[score],
            location_data=SimpleNamespace(
                relative_bounding_box=SimpleNamespace(xmin=x, ymin=y, width=w, height=h)
            ),
        )
        for score, x, y, w, h in faces
    ]
    return SimpleNamespace(process=lambda frame: SimpleNamespace(detections=found or None))


def test_a_face_that_both_searches_find_is_one_and_a_crop_is_put_back():
    """The mesh answers with its middle at the middle of the crop, whichever that is."""
    detector = object.__new__(package.MediaPipeFaces)
    detector._searches = [
        search((0.9, 0.1, 0.1, 0.2, 0.4)),
        search((0.7, 0.11, 0.1, 0.2, 0.4), (0.8, 0.7, 0.5, 0.2, 0.4)),
    ]
    marks = [SimpleNamespace(x=0.5, y=0.5) for _ in range(478)]
    detector._mesh = SimpleNamespace(
        process=lambda picture: SimpleNamespace(multi_face_landmarks=[SimpleNamespace(landmark=marks)])
    )
    (faces,) = detector.find(np.zeros((1, 100, 200, 3), np.uint8))
    assert [face.confidence for face in faces] == [0.9, 0.8]
    assert faces[0].box == pytest.approx((20, 10, 60, 50))
    assert faces[0].points[0] == pytest.approx((40, 35))  # the crop is cut by the frame's edge: 0..80, 0..70
    assert faces[1].points[0] == pytest.approx((160, 65))  # 120..200, 30..100
    assert faces[0].opening is None  # all points in one place are no face


def test_a_face_without_landmarks_keeps_its_box():
    detector = object.__new__(package.MediaPipeFaces)
    detector._searches = [search((0.9, 0.1, 0.1, 0.2, 0.4)), search((0.8, 0.9, 0.9, 0.01, 0.01))]
    detector._mesh = SimpleNamespace(process=lambda picture: SimpleNamespace(multi_face_landmarks=None))
    (faces,) = detector.find(np.zeros((1, 100, 200, 3), np.uint8))
    assert [(face.points, face.opening) for face in faces] == [(None, None)] * 2
