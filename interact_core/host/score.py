"""The graph's film and cast as metrics take them, and what the node shows of their figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InteractError
from ..frames import latent_frame_of
from ..guidance import Cast, Character, MaskHistory
from ..metrics.score import Scorer, score_film
from ..metrics.types import CHUNK, VOICE_RATE, Film, FilmFigures, Person, PersonFigures
from ..preview.score_plot import draw_score
from ..sentences import Sentence, sentence
from ..speech.from_core import from_encoder_output
from ..speech.sound import check_waveform, resample
from .scorer import MISSING

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("lips", "lips", ".2f"),
    ("crosstalk", "crosstalk", ".2f"),
    ("margin", "margin", ".2f"),
    ("silent_open", "open while silent", ".0%"),
    ("sync_c", "Sync-C", ".2f"),
    ("sync_d", "Sync-D", ".2f"),
    ("offset", "offset", "d"),
    ("hkc", "HKC", ".3f"),
    ("hkv", "HKV", ".1f"),
    ("clip_i", "CLIP-I", ".3f"),
    ("dino_i", "DINO-I", ".3f"),
    ("steadiness", "steadiness", ".3f"),
    ("mask_iou", "mask IoU", ".2f"),
    ("seen", "face seen", ".0%"),
)


@dataclass(frozen=True, eq=False)
class ScoredFilm:
    """What InterAct Score gives: the figures, their sentences, a table with the latter, and the plot [1, H, W, 3]."""

    figures: FilmFigures
    said: tuple[Sentence, ...]
    table: str
    plot: Tensor

    def number(self, figure: str) -> float:
        """Mean of a figure over the people who have it; NaN where nobody has."""
        value = self.figures.mean(figure)
        return math.nan if value is None else value

    @property
    def worst(self) -> float:
        """The smallest margin of anybody; NaN where nobody has one."""
        return min((p.margin for p in self.figures.people if p.margin is not None), default=math.nan)


def score_image(
    image: Tensor,
    cast: Cast,
    history: MaskHistory | None = None,
    masks: Tensor | None = None,
    scorer: Scorer | None = None,
) -> ScoredFilm:
    """Score a decoded film by its cast.

    image: [F, H, W, 3] in 0..1; history: masks of the run that made it; masks: [N, H, W], one for each character, or
    [N * F, H, W], one for each character and frame, a character's frames together. Masks, else the history, else the
    cast's layouts or regions say where everybody is; mask IoU compares the first two. Raises InteractError for masks of
    another cast or number.
    """
    frames = image.shape[0]
    said: list[Sentence] = []
    if frames != cast.frames:
        if frames % cast.frames == 0:
            said.append(sentence("score_first_film", films=frames // cast.frames))
            image, frames = image[: cast.frames], cast.frames
        else:
            said.append(sentence("score_other_length", frames=frames, cast=cast.frames))
    film = film_of(image, cast.fps)
    predicted = _predicted(cast, frames, history, said)
    places = _places(cast, frames, predicted, masks, said)
    nobody = [None] * len(cast.characters)
    compared = predicted if masks is not None else None  # with the given ones: not with themselves
    people = [
        _person(character, cast, mask, run_mask, said)
        for character, mask, run_mask in zip(
            cast.characters, places or nobody, compared or nobody, strict=True
        )
    ]
    figures = score_film(film, people, scorer or Scorer(missing=MISSING))
    said += sentences_of(figures)
    if (predicted is None) != (masks is None) and figures.mean("mask_iou") is None:
        said.append(sentence("score_one_mask"))
    table = "\n".join((table_of(figures), "", *(str(one) for one in said)))
    plot = torch.from_numpy(draw_score(figures).astype(np.float32) / 255)[None]
    return ScoredFilm(figures, tuple(said), table, plot)


def film_of(image: Tensor, fps: float, name: str = "The film") -> Film:
    """An IMAGE [F, H, W, 3] in 0..1 as a Film. Its bytes, a quarter of what the IMAGE takes, are made once, as the
    film is read several times.
    """
    frames = np.empty((*image.shape[:3], 3), np.uint8)
    for begin in range(0, len(frames), CHUNK):
        part = image[begin : begin + CHUNK, ..., :3].detach().float().cpu()
        frames[begin : begin + CHUNK] = part.clamp(0, 1).mul_(255).round_().to(torch.uint8).numpy()
    return Film.of_frames(frames, float(fps), name)


def voice_of(character: Character, start: int, fps: float) -> tuple[np.ndarray | None, int]:
    """The character's voice, mono at VOICE_RATE, and its samples that lie before frame `start` of the cast's film.

    With silence before it where it begins later; None without any sound.
    """
    if character.speech is None:
        return None, 0
    speech = from_encoder_output(character.speech)
    if not speech.has_sound:
        return None, 0
    sound = check_waveform(speech.waveform, speech.sample_rate).mean(0)
    sound = resample(sound, speech.sample_rate, VOICE_RATE).numpy()
    begin = round((speech.start - start / fps) * VOICE_RATE)
    if begin < 0:
        return sound, min(-begin, len(sound))
    return np.concatenate([np.zeros(begin, np.float32), sound]), 0


def _person(
    character: Character,
    cast: Cast,
    mask: np.ndarray | None,
    predicted: np.ndarray | None,
    said: list[Sentence],
) -> Person:
    voice, skipped = voice_of(character, 0 if cast.part is None else cast.part.start, cast.fps)
    if voice is None and character.speech is not None:
        said.append(sentence("score_without_sound", name=character.name))
    reference = None
    if character.image is not None:
        picture = character.image[0, ..., :3].detach().float().cpu().clamp(0, 1)
        reference = (picture * 255).round().to(torch.uint8).numpy()
    return Person(character.name, voice, mask=mask, reference=reference, predicted=predicted, skipped=skipped)


def _predicted(
    cast: Cast, frames: int, history: MaskHistory | None, said: list[Sentence]
) -> list[np.ndarray] | None:
    """Each character's mask by the run, [frames, h, w]; None for no run, or for one of another film."""
    if history is None:
        return None
    if tuple(history.names) != cast.names:
        raise InteractError(
            f"The masks are of {', '.join(history.names)}, but the cast is {', '.join(cast.names)}: connect the "
            "masks and the cast of one sampler."
        )
    if history.frames != frames or not history.steps:
        said.append(sentence("score_masks_unused"))
        return None
    return _on_frames(history.masks[-1].float(), frames)


def _places(
    cast: Cast,
    frames: int,
    predicted: list[np.ndarray] | None,
    masks: Tensor | None,
    said: list[Sentence],
) -> list[np.ndarray] | None:
    """Each character's mask, [frames or 1, h, w]; None where nobody's place is known."""
    count = len(cast.characters)
    if masks is not None:
        if predicted is not None:
            said.append(sentence("score_both_masks"))
        if masks.shape[0] not in (count, count * frames):
            raise InteractError(
                f"person_masks holds {masks.shape[0]} masks for {count} characters and {frames} frames: connect one "
                "for each character, or one for each character and frame, a character's frames together."
            )
        return list(masks.detach().float().cpu().reshape(count, -1, *masks.shape[-2:]).numpy())
    if predicted is not None:
        return predicted
    if cast.layouts is not None:
        return _on_frames(cast.layouts, frames)
    if cast.regions is not None:
        said.append(sentence("score_regions"))
        return list(cast.regions.float().cpu().numpy()[:, None])
    return None


def _on_frames(masks: Tensor, frames: int) -> list[np.ndarray]:
    """[N, T, h, w] of latent frames as a list of [frames, h, w] float16."""
    at = [min(latent_frame_of(frame), masks.shape[1] - 1) for frame in range(frames)]
    return list(masks.to(torch.float16).cpu().numpy()[:, at])


def table_of(figures: FilmFigures) -> str:
    """A row for each person; columns that nobody has are left out."""
    shown = [c for c in COLUMNS if any(getattr(person, c[0]) is not None for person in figures.people)]
    rows = [["", *(title for _, title, _ in shown)]]
    rows += [[person.name, *(_shown(person, c) for c in shown)] for person in figures.people]
    if len(figures.people) > 1:
        means = [figures.mean(c[0]) for c in shown]
        rows.append(["mean", *(_format(value, c[2]) for value, c in zip(means, shown, strict=True))])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _shown(person: PersonFigures, column: tuple[str, str, str]) -> str:
    return _format(getattr(person, column[0]), column[2])


def _format(value: Any, form: str) -> str:
    if value is None:
        return "-"
    return format(round(value), form) if form == "d" else format(value, form)


def sentences_of(figures: FilmFigures) -> list[Sentence]:
    """Everybody's figures, where a voice went to the wrong mouth, and why figures are missing."""
    said = [one for person in figures.people for one in _of_person(person)]
    said += [
        sentence(
            "score_wrong",
            first=wrong.span[0],
            last=wrong.span[1] - 1,
            mouth=wrong.mouth,
            voice=wrong.voice,
            fit=f"{wrong.fit:.2f}",
            own=f"{wrong.own:.2f}",
        )
        for person in figures.people
        for wrong in person.wrong
    ]
    notes = [*(note for person in figures.people for note in person.missing), *figures.notes]
    return said + [sentence("score_note", note=note) for note in dict.fromkeys(notes)]


def _of_person(person: PersonFigures) -> list[Sentence]:
    said = []
    if person.lips is not None and person.margin is not None:
        values = {name: f"{getattr(person, name):.2f}" for name in ("lips", "crosstalk", "margin")}
        said.append(sentence("score_lips", name=person.name, **values))
    elif person.lips is not None:
        said.append(sentence("score_lips_alone", name=person.name, lips=f"{person.lips:.2f}"))
    elif person.silent_open is not None:
        said.append(sentence("score_silent", name=person.name, open=f"{person.silent_open:.0%}"))
    if person.sync_c is not None:
        said.append(
            sentence(
                "score_sync",
                name=person.name,
                sync_c=f"{person.sync_c:.2f}",
                sync_d=f"{person.sync_d:.2f}",
                offset=str(person.offset),
                windows=str(person.windows),
            )
        )
    return said
