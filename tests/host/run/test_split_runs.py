"""One schedule in two samplers: the second goes on with the masks of the first, and tells which steps masks steered."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings, MaskMemory, StageClock, earlier_masks
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.preview.record import RunRecord
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.run_records import drawn_record
from torch import Tensor

from comfy.model_patcher import ModelPatcher  # isort: skip

STEPS, CUT = 4, 2
EARLY = GuidanceSettings(stage_boundary=0.2)  # reached within the first two of four steps
SMOOTH = replace(EARLY, mask_smoothing=0.6)
LATE = GuidanceSettings(stage_boundary=1.0)

# ComfyUI takes the latent out of the model's scale between two samplers and puts it back, which rounds float32.
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    adapter = tiny_wan.load_tiny_adapter(tmp_path_factory.mktemp("adapter"))
    return apply_adapter(tiny_wan.load_tiny(tmp_path_factory.mktemp("wan")), adapter)


def run(
    model: ModelPatcher,
    settings: GuidanceSettings,
    start: int,
    end: int,
    latent: Tensor | None = None,
    masks: RunRecord | None = None,
) -> tuple[Tensor, RunRecord]:
    """Steps `start` to `end`, as KSamplerAdvanced takes them."""
    import comfy.sample

    cast = tiny_wan.make_cast()
    guided, handle = apply_guidance(model, cast, settings, masks=masks)
    image = tiny_wan.empty_latent(cast)["samples"] if latent is None else latent
    noise = comfy.sample.prepare_noise(image, 5) if latent is None else torch.zeros_like(image)
    samples = comfy.sample.sample(
        guided,
        noise,
        STEPS,
        3.0,
        "euler",
        "simple",
        *tiny_wan.conds(cast),
        image,
        disable_noise=latent is not None,
        start_step=start,
        last_step=end,
        force_full_denoise=end == STEPS,
        seed=5,
        disable_pbar=True,
    )
    return samples, collect(handle)


@pytest.mark.parametrize("settings", [EARLY, SMOOTH])
def test_two_samplers_are_one_run(adapted: ModelPatcher, settings: GuidanceSettings) -> None:
    whole, record = run(adapted, settings, 0, STEPS)
    half, first = run(adapted, settings, 0, CUT)
    rest, second = run(adapted, settings, CUT, STEPS, half, first)
    torch.testing.assert_close(rest, whole, **TOLERANCE)
    torch.testing.assert_close(second.masks, record.masks[CUT:], rtol=0, atol=2e-3)  # kept in half precision
    assert first.steered + second.steered == record.steered
    assert second.steered == (True, True) and second.boundary_step == 0


def test_without_masks_the_first_step_is_mute_and_not_called_steered(adapted: ModelPatcher) -> None:
    whole, _ = run(adapted, EARLY, 0, STEPS)
    half, _ = run(adapted, EARLY, 0, CUT)
    rest, second = run(adapted, EARLY, CUT, STEPS, half)
    assert second.steered == (False, True) and second.steers_from == 1
    assert (rest - whole).norm() > 1e-3 * whole.norm()


def test_an_earlier_run_of_stage_one_hands_on_no_stage_two(adapted: ModelPatcher) -> None:
    half, first = run(adapted, LATE, 0, CUT)
    assert first.boundary_step == -1 and not any(first.steered)
    _, second = run(adapted, LATE, CUT, STEPS, half, first)
    assert not any(second.steered)
    _, second = run(adapted, EARLY, CUT, STEPS, half, first)
    assert second.steered == (True, True)  # its own schedule says so, and there are masks


def test_the_first_step_of_a_run_is_steered_only_by_masks_that_exist(adapted: ModelPatcher) -> None:
    _, record = run(adapted, GuidanceSettings(stage_boundary=0.0), 0, STEPS)
    assert record.boundary_step == 0 and record.steered == (False, True, True, True)


def handed_on(**changes: object) -> RunRecord:
    cast = tiny_wan.make_cast()
    fields = {
        "names": cast.names,
        "masks": torch.rand(3, 2, *cast.grid).half(),
        "width": cast.width,
        "height": cast.height,
        "frames": cast.frames,
        "pictures": None,
        "loudness": None,
    }
    return drawn_record(**{**fields, **changes})


def test_masks_find_their_characters_by_name_and_their_size() -> None:
    cast, record = tiny_wan.make_cast(), handed_on()
    torch.testing.assert_close(earlier_masks(record, cast).masks[0], record.masks[-1].float())
    swapped = replace(record, names=record.names[::-1])
    torch.testing.assert_close(earlier_masks(swapped, cast).masks[0], record.masks[-1].flip(0).float())
    large = replace(record, latest=torch.ones(1, 2, cast.latent_frames, 8, 12))
    assert torch.equal(earlier_masks(large, cast).masks, torch.ones(1, 2, *cast.grid))


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"names": ("Ann", "character 1")}, "have no 'character 0'.*Ann, character 1"),
        ({"frames": 13}, "of 13 frames from frame 0 on, but this run is of 9"),
        ({"start": 8}, "from frame 8 on.*InterAct Next Part"),
        (
            {"masks": torch.zeros(0, 2, 3, 4, 6), "steps": (), "sigmas": ()},
            "masks of the run before are empty",
        ),
    ],
)
def test_masks_of_another_video_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InteractError, match=said):
        earlier_masks(handed_on(**changes), tiny_wan.make_cast())


def test_a_clock_that_has_begun_never_returns_to_stage_one() -> None:
    clock = StageClock(0.5, lambda percent: 1 - percent, begun=True)
    assert all(clock.observe(sigma, step) for step, sigma in enumerate((1.0, 0.9, 0.2)))
    assert clock.boundary_step == 0


def test_masks_of_one_latent_serve_a_batch() -> None:
    memory = MaskMemory(3, GuidanceSettings(mask_smoothing=1.0))
    memory.start_from(torch.full((1, 2, 3, 4, 6), 0.25), batch=2)
    memory.begin_evaluation()
    memory.add(torch.ones(2, 2, 3, 4, 6), range(3))
    memory.commit()
    assert torch.equal(memory.masks, torch.full((2, 2, 3, 4, 6), 0.25))
