"""InterAct Dub Video: the source as a latent, who is made anew, and a run that keeps all else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from interacthuman.tests.support.film_parts import HEIGHT, WIDTH, film_of, history, pictures
from interacthuman.tests.support.models import tiny_wan  # before anything of comfy
from interacthuman.tests.support.models.model_files import tiny_vae
from torch import Tensor

import comfy.sd  # isort: skip
import comfy.utils  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.encode.cast_encoding import EncodedCast
from interacthuman.interact_core.host.encode.dubbing import EncodedDub, encode_dub
from interacthuman.interact_core.host.encode.parts import encode_part
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.sampling import sample
from interacthuman.nodes.dubbing import InterActDub

FRAMES = 13
LEFT = torch.zeros(FRAMES, HEIGHT, WIDTH)
LEFT[:, :, :16] = 1.0
SMALL = {"grow": 4, "feather": 3}


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> comfy.sd.VAE:
    return tiny_vae(tmp_path_factory.mktemp("vae"))


@pytest.fixture(scope="module")
def made(vae: comfy.sd.VAE) -> EncodedCast:
    return film_of(vae, FRAMES)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


def keys(dub: EncodedDub) -> list[str]:
    return [line.key for line in dub.lines]


def sampled(model: ModelPatcher, made: Any, latent: dict[str, Tensor]) -> Tensor:
    options = {"sampler": "euler", "scheduler": "simple", "seed": 5, "steps": 3, "cfg": 2.0}
    conds = made.positive, made.negative
    result, _ = sample(model, *conds, latent, made.cast, GuidanceSettings(), audio_cfg=None, **options)
    return result["samples"]


def test_all_but_the_people_is_the_encoded_source(
    vae: comfy.sd.VAE, made: EncodedCast, adapted: ModelPatcher
) -> None:
    """Up to the mask, through any number of windows; composited, pixels outside of it are the source's own."""
    from comfy_extras.nodes_mask import ImageCompositeMasked

    video = pictures(FRAMES)
    dub = encode_dub(vae, video, made.cast, LEFT, **SMALL)
    source = vae.encode(video)
    assert torch.equal(dub.latent["samples"], source) and torch.equal(dub.video, video)
    latent, shown, pixels = InterActDub.execute(vae, video, made.cast, *SMALL.values(), mask=LEFT).args
    assert torch.equal(latent["samples"], source) and torch.equal(shown, video)
    assert torch.equal(pixels, dub.mask)
    mask = dub.latent["noise_mask"]
    assert mask.shape == (1, 1, *source.shape[2:]) and mask.unique().tolist() == [0.0, 1.0]
    assert mask[0, 0, :, :, :3].all() and not mask[0, 0, :, :, 3:].any()  # 16 + 4 + 3 pixels, in cells of 8
    for model in (adapted, tiny_wan.with_windows(adapted, 9)):
        samples = sampled(model, made, dub.latent)
        torch.testing.assert_close(samples * (1 - mask), source * (1 - mask), atol=1e-5, rtol=1e-5)
        assert ((samples - source) * mask).abs().amax((1, 2, 3, 4)).min() > 0.05
    decoded = vae.decode(samples).reshape(-1, HEIGHT, WIDTH, 3)
    shown = ImageCompositeMasked.execute(dub.video, decoded, 0, 0, False, dub.mask)[0]
    outside = dub.mask == 0
    assert torch.equal(shown[outside], video[outside])
    torch.testing.assert_close(shown[:, :, :16], decoded[:, :, :16])


def test_who_is_dubbed_by_masks_of_a_run_and_by_layouts(vae: comfy.sd.VAE, made: EncodedCast) -> None:
    video, record = pictures(FRAMES), history(0, FRAMES)
    ann, bob = made.cast.characters
    only_bob = replace(made.cast, characters=(replace(ann, speech=None), bob))
    right = torch.zeros(FRAMES, HEIGHT, WIDTH)
    right[:, :, 49:] = 1.0  # of masks that end at 48, on a grid of 16, drawn bilinearly
    dub = encode_dub(vae, video, only_bob, masks=record, grow=0, feather=0)
    (others,) = [line for line in dub.lines if line.key == "dub_others"]
    assert others.values["names"] == ["Ann"]
    assert torch.equal(dub.mask[:, :, 49:], right[:, :, 49:]) and not dub.mask[:, :, :46].any()
    drawn = replace(made.cast, characters=(replace(ann, layout=LEFT[:1]), bob))
    by_layout = encode_dub(vae, video, drawn, **SMALL)
    by_mask = encode_dub(vae, video, made.cast, LEFT, **SMALL)
    assert torch.equal(by_layout.mask, by_mask.mask)
    assert "dub_one_mask" in keys(by_layout) and not {"dub_one_mask", "dub_others"} & set(keys(by_mask))


def test_what_is_cut_repeated_and_scaled_is_said(vae: comfy.sd.VAE, made: EncodedCast) -> None:
    long, short = pictures(20), pictures(11)
    dub = encode_dub(vae, long, made.cast, torch.cat((LEFT, LEFT))[:20], **SMALL)
    assert torch.equal(dub.video, long[:FRAMES]) and "dub_cut" in keys(dub)
    dub = encode_dub(vae, short, made.cast, LEFT[:11], **SMALL)
    assert torch.equal(dub.video[11:], short[10:].expand(2, -1, -1, -1)) and "dub_repeated" in keys(dub)
    large = comfy.utils.common_upscale(
        pictures(FRAMES).movedim(-1, 1), 2 * WIDTH, 3 * HEIGHT, "bilinear", "disabled"
    )
    big = torch.nn.functional.interpolate(LEFT[:, None], size=(3 * HEIGHT, 2 * WIDTH))[:, 0]
    dub = encode_dub(vae, large.movedim(1, -1), made.cast, big, **SMALL)
    assert dub.video.shape == (FRAMES, HEIGHT, WIDTH, 3) and torch.equal(
        dub.mask, encode_dub(vae, pictures(FRAMES), made.cast, LEFT, **SMALL).mask
    )
    (said,) = [line for line in dub.lines if line.key == "dub_cropped"]
    assert said.values["percent"] == 33
    gone = LEFT.clone()
    gone[4:6] = 0.0
    (absent,) = [
        line for line in encode_dub(vae, pictures(FRAMES), made.cast, gone).lines if line.key == "dub_absent"
    ]
    assert absent.values["count"] == 2


def test_a_part_keeps_its_finished_frames_and_dubs_its_place_in_the_video(
    vae: comfy.sd.VAE, adapted: ModelPatcher
) -> None:
    made, video = film_of(vae, 21), pictures(21, seed=1)
    film = pictures(FRAMES, seed=2)
    given = made.positive, made.negative, made.cast, vae, FRAMES, 5
    part = encode_part(*given, film)
    start = part.cast.part.start
    assert start == 8
    mask = torch.zeros(21, HEIGHT, WIDTH)
    mask[start + 6 :, :, :16] = 1.0  # nobody before
    dub = encode_dub(vae, video, part.cast, mask, latent=part.latent, **SMALL)
    assert torch.equal(dub.video, video[start:])
    known = part.cast.part.known_latents
    assert torch.equal(dub.latent["samples"][:, :, :known], part.latent["samples"][:, :, :known])
    assert torch.equal(dub.latent["samples"][:, :, known:], vae.encode(video[start:])[:, :, known:])
    assert (
        not dub.latent["noise_mask"][:, :, :known].any() and dub.latent["noise_mask"][0, 0, 2:, :, :3].all()
    )
    samples = sampled(adapted, part, dub.latent)
    kept = 1 - dub.latent["noise_mask"]
    torch.testing.assert_close(samples * kept, dub.latent["samples"] * kept, atol=1e-5, rtol=1e-5)
    with pytest.raises(InteractError, match="begins with 5 finished frames: connect latent"):
        encode_dub(vae, video, part.cast, mask)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"mask": None}, "Nothing says who is dubbed"),
        ({"masks": history(0, FRAMES)}, "mask and masks are both connected"),
        (
            {"mask": None, "masks": history(4, FRAMES)},
            "masks are of 13 frames from frame 4 on, but 13 from 0 on",
        ),
        ({"mask": None, "masks": history(0, FRAMES, ("Ann", "Eve"))}, "no character 'Bob'"),
        ({"mask": LEFT[:4]}, r"mask has shape \[4, 64, 96\], expected one mask, or one for each of the 13"),
        ({"mask": LEFT * 0}, "mask is empty in every frame"),
        ({"mask": LEFT * float("nan")}, "mask contains NaN"),
        ({"video": pictures(9)}, "has 9 frames, but the new one needs 13.*set length.*to 9"),
        ({"video": pictures(FRAMES) * float("nan")}, "video contains NaN"),
        (
            {"latent": {"samples": torch.zeros(1, 16, 2, 8, 12), "noise_mask": torch.ones(1)}},
            "latent has shape",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    vae: comfy.sd.VAE, made: EncodedCast, changes: dict[str, Any], said: str
) -> None:
    given = {"video": pictures(FRAMES), "mask": LEFT, **changes}
    with pytest.raises(InteractError, match=said):
        encode_dub(vae, given.pop("video"), made.cast, **given)


def test_nobody_who_speaks_needs_a_mask(vae: comfy.sd.VAE, made: EncodedCast) -> None:
    """With one, somebody is silenced."""
    silent = replace(made.cast, characters=tuple(replace(one, speech=None) for one in made.cast.characters))
    with pytest.raises(InteractError, match="No character speaks"):
        encode_dub(vae, pictures(FRAMES), silent, masks=history(0, FRAMES))
    assert encode_dub(vae, pictures(FRAMES), silent, LEFT, **SMALL).mask.any()
