"""What the pipeline made, beside what is true of the raw films."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...interact_core.annotation.models.theatre import phrase_of
from ...interact_core.annotation.people.captions import read_answer
from ...interact_core.annotation.people.clips import frames_in
from ...interact_core.annotation.people.masks import read_masks
from ...interact_core.annotation.people.references import KINDS, reference_files
from ...interact_core.annotation.people.voices import read_voices
from ...interact_core.annotation.pipeline.record import FPS, Places, Record
from ...interact_core.annotation.pipeline.run import Passed
from ...interact_core.metrics.intervals import bootstrap_interval
from ...interact_core.metrics.regions import mask_iou
from ...interact_core.theatre.raw_films import FADE, OFF_SCREEN, SPEAKING, RawFilm, Shot
from ..scenes.result import Figure, at_least

CLOSE = 0.1  # seconds by which a cut may be found early or late; a fade's by as long as it lasts, too
EVERY = 10  # frames of a clip, in which masks are compared
EDGE = 5  # frames by which speech may be taken to begin early or end late
PURE, WHOLE = 0.9, 0.7  # of a person's spans that have to be theirs, and of their speech that has to be found
Z = 1.96  # of an interval of 95 %
LEAST_SPOKEN = 0.5  # seconds; who speaks less need not be found


@dataclass(frozen=True)
class Clip:
    """A row of the pipeline and the shot that it shows."""

    record: Record
    film: RawFilm
    shot: Shot

    def frames(self) -> np.ndarray:
        """For each frame of the clip the frame of the shot that is shown then."""
        count = round(self.record.seconds * FPS)
        seconds = self.record.start + (np.arange(count) + 0.5) / FPS
        return np.clip((seconds * self.film.fps).astype(int) - self.shot.begin, 0, self.shot.frames - 1)


def figures(films: Sequence[RawFilm], passed: Sequence[Passed], places: Places) -> list[Figure]:
    """All figures of the bench, in the order of the stages."""
    rows = {one.stage: clips_of(films, one.rows) for one in passed if one.stage != "films"}
    found = _cut_figures(films, [clip.record for clip in rows["cuts"]])
    copies = [bool(clip.record.rejected) for clip in rows["duplicates"] if clip.shot.kind == "copy"]
    others = [bool(clip.record.rejected) for clip in rows["duplicates"] if clip.shot.kind != "copy"]
    crowds = [bool(clip.record.rejected) for clip in rows["captions"] if clip.shot.kind == "crowd"]
    found += _share("copies_rejected", copies, "Of shots that come a second time, lighter and encoded anew.")
    found += _share("others_taken_for_copies", others, "Of all other clips.")
    found += _share("crowds_rejected", crowds, "Of shots of four people.")
    masked = [clip for clip in rows["masks"] if not clip.record.rejected]
    ious = [iou for clip in masked for iou in _mask_ious(clip, places)]
    note = f"Mean over people and clips, every {EVERY}th frame, with the drawn masks."
    found += [at_least("mask_iou", float(np.mean(ious)), bootstrap_interval(ious), len(ious), 0.85, note)]
    kept = [clip for clip in rows["voices"] if not clip.record.rejected]
    right = [_right(clip, places) for clip in kept]
    note = (
        f"Of kept clips: everybody's spans are theirs to {PURE:.0%} (within {EDGE} frames), and {WHOLE:.0%} of their "
        "speech is found; those who are silent get none."
    )
    found += _share("voices_right", right, note, 0.95)
    off = [bool(clip.record.rejected) for clip in rows["voices"] if clip.shot.kind in OFF_SCREEN]
    note = "Of clips with a voice of nobody in sight: alone, in turn with somebody who is seen, or over them."
    found += _share("off_screen_rejected", off, note, 0.9)
    good = [not clip.record.rejected for clip in rows["voices"] if clip.shot.kind in SPEAKING]
    found += _share("good_clips_kept", good, "Of clips in which only people speak who are seen, in turn.")
    kinds = [
        path.stem.split("_")[1] == KINDS[0]
        for clip in rows["references"]
        if not clip.record.rejected
        for number in range(len(read_answer(places.folder(clip.record)).people))
        for path in reference_files(places.folder(clip.record), number)
    ]
    return found + _share("pictures_of_faces", kinds, "Of all reference pictures; drawn with 0.7.")


def _share(name: str, hits: Sequence[bool], note: str, bound: float | None = None) -> list[Figure]:
    """A share of some clips with its interval (Wilson 1927, which says something of shares of 1, too); [] of none."""
    if not hits:
        return []
    count, value = len(hits), float(np.mean(hits))
    middle = (value + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * np.sqrt(value * (1 - value) / count + Z**2 / (4 * count**2))
    spread = max(0.0, float(middle - half)), min(1.0, float(middle + half))
    if bound is None:
        return [Figure(name, value, spread, len(hits), note=note)]
    return [at_least(name, value, spread, len(hits), bound, note)]


def clips_of(films: Sequence[RawFilm], rows: Sequence[Record]) -> list[Clip]:
    """Rows with the shots that they show."""
    by_name = {film.name: film for film in films}
    clips = []
    for row in rows:
        film = by_name[row.source]
        clips.append(Clip(row, film, film.shot_at((row.start + row.end) / 2)))
    return clips


def _cut_figures(films: Sequence[RawFilm], rows: Sequence[Record]) -> list[Figure]:
    """Recall and precision of cuts: where the spans of all rows begin and end, those too short among them."""
    recall: list[bool] = []
    precision: list[bool] = []
    for film in films:
        spans = [(row.start, row.end) for row in rows if row.source == film.name]
        last = (film.shots[-1].begin + film.shots[-1].frames) / film.fps
        found = sorted({edge for span in spans for edge in span if CLOSE < edge < last - CLOSE})
        true = list(_cuts(film))
        recall += [any(abs(edge - at) <= near for edge in found) for at, near in true]
        precision += [any(abs(edge - at) <= near for at, near in true) for edge in found]
    note = f"Within {CLOSE} s; a fade's within {FADE} s more."
    return [
        *_share("cut_recall", recall, note, 0.95),
        *_share("cut_precision", precision, note, 0.95),
    ]


def _cuts(film: RawFilm) -> Iterator[tuple[float, float]]:
    """Seconds of each cut, and by how much it may be missed."""
    for shot in film.shots[1:]:
        yield shot.begin / film.fps, CLOSE + (FADE if shot.fades[0] else 0.0)


def _order(clip: Clip, places: Places) -> list[int | None]:
    """For each person of the caption their number in the shot, or None for somebody who is not in it."""
    assert clip.shot.scene is not None
    phrases = [phrase_of(look) for look in clip.shot.scene.looks]
    people = read_answer(places.folder(clip.record)).people
    return [phrases.index(p.phrase) if p.phrase in phrases else None for p in people]


def _mask_ious(clip: Clip, places: Places) -> list[float]:
    """Of each person of a clip; 0 for somebody who is not in it."""
    frames = clip.frames()[::EVERY]
    masks = read_masks(places.folder(clip.record))[0][:, ::EVERY]
    drawn = [clip.shot.drawn(clip.film.fps, range(f, f + 1)).masks[:, 0] for f in frames]
    ious = []
    for mask, number in zip(masks, _order(clip, places), strict=True):
        true = None if number is None else np.stack([one[number] for one in drawn])
        ious.append(0.0 if true is None else mask_iou(mask / 255, true))
    return ious


def _right(clip: Clip, places: Places) -> bool:
    """Whether every voice is its person's, and nobody's is missing."""
    frames = clip.frames()
    true = clip.shot.speaking(clip.film.fps)[:, frames]
    spans = read_voices(places.folder(clip.record))
    order = _order(clip, places)
    if sorted(number for number in order if number is not None) != list(range(len(true) - 1)):
        return False
    for own, number in zip(spans, order, strict=True):
        given, said = frames_in(own, len(frames), FPS), true[number]
        around = np.convolve(said, np.ones(2 * EDGE + 1), "same") > 0
        if given.any() and (given & around).sum() < PURE * given.sum():
            return False
        if said.sum() >= LEAST_SPOKEN * FPS and (given & said).sum() < WHOLE * said.sum():
            return False
    return True
