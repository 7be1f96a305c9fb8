"""References without their white ground: what goes, that nothing else changes, and what comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from interacthuman.tests.support import host as world
from torch import Tensor

from comfy.model_patcher import ModelPatcher  # isort: skip

from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.tokens import reference_pruning as cropping
from interacthuman.interact_core.host.tokens import sequence
from interacthuman.interact_core.host.tokens.layout import Geometry, KeptTokens

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


def counted(kept: KeptTokens) -> Tensor:
    """[N, h*w]: how often attention counts each token of the references."""
    counts = torch.zeros(kept.stand_in.numel())
    counts[kept.index] = 1.0
    counts[kept.index[-kept.standing :]] = kept.weight
    return counts.view_as(kept.stand_in)


class Counting:
    """Attention over a whole sequence in which the references' tokens count so often, for the override of core's."""

    def __init__(self, counts: Tensor, video: int) -> None:
        self._bias = torch.cat((torch.ones(video), counts.flatten())).log()

    def __call__(self, chosen: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, **options: Any) -> Tensor:
        if k.shape[1] != len(self._bias):
            return chosen(q, k, v, heads, **options)
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=self._bias[None].to(q))
        return attended.transpose(1, 2).flatten(2)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 6 x 4 tokens two stand for the ground."""
    monkeypatch.setattr(cropping, "SHARE", 12)


def test_the_person_and_what_is_next_to_it_stay_and_some_ground(few: None) -> None:
    """Which is the first that is there, and the farthest from it."""
    kept = cropping.kept_tokens(drawn((0, 16, 0, 16), (0, 16, 16, 32)))
    assert kept.each == 8  # the second has neighbours on three sides, and the first gets as many tokens
    first, second, ground = kept.index.split((6, 6, 4))
    assert second.tolist() == [24 + n for n in (0, 1, 2, 6, 7, 8)]
    assert {0, 1, 6, 7} < set(first.tolist()) and first.max() < 24
    assert ground.tolist() == [2, 23, 24 + 3, 24 + 18] and kept.standing == 4


def test_what_stays_of_the_ground_counts_as_all_of_it(few: None) -> None:
    """The same for every picture, however large its person is: as many tokens went of each."""
    kept = cropping.kept_tokens(drawn((0, 16, 0, 16), (16, 48, 32, 64)))
    counts = counted(kept)
    assert counts.sum(1).tolist() == pytest.approx([24.0, 24.0])
    assert sorted(counts.unique().tolist()) == [0.0, 1.0, 1.0 + (24 - kept.each) / 2]


def test_ground_that_went_has_the_nearest_that_stands_for_it(few: None) -> None:
    kept = cropping.kept_tokens(
        drawn((0, 16, 16, 32))
    )  # tokens 0, 1, 2, 6, 7, 8 stay; 3 and 18 stand for the rest
    assert kept.index[kept.stand_in[0]].tolist() == [
        *(0, 1, 2, 3, 3, 3),
        *(6, 7, 8, 3, 3, 3),
        *(18, 18, 3, 3, 3, 3),
        *(18, 18, 18, 3, 3, 3),
    ]


def test_a_picture_that_fills_its_frame_keeps_all_of_it(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cropping.kept_tokens(drawn((0, HEIGHT, 0, WIDTH))) is None
    boxes = (
        (16, 48, 16, 32),
        (0, HEIGHT, 0, 64),
    )  # next to the second and its neighbours are four tokens of ground
    assert cropping.kept_tokens(drawn(*boxes)).each == 22
    monkeypatch.setattr(cropping, "SHARE", 3)
    assert cropping.kept_tokens(drawn(*boxes)) is None


def test_a_cut_sequence_is_read_as_the_whole_one() -> None:
    kept = cropping.kept_tokens(drawn((0, 16, 16, 32), (32, 64, 48, 64)))
    whole = Geometry((0, 1), 0, 2, world.ROWS, world.COLUMNS, 3, 2)
    cut = replace(whole, kept=kept)
    tokens = torch.arange(3 + 4 * 24).view(1, -1, 1)
    seen = tokens[:, sequence.kept_rows(cut, torch.device("cpu"))]
    assert torch.equal(cut.video(seen), whole.video(tokens))
    shown = whole.reference_tokens(tokens)[0, :, :, 0]
    expected = shown.flatten()[kept.index][kept.stand_in]
    assert torch.equal(cut.reference_tokens(seen)[0, :, :, 0], expected)
    assert torch.equal(sequence.restore(seen, cut)[:, : seen.shape[1]], seen)
    assert sequence.restore(seen, cut).shape == tokens.shape


def test_cropping_equals_counting_in_attention(adapted: ModelPatcher) -> None:
    """The same run with every token there, of which attention counts some as several and some not at all."""
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    counts = counted(cropping.kept_tokens(cast))
    whole = adapted.clone()
    video = world.FRAMES * world.ROWS * world.COLUMNS
    whole.model_options["transformer_options"]["optimized_attention_override"] = Counting(counts, video)
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
def test_a_key_that_stands_for_several_counts_as_often(dtype: torch.dtype) -> None:
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    kept = cropping.kept_tokens(cast)
    cut = sequence.BlockSequence(Geometry((0, 1), 0, 2, world.ROWS, world.COLUMNS, 0, 2, kept), None)
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 48 + 2 * kept.each, 16, generator=generator).to(dtype) for _ in range(3))
    times = torch.cat((torch.ones(48), counted(kept).flatten()[kept.index])).double()
    assert times.sum().item() == pytest.approx(4 * 24)
    wide = (x.double() for x in (q, k, v))
    expected = torch.nn.functional.scaled_dot_product_attention(*wide, attn_mask=times.log()[None])
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
    length = world.FRAMES * world.ROWS * world.COLUMNS + 2 * cropping.kept_tokens(cast).each
    # In block 0 ours comes first as well: what others see is the sequence that the block will get.
    assert seen == [(0, length, length), (1, length, length)]
    alone, _ = sampled(adapted, cast, CROPPED, steps=1, cfg=1.0)
    assert torch.equal(cut, alone)


def test_windows_and_both_halves_of_cfg_are_cropped_alike(adapted: ModelPatcher) -> None:
    cast = drawn((16, 48, 16, 32), (16, 48, 48, 64))
    samples, masks = sampled(world.with_windows(adapted, 9), cast, CROPPED, steps=2)
    again, _ = sampled(world.with_windows(adapted, 9), cast, CROPPED, steps=2)
    assert torch.equal(samples, again) and samples.isfinite().all() and masks.isfinite().all()
