"""A dialogue as it is edited: lanes of clips on the film's timeline, read from JSON and laid out as sound.

The JSON is what a workflow keeps, and what web/dialogue writes:

    {"lanes": [{"name": "Mira", "gain": 1, "mute": false, "clips": [
        {"file": "mira.wav", "in": 0.2, "out": 2.6, "start": 1.04, "gain": 1, "mute": false, "label": "Hello."}]}]}

Times are seconds: "in" and "out" of the recording, "start" of the film. Only "file" is needed; without "out" a clip
goes on to the end of its recording.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import floor, inf
from typing import Any

import torch

from .. import json_values
from ..errors import InteractError, one_line
from .sound import resample, to_channels
from .types import Sound

MAX_LANES = 16
MAX_GAIN = 16.0
MAX_SECONDS = 36000.0  # of any time: ten hours
MAX_CHARACTERS = 2_000_000  # of the JSON: some ten thousand clips
TICK = 1e-6  # of a frame or a sample: what rounding of seconds may leave over
LANE_KEYS = frozenset({"name", "gain", "mute", "clips"})
CLIP_KEYS = frozenset({"file", "in", "out", "start", "gain", "mute", "label"})

Span = tuple[float, float]
"""Seconds of the film, the first below the second."""


@dataclass(frozen=True)
class Clip:
    """A piece of a recording.

    file: as the dialogue names it; first, last: seconds of the recording, last may be infinite; start: seconds of the
    film, below 0 cuts its beginning; gain: factor; mute: it is left out; label: what is said in it.
    """

    file: str
    first: float = 0.0
    last: float = inf
    start: float = 0.0
    gain: float = 1.0
    mute: bool = False
    label: str = ""

    @property
    def seconds(self) -> float:
        return self.last - self.first

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True)
class Lane:
    """What one character says. gain: factor on all clips; mute: the character is silent in the film."""

    name: str
    clips: tuple[Clip, ...] = ()
    gain: float = 1.0
    mute: bool = False

    @property
    def heard(self) -> tuple[Clip, ...]:
        """The clips that are not muted, in the order of the film."""
        kept = () if self.mute else (clip for clip in self.clips if not clip.mute)
        return tuple(sorted(kept, key=lambda clip: clip.start))


@dataclass(frozen=True)
class Dialogue:
    """lanes: at most MAX_LANES; unknown: keys in the JSON that nothing here reads."""

    lanes: tuple[Lane, ...]
    unknown: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are needed, each once, in the order of the lanes."""
        return tuple(dict.fromkeys(clip.file for lane in self.lanes for clip in lane.heard))


def read_dialogue(text: str) -> Dialogue:
    """The dialogue of a JSON text; "" is an empty one. Raises InteractError for whatever it cannot be."""
    given = json_values.read_json(
        text,
        "The dialogue",
        MAX_CHARACTERS,
        "edit it on InterAct Dialogue, or write "
        '{"lanes": [{"name": "Mira", "clips": [{"file": "mira.wav", "start": 0}]}]}.',
    )
    lanes = json_values.items(given.get("lanes", []), "lanes of the dialogue")
    if len(lanes) > MAX_LANES:
        raise InteractError(
            f"The dialogue has {len(lanes)} lanes; use another InterAct Dialogue from the {MAX_LANES + 1}th on."
        )
    unknown = set(given) - {"lanes"}
    made = tuple(_read_lane(lane, number, unknown) for number, lane in enumerate(lanes, 1))
    return Dialogue(made, tuple(sorted(map(one_line, unknown))))


def _read_lane(given: Any, number: int, unknown: set[str]) -> Lane:
    where = f"Lane {number} of the dialogue"
    lane = json_values.mapping(given, where)
    unknown |= set(lane) - LANE_KEYS
    clips = json_values.items(lane.get("clips", []), f"clips of lane {number}")
    return Lane(
        name=json_values.text(lane.get("name", ""), f"The name of lane {number}").strip()
        or f"Character {number}",
        clips=tuple(
            _read_clip(clip, f"Clip {at} of lane {number}", unknown) for at, clip in enumerate(clips, 1)
        ),
        gain=json_values.number(lane.get("gain", 1.0), f"{where}: gain", 0.0, MAX_GAIN),
        mute=json_values.switch(lane.get("mute", False), f"{where}: mute"),
    )


def _read_clip(given: Any, where: str, unknown: set[str]) -> Clip:
    clip = json_values.mapping(given, where)
    unknown |= set(clip) - CLIP_KEYS
    file = json_values.text(clip.get("file", ""), f"{where}: file")
    if not file.strip():
        raise InteractError(f"{where} names no file: drop the recording onto the lane again.")
    last = clip.get("out")
    first = json_values.number(clip.get("in", 0.0), f"{where}: in", 0.0, MAX_SECONDS)
    made = Clip(
        file=file,
        first=first,
        last=inf if last is None else json_values.number(last, f"{where}: out", 0.0, MAX_SECONDS),
        start=json_values.number(clip.get("start", 0.0), f"{where}: start", -MAX_SECONDS, MAX_SECONDS),
        gain=json_values.number(clip.get("gain", 1.0), f"{where}: gain", 0.0, MAX_GAIN),
        mute=json_values.switch(clip.get("mute", False), f"{where}: mute"),
        label=json_values.text(clip.get("label", ""), f"{where}: label"),
    )
    if made.last <= made.first:
        raise InteractError(
            f"{where} ends at {made.last:g} s of {one_line(file)}, where it does not come after its beginning at "
            f"{made.first:g} s: set out above in, or delete the clip."
        )
    return made


# ------------------------------------------------------------------------------------------ laid out as sound


def lane_sound(lane: Lane, recordings: Mapping[str, Sound], rate: int, end: float = inf) -> Sound | None:
    """A lane as one sound, from its first clip that is heard to its last, silence between; None if none is.

    recordings: of each file; rate: Hz of the result; end: seconds at which the film ends. Clips that lie over each
    other add up. What lies before 0 or behind `end` is cut. A sound never ends after its clips do, not even by part of
    a sample, so that no video frame is added for it.
    """
    pieces = [
        piece for clip in lane.heard for piece in _samples(clip, recordings[clip.file], rate, lane.gain, end)
    ]
    if not pieces:
        return None
    first = min(place for place, _ in pieces)
    last = max(place + samples.shape[1] for place, samples in pieces)
    channels = max(samples.shape[0] for _, samples in pieces)
    laid = torch.zeros(channels, last - first)
    for place, samples in pieces:
        laid[:, place - first : place - first + samples.shape[1]] += to_channels(samples, channels)
    return Sound(laid, rate, first / rate)


def _samples(
    clip: Clip, recording: Sound, rate: int, gain: float, end: float
) -> Iterator[tuple[int, torch.Tensor]]:
    """The place in samples from the start of the film and the samples [C, n] of a clip; nothing if it is cut whole."""
    sound = resample(recording.waveform, recording.sample_rate, rate)
    stop = min(clip.start + min(clip.last, recording.seconds) - clip.first, end)
    place, skipped = round(clip.start * rate), round(clip.first * rate)
    skipped += max(0, -place)
    place = max(0, place)
    samples = sound[:, skipped : skipped + max(0, floor(stop * rate + TICK) - place)]
    if samples.shape[1]:
        yield place, samples * (clip.gain * gain)


def timed(dialogue: Dialogue, recordings: Mapping[str, Sound]) -> Dialogue:
    """The dialogue with every clip that is heard ending where its recording does, at the latest; without others.

    A clip that begins behind the end of its recording is left out.
    """
    lanes = []
    for lane in dialogue.lanes:
        clips = []
        for clip in lane.heard:
            last = min(clip.last, recordings[clip.file].seconds)
            if last > clip.first:
                clips.append(Clip(clip.file, clip.first, last, clip.start, clip.gain, False, clip.label))
        lanes.append(Lane(lane.name, tuple(clips), lane.gain, lane.mute))
    return Dialogue(tuple(lanes), dialogue.unknown)


# --------------------------------------------------------------------------------------- who speaks when


def speaking(lane: Lane) -> list[Span]:
    """When a lane of `timed` is heard: in order, clips that touch or lie over each other joined, from 0 on."""
    joined: list[Span] = []
    for clip in lane.heard:
        first, last = max(0.0, clip.start), clip.end
        if last <= first:
            continue
        if joined and first <= joined[-1][1] + TICK:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return joined


def both(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """Where spans of two lanes lie over each other, in order; touching is not enough."""
    shared = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return sorted(span for span in shared if span[1] - span[0] > TICK)


def overlaps(lanes: Sequence[Lane]) -> list[tuple[str, str, list[Span]]]:
    """The two names and the spans of each pair of lanes that speak at once."""
    spoken = [(lane.name, speaking(lane)) for lane in lanes]
    pairs = ((a, b, both(first, second)) for (a, first), (b, second) in combinations(spoken, 2))
    return [pair for pair in pairs if pair[2]]


def piled(lane: Lane) -> list[Span]:
    """Where clips of one lane lie over each other."""
    inside = [(max(0.0, clip.start), clip.end) for clip in lane.heard]
    shared = [
        span
        for (a, b), (c, d) in combinations(inside, 2)
        if (span := (max(a, c), min(b, d)))[1] - span[0] > TICK
    ]
    return sorted(shared)


def pauses(lanes: Sequence[Lane], end: float, shortest: float) -> list[Span]:
    """Where nobody speaks for at least `shortest` seconds, from 0 to `end`."""
    spans = sorted(span for lane in lanes for span in speaking(lane))
    reached = 0.0
    silent: list[Span] = []
    for (_, last), (first, _) in pairwise([(0.0, 0.0), *spans, (end, end)]):
        reached = max(reached, last)
        if min(first, end) - reached >= shortest - TICK:
            silent.append((reached, min(first, end)))
    return silent
