"""Every node of ComfyUI's own that patches a MODEL and works on Wan: the run ends, and its masks are the plain pass's.

Guidance nodes evaluate the positive once more, with blocks or attention taken out; such masks must not count.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.forward.call import CallState
from interacthuman.interact_core.host.keys import CALL_KEY
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

import comfy_extras  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

FROM_THE_START = GuidanceSettings(stage_boundary=0.0)
HALF = {"rtol": 0, "atol": 1e-3}  # masks are recorded in half precision

AFTER_THE_MODEL = {
    "APG", "CFGNorm", "CFGZeroStar", "EpsilonScaling", "FreSca", "Mahiro", "PerpNeg", "PerturbedAttentionGuidance",
    "RescaleCFG", "SkipLayerGuidanceDiT", "SkipLayerGuidanceDiTSimple", "SkipLayerGuidanceSD3", "TCFG",
    "TemporalScoreRescaling",
}  # fmt: skip
"""They change what is made of the model's outputs: the masks of the first step are those without the node."""

EVERY_STEP = {"start_percent": 0.0, "end_percent": 1.0}
CHOICES: dict[str, dict[str, Any]] = {
    "SkipLayerGuidanceDiT": {"double_layers": "1", "single_layers": "1", **EVERY_STEP},
    "SkipLayerGuidanceDiTSimple": {"double_layers": "1", "single_layers": "1", **EVERY_STEP},
    "SkipLayerGuidanceSD3": {"layers": "1", "scale": 3.0, **EVERY_STEP},
    "PerpNeg": {"empty_conditioning": tiny_wan.text(5), "neg_scale": 1.0},
}
EXTRA_PASS = {"SkipLayerGuidanceDiT", "SkipLayerGuidanceSD3", "PerturbedAttentionGuidance"}
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
OF_OTHER_MODELS = {"FluxKVCache", "FreeU", "FreeU_V2", "HyperTile", "RenormCFG", "TomePatchModel"}
"""They fail on a Wan model by itself, without anything of this pack."""

ELSEWHERE = {
    "TorchCompileModel",  # test_other_nodes.py
    "HypernetworkLoader", "LoraLoaderBypass", "LoraLoaderBypassModelOnly",  # they load a file
}  # fmt: skip


def found_nodes() -> Iterator[tuple[str, type]]:
    """Nodes of comfy_extras with one MODEL in, a MODEL as first output, and widgets else or CHOICES for the rest."""
    for file in sorted(Path(comfy_extras.__path__[0]).glob("nodes_*.py")):
        text = file.read_text(encoding="utf-8")
        if "Model.Input" not in text and '("MODEL"' not in text:
            continue
        try:
            module = importlib.import_module(f"comfy_extras.{file.stem}")
        except ImportError:  # it wants the order in which ComfyUI imports
            continue
        for name, node in vars(module).items():
            own = isinstance(node, type) and node.__module__ == module.__name__
            if own and name not in ELSEWHERE and takes_a_model(name, node):
                yield name, node


def inputs_of(node: Any) -> dict[str, tuple[str, Any]]:
    """Name to type and default of every required input."""
    if hasattr(node, "define_schema"):
        return {
            one.id: (one.io_type, default_of(one))
            for one in node.define_schema().inputs
            if not getattr(one, "optional", False)
        }
    required = node.INPUT_TYPES().get("required", {}) if hasattr(node, "INPUT_TYPES") else {}
    result = {}
    for name, entry in required.items():
        kind, options = entry[0], entry[1] if len(entry) > 1 else {}
        choices = kind if isinstance(kind, (list, tuple)) else ()
        result[name] = (
            "COMBO" if choices else kind,
            options.get("default", choices[0] if choices else None),
        )
    return result


def default_of(one: Any) -> Any:
    default = getattr(one, "default", None)
    options = getattr(one, "options", None)
    return options[0] if default is None and options else default


def outputs_of(node: Any) -> list[str]:
    if hasattr(node, "define_schema"):
        return [output.io_type for output in node.define_schema().outputs]
    return list(getattr(node, "RETURN_TYPES", ()))


def takes_a_model(name: str, node: type) -> bool:
    if name in ("ComfyNode", "ComfyExtension") or outputs_of(node)[:1] != ["MODEL"]:
        return False
    kinds = {key: kind for key, (kind, _) in inputs_of(node).items() if key not in CHOICES.get(name, {})}
    return sorted(kinds.values()).count("MODEL") == 1 and all(
        kind in WIDGETS for kind in kinds.values() if kind != "MODEL"
    )


NODES = dict(found_nodes())


def patched(name: str, model: ModelPatcher) -> ModelPatcher:
    node: Any = NODES[name]
    values = {key: default for key, (kind, default) in inputs_of(node).items() if kind != "MODEL"}
    (key,) = (key for key, (kind, _) in inputs_of(node).items() if kind == "MODEL")
    values.update({**CHOICES.get(name, {}), key: model})
    if hasattr(node, "define_schema"):
        return node.execute(**values)[0]
    return getattr(node(), node.FUNCTION)(**values)[0]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    return tiny_wan.load_tiny(tmp_path_factory.mktemp("wan"))


@pytest.fixture(scope="module")
def adapted(base: ModelPatcher, tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    return apply_adapter(base, tiny_wan.load_tiny_adapter(tmp_path_factory.mktemp("adapter")))


class Calls:
    """The calls of the diffusion model, in order, inside all other wrappers."""

    def __init__(self) -> None:
        self.states: list[CallState] = []

    def __call__(self, executor: Any, *args: Any, **kwargs: Any) -> Tensor:
        if CALL_KEY in args[5]:
            self.states.append(args[5][CALL_KEY])
        return executor(*args, **kwargs)

    def first_masks(self) -> Tensor:
        """[N, T, h, w] that the first call of the positive predicts, which is always the plain one."""
        call = next(state for state in self.states if state.mask_logits)
        masks = torch.stack(call.mask_logits).sigmoid().mean(0)[0]
        return masks.unflatten(-1, (-1, call.geometry.height, call.geometry.width))


def one_step(guided: ModelPatcher, handle: Any) -> tuple[Tensor, Tensor, Calls]:
    cast, calls = tiny_wan.make_cast(), Calls()
    guided.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "calls", calls)
    latent = tiny_wan.empty_latent(cast)
    samples = tiny_wan.core_sample(guided, *tiny_wan.conds(cast), latent, steps=1)
    return samples, collect(handle).masks[0].float(), calls


@pytest.fixture(scope="module")
def bare(adapted: ModelPatcher) -> tuple[Tensor, Tensor, Calls]:
    return one_step(*apply_guidance(adapted, tiny_wan.make_cast(), FROM_THE_START))


def works_on_wan(name: str, base: ModelPatcher) -> bool:
    try:
        model = patched(name, base)
        latent = tiny_wan.empty_latent(tiny_wan.make_cast())
        samples = tiny_wan.core_sample(model, tiny_wan.text(3), tiny_wan.text(4), latent, steps=1)
    except Exception:  # whatever a node of another model raises
        return False
    return bool(samples.isfinite().all())


def test_the_nodes_are_found() -> None:
    assert set(NODES) >= AFTER_THE_MODEL | {"NAGuidance", "EasyCacheNode", "ModelSamplingSD3", "ScaleROPE"}


@pytest.mark.parametrize("name", sorted(OF_OTHER_MODELS))
def test_nodes_of_other_models_fail_on_wan_by_themselves(name: str, base: ModelPatcher) -> None:
    assert not works_on_wan(name, base)


@pytest.mark.parametrize("name", [name for name in NODES if name not in OF_OTHER_MODELS])
def test_masks_are_those_of_the_plain_pass(
    name: str, adapted: ModelPatcher, bare: tuple[Tensor, Tensor, Calls]
) -> None:
    model = patched(name, adapted)
    guided, handle = apply_guidance(model, tiny_wan.make_cast(), FROM_THE_START)
    samples, masks, calls = one_step(guided, handle)
    assert samples.isfinite().all()
    torch.testing.assert_close(masks, calls.first_masks(), **HALF)
    if name in AFTER_THE_MODEL:
        torch.testing.assert_close(masks, bare[1], **HALF)
        assert sum(bool(state.mask_logits) for state in calls.states) == 1
    if name in EXTRA_PASS:
        assert len(calls.states) > len(bare[2].states)


@pytest.mark.parametrize("name", sorted(EXTRA_PASS))
def test_it_makes_no_difference_where_the_node_stands(
    name: str, adapted: ModelPatcher, bare: tuple[Tensor, Tensor, Calls]
) -> None:
    guided, handle = apply_guidance(adapted, tiny_wan.make_cast(), FROM_THE_START)
    _, masks, calls = one_step(patched(name, guided), handle)
    torch.testing.assert_close(masks, bare[1], **HALF)
    assert len(calls.states) > len(bare[2].states)


def test_an_extra_pass_does_not_fill_the_reference_cache(adapted: ModelPatcher) -> None:
    """The second step reads what the first has stored: it must be the plain pass's, not that of fewer blocks."""
    cached = GuidanceSettings(stage_boundary=0.0, reference_interval=4)
    masks = []
    for model in (adapted, patched("SkipLayerGuidanceDiT", adapted)):
        guided, handle = apply_guidance(model, tiny_wan.make_cast(), cached)
        cast = tiny_wan.make_cast()
        # cfg 1: the plain pass and the extra one have the same conds
        tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=3, cfg=1.0)
        masks.append(collect(handle).masks)
    torch.testing.assert_close(masks[0][0], masks[1][0], rtol=0, atol=1e-3)
    assert masks[1].isfinite().all()
