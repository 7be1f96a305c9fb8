"""Stage 5: who is in a clip, in words that a segmenter understands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from ...config_tables import key
from ...errors import InteractError, one_line
from ...scoring.records import write_json
from ..models.captioner import FILES, WHERE, Captioner, load_captioner
from ..models.captioner import KINDS as MODEL_KINDS
from ..models.folders import identity_of, kind_of
from ..models.theatre import TheatreCaptioner, read_cast
from ..pipeline.record import Places, Record, Rejected, Stage
from .clips import DEVICE, KIND, KINDS, LOOKS, device_of, open_clip

CAPTION_FILE = "caption.json"
LONGEST = 20_000  # characters of an answer that are looked at
KEPT = 2_000  # of an answer that cannot be used, in its row

QUESTION = """Describe this video for somebody who has to film it again. Answer with one JSON object and nothing else:
{"caption": "one or two sentences about the whole scene",
 "people": [{"who": "a short name, such as: the woman on the left",
             "phrase": "a noun phrase that fits this person and nobody else in the picture",
             "clothes": "what they wear",
             "talks": true or false}]}
List every person who can be seen clearly, from left to right, also those who say nothing, and nobody twice."""
AGAIN = """

You answered before:
{answer}

That cannot be used: {why}. Answer again, with the JSON object alone."""


class Entity(BaseModel):
    """Somebody in a clip."""

    who: str = Field(min_length=1, max_length=200)
    phrase: str = Field(min_length=1, max_length=300)
    clothes: str = Field(default="", max_length=500)
    talks: bool


class Answer(BaseModel):
    """What a captioner has to answer."""

    caption: str = Field(min_length=1, max_length=4000)
    people: list[Entity]


@dataclass(frozen=True)
class CaptionKeys:
    """Who is in a clip: a vision-language model names everybody."""

    kind: str = key("public", KIND, KINDS)
    model: str = key("", f"{WHERE}, for kind = 'public'")
    looks: str = key("", LOOKS)
    device: str = key("", DEVICE)
    frames: int = key(8, "frames of a clip that the model is shown")
    tokens: int = key(512, "longest answer")
    most_people: int = key(3, "clips with more people are rejected")


def parse(text: str) -> Answer:
    """An answer out of what a model wrote, whatever stands around its JSON.

    Raises InteractError: what is wrong with it, in words that the model can be told.
    """
    first, last = text.find("{"), text.rfind("}")
    if first < 0 or last < first:
        raise InteractError("there is no JSON object in it")
    try:
        answer = Answer.model_validate_json(text[first : min(last + 1, first + LONGEST)])
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in found["loc"])
        raise InteractError(one_line(f"{place}: {found['msg']}" if place else found["msg"])) from error
    phrases = [person.phrase for person in answer.people]
    twice = next((phrase for phrase in phrases if phrases.count(phrase) > 1), None)
    if twice is not None:
        raise InteractError(f"two people have the phrase {one_line(repr(twice))}")
    return answer


def describe(record: Record, places: Places, keys: CaptionKeys, captioner: Captioner) -> Record:
    """caption.json, and the columns people and talkers. Rejected: clips of nobody, of too many, and those of which no
    answer can be used twice, whose last answer stands in the column `answer`.
    """
    film = open_clip(record, places)
    frames = np.unique(np.linspace(0, film.frames - 1, keys.frames + 2).round().astype(int)[1:-1]).tolist()
    text = captioner.answer(film, frames, QUESTION)
    try:
        answer = parse(text)
    except InteractError as error:
        again = QUESTION + AGAIN.format(answer=text[:KEPT], why=error)
        text = captioner.answer(film, frames, again)
        try:
            answer = parse(text)
        except InteractError as error:
            kept = record.having({"answer": text[:KEPT]})
            return kept.reject(f"the caption cannot be used: {error}")
    if not answer.people:
        raise Rejected("nobody is seen", 0)
    if len(answer.people) > keys.most_people:
        raise Rejected("more people than most_people", len(answer.people))
    write_json(places.folder(record) / CAPTION_FILE, answer.model_dump())
    talkers = sum(person.talks for person in answer.people)
    return record.having({"caption": answer.caption}, people=len(answer.people), said_to_talk=talkers)


def read_answer(folder: Path) -> Answer:
    """What stage 5 wrote."""
    return Answer.model_validate_json((folder / CAPTION_FILE).read_text(encoding="utf-8"))


def read_caption(folder: Path) -> str:
    """The sentence about a clip."""
    return str(json.loads((folder / CAPTION_FILE).read_text(encoding="utf-8"))["caption"])


def _check(keys: CaptionKeys) -> None:
    if keys.kind == "theatre":
        read_cast(Path(keys.looks))
    else:
        kind_of(Path(keys.model), MODEL_KINDS, FILES, WHERE)


def _identity(keys: CaptionKeys) -> str:
    return "" if keys.kind == "theatre" else identity_of(keys.model)


def _make(keys: CaptionKeys) -> Callable[[Record, Places], Record]:
    captioner: Captioner
    if keys.kind == "theatre":
        captioner = TheatreCaptioner(read_cast(Path(keys.looks)))
    else:
        captioner = load_captioner(Path(keys.model), device_of(keys.device), keys.tokens)
    return lambda record, places: describe(record, places, keys, captioner)


CAPTIONS = Stage("captions", 1, CaptionKeys, _make, _check, gpu=True, identity=_identity)
