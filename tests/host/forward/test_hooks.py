"""The hooks on a stock MODEL, in process, on a Wan small enough for every sampler."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

import comfy.model_management  # isort: skip
import comfy.samplers  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.loading import apply_adapter

FROM_THE_START = GuidanceSettings(stage_boundary=0.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    return tiny_wan.load_tiny(tmp_path_factory.mktemp("wan"))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    return tiny_wan.load_tiny_adapter(tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def adapted(base: ModelPatcher, adapter: ModelPatcher) -> ModelPatcher:
    return apply_adapter(base, adapter)


def run(
    model: ModelPatcher,
    cast: Cast,
    settings: GuidanceSettings = FROM_THE_START,
    batch: int = 1,
    conds: tuple[list, list] | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """Samples, and the masks of the history."""
    guided, handle = apply_guidance(model, cast, settings)
    positive, negative = conds or tiny_wan.conds(cast)
    samples = tiny_wan.core_sample(guided, positive, negative, tiny_wan.empty_latent(cast, batch), **options)
    return samples, collect(handle).masks


def watch(model: ModelPatcher, kind: str, note: Callable[[tuple], Any]) -> ModelPatcher:
    """A clone of `model` that calls note(args) at every call of a wrapper of this kind."""

    def wrapper(executor: Any, *args: Any, **kwargs: Any) -> Any:
        note(args)
        return executor(*args, **kwargs)

    clone = model.clone()
    clone.add_wrapper_with_key(kind, "test", wrapper)
    return clone


def test_no_characters_and_strength_0_is_the_stock_model(base: ModelPatcher, adapter: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    latent = tiny_wan.empty_latent(cast)
    stock = tiny_wan.core_sample(base, tiny_wan.text(3), tiny_wan.text(4), latent)
    for strength in (0.0, 1.0):
        hooked = tiny_wan.core_sample(
            apply_adapter(base, adapter, strength), tiny_wan.text(3), tiny_wan.text(4), latent
        )
        assert torch.equal(hooked, stock)


@pytest.mark.parametrize("cfg, batched", [(1.0, False), (5.0, True), (5.0, False)])
def test_references_with_the_adapter_off_are_cores_phantom(
    base: ModelPatcher, adapter: ModelPatcher, cfg: float, batched: bool
) -> None:
    """Golden: core's WanPhantomSubjectToVideo on the stock model, with a VAE that gives our latents."""
    from comfy_extras.nodes_wan import WanPhantomSubjectToVideo

    cast = tiny_wan.make_cast()
    pictures = tiny_wan.references(cast)

    class Vae:
        def encode(self, picture: Tensor) -> Tensor:
            number = int(picture[0, 0, 0, 0])
            return pictures[:, :, number : number + 1]

    images = torch.arange(2.0).view(2, 1, 1, 1).expand(2, cast.height, cast.width, 3)
    positive, negative, _, latent = WanPhantomSubjectToVideo.execute(
        tiny_wan.text(3), tiny_wan.text(4), Vae(), cast.width, cast.height, cast.frames, 1, images
    ).args
    golden, ours = (positive, negative), tiny_wan.conds(cast)
    if not batched:  # texts of different lengths are not
        for _, negative in (golden, ours):
            negative[:] = [[torch.cat((text, text), dim=1), values] for text, values in negative]
    rows: list[int] = []
    base = watch(base, WrappersMP.DIFFUSION_MODEL, lambda args: rows.append(args[0].shape[0]))
    golden = tiny_wan.core_sample(base, *golden, latent, cfg=cfg)
    samples, masks = run(apply_adapter(base, adapter, 0.0), cast, conds=ours, cfg=cfg)
    assert torch.equal(samples, golden) and set(rows) == {2 if batched else 1}
    assert masks.shape == (3, 2, *cast.grid)  # masks are still recorded
    voiced, _ = run(apply_adapter(base, adapter), cast, conds=ours, cfg=cfg)
    assert (voiced - golden).abs().max() > 1e-3


def test_reruns_are_identical(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    first, second = run(adapted, cast), run(adapted, cast)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


def test_masks_guide_the_next_step_and_only_in_stage_two(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    guided, masks = run(adapted, cast, steps=2)
    muted, other_masks = run(adapted, cast, GuidanceSettings(stage_boundary=1.0), steps=2)
    assert torch.equal(masks[0], other_masks[0])  # the first evaluation has no masks either way
    assert (guided - muted).abs().max() > 1e-4
    assert 0.05 < masks.float().mean() < 0.95


def test_boundary_is_a_place_on_the_models_own_schedule(adapted: ModelPatcher) -> None:
    """The same absolute sigma, whatever the number of steps, and whatever shift a node has set."""
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    cast, settings = tiny_wan.make_cast((True,)), GuidanceSettings(stage_boundary=0.2)
    boundary = 8.0 * 0.8 / (1 + 7.0 * 0.8)  # time_snr_shift(8, 0.8), Wan's own shift
    shifted = ModelSamplingSD3().patch(adapted, shift=3.0, multiplier=1000)[0]
    for model, steps in ((adapted, 10), (adapted, 4), (shifted, 10)):
        timesteps: list[Tensor] = []
        watched = watch(model, WrappersMP.PREDICT_NOISE, lambda args, noted=timesteps: noted.append(args[1]))
        guided, handle = apply_guidance(watched, cast, settings)
        tiny_wan.core_sample(guided, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast), steps=steps)
        expected = next(step for step, t in enumerate(timesteps) if t.max() <= boundary * 1.0001)
        assert collect(handle).boundary_step == expected
        assert collect(handle).total_steps == steps


def test_batched_conds_equal_separate_ones(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    positive, negative = tiny_wan.conds(cast)
    sizes: list[int] = []
    watched = watch(adapted, WrappersMP.DIFFUSION_MODEL, lambda args: sizes.append(args[0].shape[0]))
    together, _ = run(watched, cast, conds=(positive, negative))
    assert set(sizes) == {2}
    from comfy.conds import CONDRegular

    values = negative[0][1]
    extra = {**values["model_conds"], "another": CONDRegular(torch.zeros(1, 1))}
    apart, _ = run(watched, cast, conds=(positive, [[negative[0][0], {**values, "model_conds": extra}]]))
    assert sizes[-1] == 1
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-5)


def test_every_item_of_a_batch_has_masks_of_its_own(adapted: ModelPatcher) -> None:
    cast = tiny_wan.make_cast()
    guided, _ = apply_guidance(adapted, cast, FROM_THE_START)
    conds, latent = tiny_wan.conds(cast), tiny_wan.empty_latent(cast, 2)
    both = tiny_wan.core_sample(guided, *conds, latent)
    import comfy.sample

    noise = comfy.sample.prepare_noise(latent["samples"], 5)
    for item in range(2):
        alone = comfy.sample.sample(
            guided,
            noise[item : item + 1],
            3,
            3.0,
            "euler",
            "simple",
            *conds,
            latent["samples"][:1],
            disable_pbar=True,
        )
        torch.testing.assert_close(both[item], alone[0], rtol=1e-4, atol=1e-4)


def test_the_negative_hears_nothing(base: ModelPatcher, adapter: ModelPatcher) -> None:
    """At cfg 0 the result is the negative's alone: the references, and no trace of the adapter."""
    cast = tiny_wan.make_cast()
    voiced, _ = run(apply_adapter(base, adapter), cast, cfg=0.0)
    stock, _ = run(apply_adapter(base, adapter, 0.0), cast, cfg=0.0)
    torch.testing.assert_close(voiced, stock, rtol=1e-5, atol=1e-5)


def test_cfg_1_leaves_the_negative_out(adapted: ModelPatcher) -> None:
    sizes: list[int] = []
    watched = watch(adapted, WrappersMP.DIFFUSION_MODEL, lambda args: sizes.append(args[0].shape[0]))
    _, masks = run(watched, tiny_wan.make_cast(), cfg=1.0)
    assert set(sizes) == {1} and len(masks) == 3


@pytest.mark.parametrize("sampler", comfy.samplers.SAMPLER_NAMES)
def test_every_sampler_completes(adapted: ModelPatcher, sampler: str) -> None:
    cast = tiny_wan.make_cast((True, False))
    samples, masks = run(adapted, cast, sampler=sampler, steps=3)
    assert samples.isfinite().all()
    if sampler not in ("dpm_fast", "dpm_adaptive"):  # these choose how many steps they take
        assert masks.shape[0] == 3
    assert masks.shape[0] >= 2 and masks.isfinite().all()
    again, _ = run(adapted, cast, sampler=sampler, steps=3)
    assert torch.equal(samples, again)


def test_split_sampling_stays_in_its_stage(adapted: ModelPatcher) -> None:
    cast, settings = tiny_wan.make_cast(), GuidanceSettings(stage_boundary=0.2)
    guided, handle = apply_guidance(adapted, cast, settings)
    conds = tiny_wan.conds(cast)
    first = tiny_wan.core_sample(guided, *conds, tiny_wan.empty_latent(cast), steps=10, last_step=6)
    assert 0 < collect(handle).boundary_step < 6
    tiny_wan.core_sample(
        guided,
        *conds,
        {"samples": first},
        steps=10,
        start_step=6,
        disable_noise=True,
        force_full_denoise=True,
    )
    assert collect(handle).boundary_step == 0 and collect(handle).total_steps == 4


def test_two_casts_on_clones_of_one_model_do_not_mix(adapted: ModelPatcher) -> None:
    two, one = tiny_wan.make_cast(), tiny_wan.make_cast((True,))
    alone = [run(adapted, cast) for cast in (two, one)]
    guided = [apply_guidance(adapted, cast, FROM_THE_START) for cast in (two, one)]
    for model, handle, cast, (samples, masks) in zip(*zip(*guided), (two, one), alone):
        again = tiny_wan.core_sample(model, *tiny_wan.conds(cast), tiny_wan.empty_latent(cast))
        assert torch.equal(again, samples) and torch.equal(collect(handle).masks, masks)
    assert collect(guided[0][1]).masks.shape[1] == 2 and collect(guided[1][1]).masks.shape[1] == 1


@pytest.mark.parametrize("place", [WrappersMP.DIFFUSION_MODEL, WrappersMP.PREDICT_NOISE])
def test_an_interrupt_leaves_the_next_run_clean(adapted: ModelPatcher, place: str) -> None:
    cast = tiny_wan.make_cast()
    expected = run(adapted, cast, steps=4)
    calls = -1000  # the first run goes through

    def interrupting(executor: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        output = executor(*args, **kwargs)
        if calls == 3:
            raise comfy.model_management.InterruptProcessingException
        return output

    guided, handle = apply_guidance(adapted, cast, FROM_THE_START)
    guided.add_wrapper_with_key(place, "test", interrupting)
    conds, latent = tiny_wan.conds(cast), tiny_wan.empty_latent(cast)
    tiny_wan.core_sample(guided, *conds, latent, steps=4)
    assert torch.equal(collect(handle).masks, expected[1])
    calls = 0
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        tiny_wan.core_sample(guided, *conds, latent, steps=4)
    with pytest.raises(InteractError, match="No run has finished"):
        collect(handle)
    again = tiny_wan.core_sample(guided, *conds, latent, steps=4)
    assert calls > 3
    assert torch.equal(again, expected[0]) and torch.equal(collect(handle).masks, expected[1])


def test_silent_casts_are_seen_but_not_heard(base: ModelPatcher, adapter: ModelPatcher) -> None:
    cast = tiny_wan.make_cast((False, False))
    samples, masks = run(apply_adapter(base, adapter), cast)
    off, _ = run(apply_adapter(base, adapter, 0.0), cast)
    assert torch.equal(samples, off) and masks.shape[1] == 2


def test_fixed_masks_steer_from_the_start(adapted: ModelPatcher) -> None:
    grid = (2, tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)
    left = torch.zeros(grid)
    left[0, ..., : tiny_wan.COLUMNS // 2] = 1
    left[1, ..., tiny_wan.COLUMNS // 2 :] = 1
    settings = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
    first, _ = run(adapted, tiny_wan.make_cast(layouts=left), settings, steps=1)
    second, _ = run(adapted, tiny_wan.make_cast(layouts=left.flip(0)), settings, steps=1)
    assert (first - second).abs().max() > 1e-3
    with pytest.raises(InteractError, match="layout"):
        apply_guidance(adapted, tiny_wan.make_cast(), settings)
