"""A film made in parts: which voices each gets, how they are joined, and what does not fit together."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from interacthuman.tests.support.film_parts import (
    HEIGHT,
    LENGTH,
    OVERLAP,
    RATE,
    WIDTH,
    film_of,
    history,
    part_of,
    pictures,
    voice,
)
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy
from interacthuman.tests.support.models.model_files import tiny_vae
from torch import Tensor

import comfy.sd  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, Character, MaskHistory, Part, snap_frames
from interacthuman.interact_core.host.encode.cast_encoding import encode_cast
from interacthuman.interact_core.host.encode.parts import encode_part, join_parts
from interacthuman.interact_core.speech.from_core import SPEECH_KEY


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> comfy.sd.VAE:
    return tiny_vae(tmp_path_factory.mktemp("vae"))


def voices_of(conditioning: list) -> Tensor:
    """[S + 1, F, L, C] without the sentinel frame."""
    return conditioning[0][1]["model_conds"]["interact_audio"].cond[0, :, :-1]


# --- voices and sound


@pytest.mark.parametrize("fps", [16.0, 25.0])
def test_every_frame_of_a_part_gets_the_voices_it_has_in_the_film(vae: comfy.sd.VAE, fps: float) -> None:
    made = film_of(vae, 37, fps)
    whole, finished, masks = voices_of(made.positive), None, None
    collected = torch.zeros_like(whole)
    for begin in (0, 8, 16, 24):
        part = part_of(made, vae, finished, masks)
        assert (part.cast.part.start, part.cast.frames, part.cast.fps) == (begin, LENGTH, fps)
        collected[:, begin : begin + LENGTH] = voices_of(part.positive)
        assert torch.equal(voices_of(part.positive), whole[:, begin : begin + LENGTH])
        assert torch.equal(voices_of(part.negative), whole[:, begin : begin + LENGTH])
        audio = part.positive[0][1]["model_conds"]["interact_audio"].cond
        assert audio.shape[2] == LENGTH + 1 and not audio[:, :, -1].any()  # the sentinel
        # What a viewer shows of the voices is on the part's clock too.
        starts = [c.speech[SPEECH_KEY].start + begin / fps for c in part.cast.characters]
        assert starts == pytest.approx([0.0, 0.4 * 37 / fps])
        finished = pictures(begin + LENGTH)
        masks = history(begin, LENGTH)
    assert torch.equal(collected, whole)


@pytest.mark.parametrize("fps", [16.0, 25.0])
def test_joined_parts_are_the_film_frame_for_frame_and_its_sound(vae: comfy.sd.VAE, fps: float) -> None:
    made = film_of(vae, 33, fps)
    truth, film, masks = pictures(33, seed=8), None, None
    for end in (13, 21, 29, 33):
        part = part_of(made, vae, film, masks)
        begin = part.cast.part.start
        decoded = truth[begin : begin + part.cast.frames]
        film, audio = join_parts(decoded, part.cast, film, made.audio)
        assert film.shape[0] == end == part.cast.part.end
        torch.testing.assert_close(film, truth[:end])
        samples = round(end / fps * RATE)
        assert audio["sample_rate"] == RATE
        assert torch.equal(audio["waveform"], made.audio["waveform"][..., :samples])
    assert audio["waveform"].shape == made.audio["waveform"].shape
    with pytest.raises(InteractError, match="no next part"):
        part_of(made, vae, film, None)


def test_frames_that_both_have_run_into_each_other() -> None:
    cast = replace(tiny_wan.make_cast(frames=4), part=Part(start=8, known=5, frames=13, film=99))
    film, part = torch.zeros(13, HEIGHT, WIDTH, 3), torch.ones(13, HEIGHT, WIDTH, 3)
    blended, cut = (join_parts(part, cast, film, blend=blend)[0][:, 0, 0, 0] for blend in (True, False))
    assert blended.tolist() == pytest.approx([0] * 8 + [k / 6 for k in range(1, 6)] + [1] * 8)
    assert cut.tolist() == [0] * 13 + [1] * 8


@pytest.mark.parametrize("fps", [16.0, 25.0])
def test_length_from_speech_reaches_the_file_to_one_frame(
    vae: comfy.sd.VAE, tmp_path: Path, fps: float
) -> None:
    """Speech, length, parts, join, core's CreateVideo, and what a player finds in the file."""
    import av
    from comfy_extras.nodes_video import CreateVideo

    seconds = 1.37
    speaker = Character("Ann", torch.rand(1, 32, 32, 3), voice(1, seconds), None)
    made = encode_cast([speaker], vae, WIDTH, HEIGHT, 0, fps)
    frames = made.cast.frames
    assert frames == snap_frames(math.ceil(seconds * fps)) and 0 <= frames / fps - seconds < 4 / fps
    film = None
    while film is None or film.shape[0] < frames:
        part = part_of(made, vae, film, None)
        film, audio = join_parts(pictures(part.cast.frames), part.cast, film, made.audio)
        assert abs(audio["waveform"].shape[-1] / RATE - film.shape[0] / fps) <= 0.5 / RATE
    CreateVideo.execute(film, fps, audio)[0].save_to(str(tmp_path / "film.mp4"))
    with av.open(str(tmp_path / "film.mp4")) as file:
        assert file.streams.video[0].average_rate == fps
        assert sum(1 for _ in file.decode(video=0)) == frames
    with av.open(str(tmp_path / "film.mp4")) as file:
        sound = sum(frame.samples for frame in file.decode(audio=0)) / RATE
    assert abs(sound - frames / fps) <= 1024 / RATE  # one packet of AAC


# --- what does not fit


@pytest.mark.parametrize(
    "finished, masks, message",
    [
        (torch.zeros(13, 48, 48, 3), None, "finished film is 48x48, but this one is 96x64: scale it"),
        (pictures(3), None, "Only 3 frames are finished, but the overlap is 5"),
        (pictures(33), None, "33 are finished, so there is no next part"),
        (
            pictures(13),
            history(4, 9),
            "13 finished frames .* but the masks end .* 13|film up to",
        ),
        (pictures(12), history(8, 13), "12 finished frames .* end at frame 21"),
        (
            pictures(13),
            history(0, 13, ("Ann", "Cat")),
            "masks are of Ann, Cat at 96x64, but the film has Ann, Bob",
        ),
    ],
)
def test_what_does_not_continue_this_film_is_said(
    vae: comfy.sd.VAE, finished: Tensor, masks: MaskHistory | None, message: str
) -> None:
    made = film_of(vae, 33)
    if masks is not None and masks.start == 4:  # frames and masks agree: the film so far
        assert part_of(made, vae, finished, masks).cast.part.finished == 13
        return
    with pytest.raises(InteractError, match=message):
        part_of(made, vae, finished, masks)


def test_a_part_alone_is_placed_by_its_masks(vae: comfy.sd.VAE) -> None:
    made = film_of(vae, 33)
    alone = part_of(made, vae, pictures(13), history(8, 13))
    assert (alone.cast.part.start, alone.cast.part.finished) == (16, 21)


def test_wrong_wires_are_said(vae: comfy.sd.VAE) -> None:
    made, other = film_of(vae, 33), film_of(vae, 37)
    part = part_of(made, vae, pictures(21), None)
    with pytest.raises(InteractError, match="from another InterAct Next Part"):
        encode_part(part.positive, part.negative, part.cast, vae, LENGTH, OVERLAP)
    with pytest.raises(InteractError, match="voices for 37 frames, but the film has 33"):
        encode_part(other.positive, other.negative, made.cast, vae, LENGTH, OVERLAP)
    with pytest.raises(InteractError, match="not that of Wan"):
        part_of(made, object(), pictures(21), None)
    empty = replace(history(0, 13), masks=history(0, 13).masks[:0], steps=(), sigmas=())
    with pytest.raises(InteractError, match="masks of the finished part are empty"):
        part_of(made, vae, pictures(13), empty)
    for decoded, film, message in (
        (pictures(9), pictures(21), "part is 13 frames long, but the connected video has 9"),
        (pictures(13), None, "after frame 21 of the film, but the connected film has 0"),
        (pictures(13), pictures(13), "after frame 21 of the film, but the connected film has 13"),
        (torch.zeros(13, 48, 48, 3), pictures(21), "film is 96x64, but its next part is 48x48"),
    ):
        with pytest.raises(InteractError, match=message):
            join_parts(decoded, part.cast, film)


def test_a_cast_without_parts_can_be_joined_too() -> None:
    cast: Cast = tiny_wan.make_cast(frames=3)
    film, audio = join_parts(pictures(9), cast)
    assert torch.equal(film, pictures(9)) and audio is None
