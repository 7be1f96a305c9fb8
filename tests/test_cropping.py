"""References without their white ground: what goes, that nothing else changes, and what comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from interacthuman.tests import host_support as world
from torch import Tensor

from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host import cropping, sequence
from interacthuman.interact_core.host.geometry import Geometry
from interacthuman.interact_core.host.guidance import apply_guidance, collect
from interacthuman.interact_core.host.loading import apply_adapter

WIDTH, HEIGHT = 16 * world.COLUMNS, 16 * world.ROWS  # 6 x 4 tokens
WHOLE = GuidanceSettings(boundary=0.0)
CROPPED = replace(WHOLE, reference_tokens="person")


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    folder = tmp_path_factory.mktemp("models")
    return apply_adapter(world.load_tiny(folder), world.load_tiny_adapter(folder))


def drawn(*boxes: tuple[int, int, int, int]) -> Cast:
    """A cast whose pictures are white but for a grey box each: top, bottom, left, right in pixels."""
    cast = world.make_cast((True,) * len(boxes))
    people = []
    for person, (top, bottom, left, right) in zip(cast.characters, boxes):
        picture = torch.ones(1, HEIGHT, WIDTH, 3)
        picture[:, top:bottom, left:right] = 0.5
        people.append(replace(person, image=picture))
    return replace(cast, characters=tuple(people))


def sampled(
    model: ModelPatcher, cast: Cast, settings: GuidanceSettings, **options: Any
) -> tuple[Tensor, Tensor]:
    guided, handle = apply_guidance(model, cast, settings)
    samples = world.core_sample(guided, *world.conds(cast), world.empty_latent(cast), **options)
    return samples, collect(handle).masks


def test_the_person_and_what_is_next_to_it_stay() -> None:
    kept = cropping.seen_tokens(drawn((0, 16, 0, 16), (0, 16, 16, 32)))
    assert kept.each == 6  # the second has neighbours on three sides, and the first gets as many tokens
    assert kept.index[1].tolist() == [0, 1, 2, 6, 7, 8]
    assert {0, 1, 6, 7} <= set(kept.index[0].tolist())


def test_ground_that_went_has_the_nearest_ground_that_stayed() -> None:
    kept = cropping.seen_tokens(drawn((0, 16, 16, 32)))  # tokens 0, 1, 2, 6, 7, 8 stay; 1 is the person
    assert kept.index[0, kept.stand_in[0]].tolist() == [
        *(0, 1, 2, 2, 2, 2),
        *(6, 7, 8, 8, 8, 8),
        *(6, 7, 8, 8, 8, 8),
        *(6, 7, 8, 8, 8, 8),
    ]


def test_a_picture_that_fills_its_frame_keeps_all_of_it() -> None:
    assert cropping.seen_tokens(drawn((0, HEIGHT, 0, WIDTH))) is None


def test_a_cut_sequence_is_read_as_the_whole_one() -> None:
    kept = cropping.seen_tokens(drawn((0, 16, 16, 32), (32, 64, 48, 64)))
    whole = Geometry((0, 1), 0, 2, world.ROWS, world.COLUMNS, 3, 2)
    cut = replace(whole, kept=kept)
    tokens = torch.arange(3 + 4 * 24).view(1, -1, 1)
    seen = tokens[:, sequence.kept_rows(cut, torch.device("cpu"))]
    assert torch.equal(cut.video(seen), whole.video(tokens))
    shown = whole.reference_tokens(tokens)[0, :, :, 0]
    expected = torch.stack([row[kept.index[n]][kept.stand_in[n]] for n, row in enumerate(shown)])
    assert torch.equal(cut.reference_tokens(seen)[0, :, :, 0], expected)
    assert torch.equal(sequence.restore(seen, cut)[:, : seen.shape[1]], seen)
    assert sequence.restore(seen, cut).shape == tokens.shape


def test_cropping_equals_stand_ins_in_attention(adapted: ModelPatcher) -> None:
    """The same run with every token there, but with the ground seen by attention as its stand-in is."""
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    kept = cropping.seen_tokens(cast)
    frame, start = world.ROWS * world.COLUMNS, world.FRAMES * world.ROWS * world.COLUMNS
    places = torch.arange(start + 2 * frame)
    for number in range(2):
        shown = kept.index[number][kept.stand_in[number]]
        places[start + number * frame : start + (number + 1) * frame] = start + number * frame + shown

    def stood_in(chosen: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any) -> Tensor:
        if k.shape[1] == len(places):
            k, v = k[:, places], v[:, places]
        return chosen(q, k, v, heads, **options)

    whole = adapted.clone()
    whole.model_options["transformer_options"]["optimized_attention_override"] = stood_in
    # Nothing follows the masks here: heads see stand-ins for the ground in one run and the ground in the other.
    expected, _ = sampled(whole, cast, replace(WHOLE, mask_source="none"), steps=2, cfg=1.0)
    found, _ = sampled(adapted, cast, replace(CROPPED, mask_source="none"), steps=2, cfg=1.0)
    plain, _ = sampled(adapted, cast, replace(WHOLE, mask_source="none"), steps=2, cfg=1.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, plain, rtol=1e-2, atol=1e-3)


def test_another_nodes_attention_is_not_displaced(adapted: ModelPatcher) -> None:
    cast, seen = drawn((16, 48, 16, 32)), []

    def other(chosen: Any, q: Tensor, *args: Any, **options: Any) -> Tensor:
        seen.append(q.shape[1])
        return chosen(q, *args, **options)

    model = adapted.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = other
    samples, _ = sampled(model, cast, CROPPED, steps=1, cfg=1.0)
    whole, _ = sampled(adapted, cast, WHOLE, steps=1, cfg=1.0)
    assert set(seen) == {(world.FRAMES + 1) * world.ROWS * world.COLUMNS}
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
def test_a_key_that_stands_for_several_counts_as_often(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    kept = cropping.seen_tokens(cast)
    cut = sequence.BlockSequence(Geometry((0, 1), 0, 2, world.ROWS, world.COLUMNS, 0, 2, kept), None)
    monkeypatch.setattr(sequence, "CHUNK", 7)
    generator = torch.Generator().manual_seed(0)
    length = 2 * 24 + 2 * kept.each
    q, k, v = (torch.randn(2, 3, length, 16, generator=generator).to(dtype) for _ in range(3))
    stood = [row.bincount(minlength=kept.each) for row in kept.stand_in]
    times = torch.cat((torch.ones(48, dtype=torch.long), *stood))
    assert times.sum() == 4 * 24
    repeated = (x.double().repeat_interleave(times, dim=2) for x in (k, v))
    expected = torch.nn.functional.scaled_dot_product_attention(q.double(), *repeated)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(cut.weighted(q, k, v).double(), expected, rtol=0, atol=tolerance)


def test_every_block_sees_fewer_tokens_and_others_replacements_stay(adapted: ModelPatcher) -> None:
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    seen: list[tuple[int, int, int]] = []

    def other(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        options = args["transformer_options"]
        seen.append((options["block_index"], args["img"].shape[1], args["pe"].shape[1]))
        return extra["original_block"](args)

    model = adapted.clone()
    for block in (0, 1):
        model.set_model_patch_replace(other, "dit", "double_block", block)
    cut, _ = sampled(model, cast, CROPPED, steps=1, cfg=1.0)
    length = world.FRAMES * world.ROWS * world.COLUMNS + 2 * cropping.seen_tokens(cast).each
    # In block 0 ours comes first as well: what others see is the sequence that the block will get.
    assert seen == [(0, length, length), (1, length, length)]
    alone, _ = sampled(adapted, cast, CROPPED, steps=1, cfg=1.0)
    assert torch.equal(cut, alone)


def test_windows_and_both_halves_of_cfg_are_cropped_alike(adapted: ModelPatcher) -> None:
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    samples, masks = sampled(world.with_windows(adapted, 9), cast, CROPPED, steps=2)
    again, _ = sampled(world.with_windows(adapted, 9), cast, CROPPED, steps=2)
    assert torch.equal(samples, again) and samples.isfinite().all() and masks.isfinite().all()
