"""Loading models and adapters, what is refused, and what the memory estimate counts."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan
from safetensors.torch import load_file, save_file

import comfy.model_management  # isort: skip
import comfy.ops  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.forward.patches import AdapterPatch
from interacthuman.interact_core.host.loading import apply_adapter, load_adapter, load_dit
from interacthuman.interact_core.host.run import memory_estimate as limits
from interacthuman.interact_core.weights_file import is_out_of_memory


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def base(folder: pathlib.Path) -> ModelPatcher:
    return tiny_wan.load_tiny(folder)


@pytest.fixture(scope="module")
def adapter(folder: pathlib.Path) -> ModelPatcher:
    return tiny_wan.load_tiny_adapter(folder)


def test_load_dit_is_the_stock_loader(base: ModelPatcher, folder: pathlib.Path) -> None:
    import comfy.sd

    stock = comfy.sd.load_diffusion_model(str(folder / "wan.safetensors"))
    assert type(base) is type(stock) and type(base.model) is type(stock.model)
    for (name, ours), theirs in zip(base.model.state_dict().items(), stock.model.state_dict().values()):
        assert torch.equal(ours, theirs), name


def test_weight_dtypes(folder: pathlib.Path, base: ModelPatcher) -> None:
    path = folder / "wan.safetensors"
    assert (
        load_dit(path, "fp8_e4m3fn").model.diffusion_model.blocks[0].ffn[0].weight.dtype
        == torch.float8_e4m3fn
    )
    assert load_dit(path, "fp8_e5m2").model.diffusion_model.blocks[0].ffn[0].weight.dtype == torch.float8_e5m2
    with pytest.raises(InteractError, match="weight dtype is 'int3'"):
        load_dit(path, "int3")


def test_an_adapter_runs_on_an_fp8_base(
    folder: pathlib.Path, base: ModelPatcher, adapter: ModelPatcher
) -> None:
    cast = tiny_wan.make_cast()
    model = apply_adapter(load_dit(folder / "wan.safetensors", "fp8_e4m3fn"), adapter)
    guided, _ = apply_guidance(model, cast, GuidanceSettings(stage_boundary=0.0))
    assert tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast)).isfinite().all()


def test_files_that_are_no_models_are_refused(tmp_path: pathlib.Path) -> None:
    pickle = tmp_path / "wan.pt"
    torch.save({"head.modulation": torch.zeros(1)}, pickle)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    for path, message in (
        (pickle, "pickle"),
        (foreign, "not a diffusion model"),
        (tmp_path / "none", "does not exist"),
    ):
        with pytest.raises(InteractError, match=message) as caught:
            load_dit(path)
        assert str(path) in str(caught.value)


def of_the_computer() -> None:
    torch.empty(2**60, dtype=torch.uint8, device="cpu")  # torch's own allocator and its own error


def of_a_device() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 30.00 GiB")


@pytest.mark.parametrize("memory", [of_the_computer, of_a_device])
def test_out_of_memory_is_not_told_as_an_unknown_model(
    folder: pathlib.Path, base: ModelPatcher, memory: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where core's WanModel makes its layers; so that ComfyUI can free memory, or say that there is too little."""
    linear = comfy.ops.disable_weight_init.Linear
    monkeypatch.setattr(linear, "__init__", lambda self, *args, **kwargs: memory())
    monkeypatch.setattr(comfy.ops.manual_cast.Linear, "__init__", lambda self, *args, **kwargs: memory())
    with pytest.raises(RuntimeError) as caught:
        load_dit(folder / "wan.safetensors")
    assert is_out_of_memory(caught.value)
    with pytest.raises(RuntimeError) as caught:
        load_adapter(folder / "adapter.safetensors")
    assert is_out_of_memory(caught.value)


def test_a_base_with_a_wrong_shape_and_one_without_its_first_layer(
    folder: pathlib.Path, base: ModelPatcher, tmp_path: pathlib.Path
) -> None:
    weights = load_file(folder / "wan.safetensors")
    wrong = {**weights, "blocks.1.ffn.0.bias": torch.zeros(3)}
    missing = {name: value for name, value in weights.items() if name != "patch_embedding.weight"}
    for bad in (wrong, missing):
        save_file(bad, tmp_path / "bad.safetensors", metadata=dict(tiny_wan.TINY_HEADER))
        with pytest.raises(
            InteractError, match="bad.safetensors is not a diffusion model that ComfyUI knows"
        ):
            load_dit(tmp_path / "bad.safetensors")


def test_comfyuis_interrupt_stops_loading(folder: pathlib.Path, adapter: ModelPatcher) -> None:
    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        load_adapter(folder / "adapter.safetensors")
    load_adapter(folder / "adapter.safetensors")


def test_an_adapter_for_another_vae_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InteractError, match="8 video frames in a latent frame, but Wan has 4"):
        tiny_wan.load_tiny_adapter(tmp_path, temporal_stride=8)


def test_a_base_that_is_not_wan_is_refused(base: ModelPatcher, adapter: ModelPatcher) -> None:
    class Other:
        model = torch.nn.Module()

    with pytest.raises(InteractError, match="not Wan"):
        apply_adapter(Other(), adapter)


def test_a_wan_variant_with_other_tokens_is_refused(base: ModelPatcher, adapter: ModelPatcher) -> None:
    from comfy.ldm.wan.model import SCAILWanModel

    class Other:
        model = torch.nn.Module()

    Other.model.diffusion_model = SCAILWanModel.__new__(SCAILWanModel)
    torch.nn.Module.__init__(Other.model.diffusion_model)
    with pytest.raises(InteractError, match="SCAILWanModel"):
        apply_adapter(Other(), adapter)


@pytest.mark.parametrize("change", [{"model_width": 64}, {"model_blocks": 4}])
def test_an_adapter_of_another_size_is_refused(
    base: ModelPatcher, tmp_path: pathlib.Path, change: dict
) -> None:
    other = tiny_wan.load_tiny_adapter(tmp_path, base="Wan 9B", **change)
    with pytest.raises(InteractError, match=r"Wan 9B.*width 48 and 3 blocks"):
        apply_adapter(base, other)


def test_an_image_to_video_base_takes_no_characters(tmp_path: pathlib.Path, adapter: ModelPatcher) -> None:
    model = apply_adapter(tiny_wan.load_tiny(tmp_path, model_type="i2v", in_dim=36), adapter)
    with pytest.raises(InteractError, match="image-to-video"):
        apply_guidance(model, tiny_wan.make_cast(), GuidanceSettings())


def test_a_model_without_adapter_is_not_guided(base: ModelPatcher) -> None:
    with pytest.raises(InteractError, match="no InterAct adapter"):
        apply_guidance(base, tiny_wan.make_cast(), GuidanceSettings())


def test_the_base_stays_as_it_was(base: ModelPatcher, adapter: ModelPatcher) -> None:
    before = repr(base.model_options), repr(base.wrappers), dict(base.object_patches)
    apply_adapter(base, adapter)
    assert (repr(base.model_options), repr(base.wrappers), dict(base.object_patches)) == before


def test_a_second_adapter_takes_the_place_of_the_first(
    base: ModelPatcher, adapter: ModelPatcher, tmp_path: Any
) -> None:
    other = tiny_wan.load_tiny_adapter(tmp_path, seed=8)
    cast = tiny_wan.make_cast()

    def sampled(model: ModelPatcher) -> torch.Tensor:
        guided, _ = apply_guidance(model, cast, GuidanceSettings(stage_boundary=0.0))
        return tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast))

    once, twice = apply_adapter(base, other), apply_adapter(apply_adapter(base, adapter), other)
    assert torch.equal(sampled(once), sampled(twice))
    patches = twice.model_options["transformer_options"]["patches"]
    assert sum(isinstance(patch, AdapterPatch) for name in patches for patch in patches[name]) == 2
    assert twice.model_patches_models() == [other, other]


def test_comfyui_loads_the_adapter_with_the_model(base: ModelPatcher, adapter: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    guided, _ = apply_guidance(apply_adapter(base, adapter), cast, GuidanceSettings())
    comfy.model_management.unload_all_models()
    tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=1)
    assert any(loaded.model is adapter for loaded in comfy.model_management.current_loaded_models)


def test_adapter_files_are_not_cached(folder: pathlib.Path, adapter: ModelPatcher) -> None:
    assert load_adapter(folder / "adapter.safetensors").model is not adapter.model


def test_the_estimate_counts_references(base: ModelPatcher, adapter: ModelPatcher) -> None:
    """Core's own estimate for N references more is that for N frames more, under context windows too."""
    cast = tiny_wan.make_cast((True,) * 3, frames=9)
    adapted = apply_adapter(base, adapter)
    orders = (
        adapted,
        tiny_wan.with_windows(adapted, 17),
        apply_adapter(tiny_wan.with_windows(base, 17), adapter),
    )
    shapes: list[list[int]] = []

    def note(executor: Any, patcher: ModelPatcher, shape: list[int], *args: Any, **kwargs: Any) -> Any:
        shapes.append(list(shape))
        return executor(patcher, shape, *args, **kwargs)

    for model, frames in zip(orders, (9, 5, 5)):
        shapes.clear()
        guided, _ = apply_guidance(model, cast, GuidanceSettings())
        guided.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, "test", note)
        tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=1)
        area = shapes[0][2] * shapes[0][3] * shapes[0][4]
        expected = (frames + 3) * 2 * tiny_wan.ROWS * 2 * tiny_wan.COLUMNS
        assert expected <= area <= expected * 1.2  # rounded up to whole rows
        assert "time_dim_concat" in guided.get_model_object("memory_usage_factor_conds")


def test_speech_far_longer_than_memory_is_refused(
    base: ModelPatcher, adapter: ModelPatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = tiny_wan.make_cast(frames=9)
    guided, _ = apply_guidance(apply_adapter(base, adapter), cast, GuidanceSettings())
    tokens = (9 + 2) * tiny_wan.ROWS * tiny_wan.COLUMNS
    needed = tokens * (limits.WIDE_STATES * tiny_wan.WIDTH + 2 * tiny_wan.WIDTH) * 4
    for total, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda *_, total=total: total)
        if fits:
            limits.check_memory(guided, cast, guided.model_options)
            continue
        with pytest.raises(InteractError, match=r"33 frames \(1 s\).*at most 29 frames"):
            tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast))
    # one context window at a time needs less
    guided.model_options["context_handler"] = type("Handler", (), {"context_length": 5})()
    limits.check_memory(guided, cast, guided.model_options)
