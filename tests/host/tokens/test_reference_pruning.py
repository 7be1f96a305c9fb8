"""Token pruning: which tokens stay, that nothing else changes, and what comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from interacthuman.tests.support.drawn_references import HEIGHT, WIDTH, Counting, counted, drawn, sampled
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.tokens import reference_pruning, sequence
from interacthuman.interact_core.host.tokens.geometry import Geometry

WHOLE = GuidanceSettings(stage_boundary=0.0)
PRUNED = replace(WHOLE, reference_tokens="person")


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(tiny_wan.load_tiny(folder), tiny_wan.load_tiny_adapter(folder))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 6 x 4 tokens two represent the background."""
    monkeypatch.setattr(reference_pruning, "SHARE", 12)


def test_the_person_and_its_neighbours_stay_and_some_background(few: None) -> None:
    """Which is the first that is there, and the farthest from it."""
    kept = reference_pruning.kept_tokens(drawn((0, 16, 0, 16), (0, 16, 16, 32)))
    assert kept.each == 8  # the second has neighbours on three sides, and the first gets as many tokens
    first, second, background = kept.index.split((6, 6, 4))
    assert second.tolist() == [24 + n for n in (0, 1, 2, 6, 7, 8)]
    assert {0, 1, 6, 7} < set(first.tolist()) and first.max() < 24
    assert background.tolist() == [2, 23, 24 + 3, 24 + 18] and kept.background == 4


def test_what_stays_of_the_background_counts_as_all_of_it(few: None) -> None:
    """The same for every picture, however large its person is: as many tokens went of each."""
    kept = reference_pruning.kept_tokens(drawn((0, 16, 0, 16), (16, 48, 32, 64)))
    counts = counted(kept)
    assert counts.sum(1).tolist() == pytest.approx([24.0, 24.0])
    assert sorted(counts.unique().tolist()) == [0.0, 1.0, 1.0 + (24 - kept.each) / 2]


def test_a_pruned_token_is_represented_by_the_nearest(few: None) -> None:
    # Tokens 0, 1, 2, 6, 7, 8 stay; 3 and 18 represent the rest.
    kept = reference_pruning.kept_tokens(drawn((0, 16, 16, 32)))
    assert kept.index[kept.representative[0]].tolist() == [
        *(0, 1, 2, 3, 3, 3),
        *(6, 7, 8, 3, 3, 3),
        *(18, 18, 3, 3, 3, 3),
        *(18, 18, 18, 3, 3, 3),
    ]


def test_a_picture_that_fills_its_frame_keeps_all_of_it(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reference_pruning.kept_tokens(drawn((0, HEIGHT, 0, WIDTH))) is None
    # Next to the second and its neighbours are four background tokens.
    boxes = ((16, 48, 16, 32), (0, HEIGHT, 0, 64))
    assert reference_pruning.kept_tokens(drawn(*boxes)).each == 22
    monkeypatch.setattr(reference_pruning, "SHARE", 3)
    assert reference_pruning.kept_tokens(drawn(*boxes)) is None


def test_a_cut_sequence_is_read_as_the_whole_one() -> None:
    kept = reference_pruning.kept_tokens(drawn((0, 16, 16, 32), (32, 64, 48, 64)))
    whole = Geometry((0, 1), 0, 2, tiny_wan.ROWS, tiny_wan.COLUMNS, 3, 2)
    cut = replace(whole, kept=kept)
    tokens = torch.arange(3 + 4 * 24).view(1, -1, 1)
    present = tokens[:, sequence.kept_rows(cut, torch.device("cpu"))]
    assert torch.equal(cut.video(present), whole.video(tokens))
    features = whole.reference_tokens(tokens)[0, :, :, 0]
    expected = features.flatten()[kept.index][kept.representative]
    assert torch.equal(cut.reference_tokens(present)[0, :, :, 0], expected)
    assert torch.equal(sequence.restore(present, cut)[:, : present.shape[1]], present)
    assert sequence.restore(present, cut).shape == tokens.shape


def test_pruning_equals_proportional_attention(adapted: ModelPatcher) -> None:
    """The same run with every token there, of which attention counts some as several and some not at all."""
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    counts = counted(reference_pruning.kept_tokens(cast))
    whole = adapted.clone()
    video = tiny_wan.FRAMES * tiny_wan.ROWS * tiny_wan.COLUMNS
    whole.model_options["transformer_options"]["optimized_attention_override"] = Counting(counts, video)
    # Masks do not steer here: heads get representatives in one run and the whole background in the other.
    expected, _ = sampled(whole, cast, replace(WHOLE, mask_source="none"), steps=2, cfg=1.0)
    found, _ = sampled(adapted, cast, replace(PRUNED, mask_source="none"), steps=2, cfg=1.0)
    plain, _ = sampled(adapted, cast, replace(WHOLE, mask_source="none"), steps=2, cfg=1.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, plain, rtol=1e-2, atol=1e-3)


def test_another_nodes_attention_is_not_displaced(adapted: ModelPatcher) -> None:
    cast, lengths = drawn((16, 48, 16, 32)), []

    def other(chosen: Any, q: Tensor, *args: Any, **options: Any) -> Tensor:
        lengths.append(q.shape[1])
        return chosen(q, *args, **options)

    model = adapted.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = other
    samples, _ = sampled(model, cast, PRUNED, steps=1, cfg=1.0)
    whole, _ = sampled(adapted, cast, WHOLE, steps=1, cfg=1.0)
    assert set(lengths) == {(tiny_wan.FRAMES + 1) * tiny_wan.ROWS * tiny_wan.COLUMNS}
    assert torch.equal(samples, whole)


def test_the_normaliser_is_the_same_without_a_flash_kernel() -> None:
    generator = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(1, 2, 9, 16, generator=generator) for _ in range(3))
    expected = (q @ k.transpose(-1, -2) / 4).logsumexp(-1)
    for device in ("cpu", "meta"):  # meta takes the way of devices without such a kernel
        attended, log_z = sequence.flash_attention(*(x.to(device) for x in (q, k, v)))
        assert attended.shape == q.shape and log_z.shape == expected.shape and log_z.dtype == torch.float32
    torch.testing.assert_close(sequence.flash_attention(q, k, v)[1], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_key_that_represents_several_counts_as_often(dtype: torch.dtype) -> None:
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    kept = reference_pruning.kept_tokens(cast)
    cut = sequence.BlockSequence(Geometry((0, 1), 0, 2, tiny_wan.ROWS, tiny_wan.COLUMNS, 0, 2, kept), None)
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 48 + 2 * kept.each, 16, generator=generator).to(dtype) for _ in range(3))
    times = torch.cat((torch.ones(48), counted(kept).flatten()[kept.index])).double()
    assert times.sum().item() == pytest.approx(4 * 24)
    wide = (x.double() for x in (q, k, v))
    expected = torch.nn.functional.scaled_dot_product_attention(*wide, attn_mask=times.log()[None])
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(cut.proportional_attention(q, k, v).double(), expected, rtol=0, atol=tolerance)


def test_every_block_gets_fewer_tokens_and_others_replacements_stay(adapted: ModelPatcher) -> None:
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    inputs: list[tuple[int, int, int]] = []

    def other(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        options = args["transformer_options"]
        inputs.append((options["block_index"], args["img"].shape[1], args["pe"].shape[1]))
        return extra["original_block"](args)

    model = adapted.clone()
    for block in (0, 1):
        model.set_model_patch_replace(other, "dit", "double_block", block)
    cut, _ = sampled(model, cast, PRUNED, steps=1, cfg=1.0)
    length = tiny_wan.FRAMES * tiny_wan.ROWS * tiny_wan.COLUMNS + 2 * reference_pruning.kept_tokens(cast).each
    # In block 0 ours comes first as well: others are given the sequence that the block will get.
    assert inputs == [(0, length, length), (1, length, length)]
    alone, _ = sampled(adapted, cast, PRUNED, steps=1, cfg=1.0)
    assert torch.equal(cut, alone)


def test_windows_and_both_halves_of_cfg_are_pruned_alike(adapted: ModelPatcher) -> None:
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    samples, masks = sampled(tiny_wan.with_windows(adapted, 9), cast, PRUNED, steps=2)
    again, _ = sampled(tiny_wan.with_windows(adapted, 9), cast, PRUNED, steps=2)
    assert torch.equal(samples, again) and samples.isfinite().all() and masks.isfinite().all()
