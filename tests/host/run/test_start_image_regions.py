"""Characters that are regions of a start image: an image-to-video base, MultiTalk files, masks that follow."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interacthuman.interact_core.adapter.affinity import RegionHead
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings, MaskHistory
from interacthuman.interact_core.host.apply import apply_guidance
from interacthuman.interact_core.host.encode.cast_encoding import (
    EncodedCast,
    encode_cast,
    make_region_character,
)
from interacthuman.interact_core.host.loading import apply_adapter
from interacthuman.interact_core.host.sampling import sample
from interacthuman.interact_core.speech.from_core import SPEECH_KEY
from interacthuman.interact_core.speech.types import Speech
from interacthuman.tests.support.models import tiny_wan
from interacthuman.tests.support.start_images import side, with_start_image

from comfy.model_patcher import ModelPatcher  # isort: skip

WIDTH, HEIGHT, FRAMES = 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS, 9


@pytest.fixture
def adapted(tmp_path: Path) -> ModelPatcher:
    """A random adapter on a small image-to-video base."""
    base = tiny_wan.load_tiny(tmp_path, model_type="i2v", in_dim=36)
    return apply_adapter(base, tiny_wan.load_tiny_adapter(tmp_path))


def speech(seed: int) -> dict[str, Speech]:
    drawn = torch.randn(
        FRAMES, tiny_wan.LAYERS, tiny_wan.CHANNELS, generator=torch.Generator().manual_seed(seed)
    )
    return {
        SPEECH_KEY: Speech(
            features=drawn, mute=torch.zeros(tiny_wan.LAYERS, tiny_wan.CHANNELS), fps=25.0,
            waveform=torch.zeros(1, 16000 * FRAMES // 25), sample_rate=16000,
        )
    }  # fmt: skip


def encoded(*names: str) -> EncodedCast:
    people = [make_region_character(name, side(bool(n)), speech(n)) for n, name in enumerate(names)]
    return encode_cast(people, None, WIDTH, HEIGHT, FRAMES, 25.0, with_start_image(), with_start_image())


def run(model: ModelPatcher, made: EncodedCast, source: str) -> tuple[torch.Tensor, MaskHistory]:
    latent, history = sample(
        model, made.positive, made.negative, made.latent, made.cast,
        GuidanceSettings(mask_source=source, stage_boundary=0.0), seed=1, steps=3, cfg=2.0, audio_cfg=None,
        sampler="euler", scheduler="simple",
    )  # fmt: skip
    return latent["samples"], history


def test_regions_speak_on_an_image_to_video_base(adapted: ModelPatcher) -> None:
    made = encoded("Ann", "Bob")
    assert made.cast.references == 0 and "time_dim_concat" not in made.positive[0][1]
    assert torch.equal(made.cast.regions.sum(0), torch.ones(tiny_wan.ROWS, tiny_wan.COLUMNS))
    samples = {}
    for source in ("affinity", "fixed", "none"):
        samples[source], history = run(adapted, made, source)
        assert samples[source].isfinite().all() and history.masks.shape == (3, 2, *made.cast.grid)
        # The first frame is its own example.
        assert (history.masks[:, :, 0].float() - made.cast.regions).abs().max() < 0.05
    assert not torch.equal(samples["affinity"], samples["fixed"])
    assert not torch.equal(samples["fixed"], samples["none"])


def test_windows_without_the_first_frame_have_regions_where_they_were_drawn(adapted: ModelPatcher) -> None:
    from comfy_extras.nodes_context_windows import WanContextWindowsManualNode

    people = [make_region_character(name, side(bool(n)), speech(n)) for n, name in enumerate(("Ann", "Bob"))]
    start = with_start_image()
    longer = {key: value.repeat_interleave(3, dim=2) for key, value in start[0][1].items()}
    start = [[start[0][0], longer]]
    made = encode_cast(people, None, WIDTH, HEIGHT, 33, 25.0, start, start)
    windows = WanContextWindowsManualNode.execute(
        adapted, 9, 0, "standard_static", 1, False, "pyramid", False, False
    )[0]
    _, history = run(windows, made, "affinity")
    assert torch.equal(history.masks[-1][:, 3:].float(), made.cast.layouts[:, 3:])
    assert not torch.equal(history.masks[-1][:, 1:3].float(), made.cast.layouts[:, 1:3])


def test_people_are_followed_from_the_first_frame() -> None:
    """Two people and a background that move about, as features with some noise on them."""
    generator = torch.Generator().manual_seed(0)
    kinds = 3 * torch.randn(3, 32, generator=generator)
    truth = torch.randint(0, 3, (1, 5, 4, 6), generator=generator)
    video = kinds[truth.flatten(1)] + 0.5 * torch.randn(1, 120, 32, generator=generator)
    regions = torch.stack([(truth[0, 0] == n).float() for n in (0, 1)])
    masks = RegionHead(regions, 0.05)(video, None, None, None, None).sigmoid().view(1, 2, 5, 4, 6)
    assert torch.equal(masks[0] > 0.5, torch.stack([truth[0] == n for n in (0, 1)]))


def test_what_does_not_go_together_is_said(adapted: ModelPatcher, tmp_path: Path) -> None:
    made = encoded("Ann", "Bob")
    with pytest.raises(InteractError, match="mask heads were not trained on.*affinity"):
        apply_guidance(adapted, made.cast, GuidanceSettings())
    base = apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))
    with pytest.raises(InteractError, match="text-to-video model, which takes no start image"):
        apply_guidance(base, made.cast, GuidanceSettings(mask_source="affinity"))
    people = list(made.cast.characters)
    with pytest.raises(InteractError, match="positive has no start image.*WanImageToVideo"):
        encode_cast(people, None, WIDTH, HEIGHT, FRAMES, 25.0)
    mixed = [people[0], *tiny_wan.make_cast(speaking=(False,)).characters]
    with pytest.raises(InteractError, match="'Ann' is a region.*'character 0' has a picture"):
        encode_cast(mixed, None, WIDTH, HEIGHT, FRAMES, 25.0, with_start_image(), with_start_image())


def test_bad_regions_are_refused() -> None:
    with pytest.raises(InteractError, match="region of 'Ann' is empty"):
        make_region_character("Ann", torch.zeros(1, HEIGHT, WIDTH))
    with pytest.raises(InteractError, match="expected one mask"):
        make_region_character("Ann", torch.ones(3, HEIGHT, WIDTH))
    dot = torch.zeros(HEIGHT, WIDTH)
    dot[:3, :3] = 1
    for people, said in (
        ((("Ann", dot), ("Bob", side(True))), "'Ann' is too small, it fills no token"),
        ((("Ann", side(True)), ("Bob", torch.ones(HEIGHT, WIDTH))), "'Ann' and 'Bob' cover the same people"),
    ):
        made = [make_region_character(name, region, speech(1)) for name, region in people]
        with pytest.raises(InteractError, match=said):
            encode_cast(made, None, WIDTH, HEIGHT, FRAMES, 25.0, with_start_image(), with_start_image())


def test_a_start_image_of_another_length_is_refused(adapted: ModelPatcher) -> None:
    made = encoded("Ann", "Bob")
    for part in (made.positive, made.negative):
        for name in ("concat_latent_image", "concat_mask"):
            part[0][1][name] = part[0][1][name].repeat_interleave(2, dim=2)
    with pytest.raises(InteractError, match="set to 21 frames, but the video has 9"):
        run(adapted, made, "affinity")
