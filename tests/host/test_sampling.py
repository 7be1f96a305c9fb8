"""`sample`, the conditioning it takes, and what is refused before sampling starts."""

import dataclasses
from typing import Any

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan

import comfy.conds  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.encode.conditioning import attach_cast, null_text, with_role
from interacthuman.interact_core.host.forward.call import AudioRole
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.sampling import sample

FROM_THE_START = GuidanceSettings(stage_boundary=0.0)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


def sampled(
    model: ModelPatcher,
    cast: Cast,
    conds: tuple[list, list] | None = None,
    settings: GuidanceSettings = FROM_THE_START,
    steps: int = 3,
    cfg: float = 3.0,
    audio_cfg: float | None = None,
    denoise: float = 1.0,
    latent: dict | None = None,
) -> tuple[dict, Any]:
    return sample(
        model,
        *(conds or tiny_wan.conds(cast)),
        latent or tiny_wan.empty_latent(cast),
        cast,
        settings,
        seed=5,
        steps=steps,
        cfg=cfg,
        audio_cfg=audio_cfg,
        sampler="euler",
        scheduler="simple",
        denoise=denoise,
    )


def test_sample_is_the_stock_ksampler(adapted: ModelPatcher) -> None:
    import nodes

    cast = tiny_wan.make_cast()
    ours, history = sampled(adapted, cast)
    guided, handle = apply_guidance(adapted, cast, FROM_THE_START)
    theirs = nodes.KSampler().sample(
        guided, 5, 3, 3.0, "euler", "simple", *tiny_wan.conds(cast), tiny_wan.empty_latent(cast)
    )[0]
    assert torch.equal(ours["samples"], theirs["samples"])
    assert torch.equal(history.masks, collect(handle).masks)
    assert history.names == cast.names and history.steps == (0, 1, 2) and history.total_steps == 3


def test_the_latent_keeps_its_other_entries(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    latent = {**tiny_wan.empty_latent(cast), "batch_index": [3], "note": "kept", "downscale_ratio_spacial": 8}
    result, _ = sampled(adapted, cast, latent=latent)
    assert result["note"] == "kept" and "downscale_ratio_spacial" not in result and "note" in latent


def test_denoise_0_hands_the_latent_back(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    result, history = sampled(adapted, cast, denoise=0.0)
    assert not result["samples"].any() and history.masks.shape == (0, 2, *cast.grid)


def test_audio_guidance_apart_from_text(adapted: ModelPatcher) -> None:
    """One step of euler is linear in the guided prediction: the conds can be weighed against each other."""
    cast = tiny_wan.make_cast()
    settings = GuidanceSettings(
        stage_boundary=0.0, stage_one_audio="all"
    )  # so that the first step gets the voices
    positive, negative = tiny_wan.conds(cast)
    muted = with_role(positive, AudioRole.MUTE)

    def one(conds: tuple[list, list], cfg: float, audio_cfg: float | None = None) -> torch.Tensor:
        return sampled(adapted, cast, conds, settings, 1, cfg, audio_cfg)[0]["samples"]

    voices = one((positive, negative), 1.0)
    mute = one((muted, negative), 1.0)
    nothing = one((positive, negative), 0.0)
    three = one((positive, negative), 3.0, 5.0)
    expected = nothing + 3.0 * (mute - nothing) + 5.0 * (voices - mute)
    torch.testing.assert_close(three, expected, rtol=1e-3, atol=1e-3)
    assert (voices - mute).abs().max() > 1e-3 and (mute - nothing).abs().max() > 1e-3
    at_1 = one((positive, negative), 1.0, 5.0)
    torch.testing.assert_close(at_1, mute + 5.0 * (voices - mute), rtol=1e-3, atol=1e-3)


def test_three_conds_run_in_one_batch(adapted: ModelPatcher) -> None:
    sizes: list[int] = []

    def note(executor: Any, *args: Any, **kwargs: Any) -> Any:
        sizes.append(args[0].shape[0])
        return executor(*args, **kwargs)

    watched = adapted.clone()
    watched.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", note)
    _, history = sampled(watched, tiny_wan.make_cast(), audio_cfg=4.0)
    assert set(sizes) == {3} and len(history.masks) == 3


def test_conditioning_is_copied_and_survives_core(adapted: ModelPatcher) -> None:
    import nodes

    cast = tiny_wan.make_cast()
    mine = [[torch.zeros(1, 1, 4096), {"model_conds": {"own": comfy.conds.CONDRegular(torch.zeros(1, 1))}}]]
    before = dict(mine[0][1]["model_conds"])
    tracks = tiny_wan.random_features(3)[0]
    positive, negative = attach_cast(mine, null_text(), cast, tiny_wan.references(cast), tracks)
    assert mine[0][1]["model_conds"] == before and "time_dim_concat" not in mine[0][1]
    assert set(positive[0][1]["model_conds"]) == {"own", "interact_audio", "interact_flag"}
    zeroed = nodes.ConditioningZeroOut().zero_out(positive)[0]
    assert "interact_flag" in zeroed[0][1]["model_conds"]
    flags = [c[0][1]["model_conds"]["interact_flag"].cond.item() for c in (positive, negative)]
    assert flags == [1.0, 0.0]


def test_any_number_of_null_tokens_is_the_same_text(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    results = []
    for tokens in (1, 512):
        empty = [[torch.zeros(1, tokens, 4096), {}]]
        conds = attach_cast(empty, empty, cast, tiny_wan.references(cast), tiny_wan.random_features(3)[0])
        results.append(sampled(adapted, cast, conds)[0]["samples"])
    torch.testing.assert_close(results[0], results[1], rtol=1e-3, atol=1e-3)


def _limit_to_area(conds: list) -> list:
    return [[text, {**values, "area": (4, 4, 0, 0)}] for text, values in conds]


def test_what_does_not_belong_together_is_refused(adapted: ModelPatcher) -> None:
    cast, other = tiny_wan.make_cast(), tiny_wan.make_cast((True,))
    longer = tiny_wan.make_cast(frames=tiny_wan.FRAMES + 1)
    positive, negative = tiny_wan.conds(cast)
    guided, _ = apply_guidance(adapted, cast, FROM_THE_START)
    latent = tiny_wan.empty_latent(cast)
    cases = [
        (adapted, (positive, negative), latent, "MODEL has no mask guidance"),
        (guided, (tiny_wan.text(3), tiny_wan.text(4)), latent, "conditioning has no characters"),
        (guided, (_limit_to_area(positive), negative), latent, "area"),
        (guided, (positive, _limit_to_area(negative)), latent, "area"),
        (guided, (positive, negative), tiny_wan.empty_latent(longer), "latent has shape"),
        (guided, tiny_wan.conds(other), latent, "1 reference pictures, but the cast has 2"),
        (
            guided,
            tiny_wan.conds(tiny_wan.make_cast((True, False))),
            latent,
            "1 voices over 9 frames, but the cast has 2",
        ),
    ]
    for model, conds, image, message in cases:
        with pytest.raises(InteractError, match=message):
            tiny_wan.core_sample(model, *conds, image)


def test_another_frame_rate_than_in_training_is_said(
    adapted: ModelPatcher, caplog: pytest.LogCaptureFixture
) -> None:
    cast = tiny_wan.make_cast()
    sampled(adapted, cast, steps=1)
    assert "frames per second" not in caplog.text
    slower = dataclasses.replace(cast, fps=16.0)
    sampled(adapted, slower, steps=1)
    assert "trained at 25 frames per second, but the video has 16" in caplog.text


def test_speech_of_another_encoder_is_refused(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    tracks = tiny_wan.random_features(3)[0]
    conds = attach_cast(
        tiny_wan.text(3), tiny_wan.text(4), cast, tiny_wan.references(cast), torch.cat((tracks, tracks), -1)
    )
    with pytest.raises(InteractError, match="2 layers of 8 channels"):
        sampled(adapted, cast, conds)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda refs, tracks: (refs[:, :, :1], tracks), "encoded reference pictures have shape"),
        (lambda refs, tracks: (refs[..., :-2], tracks), "encoded reference pictures have shape"),
        (lambda refs, tracks: (refs * float("nan"), tracks), "encoded reference picture contains NaN"),
        (lambda refs, tracks: (refs, None), r"expected \[3, 9"),
        (lambda refs, tracks: (refs, tracks[:2]), r"expected \[3, 9"),
        (lambda refs, tracks: (refs, tracks[:, :-1]), r"expected \[3, 9"),
        (lambda refs, tracks: (refs, tracks.index_fill(0, torch.tensor([1]), float("nan"))), "'character 1'"),
        (lambda refs, tracks: (refs, tracks.index_fill(0, torch.tensor([2]), float("inf"))), "mute track"),
    ],
)
def test_attach_cast_refuses_what_does_not_fit(change: Any, message: str) -> None:
    cast = tiny_wan.make_cast()
    pictures, tracks = change(tiny_wan.references(cast), tiny_wan.random_features(3)[0])
    with pytest.raises(InteractError, match=message):
        attach_cast(null_text(), null_text(), cast, pictures, tracks)
