"""The people of one picture, as InterAct People makes characters of them: regions of a start image, or references."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import comfy.utils
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InteractError, check_connected
from ...guidance import Cast, Character
from ...guidance.cast import MIN_IMAGE_SIDE
from ...guidance.layout import TOKEN_PIXELS, bounds, crop_margins, share_kept
from ...guidance.lineup import Edits, Lineup, line_up, places_of, read_edits
from ...guidance.people import same_person
from ...preview.people import describe_people
from ...sentences import Sentence, sentence
from ...speech.from_core import SILENT_KEY
from ..tokens.reference_images import person_on_white
from .cast_encoding import make_region_character, nearest_size, voiced
from .cutout import said_of_region

MAX_VOICES = 32
VOICES = tuple(f"voice_{number}" for number in range(1, MAX_VOICES + 1))
SMALLEST_CUT = 0.005  # share of a person: what is said in whole per cent
REGIONS, REFERENCES = "regions of the start image", "reference pictures"
MARGIN = 0.05  # of a person's longer side, that a reference picture shows around the person


@dataclass(frozen=True, eq=False)
class StartPeople:
    """The outputs of InterAct People.

    characters: in the order of their numbers; found: [N, H, W], everybody that was found, at the picture's size;
    masks: [M, H, W] of the characters; image: [1, H, W, 3]; width, height: of the video; lines: for the node.
    """

    characters: tuple[Character, ...]
    found: Tensor
    masks: Tensor
    image: Tensor
    width: int
    height: int
    lines: tuple[Sentence, ...]

    def view(self, folder: str | os.PathLike[str]) -> dict[str, Any]:
        """What the node's picture needs; the crop is written into `folder`. Raises OSError."""
        picture = cropped_as_core(self.image, self.width, self.height)
        return describe_people(picture, self.found, places_of(self.found), folder)


def start_people(
    image: Tensor,
    found: Tensor,
    text: str = "",
    width: int = 832,
    height: int = 480,
    voices: Mapping[str, dict[str, Any] | None] | None = None,
    use_as: str = REGIONS,
) -> StartPeople:
    """Characters of the people in one picture.

    image: [1, H, W, 3 or 4], of several the first counts, as for WanImageToVideo; found: their masks, from left to
    right (guidance/people.py); text: JSON (guidance/lineup.py); width, height: of the video in pixels, moved to the
    nearest multiple of 16; voices: speech by socket, voice_1 for person 1; use_as: REGIONS for a model that takes the
    picture as its start image, REFERENCES to cut each person out, with a layout where they stand. Raises InteractError
    for text that cannot be read, masks of another picture, a point at which nobody is, and a voice for nobody.
    """
    check_connected(image=image)
    edits = read_edits(text)
    found = in_picture(found, image)
    lineup = line_up(edits, found)
    voices = {} if voices is None else voices
    _check_voices(voices, len(lineup.people))
    size = nearest_size(width), nearest_size(height)
    characters, masks = [], lineup.masks(found)
    for number, (person, mask) in enumerate(zip(lineup.people, masks, strict=True)):
        voice = voices.get(VOICES[number]) if number < MAX_VOICES else None
        if use_as == REFERENCES:
            made = _cut_out(person.name, image[:1, ..., :3], mask.unsqueeze(0), size, voice)
        else:
            made = make_region_character(person.name, mask, voice)
        characters.append(replace(made, seen=size))
    lines = list(_lines(edits, lineup, characters, found, size))
    if size != (width, height):
        lines.append(sentence("size_rounded", width=width, height=height, step=TOKEN_PIXELS))
    return StartPeople(tuple(characters), found, masks, image[:1, ..., :3], *size, tuple(lines))


def _cut_out(
    name: str, image: Tensor, mask: Tensor, size: tuple[int, int], voice: dict[str, Any] | None
) -> Character:
    """Somebody of a picture [1, H, W, 3] with a reference picture of their own, and a layout where they stand in it.

    The picture shows what the video's crop leaves of them, or all of them where it leaves nothing: then they have no
    place in the video, and no layout.
    """
    rows, columns = mask.shape[1:]
    left, top = crop_margins(columns, rows, *size)
    kept = torch.zeros_like(mask)
    kept[:, top : rows - top, left : columns - left] = mask[:, top : rows - top, left : columns - left]
    inside, shown, layout, rims = bounds(kept[0] > 0.5), kept, mask, (top, left)
    if inside is None:
        inside, shown, layout, rims = bounds(mask[0] > 0.5), mask, None, (0, 0)
    assert inside is not None, "somebody was found there"
    margin = round(MARGIN * max(span.stop - span.start for span in inside))
    tall, wide = (
        _widened(span, margin, whole, rim)
        for span, whole, rim in zip(inside, (rows, columns), rims, strict=True)
    )
    picture, shape = person_on_white(image[:, tall, wide], shown[:, tall, wide], name)
    return Character(name, picture, voiced(name, voice, None), layout, mask=shape)


def _widened(span: slice, margin: int, whole: int, rim: int) -> slice:
    """A span with a margin, at least MIN_IMAGE_SIDE long, within whole without its rims where there is room."""
    first, last = max(rim, span.start - margin), min(whole - rim, span.stop + margin)
    short = max(0, MIN_IMAGE_SIDE - (last - first))
    first = max(0, min(first - short // 2, whole - MIN_IMAGE_SIDE))
    return slice(first, min(whole, max(last, first + MIN_IMAGE_SIDE)))


def in_picture(found: Tensor, image: Tensor) -> Tensor:
    """The masks [N, H, W] at the size of their picture. Raises InteractError for masks of another shape than it has."""
    rows, columns = image.shape[1:3]
    height, width = found.shape[1:]
    if (height, width) == (rows, columns):
        return found
    # Both sides of a scaled mask may be rounded by a pixel.
    if abs(width * rows - height * columns) > max(rows, columns) + max(width, height):
        raise InteractError(
            f"The masks are {width}x{height}, which is not the shape of image ({columns}x{rows}): connect the picture "
            "that the people were found in, before it is cropped or scaled."
        )
    return F.interpolate(found.unsqueeze(1), size=(rows, columns), mode="bilinear").squeeze(1)


def cropped_as_core(image: Tensor, width: int, height: int) -> Tensor:
    """The first of pictures [B, H, W, 3] as WanImageToVideo crops and scales it: [1, height, width, 3] on the CPU."""
    first = image[:1].detach().float().cpu().movedim(-1, 1)
    return comfy.utils.common_upscale(first, width, height, "bilinear", "center").movedim(1, -1).clamp(0, 1)


def said_of_crop(cast: Cast) -> list[Sentence]:
    """What InterAct Encode Characters says where its video has another shape than InterAct People showed."""
    seen = {character.seen for character in cast.characters if character.seen is not None}
    return [
        sentence("people_other_crop", shown=f"{width}x{height}", video=f"{cast.width}x{cast.height}")
        for width, height in sorted(seen)
        if width * cast.height != height * cast.width
    ]


def _check_voices(voices: Mapping[str, dict[str, Any] | None], count: int) -> None:
    known = set(VOICES[:count])
    for socket, voice in voices.items():
        if socket not in known and voice is not None and not voice.get(SILENT_KEY):
            there = "is one person" if count == 1 else f"are {count} people"
            raise InteractError(
                f"{socket} is connected, but there {there} on InterAct People: disconnect it, or bring everybody who "
                "speaks back."
            )


def _lines(
    edits: Edits, lineup: Lineup, characters: Sequence[Character], found: Tensor, size: tuple[int, int]
) -> Iterator[Sentence]:
    yield sentence("people_count", count=len(found))
    if edits.unknown:
        yield sentence("people_unknown", keys=edits.unknown)
    if lineup.dropped:
        yield sentence("people_dropped", count=len(lineup.dropped))
    for number, (person, character) in enumerate(zip(lineup.people, characters, strict=True), 1):
        speaks = character.speech is not None
        if speaks:
            yield sentence("person_speaks", number=number, name=person.name, voice=VOICES[number - 1])
        else:
            yield sentence("person_silent", number=number, name=person.name)
        if len(person.found) > 1:
            yield sentence("person_merged", name=person.name, count=len(person.found))
        yield from said_of_region(character)
        yield from _cut(character, size)
    later = [person.name for person in lineup.people if not person.edited]
    if later and edits.people:
        yield sentence("people_added", names=later)
    twice = same_person(found)
    if twice is not None:
        yield sentence("people_twice", first=twice[0], second=twice[1])


def _cut(character: Character, size: tuple[int, int]) -> Iterator[Sentence]:
    """What the crop takes off a person."""
    kept = 1.0 if character.region is None else share_kept(character.region, *size)
    if kept == 0.0:
        yield sentence("person_outside", name=character.name, video=f"{size[0]}x{size[1]}")
    elif kept < 1.0 - SMALLEST_CUT:
        percent = max(1, round(100 * (1 - kept)))
        yield sentence("person_cut", name=character.name, percent=percent, video=f"{size[0]}x{size[1]}")
