"""The score node's side: casts to people, masks to places, figures to sentences, a table and numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.examples import load_example
from interacthuman.interact_core.guidance import Cast, Character, MaskHistory
from interacthuman.interact_core.metrics.puppets.recognition import look_of
from interacthuman.interact_core.metrics.types import (
    VOICE_RATE,
    FilmFigures,
    Person,
    PersonFigures,
    WrongVoice,
)
from interacthuman.interact_core.speech.from_core import SPEECH_KEY
from interacthuman.interact_core.speech.types import Speech
from interacthuman.interact_core.theatre import voices
from interacthuman.interact_core.theatre.scenes import random_scene, render
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)

from interacthuman.interact_core.host.score import film_of, score_image, sentences_of, table_of, voice_of  # isort: skip

FRAMES, FPS = 17, 25.0
NAMES = ("Mira", "Tobi")


def speech_of(waveform: torch.Tensor, rate: int = VOICE_RATE, start: float = 0.0, **more) -> dict:
    speech = Speech(torch.zeros(1, 1, 1), torch.zeros(1, 1), 25.0, waveform, rate, start, **more)
    return {SPEECH_KEY: speech}


def character(name: str) -> Character:
    image, audio = load_example(name)
    return Character(name, image, speech_of(audio["waveform"][0], audio["sample_rate"]), None)


@pytest.fixture(scope="module")
def cast() -> Cast:
    return Cast(tuple(map(character, NAMES)), 192, 128, FRAMES, FPS, None)


@pytest.fixture(scope="module")
def film(cast: Cast) -> torch.Tensor:
    """Both example characters, each with the mouth of its own voice: IMAGE [F, H, W, 3]."""
    pictures = [(one.image[0] * 255).round().byte().numpy() for one in cast.characters]
    heard = [voice_of(one, 0, FPS)[0] for one in cast.characters]
    mouths = np.stack([voices.mouth_opening(voice, VOICE_RATE, FPS, FRAMES) for voice in heard])
    scene = random_scene(np.random.default_rng(1), 2, motion=0.2)
    drawn = render(replace(scene, looks=tuple(map(look_of, pictures))), mouths)
    return torch.from_numpy(drawn.frames.astype(np.float32) / 255)


def test_the_example_characters_are_scored_with_nothing_but_the_cast(cast: Cast, film: torch.Tensor) -> None:
    scored = score_image(torch.cat([film, film * 0]), cast)
    assert str(scored.said[0]) == "The batch holds 2 films: the first of them was scored."
    assert scored.number("lips") > 0.95 and scored.worst > 0.2
    assert (
        scored.worst
        <= scored.number("margin")
        == pytest.approx(scored.number("lips") - scored.number("crosstalk"))
    )
    assert math.isnan(scored.number("sync_c"))
    assert (
        scored.plot.shape[0] == 1
        and scored.plot.shape[3] == 3
        and 0 <= scored.plot.min() < scored.plot.max() <= 1
    )
    assert scored.table.splitlines()[0].split() == ["lips", "crosstalk", "margin", "face", "seen"]
    assert all(name in scored.table for name in NAMES) and "puppets of the theatre" in scored.table


def test_a_voice_counts_from_the_films_first_frame_mono_at_16_khz() -> None:
    tone = torch.sin(torch.arange(44100) * 2 * math.pi * 300 / 44100)
    stereo = torch.stack([tone, -tone * 0.5])
    late = Character("A", load_example("Mira")[0], speech_of(stereo, 44100, start=0.5), None)
    heard, skipped = voice_of(late, 0, FPS)
    assert skipped == 0
    assert len(heard) == 1.5 * VOICE_RATE and np.abs(heard[: VOICE_RATE // 2]).max() == 0.0
    assert np.abs(heard[VOICE_RATE:]).max() == pytest.approx(0.25, abs=0.01)
    whole, skipped = voice_of(late, 20, FPS)  # the part begins at 0.8 s of the film, 0.3 s into the recording
    assert skipped == round(0.3 * VOICE_RATE)
    assert np.allclose(Person("A", whole, skipped=skipped).heard, heard[round(0.8 * VOICE_RATE) :])
    assert voice_of(replace(late, speech=None), 0, FPS) == (None, 0)


def test_frames_become_bytes_only_as_they_are_read(film: torch.Tensor) -> None:
    stream = film_of(film, FPS)
    assert (stream.frames, stream.width, stream.height) == (FRAMES, 192, 128)
    first, rest = stream.chunks()
    assert first.dtype == np.uint8 and len(first) == 16 and len(rest) == 1
    assert np.abs(first / 255 - film[:16].numpy()).max() < 1e-6


def history_of(names: tuple[str, ...], frames: int) -> MaskHistory:
    masks = torch.zeros(1, len(names), (frames - 1) // 4 + 1, 8, 12, dtype=torch.float16)
    return MaskHistory(masks, (0,), (1.0,), 0, 1, names, 192, 128, frames, FPS)


def test_masks_of_another_cast_are_refused_and_of_another_length_left_out(
    cast: Cast, film: torch.Tensor
) -> None:
    with pytest.raises(InteractError, match="masks are of Anna, Tobi, but the cast is Mira, Tobi"):
        score_image(film, cast, history_of(("Anna", "Tobi"), FRAMES))
    with pytest.raises(InteractError, match="holds 3 masks for 2 characters and 17 frames"):
        score_image(film, cast, masks=torch.zeros(3, 8, 12))
    short = film[:9]
    keys = [one.key for one in score_image(short, cast, history_of(NAMES, FRAMES)).said]
    assert keys[:2] == ["score_other_length", "score_masks_unused"]


def test_the_runs_masks_are_measured_by_given_ones_and_told_where_one_is_missing(film: torch.Tensor) -> None:
    """Real people: pictures that are no puppets' portraits, and nothing loaded that could see a face."""
    grey = torch.full((1, 64, 96, 3), 0.5)
    people = tuple(Character(name, grey, None, None) for name in NAMES)
    real = Cast(people, 192, 128, FRAMES, FPS, None)
    history = history_of(NAMES, FRAMES)
    history.masks[-1, 0, :, :, :6] = history.masks[-1, 1, :, :, 6:] = 1.0
    given = torch.zeros(2, 128, 192)
    given[0, :, :96], given[1, :, 48:] = 1.0, 1.0  # the second one is larger than the run found
    scored = score_image(film, real, history, given)
    assert [person.mask_iou for person in scored.figures.people] == pytest.approx([1.0, 6 / 9])
    assert "mask IoU" in scored.table.splitlines()[0]
    assert scored.said[0].key == "score_both_masks"
    for one in ({"history": history}, {"masks": given}):
        scored = score_image(film, real, **one)
        assert scored.said[-1].key == "score_one_mask" and scored.figures.mean("mask_iou") is None
    assert "score_one_mask" not in [one.key for one in score_image(film, real).said]


def test_a_voice_without_sound_is_told(cast: Cast, film: torch.Tensor) -> None:
    mute = speech_of(torch.zeros(1, 100), has_sound=False)
    silent = replace(cast, characters=(cast.characters[0], replace(cast.characters[1], speech=mute)))
    said = score_image(film[:9], silent).said
    assert "The voice of Tobi carries no sound" in str(said[1]) and said[1].key == "score_without_sound"


def test_wrong_voices_and_what_is_missing_are_said_once_and_figures_in_columns() -> None:
    wrong = WrongVoice("Anna", "Ben", (5, 30), 0.91, 0.12)
    people = (
        PersonFigures("Anna", lips=0.3, crosstalk=0.8, wrong=(wrong,), missing=("No file.",)),
        PersonFigures(
            "Ben", silent_open=0.25, sync_c=3.0, sync_d=8.0, offset=-1, windows=40, missing=("No file.",)
        ),
    )
    figures = FilmFigures("film", 40, FPS, people, notes=("No file.",))
    assert [str(one) for one in sentences_of(figures)] == [
        "Anna: the mouth follows its own voice by 0.30 and the others by 0.80 (margin -0.50).",
        "Ben is silent, and the mouth is open in 25% of the frames.",
        "Ben: Sync-C 3.00, Sync-D 8.00, offset -1 (40 windows).",
        "In frames 5 to 29 the mouth of Anna follows the voice of Ben (0.91) better than its own (0.12).",
        "Note: No file.",
    ]
    rows = [line.split() for line in table_of(figures).splitlines()]
    assert rows[1][:4] == ["Anna", "0.30", "0.80", "-0.50"] and rows[2][0] == "Ben" and rows[3][0] == "mean"
