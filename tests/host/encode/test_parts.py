"""Parts of a film as they are sampled: frames that are kept, masks across the cut, start images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.tests.support.film_parts import (
    HEIGHT,
    LENGTH,
    OVERLAP,
    WIDTH,
    film_of,
    history,
    part_of,
    pictures,
    voice,
)
from interacthuman.tests.support.model_calls import Spy
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy
from interacthuman.tests.support.models.model_files import tiny_vae
from torch import Tensor

import comfy.sample  # isort: skip
import comfy.sd  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings, MaskHistory, blend_weights, plan_part
from interacthuman.interact_core.guidance.part import carried_masks
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.encode.cast_encoding import (
    EncodedCast,
    encode_cast,
    make_region_character,
)
from interacthuman.interact_core.host.encode.parts import EncodedPart, encode_part
from interacthuman.interact_core.host.keys import CALL_KEY
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.run.motion_frames import FADE, TRACE, noise_of_film, with_trace
from interacthuman.interact_core.host.sampling import sample


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> comfy.sd.VAE:
    return tiny_vae(tmp_path_factory.mktemp("vae"))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


def sampled(
    model: ModelPatcher, made: EncodedPart | EncodedCast, settings: GuidanceSettings, steps: int = 4
) -> tuple[Tensor, MaskHistory]:
    conds = made.positive, made.negative
    options = {"sampler": "euler", "scheduler": "simple", "seed": 5, "steps": steps, "cfg": 2.0}
    latent, masks = sample(model, *conds, made.latent, made.cast, settings, audio_cfg=None, **options)
    return latent["samples"], masks


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
    for model in (adapted, tiny_wan.with_windows(adapted, 9)):
        samples, _ = sampled(model, part, GuidanceSettings())
        torch.testing.assert_close(samples[:, :, :2], known, atol=1e-4, rtol=1e-4)
        assert samples.isfinite().all() and (samples[:, :, 2:] - known[:, :, :1]).abs().min(1)[0].max() > 0.01


def test_known_frames_may_come_from_the_finished_parts_latent(vae: comfy.sd.VAE) -> None:
    """All but the first, which holds one frame: only encoding gives it. As many as the part before has."""
    made, film = film_of(vae, 33), pictures(21)
    given = made.positive, made.negative, made.cast, vae, LENGTH
    sampled = torch.randn(1, 16, 4, HEIGHT // 8, WIDTH // 8)
    for overlap, taken in ((5, 1), (9, 2), (1, 0)):
        part = encode_part(*given, overlap, film, None, {"samples": sampled})
        known = part.cast.part.known_latents
        encoded = vae.encode(film[-overlap:])
        assert torch.equal(part.latent["samples"][:, :, : known - taken], encoded[:, :, : known - taken])
        assert torch.equal(part.latent["samples"][:, :, known - taken : known], sampled[:, :, 4 - taken :])
        assert not part.latent["samples"][:, :, known:].any()
    # The first of two latent frames is a single frame of its own: one can be taken.
    part = encode_part(*given, 9, film, None, {"samples": sampled[:, :, :2]})
    assert torch.equal(part.latent["samples"][:, :, 2], sampled[:, :, 1])
    assert torch.equal(part.latent["samples"][:, :, :2], vae.encode(film[-9:])[:, :, :2])
    with pytest.raises(InteractError, match="latent has shape.*this film's latents"):
        encode_part(*given, 9, film, None, {"samples": sampled[..., 1:]})


def test_new_frames_begin_with_a_trace_of_the_last_finished_one(
    vae: comfy.sd.VAE, adapted: ModelPatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ever less of it, and none where no noise is added or nothing is finished."""
    noise, known = torch.randn(1, 16, 5, 4, 6), torch.randn(1, 16, 2, 4, 6)
    begun = with_trace(noise, known)
    assert torch.equal(begun[:, :, :2], noise[:, :, :2])
    for number in range(3):
        share = TRACE * FADE**number
        expected = (1 - share**2) ** 0.5 * noise[:, :, 2 + number] + share * known[:, :, 1]
        torch.testing.assert_close(begun[:, :, 2 + number], expected)
    assert with_trace(noise, known[:, :, :0]) is noise
    assert not with_trace(torch.zeros_like(noise), known).any()

    made = film_of(vae, 33)
    part, first = part_of(made, vae, pictures(21), None), part_of(made, vae, None, None)
    (late, _), (early, _) = (sampled(adapted, one, GuidanceSettings()) for one in (part, first))
    monkeypatch.setattr("interacthuman.interact_core.host.run.motion_frames.TRACE", 0.0)
    (plain, _), (again, _) = (sampled(adapted, one, GuidanceSettings()) for one in (part, first))
    assert torch.equal(early, again) and (late - plain).abs().max() > 1e-3


def test_parts_of_one_seed_share_the_films_noise(vae: comfy.sd.VAE, adapted: ModelPatcher) -> None:
    """At the first step the model gets noise alone: known frames have the noise they were made from."""
    made = film_of(vae, 33)
    parts = [part_of(made, vae, film, None) for film in (None, pictures(13), pictures(21))]
    assert [part.cast.part.start for part in parts] == [0, 8, 16]

    def begun(part: EncodedPart, seed: int = 5, noise: Tensor | None = None) -> Tensor:
        spy = Input(adapted)
        guided, _ = apply_guidance(spy.model, part.cast, GuidanceSettings())
        samples = part.latent["samples"]
        noise = comfy.sample.prepare_noise(samples, seed) if noise is None else noise
        comfy.sample.sample(
            guided, noise, 2, 1.0, "euler", "simple", part.positive, part.negative, samples,
            noise_mask=part.latent.get("noise_mask"), seed=seed,
        )  # fmt: skip
        return spy.first

    first, second, third = map(begun, parts)
    assert torch.equal(first[:, :, 2:], second[:, :, :2])
    film = torch.randn(8, *first[:, :, 0].shape, generator=torch.Generator().manual_seed(5))
    assert torch.equal(first[0], film[:4, 0].transpose(0, 1))
    assert torch.equal(third[0, :, :2], film[4:6, 0].transpose(0, 1))
    assert not torch.equal(begun(parts[1], seed=6)[:, :, :2], second[:, :, :2])
    chosen = torch.randn(second.shape, generator=torch.Generator().manual_seed(77))  # somebody's own stays
    assert torch.equal(begun(parts[1], noise=chosen)[:, :, :2], chosen[:, :, :2])
    before = torch.get_rng_state()
    noise_of_film(chosen, parts[1].cast.part, 5)
    assert torch.equal(before, torch.get_rng_state())  # torch as a whole is not seeded for it


def test_a_first_part_that_is_the_whole_film_is_the_film(vae: comfy.sd.VAE, adapted: ModelPatcher) -> None:
    made = film_of(vae, 9)
    part = part_of(made, vae, None, None)
    assert "noise_mask" not in part.latent and " ".join(map(str, part.lines)) == (
        "Frames 1 to 9 of 9. This is the last part."
    )
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
    spy = Spy(tiny_wan.with_windows(adapted, 9) if windows else adapted)
    settings = GuidanceSettings(stage_boundary=0.5)
    _, found = sampled(spy.model, part, settings)
    assert found.start == 16 and found.carried and found.steered == (True,) * 4
    assert 0 < found.boundary_step < 3
    whole = blend_weights(part.cast.part.masks, (True, True), settings).unflatten(-1, part.cast.grid)
    each = len(spy.calls) // 4
    differ = []
    for number, call in enumerate(spy.calls):
        frames = list(call.geometry.frames)
        shares = call.voices.weights[:, 0].unflatten(-1, (len(frames), tiny_wan.ROWS, tiny_wan.COLUMNS))
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
    _, found = sampled(spy.model, part, GuidanceSettings(stage_boundary=0.5))
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
        tiny_wan.text(3), tiny_wan.text(4), vae, WIDTH, HEIGHT, laid_out, 1, start_image=image
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
        tiny_wan.load_tiny(tmp_path, model_type="i2v", in_dim=36), tiny_wan.load_tiny_adapter(tmp_path)
    )
    samples, found = sampled(model, part, GuidanceSettings(mask_source="affinity"))
    assert samples.isfinite().all() and found.carried and found.masks.shape[2] == 4
    with pytest.raises(InteractError, match="regions of the start image and may have moved"):
        part_of(made, vae, film, None)
    with pytest.raises(InteractError, match="set to 9 frames, but the part has 13: set its length to 13"):
        part_of(region_film(vae, 33, pictures(1), 9), vae, None, None)


@pytest.mark.parametrize("windows", [False, True])
def test_clean_frames_are_cores_motion_frames(vae: comfy.sd.VAE, tmp_path: Path, windows: bool) -> None:
    """As core's InfiniteTalk goes on from previous frames, when nobody speaks. Its wrapper knows no windows: there
    the model's input is looked at itself.
    """
    from comfy.ldm.wan.model_multitalk import InfiniteTalkOuterSampleWrapper

    spoken = region_film(vae, 33, pictures(1), 17)
    people = [replace(character, speech=None) for character in spoken.cast.characters]
    start = [without_cast(conditioning) for conditioning in (spoken.positive, spoken.negative)]
    made = encode_cast(people, vae, WIDTH, HEIGHT, 33, 25.0, *start)
    film = pictures(13, seed=3)
    given = made.positive, made.negative, made.cast, vae, LENGTH, OVERLAP, film, history(0, 13)
    part = encode_part(*given, clean=True)
    assert torch.equal(
        part.positive[0][1]["concat_latent_image"], start[0][0][1]["concat_latent_image"][:, :, :4]
    )
    base = tiny_wan.load_tiny(tmp_path, model_type="i2v", in_dim=36)
    adapted = apply_adapter(base, tiny_wan.load_tiny_adapter(tmp_path))
    known = vae.encode(film[-OVERLAP:])
    if windows:
        spy = Input(tiny_wan.with_windows(adapted, 9))
        sampled(spy.model, part, GuidanceSettings(mask_source="affinity"))
        clean = base.model.process_latent_in(known)
        assert spy.latents and all(
            torch.equal(x[:1, :, places], clean[:, :, frames]) for x, places, frames in spy.latents
        )
        return
    ours, _ = sampled(adapted, part, GuidanceSettings(mask_source="affinity"))
    core = base.clone()
    core.add_wrapper_with_key(
        WrappersMP.OUTER_SAMPLE, "core", InfiniteTalkOuterSampleWrapper(known, None, is_extend=True)
    )
    plain = [without_cast(conditioning) for conditioning in (part.positive, part.negative)]
    latent = {"samples": torch.zeros_like(part.latent["samples"])}
    theirs = tiny_wan.core_sample(core, *plain, latent, steps=4, cfg=2.0)
    torch.testing.assert_close(ours[:, :, 2:], theirs[:, :, 2:], rtol=1e-4, atol=1e-4)
    noised, _ = sampled(adapted, encode_part(*given), GuidanceSettings(mask_source="affinity"))
    assert (noised[:, :, 2:] - theirs[:, :, 2:]).abs().max() > 1e-2


def without_cast(conditioning: list) -> list:
    return [
        [text, {key: value for key, value in values.items() if key != "model_conds"}]
        for text, values in conditioning
    ]


class Input:
    """Records the latent that goes into every call of the diffusion model, and where its known frames are."""

    def __init__(self, model: ModelPatcher) -> None:
        self.latents: list[tuple[Tensor, list[int], list[int]]] = []
        self.first: Tensor | None = None  # of the first call
        self.model = model.clone()
        self.model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "input", self)

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Tensor:
        self.first = args[0][:1, :16].clone() if self.first is None else self.first
        frames = args[5][CALL_KEY].geometry.frames
        places = [place for place, frame in enumerate(frames) if frame < 2]
        if places:
            self.latents.append((args[0][:, :16].clone(), places, [frames[place] for place in places]))
        return executor(*args, **kwargs)
