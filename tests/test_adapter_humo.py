"""HuMo's own audio layers behind our masks: one speaker equals core, several have a voice each, others are refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from interacthuman.tests import host_support as world

from comfy.ldm.wan.model import HumoWanModel  # isort: skip
from comfy.model_patcher import ModelPatcher  # isort: skip
from comfy.patcher_extension import WrappersMP  # isort: skip

from interacthuman.interact_core.adapter.humo import audio_windows
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import Cast, GuidanceSettings
from interacthuman.interact_core.host import conditioning
from interacthuman.interact_core.host.guidance import apply_guidance, collect
from interacthuman.interact_core.host.loading import apply_adapter, apply_base_audio
from interacthuman.interact_core.speech.from_core import from_encoder_output

FIXED = GuidanceSettings(mask_source="fixed", boundary=0.0)
FRAMES = 4 * (world.FRAMES - 1) + 1
HALVES = (torch.arange(world.COLUMNS) < world.COLUMNS // 2).float().expand(world.FRAMES, world.ROWS, -1)


@pytest.fixture(scope="module", params=[16, 36], ids=["1.7B", "17B"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    """The audio layers have their true sizes, core knows no others; the larger HuMo has 36 channels a frame."""
    return world.load_tiny(tmp_path_factory.mktemp("humo"), cls=HumoWanModel, in_dim=request.param)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ModelPatcher:
    return world.load_tiny(tmp_path_factory.mktemp("humo"), cls=HumoWanModel)


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
        world.text(3), world.text(4), Vae(), cast.width, cast.height, cast.frames, 1, image, output
    ).args[:2]


def run(
    model: ModelPatcher,
    cast: Cast,
    conds: tuple[list, list],
    settings: GuidanceSettings = FIXED,
    **options: Any,
) -> Tensor:
    guided, _ = apply_guidance(model, cast, settings)
    return world.core_sample(guided, *conds, world.empty_latent(cast), **options)


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


@pytest.mark.parametrize(("cfg", "batched"), [(1.0, False), (5.0, True), (5.0, False)])
def test_one_speaker_everywhere_equals_core_humo(base: ModelPatcher, cfg: float, batched: bool) -> None:
    """Core's node on the stock model against our cast on the same: picture, voice, both conds, three steps."""
    cast = world.make_cast((True,), layouts=torch.ones(1, world.FRAMES, world.ROWS, world.COLUMNS))
    pictures, output = world.references(cast), whisper_output()
    golden = core_conds(cast, output, pictures)
    ours = conditioning.attach_cast(world.text(3), world.text(4), cast, pictures, tracks(7))
    for _, values in ours[1]:  # core's negative is shown a latent of zeros
        values["time_dim_concat"] = torch.zeros_like(pictures)
    if not batched:
        golden, ours = (golden[0], longer_text(golden[1])), (ours[0], longer_text(ours[1]))
    rows: list[int] = []
    watched = heard_rows(base, rows)
    expected = world.core_sample(watched, *golden, world.empty_latent(cast), cfg=cfg)
    samples = run(apply_base_audio(watched), cast, ours, cfg=cfg)
    assert set(rows) == {2 if batched else 1}
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    unheard = run(apply_base_audio(base, 0.0), cast, ours, cfg=cfg)
    assert (unheard - expected).abs().max() > 1e-2 * expected.abs().max()  # the voice is not lost in rounding
