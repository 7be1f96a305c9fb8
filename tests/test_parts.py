"""A film made in parts: what each part takes over, and what is joined of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.tests import host_support as world  # before anything of comfy
from interacthuman.tests import nodes_support
from torch import Tensor

import comfy.sd  # isort: skip
import comfy.utils  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import (
    Cast,
    Character,
    GuidanceSettings,
    MaskHistory,
    Part,
    blend_weights,
    plan_part,
    snap_frames,
)
from interacthuman.interact_core.guidance.part import carried_masks
from interacthuman.interact_core.host.call import CALL_KEY, CallState
from interacthuman.interact_core.host.cast_encoding import EncodedCast, encode_cast, make_region_character
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.parts import EncodedPart, encode_part, join_parts
from interacthuman.interact_core.host.sampling import sample
from interacthuman.interact_core.speech.from_core import SPEECH_KEY
from interacthuman.interact_core.speech.types import Speech

WIDTH, HEIGHT = 16 * world.COLUMNS, 16 * world.ROWS
RATE = 8000
LENGTH, OVERLAP = 13, 5


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> comfy.sd.VAE:
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    nodes_support.write_vae(path)
    return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(path)))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(world.load_tiny(folder), world.load_tiny_adapter(folder))


def voice(number: int, seconds: float, start: float = 0.0) -> dict[str, Speech]:
    generator = torch.Generator().manual_seed(number)
    features = torch.randn(math.ceil(seconds * 25), world.LAYERS, world.CHANNELS, generator=generator)
    sound = 0.1 * torch.randn(1, round(seconds * RATE), generator=generator)
    mute = torch.full((world.LAYERS, world.CHANNELS), 0.5)
    return {SPEECH_KEY: Speech(features, mute, 25.0, sound, RATE, start)}


def film_of(vae: Any, frames: int, fps: float = 25.0) -> EncodedCast:
    """Two speakers, the second of whom begins late."""
    seconds = frames / fps
    people = [
        Character(
            name,
            torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(n)),
            voice(n, seconds * (1 - 0.4 * n), 0.4 * n * seconds),
            None,
        )
        for n, name in enumerate(("Ann", "Bob"))
    ]
    return encode_cast(people, vae, WIDTH, HEIGHT, frames, fps, world.text(3), world.text(4))


def pictures(frames: int, seed: int = 0) -> Tensor:
    return torch.rand(frames, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(seed))


def history(start: int, frames: int, names: tuple[str, ...] = ("Ann", "Bob")) -> MaskHistory:
    """The first is left, more so in each latent frame; the second is right."""
    latents = (frames - 1) // 4 + 1
    masks = torch.zeros(1, len(names), latents, world.ROWS, world.COLUMNS)
    masks[0, 0, :, :, :3] = (torch.arange(latents).view(-1, 1, 1) + 1) / 16
    masks[0, -1, :, :, 3:] = 1.0
    return MaskHistory(
        masks.half(), (3,), (0.1,), boundary_step=1, total_steps=4, names=names, width=WIDTH, height=HEIGHT,
        frames=frames, fps=25.0, start=start,
    )  # fmt: skip


def part_of(made: EncodedCast, vae: Any, finished: Tensor | None, masks: MaskHistory | None) -> EncodedPart:
    return encode_part(made.positive, made.negative, made.cast, vae, LENGTH, OVERLAP, finished, masks)


def voices_of(conditioning: list) -> Tensor:
    """[S + 1, F, L, C] without the sentinel frame."""
    return conditioning[0][1]["model_conds"]["interact_audio"].cond[0, :, :-1]


class Spy:
    """Sees every call of the diffusion model and the noise level at which it happens."""

    def __init__(self, model: ModelPatcher) -> None:
        self.calls: list[CallState] = []
        self.model = model.clone()
        self.model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "spy", self)

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Tensor:
        self.calls.append(args[5][CALL_KEY])
        return executor(*args, **kwargs)


def sampled(
    model: ModelPatcher, made: EncodedPart | EncodedCast, settings: GuidanceSettings, steps: int = 4
) -> tuple[Tensor, MaskHistory]:
    conds = made.positive, made.negative
    options = {"sampler": "euler", "scheduler": "simple", "seed": 5, "steps": steps, "cfg": 2.0}
    latent, masks = sample(model, *conds, made.latent, made.cast, settings, audio_cfg=None, **options)
    return latent["samples"], masks


# --- where parts lie


@pytest.mark.parametrize("length, overlap", [(25, 9), (25, 1), (81, 5), (81, 33), (13, 9)])
@pytest.mark.parametrize("film", [1, 5, 25, 29, 81, 93, 501])
@pytest.mark.parametrize("given", [0, 34, 40])
def test_parts_make_the_whole_film(film: int, length: int, overlap: int, given: int) -> None:
    """From nothing or from somebody's clip of any length: each part goes on where the film ends."""
    finished = given if given < film else 0
    while finished < film:
        part = plan_part(film, finished, length, overlap)
        assert part.finished == finished and 0 <= part.start
        assert part.frames % 4 == 1 and part.known % 4 == (1 if finished else 0)
        assert part.known_latents == (0 if finished == 0 else (part.known - 1) // 4 + 1)
        if film >= length and part.start >= 4:
            assert part.frames == length
        assert part.known >= overlap or finished == 0
        assert finished < part.end <= film
        finished = part.end
    with pytest.raises(
        InteractError, match=f"{film} frames long and {film} are finished, so there is no next"
    ):
        plan_part(film, film, length, overlap)


def test_what_cannot_be_continued_is_said() -> None:
    with pytest.raises(InteractError, match="overlap by 13 hold nothing new.*at most 9"):
        plan_part(81, 40, 13, 13)
    with pytest.raises(InteractError, match="Only 6 frames are finished but 9.*overlap to 5"):
        plan_part(81, 6, 13, 9)


# --- voices and sound


@pytest.mark.parametrize("fps", [16.0, 25.0])
def test_every_frame_of_a_part_hears_what_it_hears_in_the_film(vae: comfy.sd.VAE, fps: float) -> None:
    made = film_of(vae, 37, fps)
    whole, finished, masks = voices_of(made.positive), None, None
    heard = torch.zeros_like(whole)
    for begin in (0, 8, 16, 24):
        part = part_of(made, vae, finished, masks)
        assert (part.cast.part.start, part.cast.frames, part.cast.fps) == (begin, LENGTH, fps)
        heard[:, begin : begin + LENGTH] = voices_of(part.positive)
        assert torch.equal(voices_of(part.positive), whole[:, begin : begin + LENGTH])
        assert torch.equal(voices_of(part.negative), whole[:, begin : begin + LENGTH])
        audio = part.positive[0][1]["model_conds"]["interact_audio"].cond
        assert audio.shape[2] == LENGTH + 1 and not audio[:, :, -1].any()  # the sentinel
        # What a viewer shows of the voices is on the part's clock too.
        starts = [c.speech[SPEECH_KEY].start + begin / fps for c in part.cast.characters]
        assert starts == pytest.approx([0.0, 0.4 * 37 / fps])
        finished = pictures(begin + LENGTH)
        masks = history(begin, LENGTH)
    assert torch.equal(heard, whole)


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
    cast = replace(world.make_cast(frames=4), part=Part(start=8, known=5, frames=13, film=99))
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


# --- known frames


def test_known_frames_are_kept_as_the_vae_encodes_them_alone(
    vae: comfy.sd.VAE, adapted: ModelPatcher
) -> None:
    """The last 4k+1 frames encoded anew are k+1 latent frames, the first of one frame only."""
    made, film = film_of(vae, 33), pictures(21)
    part = part_of(made, vae, film, None)
    known = vae.encode(film[-OVERLAP:])
    assert known.shape[2] == 2 == part.cast.part.known_latents
    assert torch.equal(part.latent["samples"][:, :, :2], known)
    assert not part.latent["samples"][:, :, 2:].any()
    assert part.latent["noise_mask"][0, 0, :, 0, 0].tolist() == [0.0, 0.0, 1.0, 1.0]
    for model in (adapted, world.with_windows(adapted, 9)):
        samples, _ = sampled(model, part, GuidanceSettings())
        torch.testing.assert_close(samples[:, :, :2], known, atol=1e-4, rtol=1e-4)
        assert samples.isfinite().all() and (samples[:, :, 2:] - known[:, :, :1]).abs().min(1)[0].max() > 0.01


def test_a_first_part_that_is_the_whole_film_is_the_film(vae: comfy.sd.VAE, adapted: ModelPatcher) -> None:
    made = film_of(vae, 9)
    part = part_of(made, vae, None, None)
    assert "noise_mask" not in part.latent and part.summary == "frames 1 to 9 of 9; the last part"
    (whole, masks), (alone, others) = (sampled(adapted, one, GuidanceSettings()) for one in (made, part))
    assert torch.equal(whole, alone) and torch.equal(masks.masks, others.masks)


# --- masks across the cut


def test_masks_are_carried_on_and_the_last_is_held() -> None:
    before = history(start=8, frames=13)  # latent frames 0..3 are film frames 8, 9-12, 13-16, 17-20
    part = plan_part(99, 21, LENGTH, OVERLAP)  # begins with 16, 17-20
    shares = 16 * carried_masks(before, part)[0, :, 0, 0]
    assert shares.tolist() == [3, 4, 4, 4]
    part = plan_part(
        25, 21, LENGTH, OVERLAP
    )  # the last part reaches back: 12, 13-16, 17-20, then what is new
    assert (16 * carried_masks(before, part)[0, :, 0, 0]).tolist() == [2, 3, 4, 4]


@pytest.mark.parametrize("windows", [False, True])
def test_carried_masks_guide_from_the_first_step(
    vae: comfy.sd.VAE, adapted: ModelPatcher, windows: bool
) -> None:
    """Before the boundary they are all there is; after it known frames keep theirs, whatever is predicted."""
    made = film_of(vae, 33)
    part = part_of(made, vae, pictures(21), history(8, 13))
    spy = Spy(world.with_windows(adapted, 9) if windows else adapted)
    settings = GuidanceSettings(boundary=0.5)
    _, found = sampled(spy.model, part, settings)
    assert found.start == 16 and found.carried and found.steered == (True,) * 4
    assert 0 < found.boundary_step < 3
    whole = blend_weights(part.cast.part.masks, (True, True), settings).unflatten(-1, part.cast.grid)
    each = len(spy.calls) // 4
    differ = []
    for number, call in enumerate(spy.calls):
        frames = list(call.geometry.frames)
        shares = call.voices.weights[:, 0].unflatten(-1, (len(frames), world.ROWS, world.COLUMNS))
        carried = whole[:, frames]
        if number // each < found.boundary_step:
            torch.testing.assert_close(shares, carried)
        else:
            known = [place for place, frame in enumerate(frames) if frame < 2]
            torch.testing.assert_close(shares[:, known], carried[:, known])
            differ.append((shares - carried).abs().max() > 0.01)
    assert any(differ)


def test_without_masks_the_first_stage_is_as_ever(vae: comfy.sd.VAE, adapted: ModelPatcher) -> None:
    part = part_of(film_of(vae, 33), vae, pictures(21), None)
    spy = Spy(adapted)
    _, found = sampled(spy.model, part, GuidanceSettings(boundary=0.5))
    assert not found.carried and found.start == 16 and found.steered[0] is False
    mute = torch.tensor([0.0, 0.0, 1.0])
    assert torch.equal(spy.calls[0].voices.weights[:, 0].amax(-1), mute)


def test_layouts_are_cut_to_the_part(vae: comfy.sd.VAE) -> None:
    made = film_of(vae, 33)
    drawn = torch.arange(33.0).view(33, 1, 1).expand(-1, 8, 8) / 33
    first, second = made.cast.characters
    cast = replace(made.cast, characters=(replace(first, layout=drawn), second))
    part = encode_part(made.positive, made.negative, cast, vae, LENGTH, OVERLAP, pictures(21))
    expected = torch.tensor([16.0, 18.5, 22.5, 26.5]) / 33  # frame 16, means of 17-20, 21-24, 25-28
    torch.testing.assert_close(part.cast.layouts[0, :, 0, 0], expected)


# --- image-to-video


def region_film(vae: Any, frames: int, image: Tensor, laid_out: int) -> EncodedCast:
    from comfy_extras.nodes_wan import WanImageToVideo

    sides = torch.zeros(2, HEIGHT, WIDTH)
    sides[0, :, : WIDTH // 2] = sides[1, :, WIDTH // 2 :] = 1.0
    people = [
        make_region_character(name, side, voice(n, frames / 25))
        for n, (name, side) in enumerate(zip(("Ann", "Bob"), sides))
    ]
    start = WanImageToVideo.execute(
        world.text(3), world.text(4), vae, WIDTH, HEIGHT, laid_out, 1, start_image=image
    )
    return encode_cast(people, vae, WIDTH, HEIGHT, frames, 25.0, start[0], start[1])


def test_regions_go_on_from_where_the_masks_have_them(vae: comfy.sd.VAE, tmp_path: Path) -> None:
    """The start image gives way to the known frames as core lays several out, and stays in the first part."""
    from comfy_extras.nodes_wan import WanImageToVideo

    made = region_film(vae, 33, pictures(1), 17)
    first = part_of(made, vae, None, None)
    alone = region_film(vae, LENGTH, pictures(1), LENGTH)
    for key in ("concat_latent_image", "concat_mask"):
        torch.testing.assert_close(first.positive[0][1][key], alone.positive[0][1][key])
    film = pictures(13, seed=3)
    part = part_of(made, vae, film, history(0, 13))
    core = WanImageToVideo.execute(
        [[None, {}]], [[None, {}]], vae, WIDTH, HEIGHT, LENGTH, 1, start_image=film[-OVERLAP:]
    )
    for ours, theirs in ((part.positive, core[0]), (part.negative, core[1])):
        for key in ("concat_latent_image", "concat_mask"):
            assert torch.equal(ours[0][1][key], theirs[0][1][key])
    assert torch.equal(part.cast.regions, history(0, 13).masks[0, :, 2].float())
    model = apply_adapter(
        world.load_tiny(tmp_path, model_type="i2v", in_dim=36), world.load_tiny_adapter(tmp_path)
    )
    samples, found = sampled(model, part, GuidanceSettings(mask_source="affinity"))
    assert samples.isfinite().all() and found.carried and found.masks.shape[2] == 4
    with pytest.raises(InteractError, match="regions of the start image, where they are no longer"):
        part_of(made, vae, film, None)
    with pytest.raises(InteractError, match="out for 9 frames but the part has 13: set its length to 13"):
        part_of(region_film(vae, 33, pictures(1), 9), vae, None, None)


# --- what does not fit


@pytest.mark.parametrize(
    ("finished", "masks", "words"),
    [
        (torch.zeros(13, 48, 48, 3), None, "finished film is 48x48 but this one is 96x64: scale it"),
        (pictures(3), None, "Only 3 frames are finished but 5 are to overlap"),
        (pictures(33), None, "33 are finished, so there is no next part"),
        (
            pictures(13),
            history(4, 9),
            "13 finished frames .* but the masks are of a part that .* 13|film so far",
        ),
        (pictures(12), history(8, 13), "12 finished frames .* ends at frame 21"),
        (
            pictures(13),
            history(0, 13, ("Ann", "Cat")),
            "masks are of Ann, Cat at 96x64 but the film has Ann, Bob",
        ),
    ],
)
def test_what_does_not_continue_this_film_is_said(
    vae: comfy.sd.VAE, finished: Tensor, masks: MaskHistory | None, words: str
) -> None:
    made = film_of(vae, 33)
    if masks is not None and masks.start == 4:  # frames and masks agree: the film so far
        assert part_of(made, vae, finished, masks).cast.part.finished == 13
        return
    with pytest.raises(InteractError, match=words):
        part_of(made, vae, finished, masks)


def test_a_part_alone_is_placed_by_its_masks(vae: comfy.sd.VAE) -> None:
    made = film_of(vae, 33)
    alone = part_of(made, vae, pictures(13), history(8, 13))
    assert (alone.cast.part.start, alone.cast.part.finished) == (16, 21)


def test_wrong_wires_are_said(vae: comfy.sd.VAE) -> None:
    made, other = film_of(vae, 33), film_of(vae, 37)
    part = part_of(made, vae, pictures(21), None)
    with pytest.raises(InteractError, match="itself a part"):
        encode_part(part.positive, part.negative, part.cast, vae, LENGTH, OVERLAP)
    with pytest.raises(InteractError, match="voices over 37 frames but the film has 33"):
        encode_part(other.positive, other.negative, made.cast, vae, LENGTH, OVERLAP)
    with pytest.raises(InteractError, match="not that of Wan"):
        part_of(made, object(), pictures(21), None)
    empty = replace(history(0, 13), masks=history(0, 13).masks[:0], steps=(), sigmas=())
    with pytest.raises(InteractError, match="masks are empty"):
        part_of(made, vae, pictures(13), empty)
    for decoded, film, words in (
        (pictures(9), pictures(21), "part is 13 frames long but 9"),
        (pictures(13), None, "after frame 21 of the film but the film connected has 0"),
        (pictures(13), pictures(13), "after frame 21 of the film but the film connected has 13"),
        (torch.zeros(13, 48, 48, 3), pictures(21), "film is 96x64 but its next part is 48x48"),
    ):
        with pytest.raises(InteractError, match=words):
            join_parts(decoded, part.cast, film)


def test_a_cast_without_parts_can_be_joined_too() -> None:
    cast: Cast = world.make_cast(frames=3)
    film, audio = join_parts(pictures(9), cast)
    assert torch.equal(film, pictures(9)) and audio is None
