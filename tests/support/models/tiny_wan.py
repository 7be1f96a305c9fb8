"""A random Wan and a random adapter small enough for seconds, casts and conds for them, core's ways to sample.

Import this before anything of comfy.
"""

import json
import pathlib

import torch
from interacthuman.interact_core.host.standalone import prepare_comfy
from safetensors.torch import save_file
from torch import Tensor

prepare_comfy()

import comfy.ldm.wan.model  # noqa: E402
import comfy.ops  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.utils  # noqa: E402
from comfy.model_patcher import ModelPatcher  # noqa: E402
from interacthuman.interact_core.adapter import Adapter, AdapterConfig, save_adapter  # noqa: E402
from interacthuman.interact_core.guidance import Cast, Character  # noqa: E402
from interacthuman.interact_core.host import loading  # noqa: E402
from interacthuman.interact_core.host.encode import conditioning  # noqa: E402

WIDTH, BLOCKS = 48, 3  # of the tiny Wan
LAYERS, CHANNELS = 2, 4  # of the audio features
FRAMES, ROWS, COLUMNS = 3, 4, 6  # latent frames, token grid
LATENT = (16, FRAMES, 2 * ROWS, 2 * COLUMNS)
TINY_HEADER = {
    "config": json.dumps({"transformer": {"num_heads": 2, "freq_dim": 32}})
}  # of a tiny Wan's file


def random_like(tensor: Tensor, generator: torch.Generator, scale: float) -> Tensor:
    return torch.randn(tensor.shape, generator=generator) * scale


def random_wan(
    cls: type = comfy.ldm.wan.model.WanModel,
    in_dim: int = 16,
    model_type: str = "t2v",
    seed: int = 0,
    width: int = WIDTH,
    blocks: int = BLOCKS,
    **options: int,
) -> torch.nn.Module:
    """A random Wan in float32; every weight is drawn, so that nothing is hidden by a zero initialisation."""
    wan = cls(
        model_type=model_type,
        dim=width,
        ffn_dim=2 * width,
        num_heads=2,
        num_layers=blocks,
        in_dim=in_dim,
        freq_dim=32,
        text_dim=4096,
        operations=comfy.ops.disable_weight_init,
        dtype=torch.float32,
        **options,
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in wan.named_parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 and "modulation" not in name else 16
            parameter.copy_(random_like(parameter, generator, fan_in**-0.5))
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return wan


def write_wan(path: pathlib.Path, **options: object) -> pathlib.Path:
    """The tiny Wan as a file that core's UNETLoader reads: native keys, sizes in the header."""
    wan = random_wan(**options)
    save_file(
        {key: value.contiguous() for key, value in wan.state_dict().items()}, path, metadata=dict(TINY_HEADER)
    )
    return path


def adapter_config(**changes: object) -> AdapterConfig:
    fields = {
        "model_width": WIDTH,
        "model_blocks": BLOCKS,
        "audio_layers": LAYERS,
        "audio_width": CHANNELS,
        "audio_frame_width": 6,
        "audio_window": 2,
        "audio_hidden": 16,
        "audio_tokens": 2,
        "audio_context_width": 12,
        "audio_heads": 2,
        "mask_width": 12,
        "mask_heads": 2,
        "mask_blocks": (1, 2),
    }
    return AdapterConfig(**{**fields, **changes})


def random_adapter(config: AdapterConfig | None = None, seed: int = 1) -> Adapter:
    """An adapter whose every weight is drawn, output projections too, so that audio and masks really act."""
    adapter = Adapter(config or adapter_config())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapter.parameters():
            fan_in = parameter.shape[1] if parameter.ndim > 1 else 16
            parameter.copy_(random_like(parameter, generator, fan_in**-0.5))
    return adapter


def random_features(tracks: int, frames: int = FRAMES, batch: int = 1, seed: int = 2) -> Tensor:
    """[batch, tracks, F, L, C] features per video frame, F = 4(T - 1) + 1, without the sentinel frame."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, tracks, 4 * (frames - 1) + 1, LAYERS, CHANNELS, generator=generator)


def load_tiny(folder: pathlib.Path, **options: object) -> ModelPatcher:
    """The tiny Wan as a stock MODEL."""
    return loading.load_dit(write_wan(folder / "wan.safetensors", **options))


def load_tiny_adapter(folder: pathlib.Path, seed: int = 1, **changes: object) -> ModelPatcher:
    adapter = random_adapter(adapter_config(**changes), seed)
    save_adapter(folder / "adapter.safetensors", adapter.state_dict(), adapter.config)
    return loading.load_adapter(folder / "adapter.safetensors")


def make_cast(
    speaking: tuple[bool, ...] = (True, True), frames: int = FRAMES, layouts: Tensor | None = None
) -> Cast:
    characters = tuple(
        Character(
            name=f"character {number}",
            image=torch.full((1, 32, 32, 3), 0.5),
            speech={"spoken": number} if speaks else None,
            layout=None,
        )
        for number, speaks in enumerate(speaking)
    )
    return Cast(characters, 16 * COLUMNS, 16 * ROWS, 4 * (frames - 1) + 1, 25.0, layouts)


def text(seed: int) -> list:
    return [[torch.randn(1, 3, 4096, generator=torch.Generator().manual_seed(seed)), {}]]


def references(cast: Cast, seed: int = 11) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 16, len(cast.characters), 2 * ROWS, 2 * COLUMNS, generator=generator)


def conds(cast: Cast, seed: int = 2) -> tuple[list, list]:
    """Positive and negative that carry the cast, with random pictures and voices."""
    tracks = random_features(sum(cast.speaking) + 1, cast.latent_frames, seed=seed)[0]
    tracks = tracks if any(cast.speaking) else None
    return conditioning.attach_cast(text(3), text(4), cast, references(cast, seed + 9), tracks)


def empty_latent(cast: Cast, batch: int = 1) -> dict[str, Tensor]:
    return {"samples": torch.zeros(batch, 16, cast.latent_frames, 2 * ROWS, 2 * COLUMNS)}


def with_windows(model: ModelPatcher, length: int, schedule: str = "standard_static") -> ModelPatcher:
    """Core's Wan context windows of `length` video frames, overlapping by 5, with a causal anchor."""
    from comfy_extras.nodes_context_windows import WanContextWindowsManualNode

    return WanContextWindowsManualNode.execute(model, length, 5, schedule, 1, False, "pyramid", False, True)[
        0
    ]


def guider_sample(guider: comfy.samplers.CFGGuider, latent: dict[str, Tensor], steps: int = 3) -> Tensor:
    """Core's way from GUIDER to samples (SamplerCustomAdvanced)."""
    from comfy_extras.nodes_custom_sampler import BasicScheduler, RandomNoise, SamplerCustomAdvanced

    comfy.utils.set_progress_bar_enabled(False)
    sigmas = BasicScheduler.execute(guider.model_patcher, "simple", steps, 1.0)[0]
    sampler = comfy.samplers.sampler_object("euler")
    return SamplerCustomAdvanced.execute(RandomNoise.execute(5)[0], guider, sampler, sigmas, latent)[0][
        "samples"
    ]


def core_sample(
    model: ModelPatcher,
    positive: list,
    negative: list,
    latent: dict[str, Tensor],
    sampler: str = "euler",
    steps: int = 3,
    cfg: float = 3.0,
    **options: object,
) -> Tensor:
    """Core's own way from MODEL to samples (comfy.sample.sample, which KSampler calls)."""
    import comfy.sample

    comfy.utils.set_progress_bar_enabled(False)
    image = latent["samples"]
    noise = comfy.sample.prepare_noise(image, 5)
    return comfy.sample.sample(
        model,
        noise,
        steps,
        cfg,
        sampler,
        "simple",
        positive,
        negative,
        image,
        seed=5,
        disable_pbar=True,
        **options,
    )
