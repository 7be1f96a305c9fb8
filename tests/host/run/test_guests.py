"""What other nodes leave on a MODEL or in conditioning: it is used, or refused before sampling with a true sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host import loading
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.encode import conditioning
from interacthuman.interact_core.host.encode.cast_encoding import (
    connected_characters,
    encode_cast,
    make_character,
    make_region_character,
)
from interacthuman.interact_core.host.sampling import sample
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.models.model_files import tiny_vae
from interacthuman.tests.support.models.tiny_multitalk import BLOCKS, CHANNELS, WIDTH, core_patch
from safetensors.torch import save_file

from comfy.model_patcher import CoreModelPatcher, ModelPatcher  # isort: skip

FROM_THE_START = GuidanceSettings(stage_boundary=0.0)
Conditioning = list[list[Any]]


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    adapter = tiny_wan.load_tiny_adapter(tmp_path_factory.mktemp("adapter"))
    return loading.apply_adapter(tiny_wan.load_tiny(tmp_path_factory.mktemp("wan")), adapter)


def zeroed(given: Conditioning) -> Conditioning:
    import nodes

    return nodes.ConditioningZeroOut().zero_out(given)[0]


def with_value(given: Conditioning, **values: object) -> Conditioning:
    import node_helpers

    return node_helpers.conditioning_set_values(given, values)


# ------------------------------------------------------------------------------------------- two injections of voices


def encoded(seed: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.randn(1, 50, CHANNELS, generator=generator) for _ in range(13)]
    return {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": 16000}


@pytest.fixture(scope="module")
def infinitetalk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Core's WanInfiniteTalkToVideo on an image-to-video model: MODEL before and after it, the file as our adapter."""
    from comfy_extras.nodes_wan import WanInfiniteTalkToVideo

    folder, patch = tmp_path_factory.mktemp("infinitetalk"), core_patch()
    base = tiny_wan.load_tiny(folder, model_type="i2v", in_dim=36, width=WIDTH, blocks=BLOCKS)
    save_file(
        {key: value.contiguous() for key, value in patch.state_dict().items()}, folder / "talk.safetensors"
    )
    left = torch.zeros(1, 48, 64)
    left[:, :, :32] = 1
    speakers = {
        "mode": "two_speakers",
        "audio_encoder_output_2": encoded(2),
        "mask_1": left,
        "mask_2": 1 - left,
    }
    cpu, vae, text = torch.device("cpu"), tiny_vae(folder), tiny_wan.text(3)
    start = torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(1))
    made = WanInfiniteTalkToVideo.execute(
        speakers,
        base,
        CoreModelPatcher(patch, load_device=cpu, offload_device=cpu),
        text,
        text,
        vae,
        64,
        48,
        9,
        encoded(1),
        5,
        start_image=start,
        audio_scale=1.0,
    )
    people = [
        make_region_character("Left", left, encoded(1)),
        make_region_character("Right", 1 - left, encoded(2)),
    ]
    return {
        "base": base,
        "patched": made[0],
        "adapter": loading.load_adapter(folder / "talk.safetensors"),
        "cast": encode_cast(people, vae, 64, 48, 9, 25.0, made[1], made[2]),
    }


FIXED = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
BOTH_NODES = "WanInfiniteTalkToVideo.*InterAct Apply Adapter"


def test_voices_of_infinitetalk_are_not_added_twice(infinitetalk: dict[str, Any]) -> None:
    """Its node before our adapter, between adapter and guidance, and behind the guidance."""
    from comfy.ldm.wan.model_multitalk import MultiTalkCrossAttnPatch

    base, patched, adapter = (infinitetalk[name] for name in ("base", "patched", "adapter"))
    with pytest.raises(InteractError, match=BOTH_NODES):
        loading.apply_adapter(patched, adapter)
    ours = loading.apply_adapter(base, adapter)
    injection = patched.model_options["transformer_options"]["patches"]["attn2_patch"][0]
    assert isinstance(injection, MultiTalkCrossAttnPatch)
    between = ours.clone()
    between.set_model_patch(injection, "attn2_patch")
    with pytest.raises(InteractError, match=BOTH_NODES):
        apply_guidance(between, infinitetalk["cast"].cast, FIXED)
    behind, _ = apply_guidance(ours, infinitetalk["cast"].cast, FIXED)
    behind.set_model_patch(injection, "attn2_patch")
    made = infinitetalk["cast"]
    with pytest.raises(InteractError, match=BOTH_NODES):
        tiny_wan.core_sample(behind, made.positive, made.negative, made.latent, cfg=1.0, steps=1)


def test_conditioning_of_infinitetalk_is_used(infinitetalk: dict[str, Any]) -> None:
    made = infinitetalk["cast"]
    guided, _ = apply_guidance(
        loading.apply_adapter(infinitetalk["base"], infinitetalk["adapter"]), made.cast, FIXED
    )
    samples = tiny_wan.core_sample(guided, made.positive, made.negative, made.latent, cfg=1.0, steps=1)
    assert samples.isfinite().all()


# ---------------------------------------------------------------------------------------- the wrong one of our outputs


def run(
    model: ModelPatcher, positive: Conditioning, negative: Conditioning, cfg: float = 3.0
) -> torch.Tensor:
    guided, _ = apply_guidance(model, tiny_wan.make_cast(), FROM_THE_START)
    return tiny_wan.core_sample(
        guided, positive, negative, tiny_wan.empty_latent(tiny_wan.make_cast()), steps=1, cfg=cfg
    )


def test_a_negative_with_voices_is_refused(adapted: ModelPatcher) -> None:
    positive, negative = tiny_wan.conds(tiny_wan.make_cast())
    for voiced in (zeroed(positive), positive, negative + zeroed(positive)):
        with pytest.raises(
            InteractError, match="negative of the sampler carries the voices.*ConditioningZeroOut"
        ):
            run(adapted, positive, voiced)


def test_a_negative_that_is_never_evaluated_may_have_voices(adapted: ModelPatcher) -> None:
    """Few-step graphs have cfg 1 and ConditioningZeroOut; ComfyUI then leaves the negative out."""
    positive, negative = tiny_wan.conds(tiny_wan.make_cast())
    expected = run(adapted, positive, negative, cfg=1.0)
    assert torch.equal(run(adapted, positive, zeroed(positive), cfg=1.0), expected)
    always = adapted.clone()
    always.disable_model_cfg1_optimization()
    with pytest.raises(InteractError, match="negative of the sampler carries the voices"):
        run(always, positive, zeroed(positive), cfg=1.0)


def test_swapped_conditioning_is_refused(adapted: ModelPatcher) -> None:
    positive, negative = tiny_wan.conds(tiny_wan.make_cast())
    for cfg in (1.0, 3.0):
        with pytest.raises(InteractError, match="positive and negative are swapped"):
            run(adapted, negative, positive, cfg)
        with pytest.raises(InteractError, match="positive of the sampler carries no voices"):
            run(adapted, negative, negative, cfg)


def test_our_guider_and_core_s_with_two_scales_stay_right(adapted: ModelPatcher) -> None:
    from comfy_extras.nodes_custom_sampler import DualCFGGuider

    cast = tiny_wan.make_cast()
    positive, negative = tiny_wan.conds(cast)
    latent, options = tiny_wan.empty_latent(cast), {"sampler": "euler", "scheduler": "simple"}
    separate = {"seed": 1, "steps": 1, "cfg": 2.0, "audio_cfg": 3.0}
    sample(adapted, positive, negative, latent, cast, FROM_THE_START, **separate, **options)
    with pytest.raises(InteractError, match="negative of the sampler carries the voices"):
        sample(adapted, positive, zeroed(positive), latent, cast, FROM_THE_START, **separate, **options)
    guided, _ = apply_guidance(adapted, cast, FROM_THE_START)
    tiny_wan.guider_sample(
        DualCFGGuider.execute(guided, positive, positive, negative, 3.0, 2.0, "regular")[0], latent, 1
    )
    tiny_wan.guider_sample(
        DualCFGGuider.execute(guided, positive, negative, negative, 3.0, 2.0, "regular")[0], latent, 1
    )
    guider = DualCFGGuider.execute(guided, positive, negative, zeroed(positive), 3.0, 2.0, "regular")[0]
    with pytest.raises(InteractError, match="negative of the sampler carries the voices"):
        tiny_wan.guider_sample(guider, latent, 1)


# --------------------------------------------------------------------------------- pictures and audio of other nodes


@pytest.mark.parametrize(
    "values, said",
    [
        ({"time_dim_concat": torch.zeros(1, 16, 1, 8, 12)}, "reference pictures.*WanPhantomSubjectToVideo"),
        ({"audio_embed": torch.ones(1, 2, 8, 5, 4)}, "audio, from WanHuMoImageToVideo"),
        (
            {"audio_embed": torch.zeros(1, 2, 8, 5, 4), "reference_latents": [torch.ones(1, 16, 1, 8, 12)]},
            "a place for one picture and one voice, from WanHuMoImageToVideo",
        ),
    ],
)
def test_prepared_conditioning_is_refused_before_our_pictures_replace_its_own(
    values: dict[str, Any], said: str
) -> None:
    cast, text = tiny_wan.make_cast(), tiny_wan.text(3)
    tracks = tiny_wan.random_features(3)[0]
    for name, pair in (
        ("positive", (with_value(text, **values), text)),
        ("negative", (text, with_value(text, **values))),
    ):
        with pytest.raises(InteractError, match=f"^{name} already contains {said}"):
            conditioning.attach_cast(*pair, cast, tiny_wan.references(cast), tracks)


def test_characters_are_attached_once() -> None:
    cast = tiny_wan.make_cast()
    with pytest.raises(InteractError, match="characters, from another InterAct Encode Characters"):
        conditioning.attach_cast(
            *tiny_wan.conds(cast), cast, tiny_wan.references(cast), tiny_wan.random_features(3)[0]
        )


def test_audio_that_is_added_behind_ours_is_refused(adapted: ModelPatcher) -> None:
    positive, negative = tiny_wan.conds(tiny_wan.make_cast())
    with pytest.raises(InteractError, match="WanHuMoImageToVideo.*InterAct Encode Characters"):
        run(adapted, with_value(positive, audio_embed=torch.zeros(1, 2, 8, 5, 4)), negative)


def test_pictures_that_replace_ours_are_refused(adapted: ModelPatcher) -> None:
    positive, negative = tiny_wan.conds(tiny_wan.make_cast())
    ours = positive[0][1]["time_dim_concat"]
    with pytest.raises(InteractError, match="WanPhantomSubjectToVideo.*replaced the pictures"):
        run(adapted, with_value(positive, time_dim_concat=ours + 1), negative)
    assert run(adapted, with_value(positive, time_dim_concat=ours.clone()), negative).isfinite().all()


# ------------------------------------------------------------------------------------ two of our own, and none at all


def test_one_model_has_one_guidance_and_one_adapter(
    adapted: ModelPatcher, infinitetalk: dict[str, Any]
) -> None:
    cast = tiny_wan.make_cast()
    guided, _ = apply_guidance(adapted, cast, FROM_THE_START)
    with pytest.raises(InteractError, match="mask guidance already, from InterAct Mask Guidance"):
        apply_guidance(guided, cast, FROM_THE_START)
    base, adapter = infinitetalk["base"], infinitetalk["adapter"]
    once = loading.apply_adapter(base, adapter)
    twice = loading.apply_adapter(once, adapter, 0.5)
    replaced = (
        "It replaces the adapter that the MODEL had (MultiTalk or InfiniteTalk file): only one is used."
    )
    assert replaced not in map(str, loading.found(once, base))
    assert replaced in map(str, loading.found(twice, once))
    patches = twice.model_options["transformer_options"]["patches"]
    assert [len(patches[name]) for name in ("attn2_patch", "double_block")] == [1, 1]


def test_an_adapter_behind_the_guidance_is_refused(adapted: ModelPatcher, tmp_path: Path) -> None:
    """And leaves the guided MODEL as it was. That it replaces one before the guidance, test_loading.py sees to."""
    cast = tiny_wan.make_cast()
    conds = tiny_wan.conds(cast)
    guided, _ = apply_guidance(adapted, cast, FROM_THE_START)
    before = tiny_wan.core_sample(guided, *conds, tiny_wan.empty_latent(cast), steps=2)
    other = tiny_wan.load_tiny_adapter(tmp_path, seed=7)
    said = "Apply Adapter comes after InterAct Mask Guidance.*connect InterAct Apply Adapter before InterAct Mask"
    with pytest.raises(InteractError, match=said):
        loading.apply_adapter(guided, other)
    assert torch.equal(tiny_wan.core_sample(guided, *conds, tiny_wan.empty_latent(cast), steps=2), before)
    guided, _ = apply_guidance(loading.apply_adapter(adapted, other), cast, FROM_THE_START)
    after = tiny_wan.core_sample(guided, *conds, tiny_wan.empty_latent(cast), steps=2)
    assert not torch.equal(after, before), (
        "the two adapters do the same, so this test could not tell them apart"
    )


def test_nothing_on_a_socket_is_a_sentence(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    for model, given, name in ((None, cast, "model"), (adapted, None, "cast")):
        with pytest.raises(InteractError, match=f"Nothing arrives at {name}"):
            apply_guidance(model, given, FROM_THE_START)
    with pytest.raises(InteractError, match="Nothing arrives at region"):
        make_region_character("Ann", None)
    with pytest.raises(InteractError, match="'Ann' has no picture"):
        make_character("Ann", None)


def test_characters_that_are_not_there_are_left_out_and_named(infinitetalk: dict[str, Any]) -> None:
    made = infinitetalk["cast"].cast.characters[1]
    assert connected_characters({"character_1": made}) == ([made], [])
    found, said = connected_characters({"character_0": None, "character_1": made, "character_2": None})
    assert found == [made]
    assert [str(sentence).split()[0] for sentence in said] == ["character_0", "character_2"]
    with pytest.raises(InteractError, match="no characters: connect at least one"):
        connected_characters({})
    with pytest.raises(InteractError, match="no characters .character_0, character_3: nothing comes"):
        connected_characters({"character_0": None, "character_3": None})


# ------------------------------------------------------------------------------------------------- a batch of latents


def test_a_batch_of_two_shows_the_first_video(adapted: ModelPatcher) -> None:
    from interacthuman.interact_core.preview.masks import frame_pictures

    cast = tiny_wan.make_cast()
    guided, handle = apply_guidance(adapted, cast, FROM_THE_START)
    tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast, batch=2), steps=2)
    history = collect(handle)
    assert history.batch == 2 and history.masks.shape[1:] == (2, *cast.grid)
    decoded = torch.rand(2 * cast.frames, 8, 8, 3)
    assert torch.equal(frame_pictures(history, decoded), decoded[: cast.frames])
    with pytest.raises(InteractError, match="frames, but the masks are of a video of"):
        frame_pictures(history, decoded[1:])
