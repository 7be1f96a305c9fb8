"""Where people are in a clip, by phrases: Grounding DINO with SAM2, or SAM3, both of transformers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...metrics.regions import box_iou
from ...metrics.types import Box, Film
from .folders import PREPROCESSING, kind_of, load_model, load_processor

DETECTOR = "a folder of Grounding DINO, such as huggingface.co/IDEA-Research/grounding-dino-base"
TRACKER = "a folder of SAM2, such as huggingface.co/facebook/sam2.1-hiera-large"
SAM3 = "a folder of SAM3, such as huggingface.co/facebook/sam3"
DETECTOR_FILES = (PREPROCESSING, ("tokenizer_config.json",))
TRACKER_FILES = (PREPROCESSING,)
ANYBODY = "person"
KEY_FRAMES = 5  # of a clip, in which boxes are looked for
SAME_BOX = 0.7  # intersection over union from which two boxes are one person


@dataclass(frozen=True, eq=False)
class Segments:
    """Masks of N phrases in a clip.

    masks: bool [N, F, H, W] in the film's pixels, no pixel in two; confidence: float32 [N, F] in 0..1, all 0 for a
    phrase that nobody answers; people: how many people were seen at once, named by a phrase or not.
    """

    masks: np.ndarray
    confidence: np.ndarray
    people: int


class Segmenter(Protocol):
    """Finds people by what is said of them."""

    def segment(self, film: Film, phrases: Sequence[str]) -> Segments:
        """Masks of all phrases in all frames."""
        ...


@dataclass(frozen=True)
class Thresholds:
    """box, text: least scores of Grounding DINO; area: share of the frame below which a box is nobody."""

    box: float = 0.25
    text: float = 0.25
    area: float = 0.01


class GroundedSam2:
    """Grounding DINO finds a box for each phrase in the key frame that shows most of them, SAM2 follows it both ways.

    The whole clip lies in memory as SAM2 takes it, 12 MB a frame, beside the masks.
    """

    def __init__(
        self, detector: Any, to_detector: Any, tracker: Any, to_tracker: Any, thresholds: Thresholds
    ) -> None:
        self.detector, self.to_detector = detector, to_detector
        self.tracker, self.to_tracker = tracker, to_tracker
        self.thresholds = thresholds

    def segment(self, film: Film, phrases: Sequence[str]) -> Segments:
        """Masks of all phrases in all frames."""
        frames = film.pick(range(film.frames))
        keys = np.unique(np.linspace(0, film.frames - 1, KEY_FRAMES + 2).round().astype(int)[1:-1])
        found = {int(key): self._boxes_of(frames[key], phrases) for key in keys}
        key = max(found, key=lambda k: (len(found[k]), sum(score for _, score in found[k].values())))
        people = max(len(distinct(self._detect(frames[k], ANYBODY))) for k in keys)
        masks = np.zeros((len(phrases), *frames.shape[:3]), bool)
        confidence = np.zeros((len(phrases), film.frames), np.float32)
        numbers = sorted(found[key])
        if numbers:
            boxes = [found[key][number][0] for number in numbers]
            for frame, some, sure in self._follow(frames, key, boxes):
                masks[numbers, frame], confidence[numbers, frame] = some, sure
        return Segments(masks, confidence, max(people, len(numbers)))

    def _boxes_of(self, frame: np.ndarray, phrases: Sequence[str]) -> dict[int, tuple[Box, float]]:
        """By number of a phrase its box in a frame and the score; no box is two people's."""
        from scipy.optimize import linear_sum_assignment

        by_phrase = [self._detect(frame, phrase) for phrase in phrases]
        boxes = [box for box, _ in distinct([one for some in by_phrase for one in some])]
        scores = np.zeros((len(phrases), len(boxes)))
        for number, some in enumerate(by_phrase):
            for box, score in some:
                same = int(np.argmax([box_iou(box, other) for other in boxes]))
                scores[number, same] = max(scores[number, same], score)
        pairs = zip(*linear_sum_assignment(scores, maximize=True), strict=True)
        return {int(n): (boxes[k], float(scores[n, k])) for n, k in pairs if scores[n, k] > 0}

    def _detect(self, frame: np.ndarray, phrase: str) -> list[tuple[Box, float]]:
        """Boxes in pixels with their scores, of what a phrase names."""
        import torch

        least = self.thresholds
        height, width = frame.shape[:2]
        text = phrase.lower().rstrip(".") + "."  # as the model was trained
        inputs = self.to_detector(images=frame, text=text, return_tensors="pt").to(self.detector.device)
        with torch.inference_mode():
            outputs = self.detector(**inputs)
        (result,) = self.to_detector.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], least.box, least.text, target_sizes=[(height, width)]
        )
        found = []
        for box, score, label in zip(
            result["boxes"].tolist(), result["scores"].tolist(), result["text_labels"], strict=True
        ):
            left, top, right, bottom = np.clip(box, 0, [width, height] * 2).tolist()
            large = (right - left) * (bottom - top) >= least.area * width * height
            if label and large:
                found.append(((left, top, right, bottom), score))
        return found

    def _follow(
        self, frames: np.ndarray, key: int, boxes: Sequence[Box]
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Frame numbers, in the order in which they are followed, with masks [n, H, W] and confidence [n]."""
        import torch

        with torch.inference_mode():
            session = self.to_tracker.init_video_session(
                video=frames,
                inference_device=self.tracker.device,
                video_storage_device="cpu",
                dtype=self.tracker.dtype,
            )
            self.to_tracker.add_inputs_to_inference_session(
                session,
                frame_idx=key,
                obj_ids=list(range(len(boxes))),
                input_boxes=[[list(b) for b in boxes]],
            )
            self.tracker(session, frame_idx=key)
            for reverse in (False, True):
                for out in self.tracker.propagate_in_video_iterator(
                    session, start_frame_idx=key, reverse=reverse
                ):
                    sure = out.object_score_logits.float().sigmoid().flatten().cpu().numpy()
                    yield out.frame_idx, apart(out.pred_masks.float(), frames.shape[1:3]), sure


def distinct(boxes: Sequence[tuple[Box, float]]) -> list[tuple[Box, float]]:
    """Boxes with their scores, the surest first, each person once."""
    kept: list[tuple[Box, float]] = []
    for box, score in sorted(boxes, key=lambda one: -one[1]):
        if all(box_iou(box, other) < SAME_BOX for other, _ in kept):
            kept.append((box, score))
    return kept


def apart(logits: Any, size: tuple[int, ...]) -> np.ndarray:
    """Masks bool [n, H, W] of logits [n, 1, h, w]: a pixel in several is the surest one's."""
    import torch.nn.functional as F

    large = F.interpolate(logits, size, mode="bilinear", align_corners=False)[:, 0]
    return ((large > 0) & (large == large.amax(0, keepdim=True))).cpu().numpy()


class Sam3:
    """SAM3 finds and follows everybody whom a phrase names; of several the largest over the clip is taken."""

    def __init__(self, model: Any, processor: Any, thresholds: Thresholds) -> None:
        self.model, self.processor, self.thresholds = model, processor, thresholds

    def segment(self, film: Film, phrases: Sequence[str]) -> Segments:
        """Masks of all phrases in all frames."""
        frames = film.pick(range(film.frames))
        tracks = self._tracks(frames, [*phrases, ANYBODY])
        masks = np.zeros((len(phrases), *frames.shape[:3]), bool)
        confidence = np.zeros((len(phrases), film.frames), np.float32)
        for number, phrase in enumerate(phrases):
            own = max(tracks[phrase], key=lambda track: sum(m.sum() for m, _ in track.values()), default={})
            for frame, (mask, sure) in own.items():
                masks[number, frame] = mask & ~masks[:number, frame].any(0)
                confidence[number, frame] = sure
        at_once = [sum(frame in track for track in tracks[ANYBODY]) for frame in range(film.frames)]
        return Segments(masks, confidence, max(at_once, default=0))

    def _tracks(
        self, frames: np.ndarray, phrases: Sequence[str]
    ) -> dict[str, list[dict[int, tuple[np.ndarray, float]]]]:
        """By phrase everybody who was found: by frame their mask and how sure it is."""
        import torch

        found: dict[str, dict[int, dict[int, tuple[np.ndarray, float]]]] = {p: {} for p in phrases}
        least = self.thresholds.area * frames.shape[1] * frames.shape[2]
        with torch.inference_mode():
            session = self.processor.init_video_session(
                video=frames,
                inference_device=self.model.device,
                video_storage_device="cpu",
                dtype=self.model.dtype,
            )
            self.processor.add_text_prompt(session, list(phrases))
            for out in self.model.propagate_in_video_iterator(session):
                shown = self.processor.postprocess_outputs(session, out)
                place = {number: k for k, number in enumerate(shown["object_ids"].tolist())}
                for phrase, numbers in shown["prompt_to_obj_ids"].items():
                    for number in numbers:
                        mask = shown["masks"][place[number]].cpu().numpy()
                        if mask.sum() >= least:
                            sure = float(np.clip(out.obj_id_to_tracker_score.get(number, 0.0), 0, 1))
                            found[phrase].setdefault(number, {})[out.frame_idx] = mask, sure
        return {phrase: list(tracks.values()) for phrase, tracks in found.items()}


def load_segmenter(
    detector: Path | None, tracker: Path, device: str, thresholds: Thresholds | None = None
) -> Segmenter:
    """SAM3 where `tracker` is one and there is no detector; else Grounding DINO and SAM2.

    Raises InteractError, as folders.py says.
    """
    thresholds = thresholds or Thresholds()
    if detector is None:
        kind_of(tracker, ("sam3_video",), TRACKER_FILES, SAM3)
        from transformers import Sam3VideoModel, Sam3VideoProcessor

        processor = load_processor(Sam3VideoProcessor, tracker, SAM3)
        return Sam3(load_model(Sam3VideoModel, tracker, device, SAM3), processor, thresholds)
    kind_of(detector, ("grounding-dino",), DETECTOR_FILES, DETECTOR)
    kind_of(tracker, ("sam2_video",), TRACKER_FILES, TRACKER)
    from transformers import (
        GroundingDinoForObjectDetection,
        GroundingDinoProcessor,
        Sam2VideoModel,
        Sam2VideoProcessor,
    )

    return GroundedSam2(
        load_model(GroundingDinoForObjectDetection, detector, device, DETECTOR),
        load_processor(GroundingDinoProcessor, detector, DETECTOR),
        load_model(Sam2VideoModel, tracker, device, TRACKER),
        load_processor(Sam2VideoProcessor, tracker, TRACKER),
        thresholds,
    )
