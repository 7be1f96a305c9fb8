"""Stage 4: figures of a clip's picture, kept as columns; what lies outside the configured bounds is rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...config_tables import key
from ...errors import InteractError
from ..pipeline.record import FPS, VIDEO, Places, Record, Rejected, Run, Stage
from .decoding import sampled_frames

HEIGHT = 360
"""Of the pictures that are measured, so that figures of small and large films compare."""
FLOW_HEIGHT = 180
"""Of the pictures whose optical flow is measured."""
FindText = Callable[[np.ndarray], list[np.ndarray]]
"""A picture uint8 BGR [H, W, 3] to the corners of each text in it, [4, 2] in pixels."""


@dataclass(frozen=True)
class QualityKeys:
    """Stage 4: figures of the picture, and their bounds; 0 rejects nothing (summary.json has the quartiles)."""

    frames: int = key(6, "of a clip that are measured, with as many pairs of neighbours for motion")
    luminance: tuple[float, ...] = key(
        (10.0, 210.0), "lowest and highest mean, 0-255 (SpeakerVid-5M: 10..210)"
    )
    blur: float = key(
        0.0, "least variance of the Laplacian at 360 lines; depends on the films, 100 is often taken"
    )
    least_motion: float = key(
        0.0, "mean optical flow, heights of the picture a second; above it nothing stands still"
    )
    most_motion: float = key(0.0, "the same; above it the camera shakes; 0: no bound")
    text_model: str = key("", "a text detector of OpenCV's DB kind (.onnx); empty: text is not measured")
    most_text: float = key(
        0.02, "share of the picture that text may cover (paper: subtitled clips are left out)"
    )

    def __post_init__(self) -> None:
        if len(self.luminance) != 2 or self.frames < 1:
            raise InteractError(
                "[quality] luminance wants two numbers, such as [10, 210], and frames 1 or more."
            )


def measure(
    pairs: list[tuple[np.ndarray, np.ndarray]], find_text: FindText | None = None
) -> dict[str, float]:
    """Figures of neighbouring frames at several places of a clip, uint8 BGR [H, W, 3] each.

    luminance: mean, 0-255; blur: median variance of the Laplacian at 360 lines, low where nothing is sharp; motion:
    mean length of the optical flow (Farneback) in heights of the picture a second; text: largest share of the
    picture within boxes of text, where find_text is given.
    """
    import cv2

    grey = [tuple(_grey(picture, HEIGHT) for picture in pair) for pair in pairs]
    small = [tuple(_grey(picture, FLOW_HEIGHT) for picture in pair) for pair in pairs]
    flows = [
        cv2.calcOpticalFlowFarneback(one, two, None, 0.5, 3, 15, 3, 5, 1.2, 0)
        for one, two in small
        if one is not two
    ]
    figures = {
        "luminance": float(np.mean([one.mean() for one, _ in grey])),
        "blur": float(np.median([cv2.Laplacian(one, cv2.CV_64F).var() for one, _ in grey])),
        "motion": float(
            np.mean([np.hypot(*flow.transpose(2, 0, 1)).mean() for flow in flows or [np.zeros((1, 1, 2))]])
        )
        * FPS
        / FLOW_HEIGHT,
    }
    if find_text is not None:
        figures["text"] = max(text_share(one, find_text(one)) for one, _ in pairs)
    return figures


def _grey(picture: np.ndarray, height: int) -> np.ndarray:
    import cv2

    width = max(16, round(picture.shape[1] * height / picture.shape[0]))
    return cv2.resize(
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (width, height), interpolation=cv2.INTER_AREA
    )


def text_share(picture: np.ndarray, boxes: list[np.ndarray]) -> float:
    """Of a picture that quadrilaterals [4, 2] cover; what two cover counts once."""
    import cv2

    covered = np.zeros(picture.shape[:2], np.uint8)
    for box in boxes:
        cv2.fillPoly(covered, [np.round(box).astype(np.int32)], 1)
    return float(covered.mean())


def load_text_detector(path: str) -> FindText | None:
    """OpenCV's DB text detector from a file. Raises InteractError for one that is missing or of another kind."""
    import cv2

    if not path:
        return None
    _check_file(path)
    try:
        model = cv2.dnn.TextDetectionModel_DB(path)
    except cv2.error as error:
        raise InteractError(
            f"quality.text_model {path} is no text detector that OpenCV can read: give an .onnx file of the DB kind."
        ) from error
    model.setInputParams(1 / 255, (640, 352), (122.68, 116.67, 104.01))
    return lambda picture: [np.asarray(box, np.float32) for box in model.detect(picture)[0]]


def _check_file(path: str) -> None:
    if path and not Path(path).expanduser().is_file():
        raise InteractError(
            f"quality.text_model {path} is not there: name an .onnx file, or leave the key empty."
        )


def make_quality(keys: QualityKeys) -> Run:
    """The stage's function: adds the columns luminance, blur, motion and, with a detector, text."""
    find_text = load_text_detector(keys.text_model)

    def run(record: Record, places: Places) -> Record:
        figures = measure(_pairs(record, places, keys.frames), find_text)
        outside = _outside(figures, keys)
        measured = record.having(**figures)
        return measured.reject(*outside) if outside else measured

    return run


def _pairs(record: Record, places: Places, count: int) -> list[tuple[Any, Any]]:
    middles = [record.seconds * (2 * number + 1) / (2 * count) for number in range(count)]
    wanted = [second + after for second in middles for after in (0.0, 1 / FPS)]
    frames = list(sampled_frames(places.folder(record) / VIDEO, wanted))
    if len(frames) != len(wanted):
        raise Rejected("error: its frames cannot be read")
    return list(zip(frames[::2], frames[1::2], strict=True))


def _outside(figures: dict[str, float], keys: QualityKeys) -> tuple[str, float] | None:
    """Which bound a clip breaks, and its figure."""
    low, high = keys.luminance
    for name, broken, words in (
        ("luminance", figures["luminance"] < low, "darker than quality.luminance"),
        ("luminance", figures["luminance"] > high, "lighter than quality.luminance"),
        ("blur", figures["blur"] < keys.blur, "less sharp than quality.blur"),
        ("motion", figures["motion"] < keys.least_motion, "moves less than quality.least_motion"),
        ("motion", 0 < keys.most_motion < figures["motion"], "moves more than quality.most_motion"),
        ("text", figures.get("text", 0.0) > keys.most_text, "holds more text than quality.most_text"),
    ):
        if broken:
            return words, figures[name]
    return None


QUALITY = Stage("quality", 1, QualityKeys, make_quality, check=lambda keys: _check_file(keys.text_model))
