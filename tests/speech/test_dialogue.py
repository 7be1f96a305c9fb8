"""A dialogue is read from JSON, laid out sample by sample, and asked who speaks when."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.speech.dialogue import (
    MAX_LANES,
    Clip,
    Dialogue,
    Lane,
    lane_sound,
    overlaps,
    pauses,
    piled,
    read_dialogue,
    speaking,
    timed,
)
from interacthuman.interact_core.speech.types import Sound

RATE = 1000
COUNT = torch.arange(1.0, 2001.0)[None]  # two seconds in which every sample is its own number


def one(*clips: dict[str, Any], **lane: Any) -> Dialogue:
    return read_dialogue(json.dumps({"lanes": [{"name": "Mira", "clips": list(clips), **lane}]}))


def laid(*clips: Clip, gain: float = 1.0, end: float = inf, recording: torch.Tensor = COUNT) -> Sound | None:
    return lane_sound(Lane("Mira", clips, gain), {"a": Sound(recording, RATE)}, RATE, end)


def numbers(sound: Sound | None) -> tuple[float, int, int, int]:
    """Where a sound of COUNT begins in the film, its first and last sample, and how many there are."""
    assert sound is not None
    return sound.start, int(sound.waveform[0, 0]), int(sound.waveform[0, -1]), sound.waveform.shape[1]


def test_everything_that_the_json_says_is_read_and_the_rest_is_as_documented() -> None:
    full = {"file": "a", "in": 0.2, "out": 1.5, "start": 1.04, "gain": 0.5, "mute": True, "label": "Hi"}
    made = one(full, {"file": "b"}, gain=2, mute=True)
    expected = (Clip("a", 0.2, 1.5, 1.04, 0.5, True, "Hi"), Clip("b", 0.0, inf, 0.0, 1.0, False, ""))
    assert made == Dialogue((Lane("Mira", expected, 2.0, True),))
    assert expected[0].seconds == pytest.approx(1.3) and expected[0].end == pytest.approx(2.34)
    assert read_dialogue("") == read_dialogue("{}") == read_dialogue('{"lanes": []}') == Dialogue(())
    assert read_dialogue('{"lanes": [{}, {"name": " "}]}').lanes == (Lane("Character 1"), Lane("Character 2"))


def test_what_is_not_known_is_kept_to_be_said() -> None:
    made = read_dialogue('{"zoom": 2, "lanes": [{"hue": 1, "clips": [{"file": "a", "fade": 1}]}]}')
    assert made.unknown == ("fade", "hue", "zoom")


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "The dialogue is []"),
        ('{"lanes": {}}', "lanes of the dialogue are {}"),
        ('{"lanes": [1]}', "Lane 1 of the dialogue is 1"),
        ('{"lanes": [{"name": 3}]}', "name of lane 1 is 3"),
        ('{"lanes": [{"gain": 17}]}', "gain is 17; use a number from 0 to 16"),
        ('{"lanes": [{"gain": true}]}', "gain is true"),
        ('{"lanes": [{"mute": 1}]}', "mute is 1; use true or false"),
        ('{"lanes": [{"clips": null}]}', "clips of lane 1 are null"),
        ('{"lanes": [{"clips": ["a"]}]}', 'Clip 1 of lane 1 is "a"'),
        ('{"lanes": [{"clips": [{}]}]}', "names no file"),
        ('{"lanes": [{"clips": [{"file": 1}]}]}', "file is 1"),
        ('{"lanes": [{"clips": [{"file": "a", "start": NaN}]}]}', "start is NaN"),
        ('{"lanes": [{"clips": [{"file": "a", "start": Infinity}]}]}', "start is Infinity"),
        ('{"lanes": [{"clips": [{"file": "a", "start": "1"}]}]}', 'start is "1"'),
        ('{"lanes": [{"clips": [{"file": "a", "in": -1}]}]}', "in is -1; use a number from 0"),
        ('{"lanes": [{"clips": [{"file": "a", "in": 2, "out": 2}]}]}', "set out above in"),
        ('{"lanes": [' + "{}," * MAX_LANES + "{}]}", f"has {MAX_LANES + 1} lanes"),
        (" " * 2_000_001, "2000001 characters"),
    ],
)
def test_what_it_cannot_be_is_said_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(InteractError) as error:
        read_dialogue(text)
    assert words in str(error.value) and len(str(error.value)) < 400


def test_a_clip_lies_where_it_is_told_to_the_sample() -> None:
    assert numbers(laid(Clip("a", 0.25, 0.75, start=0.5))) == (0.5, 251, 750, 500)
    assert numbers(laid(Clip("a"))) == (0.0, 1, 2000, 2000)


def test_a_lane_goes_from_its_first_clip_to_its_last_with_silence_between() -> None:
    late, early = Clip("a", 0.0, 0.1, start=1.0), Clip("a", 0.5, 0.6, start=0.2, gain=3.0)
    sound = laid(late, Clip("a", start=9.0, mute=True), early, gain=2.0)
    assert sound is not None and (sound.start, sound.waveform.shape) == (0.2, (1, 900))
    assert torch.equal(sound.waveform[0, :100], 6.0 * COUNT[0, 500:600])
    assert torch.equal(sound.waveform[0, 100:800], torch.zeros(700))
    assert torch.equal(sound.waveform[0, 800:], 2.0 * COUNT[0, :100])


def test_clips_over_each_other_add_up() -> None:
    sound = laid(Clip("a", 0.0, 0.2), Clip("a", 0.0, 0.2, start=0.1))
    assert sound is not None
    assert torch.equal(sound.waveform[0, 100:200], COUNT[0, 100:200] + COUNT[0, :100])


def test_what_lies_outside_the_film_or_the_recording_is_cut() -> None:
    assert numbers(laid(Clip("a", 0.2, 1.0, start=-0.5))) == (0.0, 701, 1000, 300)
    assert numbers(laid(Clip("a", 0.0, 1.0, start=0.5), end=0.8)) == (0.5, 1, 300, 300)
    assert numbers(laid(Clip("a", 1.5, 9.0, start=1.0))) == (1.0, 1501, 2000, 500)
    assert laid(Clip("a", 0.0, 0.5, start=-0.5)) is None
    assert laid(Clip("a", 0.0, 0.5, start=2.0), end=2.0) is None
    assert laid(Clip("a", 2.0, 3.0)) is None
    assert laid() is None
    assert lane_sound(Lane("Mira", (Clip("a"),), mute=True), {"a": Sound(COUNT, RATE)}, RATE) is None


@pytest.mark.parametrize("fps", [23.976, 24.0, 25.0, 29.97, 30.0])
def test_no_clip_that_ends_on_a_frame_reaches_into_the_next(fps: float) -> None:
    """Else Encode Characters, which counts frames from the sound, would make the film four frames longer."""
    for frame in range(1, 60):
        sound = lane_sound(
            Lane("Mira", (Clip("a", 0.0, frame / fps),)), {"a": Sound(torch.ones(1, 132300), 44100)}, 44100
        )
        assert sound is not None and -1.0 * fps / 44100 < sound.seconds * fps - frame <= 1e-6


def test_recordings_of_another_rate_are_resampled_and_channels_kept() -> None:
    tone = torch.sin(2 * torch.pi * 50 * torch.arange(RATE) / RATE)
    stereo = torch.stack([tone, torch.zeros(RATE)])
    lane = Lane("Mira", (Clip("mono", start=1.0), Clip("stereo")))
    sound = lane_sound(lane, {"mono": Sound(tone[None], RATE), "stereo": Sound(stereo, RATE)}, 2 * RATE)
    assert sound is not None and (sound.sample_rate, sound.waveform.shape) == (2000, (2, 4000))
    twice = torch.sin(2 * torch.pi * 50 * torch.arange(2 * RATE) / (2 * RATE))
    assert torch.allclose(sound.waveform[0, 200:1800], twice[200:1800], atol=2e-3)
    assert sound.waveform[1, :1900].abs().max() < 1e-6
    assert torch.equal(sound.waveform[0, 2000:], sound.waveform[1, 2000:])


def test_timed_clips_end_with_their_recording_and_leave_out_what_begins_behind_it() -> None:
    lane = Lane("Mira", (Clip("a"), Clip("a", 0.5, 9.0), Clip("a", 2.0), Clip("a", mute=True)))
    kept = timed(Dialogue((lane, Lane("Tobi", (Clip("b"),), mute=True))), {"a": Sound(COUNT, RATE)})
    assert [(clip.first, clip.last) for clip in kept.lanes[0].clips] == [(0.0, 2.0), (0.5, 2.0)]
    assert kept.lanes[1].clips == ()


def lane(name: str, *spans: tuple[float, float]) -> Lane:
    return Lane(name, tuple(Clip("a", 0.0, last - first, first) for first, last in spans))


def test_who_speaks_when() -> None:
    assert speaking(lane("Mira", (2.0, 3.0), (0.0, 1.0), (1.0, 1.5), (2.5, 2.8), (-2.0, -1.0))) == [
        (0.0, 1.5),
        (2.0, 3.0),
    ]
    assert speaking(lane("Mira", (-1.0, 0.5))) == [(0.0, 0.5)]


def test_overlaps_are_those_of_each_pair_and_touching_is_none() -> None:
    mira, tobi, ada = lane("Mira", (0, 2), (4, 6)), lane("Tobi", (2, 4.5), (5.5, 7)), lane("Ada", (1, 1.5))
    assert overlaps([mira, tobi, ada]) == [
        ("Mira", "Tobi", [(4, 4.5), (5.5, 6)]),
        ("Mira", "Ada", [(1, 1.5)]),
    ]
    assert piled(lane("Mira", (0, 2), (1.5, 3), (3, 4))) == [(1.5, 2)] and piled(mira) == []


def test_pauses_are_where_nobody_speaks_long_enough() -> None:
    lanes = [lane("Mira", (0.5, 2), (4, 4.2)), lane("Tobi", (1, 3), (4.3, 5))]
    assert pauses(lanes, 6.0, 0.5) == [(0.0, 0.5), (3, 4), (5, 6.0)]
    assert pauses(lanes, 4.5, 0.05) == [(0.0, 0.5), (3, 4), (pytest.approx(4.2), pytest.approx(4.3))]
    assert pauses([], 2.0, 0.5) == [(0.0, 2.0)] and pauses([lane("Mira", (0, 9))], 2.0, 0.5) == []
