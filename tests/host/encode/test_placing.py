"""InterAct Place Characters: who stands where, the latent that a sampler starts from, and when it says it does not."""

from __future__ import annotations

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy
from interacthuman.tests.support.models.model_files import tiny_vae
from torch import Tensor

import comfy.sd  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host.encode.cast_encoding import (
    EncodedCast,
    encode_cast,
    make_character,
    make_region_character,
)
from interacthuman.interact_core.host.encode.parts import encode_part
from interacthuman.interact_core.host.encode.people import REFERENCES, cropped_as_core, start_people
from interacthuman.interact_core.host.encode.placing import GROUND, place_characters
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.sampling import sample
from interacthuman.nodes.placing import InterActPlace

WIDTH, HEIGHT, FRAMES = 96, 64, 17
RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)


def person(colour: tuple[float, float, float], tall: bool = True) -> Tensor:
    """On white, with white eyes: [1, 60, 40, 3]."""
    image = torch.ones(1, 60, 40, 3)
    image[:, 10 if tall else 40 :, 10:30] = torch.tensor(colour)
    image[:, 45:48, 14:18] = image[:, 45:48, 22:26] = 1.0
    return image


def is_colour(picture: Tensor, colour: tuple[float, float, float]) -> Tensor:
    return (picture[0] - torch.tensor(colour)).abs().amax(-1) < 0.1


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> comfy.sd.VAE:
    return tiny_vae(tmp_path_factory.mktemp("vae"))


def cast_of(vae: comfy.sd.VAE, layout: Tensor | None = None) -> EncodedCast:
    people = [make_character("Anna", person(RED)), make_character("Ben", person(BLUE), layout=layout)]
    return encode_cast(people, vae, WIDTH, HEIGHT, FRAMES, 25.0)


def test_people_stand_side_by_side_whole_and_on_the_lower_edge(vae: comfy.sd.VAE) -> None:
    placed = place_characters(vae, cast_of(vae).cast, size=0.5)
    red, blue = is_colour(placed.picture, RED), is_colour(placed.picture, BLUE)
    assert placed.picture.shape == (1, HEIGHT, WIDTH, 3)
    for found, middle in ((red, 24), (blue, 72)):
        rows, columns = found.any(1).nonzero(), found.any(0).nonzero()
        assert (
            rows.max() == HEIGHT - 1 and abs(int(rows.min()) - HEIGHT // 2) <= 1
        )  # half as high as the picture
        assert abs((int(columns.min()) + int(columns.max()) + 1) / 2 - middle) <= 1
    white = (placed.picture[0] > 0.97).all(-1)
    assert white.any() and not (white & ~_around(red | blue)).any(), (
        "eyes are theirs, the white around them is not"
    )
    free = placed.picture[0, : HEIGHT // 2 - 2]
    assert torch.equal(free, torch.full_like(free, GROUND))
    assert [line.key for line in placed.lines] == ["place_made"]


def _around(found: Tensor) -> Tensor:
    return torch.nn.functional.max_pool2d(found.float()[None], 9, 1, 4)[0] > 0


def test_people_of_one_picture_stand_on_it_where_they_stood(vae: comfy.sd.VAE) -> None:
    """Cut out by InterAct People and placed on the picture without them, they give the picture again."""
    photo = torch.full(
        (1, 2 * HEIGHT, 3 * WIDTH, 3), 0.7
    )  # wider than the video: 48 columns are cropped on each side
    masks = torch.zeros(2, 2 * HEIGHT, 3 * WIDTH)
    masks[0, 60:128, 60:120] = masks[1, 20:128, 160:220] = 1.0
    whole = photo.clone()
    for mask, colour in zip(masks, (RED, BLUE), strict=True):
        whole[0][mask > 0] = torch.tensor(colour)
    people = start_people(whole, masks, "", WIDTH, HEIGHT, use_as=REFERENCES).characters
    cast = encode_cast(list(people), vae, WIDTH, HEIGHT, FRAMES, 25.0).cast
    placed = place_characters(vae, cast, size=0.3, background=photo)
    expected = cropped_as_core(whole, WIDTH, HEIGHT)
    differs = (placed.picture - expected).abs().amax(-1) > 0.05
    assert float(differs.float().mean()) < 0.05, "only outlines differ, by a pixel"


def test_wide_people_are_as_tall_as_others_and_no_wider_than_the_picture(vae: comfy.sd.VAE) -> None:
    """Of 48 pixels of width each of two people may take 9 more on both sides; one alone the picture's width."""
    wide = torch.ones(1, 20, 60, 3)
    wide[:, 2:, 2:58] = torch.tensor(RED)
    for count, width in ((2, round(WIDTH / 2 * 1.4)), (1, WIDTH)):
        people = [make_character(name, wide) for name in ("Anna", "Ben")[:count]]
        made = encode_cast(people, vae, WIDTH, HEIGHT, FRAMES, 25.0)
        found = is_colour(place_characters(vae, made.cast, size=1.0).picture, RED)
        columns = found.any(0).nonzero()
        seen = int(columns.max()) - int(columns.min()) + 1
        assert (seen == WIDTH) if count == 2 else (abs(seen - width) <= 2)
        rows = found.any(1).nonzero()
        assert abs(int(rows.max() - rows.min()) + 1 - width * 18 / 56) <= 2


def test_who_is_covered_by_others_is_told(vae: comfy.sd.VAE) -> None:
    """Two pictures without a background of one colour are whole rectangles, 67 of 96 pixels wide: they share 38."""
    photo = torch.rand(1, 20, 60, 3, generator=torch.Generator().manual_seed(1))
    people = [make_character(name, photo, mask=torch.ones(1, 20, 60)) for name in ("Anna", "Ben")]
    made = encode_cast(people, vae, WIDTH, HEIGHT, FRAMES, 25.0)
    placed = place_characters(vae, made.cast, size=1.0)
    (told,) = (line for line in placed.lines if line.key == "place_covered")
    assert told.values["name"] == "Anna" and told.values["share"] == pytest.approx(100 * 38 / 67, abs=3)
    assert "place_covered" not in [line.key for line in place_characters(vae, made.cast, size=0.2).lines]


def test_a_layout_says_where_and_a_background_what_is_behind(vae: comfy.sd.VAE) -> None:
    layout = torch.zeros(1, HEIGHT, WIDTH)
    layout[:, 8:24, 4:20] = 1.0
    green = torch.zeros(2, 128, 96, 3)
    green[..., 1] = 0.5
    placed = place_characters(vae, cast_of(vae, layout).cast, background=green)
    blue = is_colour(placed.picture, BLUE)
    rows, columns = blue.any(1).nonzero(), blue.any(0).nonzero()
    assert (int(rows.min()), int(rows.max())) == (8, 23) and columns.min() >= 4 and columns.max() < 20
    assert torch.equal(placed.picture[0, 0, -1], torch.tensor([0.0, 0.5, 0.0]))
    assert [line.key for line in placed.lines] == [
        "place_made",
        "place_layout",
        "place_first",
        "place_cropped",
    ]


def test_the_latent_is_that_of_a_still_of_full_length(vae: comfy.sd.VAE) -> None:
    cast = cast_of(vae).cast
    latent, picture = InterActPlace.execute(vae, cast).args
    whole = vae.encode(picture.expand(FRAMES, -1, -1, -1))
    assert latent["samples"].shape == whole.shape == (1, 16, 5, HEIGHT // 8, WIDTH // 8)
    torch.testing.assert_close(latent["samples"], whole, atol=1e-4, rtol=1e-4)


def test_a_later_part_goes_on_from_where_the_finished_frames_end(vae: comfy.sd.VAE) -> None:
    """Finished frames and their mask stay; behind them is what the autoencoder makes of the last one, held still."""
    made = cast_of(vae)
    film = torch.rand(13, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(3))
    later = encode_part(*(made.positive, made.negative, made.cast, vae), 9, 5, film)
    placed = place_characters(vae, later.cast, latent=later.latent)
    samples, known = placed.latent["samples"], 2  # five frames are two latent frames
    assert torch.equal(samples[:, :, :known], later.latent["samples"][:, :, :known])
    assert torch.equal(placed.latent["noise_mask"], later.latent["noise_mask"])
    last = vae.decode(later.latent["samples"][:, :, :known])[0, -1:]
    torch.testing.assert_close(placed.picture, last, atol=1e-4, rtol=1e-4)
    still = vae.encode(last.expand(later.cast.frames, -1, -1, -1))
    torch.testing.assert_close(samples[:, :, known:], still[:, :, known:].to(samples), atol=1e-4, rtol=1e-4)
    assert not later.latent["samples"][:, :, known:].any(), "the node's input is not written to"
    assert [line.key for line in placed.lines] == ["place_goes_on"]


def test_a_sampler_begins_from_it_below_denoise_1_and_says_where_it_does_not(
    vae: comfy.sd.VAE, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("models")
    model = apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))
    made = cast_of(vae)
    placed = place_characters(vae, made.cast).latent

    def run(model: ModelPatcher, latent: dict[str, Tensor], denoise: float) -> tuple[Tensor, list[str]]:
        options = {"sampler": "euler", "scheduler": "simple", "seed": 5, "steps": 2, "cfg": 1.0}
        conds = made.positive, made.negative
        result, history = sample(
            model, *conds, latent, made.cast, GuidanceSettings(), audio_cfg=None, denoise=denoise, **options
        )
        return result["samples"], [line.key for line in history.said]

    whole, said = run(model, placed, 1.0)
    empty, silent = run(model, made.latent, 1.0)
    assert torch.equal(whole, empty) and "run_latent_unused" in said and "run_latent_unused" not in silent
    begun, silent = run(model, placed, 0.65)
    other, _ = run(model, made.latent, 0.65)
    assert not torch.equal(begun, other) and "run_latent_unused" not in silent


def test_what_has_no_place_is_told(vae: comfy.sd.VAE) -> None:
    made = cast_of(vae)
    for background, told in (
        (torch.zeros(HEIGHT, WIDTH, 3), "expected a picture"),
        (torch.full((1, HEIGHT, WIDTH, 3), float("nan")), "NaN or infinity"),
    ):
        with pytest.raises(InteractError, match=told):
            place_characters(vae, made.cast, background=background)
    later = encode_part(
        *(made.positive, made.negative, made.cast, vae), 9, 5, torch.zeros(13, HEIGHT, WIDTH, 3)
    )
    for latent in (None, made.latent):
        with pytest.raises(InteractError, match="begins with 5 finished frames"):
            place_characters(vae, later.cast, latent=latent)
    video = {"samples": torch.ones_like(made.latent["samples"])}
    for latent in (later.latent, video):
        with pytest.raises(InteractError, match="holds a video, which this node would replace"):
            place_characters(vae, made.cast, latent=latent)
    place_characters(vae, made.cast, latent=made.latent)  # of a first part, which is empty
    other = {**later.latent, "samples": later.latent["samples"][..., :-1]}
    with pytest.raises(InteractError, match="frames, height and width"):
        place_characters(vae, later.cast, latent=other)
    twice = {name: value.expand(2, *value.shape[1:]) for name, value in later.latent.items()}
    placed = place_characters(vae, later.cast, latent=twice)
    assert placed.latent["samples"].shape[0] == 2 and placed.picture.shape[0] == 1
    region = torch.zeros(1, HEIGHT, WIDTH)
    region[:, :, :40] = 1.0
    characters = (make_region_character("Anna", region),)
    regions = Cast(characters, WIDTH, HEIGHT, FRAMES, 25.0, None, regions=torch.zeros(1, 4, 6))
    with pytest.raises(InteractError, match="people of a start image"):
        place_characters(vae, regions)
