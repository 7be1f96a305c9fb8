"""Wan2.2 S2V's own audio layers behind our masks: one speaker equals core, several have a voice each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interacthuman.tests.support.models import tiny_s2v, tiny_wan
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.adapter import s2v
from interacthuman.interact_core.adapter.affinity import PictureHead
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.host.apply import apply_guidance, collect
from interacthuman.interact_core.host.encode.cast_encoding import EncodedCast
from interacthuman.interact_core.host.encode.parts import encode_part
from interacthuman.interact_core.host.loading import apply_adapter, apply_base_audio
from interacthuman.interact_core.host.tokens.geometry import frames_of_call

FIXED = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
AFFINITY = GuidanceSettings(mask_source="affinity", stage_boundary=0.0)
FRAMES = 4 * (tiny_wan.FRAMES - 1) + 1
HALVES = tiny_s2v.HALVES
TWO = {"Ann": HALVES, "Bob": 1 - HALVES}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    return tiny_s2v.load(tmp_path_factory.mktemp("s2v"))


def voice(seed: int) -> dict[str, Any]:
    return tiny_s2v.wav2vec2_output(seed)


def alone(given: tuple[list, list], length: int = FRAMES) -> EncodedCast:
    speech = tiny_s2v.wav2vec2_output(frames=length)
    return tiny_s2v.encoded(given, {"Ann": tiny_s2v.EVERYWHERE}, (speech,), length)


def two(first: int = 7, second: int = 8, regions: dict[str, Tensor] = TWO) -> EncodedCast:
    return tiny_s2v.encoded(tiny_s2v.conds(FRAMES), regions, (voice(first), voice(second)), FRAMES)


def run(model: ModelPatcher, made: EncodedCast, settings: GuidanceSettings = FIXED, **options: Any) -> Tensor:
    guided, _ = apply_guidance(model, made.cast, settings)
    return tiny_wan.core_sample(guided, made.positive, made.negative, made.latent, **options)


def near(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def longer_text(conds: list) -> list:
    """Conds of different lengths are not batched."""
    return [[torch.cat((text, text), dim=1), values] for text, values in conds]


@pytest.mark.parametrize(
    "motion,control,cfg,batched",
    [
        (False, False, 1.0, True),
        (True, False, 1.0, True),
        (False, True, 5.0, True),
        (True, True, 5.0, True),
        (True, True, 5.0, False),
    ],
)
def test_one_speaker_everywhere_equals_core(
    base: ModelPatcher, motion: bool, control: bool, cfg: float, batched: bool
) -> None:
    """From what the audio encoder gives to the samples: core's node with the recording, ours behind it without."""
    torch.manual_seed(0)
    golden = tiny_s2v.conds(
        FRAMES, motion, control, audio_encoder_output=tiny_s2v.wav2vec2_output(frames=FRAMES)
    )
    given = tiny_s2v.conds(FRAMES, motion, control)
    if not batched:
        golden, given = (golden[0], longer_text(golden[1])), (given[0], longer_text(given[1]))
    made = alone(given)
    expected = tiny_wan.core_sample(base, *golden, made.latent, cfg=cfg)
    near(run(apply_base_audio(base), made, cfg=cfg), expected)
    unheard = run(apply_base_audio(base, 0.0), made, cfg=cfg)
    assert (unheard - expected).abs().max() > 1e-2 * expected.abs().max()  # the voice is not lost in rounding


def test_each_half_of_the_picture_hears_its_own_voice(base: ModelPatcher) -> None:
    """Core's own injector is the truth on each side, as if everybody were there."""
    wan = base.model.diffusion_model
    adapter = s2v.S2vAdapter(wan, s2v.S2vConfig.of(wan))
    generator = torch.Generator().manual_seed(9)
    frames, cells = tiny_wan.FRAMES, tiny_wan.ROWS * tiny_wan.COLUMNS
    video = torch.randn(1, frames * cells, tiny_wan.WIDTH, generator=generator)
    heard = torch.randn(2, FRAMES, 25, 1024, generator=generator)
    left = HALVES[0, ::16, ::16].flatten().repeat(frames)
    shares = torch.stack((left, 1 - left))[:, None]
    both = video + adapter.audio_blocks["4"](video, adapter.audio_projector(heard)[:, None], shares)
    for track, side in ((0, left > 0), (1, left == 0)):
        # Core encodes 4 T frames; what comes after the first of the last four is not heard.
        rest = torch.full((1, 3, 25, 1024), 9.0)
        whole = torch.cat((heard[track : track + 1], rest), dim=1).permute(0, 2, 3, 1)
        for_norm, tokens = wan.casual_audio_encoder(whole)
        truth = wan.audio_injector(video.clone(), 4, tokens, for_norm, video.shape[1])
        torch.testing.assert_close(both[:, side], truth[:, side], rtol=1e-5, atol=1e-5)


def test_who_swaps_voice_and_place_with_another_changes_nothing(base: ModelPatcher) -> None:
    model = apply_base_audio(base)
    torch.manual_seed(0)
    as_they_are = run(model, two(), steps=2)
    near(run(model, two(8, 7, {"Ann": 1 - HALVES, "Bob": HALVES}), steps=2), as_they_are)
    swapped = run(model, two(8, 7), steps=2)
    assert (swapped - as_they_are).abs().max() > 1e-2 * as_they_are.abs().max()


def test_strength_0_and_nobody_who_speaks_are_core_with_features_of_0(base: ModelPatcher) -> None:
    golden = tiny_s2v.conds(FRAMES, audio_encoder_output=voice(7))
    for _, values in golden[0]:
        values["audio_embed"] = torch.zeros_like(values["audio_embed"])
    made = alone(tiny_s2v.conds(FRAMES))
    expected = tiny_wan.core_sample(base, *golden, made.latent, steps=2)
    near(run(apply_base_audio(base, 0.0), made, steps=2), expected)
    faint = replace(made.cast, characters=(replace(made.cast.characters[0], strength=0.0),))
    near(run(apply_base_audio(base), replace(made, cast=faint), steps=2), expected)
    silent = tiny_s2v.encoded(tiny_s2v.conds(FRAMES), {"Ann": HALVES}, (None,), FRAMES)
    near(run(apply_base_audio(base), silent, steps=2), expected)


def with_voice_of_its_frames(model: ModelPatcher) -> ModelPatcher:
    """Core gives every context window the beginning of the recording; this clone gives each its own frames."""

    def wrapper(executor: Callable[..., Tensor], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        encoder, whole = executor.class_obj.casual_audio_encoder, kwargs["audio_embed"]
        frames, _ = frames_of_call(x.shape[2], args[4])
        encoder.forward = lambda _: [
            tokens[:, list(frames)] for tokens in type(encoder).forward(encoder, whole)
        ]
        try:
            return executor(x, *args, **kwargs)
        finally:
            del encoder.forward

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test", wrapper)
    return clone


def test_every_window_of_a_longer_video_hears_its_own_frames(base: ModelPatcher) -> None:
    length = 4 * 6 + 1
    windowed = tiny_wan.with_windows(base, 17)
    golden = tiny_s2v.conds(length, True, True, audio_encoder_output=tiny_s2v.wav2vec2_output(frames=length))
    made = alone(tiny_s2v.conds(length, True, True), length)
    expected = tiny_wan.core_sample(
        with_voice_of_its_frames(windowed), *golden, made.latent, steps=2, cfg=1.0
    )
    near(run(apply_base_audio(windowed), made, steps=2, cfg=1.0), expected)


def test_without_a_cast_the_base_is_as_it_was(base: ModelPatcher) -> None:
    conds = tiny_s2v.conds(FRAMES, True, True, audio_encoder_output=voice(7))
    latent = alone(tiny_s2v.conds(FRAMES)).latent
    stock = tiny_wan.core_sample(base, *conds, latent, steps=2)
    assert torch.equal(tiny_wan.core_sample(apply_base_audio(base), *conds, latent, steps=2), stock)


def test_people_are_found_by_their_places_in_the_reference_picture(base: ModelPatcher) -> None:
    """In windows too, as every window sees the picture."""
    made = two()
    guided, handle = apply_guidance(apply_base_audio(base), made.cast, AFFINITY)
    samples = tiny_wan.core_sample(guided, made.positive, made.negative, made.latent)
    masks = collect(handle).masks
    assert masks.shape == (3, 2, *made.cast.grid) and samples.isfinite().all() and masks.float().std() > 0.0
    assert not torch.equal(samples, run(apply_base_audio(base), made, GuidanceSettings(mask_source="none")))


def test_the_picture_is_compared_whatever_the_model_adds_to_it() -> None:
    """Two people and a ground, each with features of their own; the picture's tokens carry an offset."""
    generator = torch.Generator().manual_seed(1)
    looks = torch.randn(3, 32, generator=generator)
    picture = torch.tensor([[0, 0, 2, 1, 1, 2]])
    video = torch.tensor([[2, 1, 0, 2, 1, 0], [0, 2, 2, 1, 2, 1]])
    regions = torch.stack([(picture == who).float() for who in (0, 1)])
    head = PictureHead(regions, 0.05)
    offset = 5 * torch.randn(32, generator=generator)
    seen = looks[video.flatten()][None]
    found = head(seen, (looks[picture.flatten()] + offset)[None, None], *[None] * 3).sigmoid()[0]
    truth = torch.stack([(video.flatten() == who).float() for who in (0, 1)])
    assert (found - truth).abs().max() < 0.05


class Flops:
    """What a call of the model costs, and what of it the injectors take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counter = FlopCounterMode(display=False)
        self.injectors = 0
        plain = s2v.S2vBlock.__call__

        def counted(block: s2v.S2vBlock, *args: Any) -> Tensor:
            before = self.counter.get_total_flops()
            made = plain(block, *args)
            self.injectors += self.counter.get_total_flops() - before
            return made

        monkeypatch.setattr(s2v.S2vBlock, "__call__", counted)


def test_many_speakers_cost_no_more_than_one_outside_of_the_injectors(
    base: ModelPatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the second step: the first has encoded the recordings, once for the whole run."""
    model, cost = apply_base_audio(base), []
    strips = (
        torch.eye(4).repeat_interleave(tiny_s2v.WIDTH // 4, dim=1)[:, None].expand(-1, tiny_s2v.HEIGHT, -1)
    )
    for speakers in (1, 4):
        regions = {f"{n}": strips[n : n + 1] for n in range(speakers)}
        voices = tuple(voice(n) for n in range(speakers))
        made = tiny_s2v.encoded(tiny_s2v.conds(FRAMES), regions, voices, FRAMES)
        each = []
        for steps in (1, 2):
            flops = Flops(monkeypatch)
            with flops.counter:
                run(model, made, steps=steps)
            each.append((flops.counter.get_total_flops(), flops.injectors))
            monkeypatch.undo()
        (first, first_in), (both, both_in) = each
        cost.append((both - first, both_in - first_in))
    (one, injected), (four, injected_four) = cost
    assert 0 < injected < injected_four
    assert four - injected_four <= 1.001 * (one - injected)


@pytest.mark.parametrize("clean", [False, True])
def test_a_part_keeps_the_picture_and_hears_and_sees_what_came_before_it(
    base: ModelPatcher, clean: bool
) -> None:
    film = 4 * 6 + 1
    given = tiny_s2v.conds(film, control=True)
    made = tiny_s2v.encoded(given, TWO, (voice(7), tiny_s2v.wav2vec2_output(8, film)), film)
    finished = torch.rand(13, tiny_s2v.HEIGHT, tiny_s2v.WIDTH, 3)
    vae = tiny_s2v.DrawnVae()
    part = encode_part(made.positive, made.negative, made.cast, vae, 17, 5, finished, clean=clean)
    assert part.cast.part is not None and (part.cast.part.start, part.cast.frames) == (8, 17)
    assert torch.equal(part.cast.regions, made.cast.regions)
    for conds in (part.positive, part.negative):
        values = conds[0][1]
        assert torch.equal(values["control_video"], made.positive[0][1]["control_video"][:, :, 2:7])
        assert values["reference_motion"].shape[2] == 19
        assert torch.equal(values["reference_latents"][-1], made.positive[0][1]["reference_latents"][-1])
    guided, seen = apply_guidance(apply_base_audio(base), part.cast, AFFINITY)[0].clone(), []
    guided.add_wrapper_with_key(
        WrappersMP.DIFFUSION_MODEL,
        "seen",
        lambda run, x, *more, **named: (seen.append(x), run(x, *more, **named))[1],
    )
    samples = tiny_wan.core_sample(
        guided,
        part.positive,
        part.negative,
        {"samples": part.latent["samples"]},
        steps=2,
        noise_mask=part.latent["noise_mask"],
    )
    known = part.latent["samples"][:, :, :2]
    assert samples.isfinite().all()
    torch.testing.assert_close(samples[:, :, :2], known)
    shown = base.model.process_latent_in(known)
    assert all(torch.allclose(x[:1, :16, :2], shown.to(x), atol=1e-5) == clean for x in seen) and seen


def test_motion_frames_are_the_ones_before_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """73 frames, grey where the film has begun later, as core's WanSoundImageToVideo fills them."""
    seen: list[Tensor] = []
    plain = tiny_s2v.DrawnVae.encode
    monkeypatch.setattr(
        tiny_s2v.DrawnVae, "encode", lambda vae, pictures: (seen.append(pictures), plain(vae, pictures))[1]
    )
    film = 4 * 6 + 1
    made = alone(tiny_s2v.conds(film), film)
    seen.clear()
    finished = torch.rand(13, tiny_s2v.HEIGHT, tiny_s2v.WIDTH, 3)
    encode_part(made.positive, made.negative, made.cast, tiny_s2v.DrawnVae(), 17, 5, finished)
    (motion,) = [pictures for pictures in seen if len(pictures) == 73]
    assert torch.equal(motion[-8:], finished[:8]) and bool((motion[:-8] == 0.5).all())
    first = encode_part(made.positive, made.negative, made.cast, tiny_s2v.DrawnVae(), 17, 5)
    assert "reference_motion" not in first.positive[0][1]


def with_values(conds: list, **changes: Any) -> list:
    """A copy; a value of None is taken out."""
    return [
        [text, {key: value for key, value in {**values, **changes}.items() if value is not None}]
        for text, values in conds
    ]


@pytest.mark.parametrize(
    "changes,said",
    [
        (
            {"control_video": torch.zeros(1, 16, 4, 8, 12)},
            "set to 13 frames, but the video has 9: set its length to 9",
        ),
        ({"control_video": torch.zeros(1, 16, 3, 8, 10)}, "not set to 96x64, the size of the video"),
        ({"reference_latents": [torch.zeros(1, 16, 1, 4, 4)]}, "not set to 96x64, the size of the video"),
        (
            {"reference_latents": None},
            "does not see: the model is Wan2.2 S2V, .*WanSoundImageToVideo, with ref_image",
        ),
        ({"reference_motion": torch.zeros(1, 16, 19, 8, 6)}, "only from 64x64 on"),
        ({"audio_embed": torch.ones(1, 25, 1024, 12)}, "disconnect its audio_encoder_output"),
    ],
)
def test_what_does_not_fit_the_video_is_refused_before_sampling(
    base: ModelPatcher, changes: dict[str, Any], said: str
) -> None:
    made = two()
    made = replace(made, positive=with_values(made.positive, **changes))
    with pytest.raises(InteractError, match=said):
        run(apply_base_audio(base), made)


def test_windows_that_would_cut_the_motion_frames_are_refused(base: ModelPatcher) -> None:
    made = alone(tiny_s2v.conds(73, motion=True), 73)
    with pytest.raises(InteractError, match="as long as its motion frames .73 frames.*set length to 77"):
        run(apply_base_audio(tiny_wan.with_windows(base, 17)), made)


def test_what_does_not_belong_together_is_refused(base: ModelPatcher, tmp_path: Path) -> None:
    adapter = tiny_wan.load_tiny_adapter(tmp_path)
    with pytest.raises(
        InteractError, match=r"S2V, which has audio layers of its own.*from the base model \(S2V\)"
    ):
        apply_adapter(base, adapter)
    pictures = tiny_wan.make_cast((True,))
    with pytest.raises(InteractError, match="S2V, which knows everybody by one reference picture"):
        apply_guidance(apply_base_audio(base), pictures, FIXED)
    with pytest.raises(
        InteractError, match="positive already contains audio.*disconnect its audio_encoder_output"
    ):
        alone(tiny_s2v.conds(FRAMES, audio_encoder_output=voice(7)))
    image_to_video = tiny_wan.load_tiny(tmp_path, model_type="i2v", in_dim=36)
    made = two()
    made = replace(made, cast=replace(made.cast, fps=25.0))
    with pytest.raises(
        InteractError, match="an image-to-video model, which takes it from ComfyUI's WanImageToVideo"
    ):
        run(apply_adapter(image_to_video, adapter), with_features_of_adapter(made))


def with_features_of_adapter(made: EncodedCast) -> EncodedCast:
    """Without voices, which belong to another encoder."""
    silent = tuple(replace(character, speech=None) for character in made.cast.characters)
    return replace(made, cast=replace(made.cast, characters=silent))
