"""Files in ComfyUI's own quantisation: what they say of their layers is held against what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.adapter import load_any_adapter
from interacthuman.interact_core.errors import InteractError
from interacthuman.tests.support.models.tiny_multitalk import core_patch
from safetensors.torch import save_file
from torch import Tensor

LAYER = "blocks.1.audio_cross_attn.proj"
INT8 = {"weight": torch.ones(256, 256, dtype=torch.int8), "weight_scale": torch.tensor(0.1)}
NVFP4 = {
    "weight": torch.ones(256, 128, dtype=torch.uint8),
    "weight_scale": torch.ones(256, 16).to(torch.float8_e4m3fn),
    "weight_scale_2": torch.tensor(0.1),
}


def said(format_: object) -> Tensor:
    return torch.tensor(list(json.dumps({"format": format_}).encode()), dtype=torch.uint8)


def write(path: Path, layer: dict[str, Tensor | None], format_: object) -> None:
    weights = {key: value.contiguous() for key, value in core_patch().state_dict().items()}
    parts = {"comfy_quant": said(format_), **layer}
    weights.update({f"{LAYER}.{name}": value for name, value in parts.items() if value is not None})
    save_file(weights, path)


@pytest.mark.parametrize("layer, format_", [(INT8, "int8_tensorwise"), (NVFP4, "nvfp4")])
def test_they_come_as_they_are_stored(tmp_path: Path, layer: dict, format_: str) -> None:
    path = tmp_path / "adapter.safetensors"
    write(path, layer, format_)
    adapter, weights = load_any_adapter(path, as_stored=True)
    assert adapter.config.model_width == 256
    assert all(torch.equal(weights[f"{LAYER}.{name}"], value) for name, value in layer.items())
    assert json.loads(bytes(weights[f"{LAYER}.comfy_quant"].tolist())) == {"format": format_}
    with pytest.raises(InteractError):  # plain torch has no layer for it
        load_any_adapter(path)


@pytest.mark.parametrize(
    "layer, format_",
    [
        (INT8, "int7"),
        (INT8, ["int8_tensorwise"]),
        (INT8, "float8_e4m3fn"),
        ({**INT8, "weight_scale": None}, "int8_tensorwise"),
        ({**INT8, "weight_scale": torch.ones(7)}, "int8_tensorwise"),
        ({**INT8, "weight": torch.ones(256, dtype=torch.int8)}, "int8_tensorwise"),
        ({**NVFP4, "weight_scale_2": None}, "nvfp4"),
        ({**NVFP4, "weight_scale": torch.ones(3)}, "nvfp4"),
        ({**INT8, "comfy_quant": torch.zeros(5000, dtype=torch.uint8)}, "int8_tensorwise"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, layer: dict, format_: object) -> None:
    path = tmp_path / "adapter.safetensors"
    write(path, layer, format_)
    with pytest.raises(InteractError, match=f"quantised in a way that this pack cannot read .see {LAYER}"):
        load_any_adapter(path, as_stored=True)


def test_scales_are_finite_and_shapes_are_those_of_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "adapter.safetensors"
    write(path, {**INT8, "weight_scale": torch.tensor(float("inf"))}, "int8_tensorwise")
    with pytest.raises(InteractError, match=f"{LAYER}.weight_scale holds NaN or infinity"):
        load_any_adapter(path, as_stored=True)
    write(path, {**NVFP4, "weight": torch.ones(256, 256, dtype=torch.uint8)}, "nvfp4")
    with pytest.raises(InteractError, match="weight_scale|shape"):
        load_any_adapter(path, as_stored=True)
