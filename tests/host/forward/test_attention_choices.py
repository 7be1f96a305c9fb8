"""Whichever attention ComfyUI was started with: the same masks and the same latent within TOLERANCE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan

import comfy.model_management  # isort: skip
from comfy.ldm.modules import attention  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.forward.attention import adapter_attention
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.sampling import sample

TOLERANCE = 1e-4
"""Of the latent, in its standard deviations: float32 sums in another order, over four steps (measured: 2e-6)."""
# Option of main.py -> what the base model attends with, and whether torch's attention is on, which the adapter asks.
CHOICES = {
    "--use-quad-cross-attention": ("attention_sub_quad", False),
    "--use-split-cross-attention": ("attention_split", False),
    "--use-pytorch-cross-attention": ("attention_pytorch", True),
}


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


def sampled(
    model: ModelPatcher, monkeypatch: pytest.MonkeyPatch, option: str
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Latent, masks [S, N, T, h, w], and how often the base attended by the function of this option."""
    name, pytorch = CHOICES[option]
    monkeypatch.setattr(comfy.model_management, "ENABLE_PYTORCH_ATTENTION", pytorch)
    calls = 0

    def override(_: Callable, *values: Any, **options: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return getattr(attention, name)(*values, **options)

    model = model.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = override
    cast = tiny_wan.make_cast()
    result, history = sample(
        model, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), cast, GuidanceSettings(stage_boundary=0.0),
        seed=5, steps=4, cfg=3.0, audio_cfg=None, sampler="euler", scheduler="simple", denoise=1.0,
    )  # fmt: skip
    return result["samples"], history.masks.float(), calls


def test_the_adapter_attends_as_comfyui_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, pytorch in (("attention_basic", False), ("attention_pytorch", True)):
        monkeypatch.setattr(comfy.model_management, "ENABLE_PYTORCH_ATTENTION", pytorch)
        assert adapter_attention(torch.device("cpu")).__name__ == name


def test_split_and_pytorch_attention_give_the_same_within_a_tolerance(
    adapted: ModelPatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    latent, masks, calls = sampled(adapted, monkeypatch, "--use-quad-cross-attention")
    for option in ("--use-split-cross-attention", "--use-pytorch-cross-attention"):
        found, found_masks, found_calls = sampled(adapted, monkeypatch, option)
        assert float((found - latent).abs().max() / latent.std()) < TOLERANCE, option
        assert float((found_masks - masks).abs().max()) <= 1 / 255, option  # a step of the history
        assert found_calls == calls > 0, option
