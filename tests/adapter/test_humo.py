"""HuMo's own audio layers behind our masks: one speaker equals core, several have a voice each, others are refused."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.tests.support.models import tiny_wan
from torch import Tensor

from comfy.ldm.wan.model import HumoWanModel  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.adapter.humo import HumoAdapter, HumoConfig, audio_windows
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings, assemble_cast
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.encode import conditioning
from interacthuman.interact_core.host.encode.cast_encoding import make_region_character
from interacthuman.interact_core.host.loading import apply_adapter, apply_base_audio
from interacthuman.interact_core.speech.from_core import from_encoder_output

FIXED = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
FRAMES = 4 * (tiny_wan.FRAMES - 1) + 1
HALVES = (
    (torch.arange(tiny_wan.COLUMNS) < tiny_wan.COLUMNS // 2)
    .float()
    .expand(tiny_wan.FRAMES, tiny_wan.ROWS, -1)
)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], ModelPatcher]:
    """By channels in a frame. The audio layers have their true sizes, as core knows no others."""

    @functools.cache
    def load(in_dim: int) -> ModelPatcher:
        return tiny_wan.load_tiny(tmp_path_factory.mktemp("humo"), cls=HumoWanModel, in_dim=in_dim)

    return load


@pytest.fixture
def small(bases: Callable[[int], ModelPatcher]) -> ModelPatcher:
    return bases(16)


def whisper_output(seed: int = 7, frames: int = FRAMES) -> dict[str, Any]:
    """As core's whisper gives it for a recording exactly as long as the video, but without 30 s of padding."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.randn(1, 2 * frames + 60, 1280, generator=generator) for _ in range(33)]
    return {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": 640 * frames}


def tracks(*seeds: int) -> Tensor:
    """[S + 1, F, L, C], mute last."""
    heard = [from_encoder_output(whisper_output(seed)).features for seed in seeds]
    return torch.stack([*heard, torch.full_like(heard[0], 0.3)])


def core_conds(cast: Cast, output: dict[str, Any], pictures: Tensor) -> tuple[list, list]:
    """Of core's node, with a VAE that gives `pictures`; its negative's as ours if they are to be blank."""
    from comfy_extras.nodes_wan import WanHuMoImageToVideo

    class Vae:
        def encode(self, picture: Tensor) -> Tensor:
            return pictures

    image = torch.zeros(1, cast.height, cast.width, 3)
    return WanHuMoImageToVideo.execute(
        tiny_wan.text(3), tiny_wan.text(4), Vae(), cast.width, cast.height, cast.frames, 1, image, output
    ).args[:2]


def run(
    model: ModelPatcher,
    cast: Cast,
    conds: tuple[list, list],
    settings: GuidanceSettings = FIXED,
    **options: Any,
) -> Tensor:
    guided, _ = apply_guidance(model, cast, settings)
    return tiny_wan.core_sample(guided, *conds, tiny_wan.empty_latent(cast), **options)


def heard_rows(model: ModelPatcher, rows: list[int]) -> ModelPatcher:
    """A clone that notes how many conds each call of the model has."""

    def wrapper(executor: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        rows.append(x.shape[0])
        return executor(x, *args, **kwargs)

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", wrapper)
    return clone


def longer_text(conds: list) -> list:
    """Conds of different lengths are not batched."""
    return [[torch.cat((text, text), dim=1), values] for text, values in conds]


@pytest.mark.parametrize(
    "channels,batched", [(16, True), (16, False), (36, True)], ids=["1.7B", "1.7B apart", "17B"]
)
def test_one_speaker_everywhere_equals_core_humo(
    bases: Callable[[int], ModelPatcher], channels: int, batched: bool
) -> None:
    """Core's node on the stock model against our cast on the same: picture, voice, both conds, three steps."""
    base, cfg = bases(channels), 5.0
    cast = tiny_wan.make_cast(
        (True,), layouts=torch.ones(1, tiny_wan.FRAMES, tiny_wan.ROWS, tiny_wan.COLUMNS)
    )
    pictures, output = tiny_wan.references(cast), whisper_output()
    golden = core_conds(cast, output, pictures)
    ours = conditioning.attach_cast(tiny_wan.text(3), tiny_wan.text(4), cast, pictures, tracks(7))
    for _, values in ours[1]:  # core's negative is shown a latent of zeros
        values["time_dim_concat"] = torch.zeros_like(pictures)
    if not batched:
        golden, ours = (golden[0], longer_text(golden[1])), (ours[0], longer_text(ours[1]))
    rows: list[int] = []
    watched = heard_rows(base, rows)
    expected = tiny_wan.core_sample(watched, *golden, tiny_wan.empty_latent(cast), cfg=cfg)
    samples = run(apply_base_audio(watched), cast, ours, cfg=cfg)
    assert set(rows) == {2 if batched else 1}
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    unheard = run(apply_base_audio(base, 0.0), cast, ours, cfg=cfg)
    assert (unheard - expected).abs().max() > 1e-2 * expected.abs().max()  # the voice is not lost in rounding


def test_windows_and_groups_of_whisper_are_cores(small: ModelPatcher) -> None:
    cast = tiny_wan.make_cast((True,))
    positive, _ = core_conds(cast, whisper_output(), tiny_wan.references(cast))
    heard = from_encoder_output(whisper_output())
    assert heard.fps == 25.0 and heard.features.shape == (FRAMES, 5, 1280)
    torch.testing.assert_close(audio_windows(heard.features[None]), positive[0][1]["audio_embed"])


def test_each_half_of_the_picture_hears_its_own_voice(small: ModelPatcher) -> None:
    """Core's own layer is the truth on each side, as if everybody were there."""
    wan = small.model.diffusion_model
    adapter = HumoAdapter(wan, HumoConfig.of(wan))
    heard = tracks(7, 8)
    tokens = adapter.audio_projector(heard)[:, None]
    generator = torch.Generator().manual_seed(9)
    video = torch.randn(
        1, tiny_wan.FRAMES * tiny_wan.ROWS * tiny_wan.COLUMNS, tiny_wan.WIDTH, generator=generator
    )
    left = HALVES.flatten()
    shares = torch.stack((left, 1 - left, torch.zeros_like(left)))[:, None]
    both = video + adapter.audio_blocks["1"](video, tokens, shares)
    layer = wan.blocks[1].audio_cross_attn_wrapper
    # Of the class: an earlier test's run may have left its patch on a model that is still loaded.
    alone = [type(layer).forward(layer, video, tokens[n].flatten(1, 2)) for n in (0, 1)]
    torch.testing.assert_close(both[:, left > 0], alone[0][:, left > 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(both[:, left == 0], alone[1][:, left == 0], rtol=1e-5, atol=1e-5)


def two(masks: tuple[Tensor, Tensor], voices: tuple[int, int]) -> tuple[Cast, tuple[list, list]]:
    """Two speakers of the same two pictures, whatever their masks and voices."""
    cast = tiny_wan.make_cast(layouts=torch.stack(masks))
    conds = conditioning.attach_cast(
        tiny_wan.text(3), tiny_wan.text(4), cast, tiny_wan.references(cast), tracks(*voices)
    )
    return cast, conds


def test_who_swaps_voice_and_place_with_another_changes_nothing(small: ModelPatcher) -> None:
    model = apply_base_audio(small)
    as_they_are = run(model, *two((HALVES, 1 - HALVES), (7, 8)), steps=2)
    both_swapped = run(model, *two((1 - HALVES, HALVES), (8, 7)), steps=2)
    scale = float(as_they_are.abs().max())
    torch.testing.assert_close(both_swapped, as_they_are, rtol=0, atol=1e-5 * scale)
    voices_swapped = run(model, *two((HALVES, 1 - HALVES), (8, 7)), steps=2)
    assert (voices_swapped - as_they_are).abs().max() > 1e-2 * scale


def test_outside_of_everybody_mute_is_heard(small: ModelPatcher) -> None:
    model = apply_base_audio(small)
    nowhere, everywhere = torch.zeros_like(HALVES), torch.ones_like(HALVES)
    outside = run(model, *two((nowhere, nowhere), (7, 8)), steps=2)
    cast, conds = two((everywhere, nowhere), (7, 8))
    audio = conds[0][0][1]["model_conds"]["interact_audio"].cond
    audio[:, 0] = audio[:, -1]  # who is everywhere is silent himself
    torch.testing.assert_close(run(model, cast, conds, steps=2), outside, rtol=0, atol=1e-4)


def test_strength_0_and_nobody_who_speaks_are_the_base_that_hears_nothing(small: ModelPatcher) -> None:
    """HuMo hears zeros then, as it was trained, in core and here."""
    cast = tiny_wan.make_cast((True,), layouts=torch.ones(1, *HALVES.shape))
    pictures = tiny_wan.references(cast)
    positive, negative = core_conds(cast, whisper_output(), pictures)
    for _, values in positive:
        values["audio_embed"] = torch.zeros_like(values["audio_embed"])
    for _, values in negative:
        values["reference_latents"] = [pictures]
    expected = tiny_wan.core_sample(small, positive, negative, tiny_wan.empty_latent(cast), steps=2)
    near = {"rtol": 0, "atol": 1e-5 * float(expected.abs().max())}
    conds = conditioning.attach_cast(tiny_wan.text(3), tiny_wan.text(4), cast, pictures, tracks(7))
    torch.testing.assert_close(run(apply_base_audio(small, 0.0), cast, conds, steps=2), expected, **near)
    faint = replace(cast, characters=(replace(cast.characters[0], strength=0.0),))
    torch.testing.assert_close(run(apply_base_audio(small), faint, conds, steps=2), expected, **near)
    silent = tiny_wan.make_cast((False,), layouts=torch.ones(1, *HALVES.shape))
    conds = conditioning.attach_cast(tiny_wan.text(3), tiny_wan.text(4), silent, pictures, None)
    torch.testing.assert_close(run(apply_base_audio(small), silent, conds, steps=2), expected, **near)


def test_windows_of_a_longer_video_are_cores(small: ModelPatcher) -> None:
    """Core slices its own audio for every window; we index ours."""
    cast = tiny_wan.make_cast((True,), frames=7, layouts=torch.ones(1, 7, tiny_wan.ROWS, tiny_wan.COLUMNS))
    pictures, output = tiny_wan.references(cast), whisper_output(frames=cast.frames)
    windowed = tiny_wan.with_windows(small, 17)
    golden = core_conds(cast, output, pictures)
    expected = tiny_wan.core_sample(windowed, *golden, tiny_wan.empty_latent(cast), steps=2, cfg=1.0)
    heard = from_encoder_output(output).features
    conds = conditioning.attach_cast(
        tiny_wan.text(3), tiny_wan.text(4), cast, pictures, torch.stack((heard, torch.zeros_like(heard)))
    )
    samples = run(apply_base_audio(windowed), cast, conds, steps=2, cfg=1.0)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_without_a_cast_the_base_is_as_it_was(small: ModelPatcher) -> None:
    cast = tiny_wan.make_cast((True,))
    conds = core_conds(cast, whisper_output(), tiny_wan.references(cast))
    latent = tiny_wan.empty_latent(cast)
    stock = tiny_wan.core_sample(small, *conds, latent, steps=2)
    adapted = apply_base_audio(small)
    assert torch.equal(tiny_wan.core_sample(adapted, *conds, latent, steps=2), stock)
    assert torch.equal(tiny_wan.core_sample(small, *conds, latent, steps=2), stock)


def test_masks_come_from_likeness_but_not_from_a_head(small: ModelPatcher) -> None:
    cast, conds = two((HALVES, 1 - HALVES), (7, 8))
    model = apply_base_audio(small)
    with pytest.raises(InteractError, match="no mask head.*HuMo.*affinity"):
        apply_guidance(model, cast, GuidanceSettings())
    guided, handle = apply_guidance(model, cast, GuidanceSettings(mask_source="affinity", stage_boundary=0.0))
    samples = tiny_wan.core_sample(guided, *conds, tiny_wan.empty_latent(cast), steps=3)
    masks = collect(handle).masks
    assert masks.shape == (3, 2, *cast.grid) and samples.isfinite().all() and masks.float().std() > 0.0
    global_audio = run(model, cast, conds, GuidanceSettings(mask_source="none"))
    assert not torch.equal(samples, global_audio)


def test_what_does_not_belong_together_is_refused(small: ModelPatcher, tmp_path: Path) -> None:
    adapter = tiny_wan.load_tiny_adapter(tmp_path)
    with pytest.raises(InteractError, match="HuMo, which has audio layers of its own"):
        apply_adapter(small, adapter)
    plain = tiny_wan.load_tiny(tmp_path)
    with pytest.raises(InteractError, match="WanModel.*has no audio layers of its own"):
        apply_base_audio(plain)
    region = make_region_character("Ann", torch.ones(1, 16 * tiny_wan.ROWS, 16 * tiny_wan.COLUMNS))
    cast = assemble_cast([region], 16 * tiny_wan.COLUMNS, 16 * tiny_wan.ROWS, FRAMES, 25.0)
    with pytest.raises(InteractError, match="HuMo, which takes no start image"):
        apply_guidance(apply_base_audio(small), cast, GuidanceSettings(mask_source="affinity"))
    cast = tiny_wan.make_cast((True,))
    conds = core_conds(cast, whisper_output(), tiny_wan.references(cast))
    with pytest.raises(InteractError, match="positive already contains audio.*WanHuMoImageToVideo"):
        conditioning.attach_cast(*conds, cast, tiny_wan.references(cast), tracks(7))


def test_voices_of_another_encoder_are_refused_before_sampling(small: ModelPatcher, tmp_path: Path) -> None:
    whisper = whisper_output()
    wav2vec2 = {**whisper, "encoded_audio_all_layers": [torch.zeros(1, 20, 768)] * 13}
    adapted = apply_adapter(tiny_wan.load_tiny(tmp_path), tiny_wan.load_tiny_adapter(tmp_path))
    for model, speech, said in (
        (apply_base_audio(small), wav2vec2, "wav2vec2.*HuMo.*load whisper-large-v3"),
        (adapted, whisper, "whisper.*InterAct adapter.*load the wav2vec2"),
    ):
        cast = tiny_wan.make_cast((True,), layouts=torch.ones(1, *HALVES.shape))
        cast = replace(cast, characters=(replace(cast.characters[0], speech=speech),))
        with pytest.raises(InteractError, match=f"'character 0' was encoded by a.*{said}"):
            apply_guidance(model, cast, FIXED)
