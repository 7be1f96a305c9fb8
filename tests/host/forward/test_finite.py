"""A step whose numbers break stops with the step, the block group and the likely cause."""

from typing import Any

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan

from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.forward.finite import FiniteProbe, MaskCheck
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.run.sampling_run import SamplingRun

FROM_THE_START = GuidanceSettings(stage_boundary=0.0)


@pytest.fixture
def adapted(tmp_path: Any) -> ModelPatcher:
    return apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))


def breakdown(model: ModelPatcher, steps: int = 3, settings: GuidanceSettings = FROM_THE_START) -> str:
    """The message of the error that sampling must end in."""
    cast = tiny_wan.make_cast()
    guided, handle = apply_guidance(model, cast, settings)
    with pytest.raises(InteractError) as caught:
        tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=steps)
    with pytest.raises(InteractError, match="No run has finished"):
        collect(handle)
    return str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("block", [0, 2])
def test_names_the_blocks(adapted: ModelPatcher, bad: float, block: int) -> None:
    with torch.no_grad():
        adapted.model.diffusion_model.blocks[block].ffn[2].bias[5] = bad
    message = breakdown(adapted)
    assert "step 1 of 3" in message and f"first in blocks {block} to {block} of 3" in message


def test_names_the_step(adapted: ModelPatcher) -> None:
    calls = 0

    def breaking(executor: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        output = executor(*args, **kwargs)
        return output * float("nan") if calls == 2 else output

    adapted.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", breaking)
    message = breakdown(adapted)
    assert "step 2 of 3" in message and "after the last block" in message


def test_blames_what_is_likely(adapted: ModelPatcher) -> None:
    with torch.no_grad():
        adapted.model.diffusion_model.blocks[1].ffn[2].bias[5] = float("nan")
    assert "damaged" in breakdown(adapted)
    with_lora = adapted.clone()
    with_lora.add_patches({"diffusion_model.head.head.bias": (torch.ones(64),)}, 0.1)
    assert "LoRA" in breakdown(with_lora)


def test_blames_float16(adapted: ModelPatcher) -> None:
    with torch.no_grad():
        adapted.model.diffusion_model.blocks[1].ffn[2].bias[5] = 65000.0
        adapted.model.diffusion_model.blocks[1].ffn[2].weight[5] = 65000.0
    adapted.set_model_compute_dtype(torch.float16)
    message = breakdown(adapted)
    assert "float16" in message and "first in blocks 1 to 1" in message


def test_blames_the_adapters_audio(adapted: ModelPatcher) -> None:
    binding = adapted.model_options["transformer_options"]["interact_adapter"]
    with torch.no_grad():
        binding.adapter.audio_projector.context_norm.bias.fill_(float("nan"))
    assert "audio tokens" in breakdown(adapted)


def test_an_absurd_weight_of_the_audio_layers_blames_the_adapter_and_no_other_does(
    adapted: ModelPatcher,
) -> None:
    """The weight is finite, and so is what the layers get: only beyond them the numbers break."""
    blocks = adapted.model_options["transformer_options"]["interact_adapter"].adapter.audio_blocks
    with torch.no_grad():
        whole = blocks["1"].o.weight.clone()
        blocks["1"].o.weight.fill_(3e38)
    message = breakdown(adapted)
    assert "adapter's audio layers behind block 1" in message and "model file" not in message
    with torch.no_grad():
        blocks["1"].o.weight.copy_(whole)
        adapted.model.diffusion_model.blocks[1].ffn[2].weight.fill_(3e38)
    assert "model file is damaged" in breakdown(adapted)


def test_blocks_that_are_not_shown_to_the_mask_heads_are_told(adapted: ModelPatcher) -> None:
    """ComfyUI before 0.30 never calls `double_block` patches of Wan models; masks were silently missing there."""

    def without(executor: Any, *args: Any, **kwargs: Any) -> Any:
        *before, options = args
        patches = {name: list(all_) for name, all_ in options["patches"].items() if name != "double_block"}
        return executor(*before, {**options, "patches": patches}, **kwargs)

    adapted.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", without)
    assert "ComfyUI before 0.30" in breakdown(adapted)
    grid = (2, tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)
    cast = tiny_wan.make_cast(layouts=torch.full(grid, 0.5))
    fixed, _ = apply_guidance(adapted, cast, GuidanceSettings(mask_source="fixed"))
    latent = tiny_wan.core_sample(fixed, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=1)
    assert bool(latent.isfinite().all())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("boundary", [0.0, 1.0], ids=["masks steer", "masks never steer"])
def test_broken_masks_are_told_at_once_and_the_adapter_is_named(
    adapted: ModelPatcher, bad: float, boundary: float
) -> None:
    """Whether they steer or not, and whichever head it is; the base is whole."""
    heads = adapted.model_options["transformer_options"]["interact_adapter"].mask_heads
    with torch.no_grad():
        heads["2"].logit.bias.fill_(bad)
    message = breakdown(adapted, settings=GuidanceSettings(stage_boundary=boundary))
    assert "masks of step 1 of 3 are not finite" in message
    assert "adapter's mask head behind block 2" in message and "model file" not in message


def test_masks_by_likeness_do_not_blame_the_adapter() -> None:
    logits = [torch.zeros(1, 2, 6), torch.full((1, 2, 6), float("nan"))]
    check = MaskCheck([3, 5], logits, trained=False)
    assert not check.all_finite(torch.device("cpu"))
    assert "after block 5" in check.describe(0, 2) and "adapter" not in check.describe(0, 2)
    assert MaskCheck([3], logits[:1], trained=True).all_finite(torch.device("cpu"))


def test_a_step_waits_for_the_device_once(adapted: ModelPatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks are checked in the same wait as the output: one value more, not one halt more."""
    waits = []
    tolist = torch.Tensor.tolist

    def counted(self: torch.Tensor) -> Any:
        if self.dtype == torch.bool:
            waits.append(len(self))
        return tolist(self)

    def refused(self: torch.Tensor) -> bool:
        raise AssertionError("end_evaluation halts the device a second time")

    end_evaluation = SamplingRun.end_evaluation

    def watched(self: SamplingRun, output: torch.Tensor) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "tolist", counted)
            for name in ("__bool__", "item", "cpu"):
                patch.setattr(torch.Tensor, name, refused)
            end_evaluation(self, output)

    monkeypatch.setattr(SamplingRun, "end_evaluation", watched)
    cast = tiny_wan.make_cast()
    guided, _ = apply_guidance(adapted, cast, FROM_THE_START)
    tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=2)
    assert waits == [2, 2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_probe(dtype: torch.dtype) -> None:
    probe = FiniteProbe(30)
    hidden = torch.full((1, 4, 8), 60000.0, dtype=dtype)
    for block in range(30):
        probe.note(block, hidden)
    assert probe.broken_blocks() is None
    broken = FiniteProbe(40)
    for block in range(40):
        if block == 20:
            hidden[0, 2, 3] = float("-inf")
        broken.note(block, hidden)
    assert broken.broken_blocks() == (14, 26)
