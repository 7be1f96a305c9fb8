"""ComfyUI's estimate of a run's memory, on the true sizes of Wan 2.1: no weights are needed to count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.adapter import Adapter
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, Character, GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.encode.conditioning import attach_cast
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.run.memory_estimate import check_memory, shape_with_reference_cache
from interacthuman.interact_core.host.run.wrappers import prepare_sampling_wrapper
from interacthuman.tests.support.models import tiny_wan

import comfy.conds  # isort: skip
import comfy.model_detection  # isort: skip
import comfy.model_management  # isort: skip
import comfy.sampler_helpers  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrapperExecutor  # isort: skip

# Of Wan2.1-T2V-14B and -1.3B, as comfy/model_detection.py reads them off the files.
WAN = {
    "14B": {"dim": 5120, "ffn_dim": 13824, "num_heads": 40, "num_layers": 40},
    "1.3B": {"dim": 1536, "ffn_dim": 8960, "num_heads": 12, "num_layers": 30},
}
CHANNELS, HEIGHT, WIDTH, FRAMES = 16, 60, 104, 21  # latent of 81 frames of 832x480
GIB = 2**30


def wan(size: str) -> ModelPatcher:
    """Core's model of this size on torch's meta device, which has shapes and no memory, with our adapter."""
    fields = {
        "image_model": "wan2.1", "model_type": "t2v", "in_dim": CHANNELS, "out_dim": CHANNELS, "text_dim": 4096,
        "freq_dim": 256, "patch_size": (1, 2, 2), "window_size": (-1, -1), "qk_norm": True,
        "cross_attn_norm": True, "eps": 1e-6, **WAN[size],
    }  # fmt: skip
    config = comfy.model_detection.model_config_from_unet_config(fields)
    config.set_inference_dtype(torch.bfloat16, None)
    device = torch.device("cpu")
    base = ModelPatcher(config.get_model({}, device="meta"), load_device=device, offload_device=device)
    sizes = tiny_wan.adapter_config(model_width=fields["dim"], model_blocks=fields["num_layers"])
    adapter = ModelPatcher(Adapter(sizes, device="meta"), load_device=device, offload_device=device)
    return apply_adapter(base, adapter)


@pytest.fixture(scope="module", params=WAN)
def adapted(request: pytest.FixtureRequest) -> ModelPatcher:
    return wan(request.param)


def two_people(frames: int = 4 * (FRAMES - 1) + 1) -> Cast:
    people = [Character(f"person {n}", torch.zeros(1, 32, 32, 3), {"spoken": n}, None) for n in range(2)]
    return Cast(tuple(people), 8 * WIDTH, 8 * HEIGHT, frames, 25.0, None)


def conds_of(cast: Cast) -> dict[str, list[dict]]:
    """As core converts them before it estimates (comfy/sampler_helpers.py, convert_cond)."""
    tracks = torch.zeros(3, cast.frames, tiny_wan.LAYERS, tiny_wan.CHANNELS)
    pictures = torch.zeros(1, CHANNELS, 2, HEIGHT, WIDTH)
    parts = attach_cast(tiny_wan.text(3), tiny_wan.text(4), cast, pictures, tracks)
    return {
        name: comfy.sampler_helpers.convert_cond(part) for name, part in zip(("positive", "negative"), parts)
    }


def estimate(model: ModelPatcher, shape: list[int], conds: dict[str, list[dict]], *wrappers: Any) -> Any:
    """(bytes, least bytes) that core asks for before it loads, from its own function behind `wrappers`."""

    def estimated(model: ModelPatcher, shape: list[int], conds: dict[str, list[dict]], **_: Any) -> Any:
        return comfy.sampler_helpers.estimate_memory(model, shape, conds)

    return WrapperExecutor.new_executor(estimated, list(wrappers)).execute(
        model, shape, conds, model_options={}
    )


def test_two_references_are_asked_for_as_two_frames_more(adapted: ModelPatcher) -> None:
    """81 frames of 832x480 with two pictures against the same tokens without: within 10 %, never below."""
    conds = conds_of(two_people())
    with_pictures = estimate(adapted, [1, CHANNELS, FRAMES, HEIGHT, WIDTH], conds, prepare_sampling_wrapper)
    without = estimate(adapted, [1, CHANNELS, FRAMES + 2, HEIGHT, WIDTH], {})
    uncounted = estimate(adapted, [1, CHANNELS, FRAMES, HEIGHT, WIDTH], conds)
    for found, expected, bare in zip(with_pictures, without, uncounted):
        assert expected <= found <= 1.1 * expected
        assert bare < 0.95 * expected  # what core makes of them by itself


def test_what_is_recalled_of_pictures_is_asked_for(adapted: ModelPatcher) -> None:
    """Keys and values of 40 blocks at 14B: 1.2 GiB for each picture and cond, 2 x 1560 x 5120 x 40 x 2 bytes."""
    conds = conds_of(two_people())
    shape = [1, CHANNELS, FRAMES, HEIGHT, WIDTH]
    wan = adapted.get_model_object("diffusion_model")
    each = HEIGHT * WIDTH // 4
    kept = 4 * 2 * each * wan.dim * len(wan.blocks) * 2  # two pictures in both conds, bfloat16
    plain = adapted.model.memory_required(shape)
    more = adapted.model.memory_required(shape_with_reference_cache(adapted, shape, conds, each)) - plain
    row = plain / HEIGHT
    assert kept <= more <= kept + row


def test_the_batch_that_core_chooses_counts_them_too(adapted: ModelPatcher) -> None:
    """comfy/samplers.py, calc_cond_batch, asks again with the shapes of what a cond carries, for each cond."""
    model = adapted.model
    adapted.patch_model(load_weights=False)  # the object patches go on the model, as when it is loaded
    try:
        both = [2, CHANNELS, FRAMES, HEIGHT, WIDTH]
        pictures = comfy.conds.CONDRegular(torch.zeros(1, CHANNELS, 2, HEIGHT, WIDTH)).size()
        found = model.memory_required(both, cond_shapes={"time_dim_concat": [pictures] * 2})
        expected = model.memory_required([2, CHANNELS, FRAMES + 2, HEIGHT, WIDTH])
        assert found == pytest.approx(expected, rel=0.1)
    finally:
        adapted.unpatch_model(unpatch_weights=False)


def test_what_fits_is_let_through_and_what_cannot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wan-14B, 832x480: 81 frames pass on a card of 12 GiB, a minute at once is too much for one of 24."""
    model = wan("14B")
    for gib, frames, fits in ((12, 81, True), (24, 81, True), (24, 1501, False)):
        monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda *_, gib=gib: gib * GIB)
        if fits:
            check_memory(model, two_people(frames), {})
            continue
        with pytest.raises(
            InteractError, match=r"1501 frames \(60 s\) at 832x480.*at most \d+ frames"
        ) as said:
            check_memory(model, two_people(frames), {})
        longest = int(str(said.value).split("at most ")[1].split()[0])
        check_memory(model, two_people(longest), {})
        with pytest.raises(InteractError):
            check_memory(model, two_people(longest + 4), {})


def test_the_refusal_comes_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = tiny_wan.make_cast()
    model = apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))
    guided, _ = apply_guidance(model, cast, GuidanceSettings())
    loaded: list[Any] = []
    monkeypatch.setattr(comfy.model_management, "load_models_gpu", lambda *args, **_: loaded.append(args))
    monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda *_: 1)
    with pytest.raises(InteractError, match="for one step, but the device has"):
        tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast))
    assert not loaded
