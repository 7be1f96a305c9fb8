"""Quantised bases, nodes that save memory or time, and several devices, each against the plain run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.adapter.multitalk import WAV2VEC2_LAYERS
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host import loading
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.encode import conditioning
from interacthuman.interact_core.host.loading import apply_adapter, load_dit
from interacthuman.tests.support.models import tiny_multitalk, tiny_wan
from interacthuman.tests.support.models.gguf_files import write_gguf
from interacthuman.tests.support.models.packed_weights import (
    PackedPatcher,
    PackedWeight,
    is_matrix,
    load_packed,
    pack,
    unpack,
)
from interacthuman.tests.support.start_images import side, with_start_image
from safetensors.torch import save_file
from torch import Tensor

import comfy.multigpu  # isort: skip
import comfy.sd  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

STEPS, CFG = 3, 3.0
FLOAT8 = torch.float8_e4m3fn


@dataclass(frozen=True, eq=False)
class Scene:
    """What one family runs: the base's weights, the adapter, how it is guided, and the conditioning."""

    weights: dict[str, Tensor]
    adapter: ModelPatcher
    settings: GuidanceSettings
    cast: Cast
    positive: list
    negative: list

    def base(self, weights: dict[str, Tensor] | None = None) -> ModelPatcher:
        """As core's loader loads these weights (the scene's own)."""
        return comfy.sd.load_diffusion_model_state_dict(
            dict(weights or self.weights), metadata=dict(tiny_wan.TINY_HEADER)
        )

    def run(self, base: ModelPatcher, change: Callable[[ModelPatcher], ModelPatcher] | None = None) -> Result:
        """Samples and masks of a run on `base`; change: what other nodes do to the MODEL behind the adapter."""
        model = apply_adapter(base, self.adapter)
        guided, handle = apply_guidance(change(model) if change else model, self.cast, self.settings)
        latent = tiny_wan.empty_latent(self.cast)
        samples = tiny_wan.core_sample(guided, self.positive, self.negative, latent, steps=STEPS, cfg=CFG)
        return samples, collect(handle).masks.float()


Result = tuple[Tensor, Tensor]


def interact(folder: Path) -> Scene:
    """Our own adapter on a text-to-video base: two pictures, predicted masks."""
    cast = tiny_wan.make_cast()
    adapter = tiny_wan.load_tiny_adapter(folder)
    weights = tiny_wan.random_wan().state_dict()
    return Scene(weights, adapter, GuidanceSettings(stage_boundary=0.0), cast, *tiny_wan.conds(cast))


def infinitetalk(folder: Path) -> Scene:
    """An InfiniteTalk file on an image-to-video base: two regions of the start image, masks by likeness."""
    save_file(
        {key: value.contiguous() for key, value in tiny_multitalk.core_patch().state_dict().items()},
        folder / "infinitetalk.safetensors",
    )
    regions = torch.stack([side(False)[0], side(True)[0]])
    cast = region_cast(regions)
    tracks = torch.randn(
        3,
        cast.frames,
        WAV2VEC2_LAYERS + 1,
        tiny_multitalk.CHANNELS,
        generator=torch.Generator().manual_seed(5),
    )
    start = with_start_image()
    return Scene(
        tiny_wan.random_wan(
            in_dim=36, model_type="i2v", width=tiny_multitalk.WIDTH, blocks=tiny_multitalk.BLOCKS
        ).state_dict(),
        loading.load_adapter(folder / "infinitetalk.safetensors"),
        GuidanceSettings(
            mask_source="affinity", stage_boundary=0.0, affinity_block=0, affinity_temperature=0.1
        ),
        cast,
        *conditioning.attach_cast(start, start, cast, None, tracks),
    )


def region_cast(regions: Tensor) -> Cast:
    from interacthuman.interact_core.guidance import assemble_cast
    from interacthuman.interact_core.host.encode.cast_encoding import make_region_character

    people = [
        make_region_character(f"person {number}", region, {"spoken": number})
        for number, region in enumerate(regions)
    ]
    return assemble_cast(
        people, 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS, 4 * (tiny_wan.FRAMES - 1) + 1, 25.0
    )


SCENES = {"interact": interact, "infinitetalk": infinitetalk}


@pytest.fixture(scope="module", params=SCENES)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return SCENES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def plain(scene: Scene) -> Result:
    return scene.run(scene.base())


def assert_equal(found: Result, expected: Result, tolerance: float) -> None:
    """Samples within `tolerance` of the largest of them, masks within it of 1 (they are kept as float16)."""
    samples, masks = expected
    torch.testing.assert_close(found[0], samples, rtol=0, atol=tolerance * float(samples.abs().max()))
    torch.testing.assert_close(found[1], masks, rtol=0, atol=max(tolerance, 1e-3))


def test_a_packed_base_is_its_own_unpacked_weights(scene: Scene, plain: Result) -> None:
    """As from a GGUF loader. The rounding itself shows, so that it is really the packed weights that ran."""
    packed = pack(scene.weights)
    model = load_packed(packed, tiny_wan.TINY_HEADER)
    assert isinstance(model.model.diffusion_model.blocks[0].ffn[0].weight, PackedWeight)
    assert isinstance(apply_adapter(model, scene.adapter), PackedPatcher)
    found = scene.run(model)
    assert_equal(found, scene.run(scene.base(unpack(packed))), 1e-5)
    assert not torch.equal(found[0], plain[0])


def test_a_base_kept_in_float8_is_its_own_rounded_weights(scene: Scene, tmp_path: Path) -> None:
    """UNETLoader's and InterAct Load DiT's weight dtype fp8_e4m3fn, which rounds everything there is."""
    path = tmp_path / "wan.safetensors"
    tensors = {key: value.contiguous() for key, value in scene.weights.items()}
    save_file(tensors, path, metadata=dict(tiny_wan.TINY_HEADER))
    model = load_dit(path, "fp8_e4m3fn")
    assert model.model.diffusion_model.blocks[0].ffn[0].weight.dtype == FLOAT8
    kept = model.model.diffusion_model.state_dict()
    rounded = {
        key: value.to(kept[key].dtype).to(value.dtype) for key, value in scene.weights.items()
    }  # but for what the model itself keeps in float32
    assert_equal(scene.run(model), scene.run(scene.base(rounded)), 1e-4)


@pytest.mark.parametrize("layout", ["scaled_fp8", "comfy_quant"])
def test_a_scaled_float8_base_is_its_own_dequantised_weights(scene: Scene, layout: str) -> None:
    """The two layouts of public files, multiplied in full precision."""
    stored, meant = scaled(scene.weights, layout)
    model = scene.base(stored)
    weight = model.model.diffusion_model.blocks[0].ffn[0].weight
    assert type(weight.data).__name__ == "QuantizedTensor"
    assert_equal(scene.run(model), scene.run(scene.base(meant)), 1e-4)


def scaled(weights: dict[str, Tensor], layout: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The blocks' weights in float8 with a scale each, as a file has them; and the numbers that they represent."""
    stored, meant = dict(weights), dict(weights)
    how = json.dumps({"format": "float8_e4m3fn", "full_precision_matrix_mult": True}).encode()
    for key, value in weights.items():
        if not (is_matrix(key, value) and key.startswith("blocks.")):
            continue
        layer, scale = key.removesuffix(".weight"), value.abs().max() / torch.finfo(FLOAT8).max
        stored[key] = (value / scale).to(FLOAT8)
        meant[key] = stored[key].float() * scale
        if layout == "plain":
            stored[key] = value.to(FLOAT8)
            meant[key] = stored[key].float()
        elif layout == "scaled_fp8":
            stored[f"{layer}.scale_weight"] = scale
        else:
            stored[f"{layer}.weight_scale"] = scale
            stored[f"{layer}.comfy_quant"] = torch.tensor(list(how), dtype=torch.uint8)
    if layout == "scaled_fp8":
        stored["scaled_fp8"] = torch.zeros(2, dtype=FLOAT8)  # two: in full precision
    return stored, meant


@pytest.mark.parametrize("format_, tolerance", [("int8_tensorwise", 0.15), ("nvfp4", 1e-4)])
def test_a_base_in_cores_quantisation_is_its_own_dequantised_weights(
    scene: Scene, format_: str, tolerance: float
) -> None:
    """Core's int8 layers round what goes in to 8 bits as well, whatever the file asks for."""
    stored, meant = quantised(scene.weights, format_)
    model = scene.base(stored)
    assert type(model.model.diffusion_model.blocks[0].self_attn.q.weight.data).__name__ == "QuantizedTensor"
    assert_equal(scene.run(model), scene.run(scene.base(meant)), tolerance)


MULTIPLES = {"int8_tensorwise": 1, "nvfp4": 16, "mxfp8": 32, "convrot_w4a4": 256}
"""Sizes that are stored without padding."""


def quantised(weights: dict[str, Tensor], format_: str, header: bool = False) -> tuple[dict, dict]:
    """The blocks' matrices in a format of core's, and the numbers that they represent.

    header: leave out what each layer says of itself, for the file's header.
    """
    from comfy.quant_ops import QUANT_ALGOS, QuantizedTensor

    stored, meant = dict(weights), dict(weights)
    how = json.dumps({"format": format_, "full_precision_matrix_mult": True}).encode()
    scale = {} if format_ == "mxfp8" else {"scale": "recalculate"}  # its blocks have scales of their own
    for key, value in weights.items():
        fits = is_matrix(key, value) and all(size % MULTIPLES[format_] == 0 for size in value.shape)
        if not (fits and key.startswith("blocks.")):
            continue
        made = QuantizedTensor.from_float(value.float(), QUANT_ALGOS[format_]["comfy_tensor_layout"], **scale)
        meant[key] = made.dequantize()
        del stored[key]
        stored.update(made.state_dict(key))
        if not header:
            stored[f"{key.removesuffix('weight')}comfy_quant"] = torch.tensor(list(how), dtype=torch.uint8)
    return stored, meant


def adapters_of(folder: Path, stored: dict[str, Tensor], meant: dict[str, Tensor], **header: str) -> list:
    """Loaded from a file with what is stored, and from one with the numbers that are meant."""
    made = []
    for name, weights in (("stored", stored), ("meant", meant)):
        path = folder / f"{name}.safetensors"
        said = header if name == "stored" else {}
        save_file({key: value.contiguous() for key, value in weights.items()}, path, said or None)
        made.append(loading.load_adapter(path))
    return made


@pytest.mark.parametrize(
    "format_, header",
    [
        ("int8_tensorwise", False),
        ("int8_tensorwise", True),
        ("nvfp4", False),
        ("mxfp8", False),
        ("convrot_w4a4", False),
    ],
)
def test_an_infinitetalk_file_in_cores_quantisation_is_its_own_dequantised_weights(
    tmp_path: Path, format_: str, header: bool
) -> None:
    scene, whole = infinitetalk(tmp_path), tiny_multitalk.core_patch().state_dict()
    stored, meant = quantised(whole, format_, header)
    layers = {
        key.removesuffix(".weight"): {"format": format_} for key in whole if stored.get(key) is not whole[key]
    }
    said = {"_quantization_metadata": json.dumps({"layers": layers})} if header else {}
    adapters = adapters_of(tmp_path, stored, meant, **said)
    layer = adapters[0].model.blocks["0"].audio_cross_attn.q_linear
    assert type(layer.weight.data).__name__ == "QuantizedTensor"
    assert layer.weight.data.nbytes <= 256 * 256
    found, reference = (replace(scene, adapter=adapter).run(scene.base()) for adapter in adapters)
    assert_equal(found, reference, 1e-4)
    assert not torch.allclose(found[0], scene.run(scene.base())[0], rtol=1e-3)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K", "Q6_K"])
def test_an_infinitetalk_file_in_gguf_is_its_own_dequantised_weights(tmp_path: Path, kind: str) -> None:
    """Kept packed, in bytes, and as large as in the file; one matrix was laid into rows that fit the blocks."""
    scene, whole = infinitetalk(tmp_path), tiny_multitalk.core_patch().state_dict()
    path = tmp_path / "infinitetalk.gguf"
    meant = write_gguf(path, whole, kind, ("blocks.1.audio_cross_attn.kv_linear.weight",))
    save_file({key: value.contiguous() for key, value in meant.items()}, tmp_path / "meant.safetensors")
    adapters = [loading.load_adapter(path), loading.load_adapter(tmp_path / "meant.safetensors")]
    kept = {name: value for name, value in adapters[0].model.named_parameters() if value.dtype == torch.uint8}
    assert len(kept) >= 2 * tiny_multitalk.BLOCKS + 1
    assert sum(value.nbytes for value in kept.values()) * 3.5 < sum(4 * meant[name].numel() for name in kept)
    found, reference = (replace(scene, adapter=adapter).run(scene.base()) for adapter in adapters)
    assert_equal(found, reference, 1e-5)
    assert not torch.allclose(found[0], scene.run(scene.base())[0], rtol=1e-3)


@pytest.mark.parametrize("layout", ["plain", "scaled_fp8", "comfy_quant"])
def test_an_infinitetalk_file_in_float8_is_its_own_dequantised_weights(tmp_path: Path, layout: str) -> None:
    """It stays as small as it is in its file."""
    scene, whole = infinitetalk(tmp_path), tiny_multitalk.core_patch().state_dict()
    stored, meant = scaled(whole, layout)
    adapters = adapters_of(tmp_path, stored, meant)
    layers = adapters[0].model.blocks["1"].audio_cross_attn
    assert all(layer.weight.data.nbytes == layer.weight.numel() for layer in (layers.proj, layers.kv_linear))
    found, reference = (replace(scene, adapter=adapter).run(scene.base()) for adapter in adapters)
    assert_equal(found, reference, 1e-4)
    assert not torch.allclose(found[0], scene.run(scene.base())[0], rtol=1e-3)


@pytest.mark.parametrize(
    "dtype, sentence",
    [
        (torch.int8, r"int8.safetensors: weight blocks.0.audio_cross_attn.proj.weight is I8.*fp8"),
        (FLOAT8, r"float8_e4m3fn.safetensors is quantised in a way.*proj.weight_scale"),
    ],
)
def test_an_adapter_quantised_otherwise_is_refused(tmp_path: Path, dtype: torch.dtype, sentence: str) -> None:
    """Whole numbers, and float8 with a scale for each row."""
    weights = {key: value.contiguous() for key, value in tiny_multitalk.core_patch().state_dict().items()}
    key = "blocks.0.audio_cross_attn.proj.weight"
    weights[key] = weights[key].to(dtype)
    weights[f"{key.removesuffix('weight')}weight_scale"] = torch.ones(tiny_multitalk.WIDTH)
    path = tmp_path / f"{str(dtype).removeprefix('torch.')}.safetensors"
    save_file(weights, path)
    with pytest.raises(InteractError, match=sentence):
        loading.load_adapter(path)


def block_swap(model: ModelPatcher) -> ModelPatcher:
    from comfy_extras.nodes_nop import wanBlockSwap

    return wanBlockSwap.execute(model)[0]


def easy_cache(model: ModelPatcher) -> ModelPatcher:
    from comfy_extras.nodes_easycache import EasyCacheNode

    return EasyCacheNode.execute(model, 0.0, 0.0, 1.0, False)[0]


def lazy_cache(model: ModelPatcher) -> ModelPatcher:
    from comfy_extras.nodes_easycache import LazyCacheNode

    return LazyCacheNode.execute(model, 0.0, 0.0, 1.0, False)[0]


@pytest.mark.parametrize("change", [block_swap, easy_cache, lazy_cache])
def test_a_node_behind_the_adapter_changes_nothing(
    scene: Scene, plain: Result, change: Callable[[ModelPatcher], ModelPatcher]
) -> None:
    """wanBlockSwap does nothing in core, and these caches never skip a step: what masks do if they skip,
    test_other_nodes.py tests, as it does TorchCompileModel."""
    samples, masks = scene.run(scene.base(), change)
    assert torch.equal(samples, plain[0]) and torch.equal(masks, plain[1])


def test_a_lora_on_the_base_is_its_own_weights(scene: Scene, plain: Result) -> None:
    """A LoRA loader's patch, as step-distilled LoRAs are, equals weights that were changed beforehand."""
    key, rank = "blocks.1.ffn.0.weight", 2
    generator = torch.Generator().manual_seed(3)
    rows, columns = scene.weights[key].shape
    down, up = (torch.randn(*shape, generator=generator) for shape in ((rank, columns), (rows, rank)))
    name = f"diffusion_model.{key.removesuffix('.weight')}"
    lora = {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    found = scene.run(
        scene.base(), lambda model: comfy.sd.load_lora_for_models(model, None, lora, 0.1, 0.0)[0]
    )
    changed = {**scene.weights, key: scene.weights[key] + 0.1 * up @ down}
    assert_equal(found, scene.run(scene.base(changed)), 1e-4)
    assert not torch.allclose(found[0], plain[0], rtol=1e-2)


def test_several_devices_are_one(scene: Scene, plain: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    """Core's MultiGPU node, positive and negative in threads of their own. "cpu:0" passes for a second device."""
    devices = [torch.device("cpu"), torch.device("cpu:0")]
    monkeypatch.setattr(
        comfy.model_management, "get_all_torch_devices", lambda exclude_current=False: devices
    )
    base = scene.base()
    base.cached_patcher_init = (scene.base, ())  # as core's file loaders leave it
    calls: list[tuple[str, int]] = []

    def note(executor: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append((str(args[5]["multigpu_thread_device"]), args[0].shape[0]))
        return executor(*args, **kwargs)

    def split(model: ModelPatcher) -> ModelPatcher:
        from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

        watched = model.clone()
        watched.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", note)
        return MultiGPUCFGSplitNode.execute(watched, 2)[0]

    found = scene.run(base, split)
    assert sorted(calls) == sorted([("cpu", 1), ("cpu:0", 1)] * STEPS)
    assert_equal(found, plain, 1e-5)
