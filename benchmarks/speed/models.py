"""Wan 2.1 at its true widths with random weights, cut in depth, under the real hooks or core's own patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.supported_models
import torch
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from ...interact_core.adapter import Adapter, AdapterConfig
from ...interact_core.adapter.multitalk import MultiTalkAdapter, MultiTalkConfig
from ...interact_core.guidance import Cast, Character, GuidanceSettings
from ...interact_core.host.apply import apply_guidance
from ...interact_core.host.forward.call import AudioRole
from ...interact_core.host.forward.voice_tracks import VoiceTracks
from ...interact_core.host.keys import ADAPTER_KEY, GUIDANCE_KEY, ROLE_COND, RUN_KEY, TRACKS_COND
from ...interact_core.host.loading import apply_adapter
from ...interact_core.host.run.live import MaskStream
from ...interact_core.host.run.sampling_run import SamplingRun

FIXED_MASKS = GuidanceSettings(mask_source="fixed", stage_boundary=0.0)
TEXT = 512  # tokens of a prompt: core hands on as many as there are, Wan was trained on padding to this
SIGMA = 0.8
FEATURES = (13, 768)  # wav2vec2-base: hidden states and channels
MULTITALK = {"intermediate_dim": 512, "out_dim": 768, "context_tokens": 32}  # InfiniteTalk's file


@dataclass(frozen=True)
class Shape:
    """A published size of Wan 2.1, and how many of its blocks carry a mask head ("the last several")."""

    name: str
    width: int
    ffn: int
    heads: int
    blocks: int
    mask_blocks: int


SHAPES = {
    "1.3B": Shape("1.3B", 1536, 8960, 12, 30, 6),
    "14B": Shape("14B", 5120, 13824, 40, 40, 8),
}


@dataclass(frozen=True)
class Grid:
    """Size of the video in pixels and frames (4n+1)."""

    width: int
    height: int
    frames: int

    @property
    def latent(self) -> tuple[int, int, int, int, int]:
        return (1, 16, (self.frames - 1) // 4 + 1, self.height // 8, self.width // 8)

    @property
    def tokens(self) -> int:
        return self.latent[2] * self.frame_tokens

    @property
    def frame_tokens(self) -> int:
        return self.height * self.width // 256


@torch.no_grad()
def fill(module: nn.Module, std: float = 0.02) -> nn.Module:
    """Fill existing weights with random values; which ones does not matter, only that none is denormal and
    slow.
    """
    block = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0)) * std
    for name, parameter in module.named_parameters():
        values = parameter.view(-1)
        drawn = block.to(values)
        for begin in range(0, values.numel(), len(drawn)):
            part = values[begin : begin + len(drawn)]
            part.copy_(drawn[: len(part)])
        if "norm" in name and name.endswith("weight"):
            parameter.add_(1.0)
    return module.eval().requires_grad_(False)


def build_wan(
    shape: Shape, depth: int, device: torch.device, dtype: torch.dtype, image_to_video: bool = False
) -> ModelPatcher:
    """A stock MODEL of `depth` blocks."""
    kind = "i2v" if image_to_video else "t2v"
    sizes = {
        "image_model": "wan2.1",
        "model_type": kind,
        "dim": shape.width,
        "ffn_dim": shape.ffn,
        "num_heads": shape.heads,
        "num_layers": depth,
        "in_dim": 36 if image_to_video else 16,
        "out_dim": 16,
        "patch_size": (1, 2, 2),
        "freq_dim": 256,
        "window_size": (-1, -1),
        "qk_norm": True,
        "cross_attn_norm": True,
        "eps": 1e-6,
    }
    config_class = comfy.supported_models.WAN21_I2V if image_to_video else comfy.supported_models.WAN21_T2V
    config = config_class(sizes)
    config.set_inference_dtype(dtype, None)
    model = config.get_model({}, "", device=device)
    fill(model.diffusion_model)
    return ModelPatcher(model, load_device=device, offload_device=device)


def adapter_config(shape: Shape, depth: int, **changes: int) -> AdapterConfig:
    """Our adapter at this width, in the paper's budget for mask heads, with as many audio tokens as
    InfiniteTalk.
    """
    sizes = {
        "model_width": shape.width,
        "model_blocks": depth,
        "audio_layers": FEATURES[0],
        "audio_width": FEATURES[1],
        "audio_frame_width": 512,
        "audio_window": 5,
        "audio_hidden": 1024,
        "audio_tokens": MULTITALK["context_tokens"],
        "audio_context_width": MULTITALK["out_dim"],
        "audio_heads": shape.heads,
        "mask_width": 224,
        "mask_heads": 2,
        "mask_blocks": tuple(range(depth)),
    }
    return AdapterConfig(**{**sizes, **changes})


def in_patcher(adapter: nn.Module, device: torch.device) -> ModelPatcher:
    return comfy.model_patcher.CoreModelPatcher(adapter, load_device=device, offload_device=device)


def build_adapter(
    shape: Shape, depth: int, device: torch.device, dtype: torch.dtype, **changes: int
) -> ModelPatcher:
    adapter = Adapter(adapter_config(shape, depth, **changes), device, dtype, comfy.ops.manual_cast)
    return in_patcher(fill(adapter), device)


def cast_of(grid: Grid, speaking: int, silent: int = 0, by_region: bool = False) -> Cast:
    """People side by side, each half as wide as their share and three quarters as high as the video.

    Each picture shows an ellipse into which a standing person fits: as high as the frame and three eighths of
    that wide.
    """
    count = speaking + silent
    people, layouts = [], torch.zeros(count, *grid.latent[2:3], grid.height // 16, grid.width // 16)
    rows, columns = layouts.shape[2:]
    for number in range(count):
        left = round((number + 0.25) * columns / count)
        right = max(left + 1, round((number + 0.75) * columns / count))
        layouts[number, :, rows // 4 :, left:right] = 1.0
        image = torch.ones(1, grid.height, grid.width, 3)
        across = (torch.arange(grid.width) - grid.width / 2) / (3 * grid.height / 16)
        down = (torch.arange(grid.height) - grid.height / 2) / (grid.height / 2)
        image[:, down[:, None] ** 2 + across**2 < 1] = 0.5
        region = torch.nn.functional.interpolate(layouts[number, :1][None], (grid.height, grid.width))[0]
        speech = {"spoken": number} if number < speaking else None
        picture, place = (None, region) if by_region else (image, None)
        people.append(Character(f"person {number + 1}", picture, speech, None, place))
    regions = layouts[:, 0] if by_region else None
    return Cast(tuple(people), grid.width, grid.height, grid.frames, 25.0, layouts, regions)


@dataclass(eq=False)
class ForwardSetup:
    """A model and the inputs that all its evaluations share."""

    model: ModelPatcher
    grid: Grid
    device: torch.device
    image_to_video: bool = False

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.latent = self._drawn(*self.grid.latent, generator=generator)
        self.text = self._drawn(1, TEXT, 4096, generator=generator)
        self.more: dict[str, Tensor] = {}
        if self.image_to_video:
            self.more["c_concat"] = self._drawn(1, 20, *self.grid.latent[2:], generator=generator)
            self.more["clip_fea"] = self._drawn(1, 257, 1280, generator=generator)

    @property
    def base(self) -> BaseModel:
        return self.model.model

    def _drawn(self, *shape: int, generator: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=generator).to(self.device)

    def references(self, count: int) -> Tensor:
        _, channels, _, height, width = self.grid.latent
        return self._drawn(1, channels, count, height, width, generator=torch.Generator().manual_seed(2))

    def features(self, tracks: int) -> Tensor:
        """[tracks, F, L, C] of wav2vec2-base."""
        generator = torch.Generator().manual_seed(3)
        return self._drawn(tracks, self.grid.frames, *FEATURES, generator=generator)

    @torch.inference_mode()
    def evaluate(self, options: dict[str, Any], **more: Tensor) -> Tensor:
        sigma = torch.full((1,), SIGMA, device=self.device)
        return self.base.apply_model(
            self.latent, sigma, c_crossattn=self.text, transformer_options=options, **self.more, **more
        )

    def bare(self, references: int = 0) -> Callable[[], Tensor]:
        """The stock model, with references as core's own Phantom node has them."""
        more = {"time_dim_concat": self.references(references)} if references else {}
        return lambda: self.evaluate({}, **more)

    def guided(
        self, adapter: ModelPatcher, cast: Cast, settings: GuidanceSettings = FIXED_MASKS, heads: bool = True
    ) -> Callable[[], Tensor]:
        """An evaluation of a run in stage two, as the sampling wrappers make it.

        Masks are fixed, so that the first evaluation is like every other one; mask heads run all the same and
        predict. heads: False leaves them out, to see what audio alone costs.
        """
        guided, _ = apply_guidance(apply_adapter(self.model, adapter), cast, settings)
        options = dict(guided.model_options["transformer_options"])
        options["wrappers"] = {kind: dict(keyed) for kind, keyed in guided.wrappers.items()}
        if not heads:
            options["patches"] = {k: v for k, v in options["patches"].items() if k != "double_block"}
        references = self.references(cast.references) if cast.references else None
        guidance = options[GUIDANCE_KEY]
        run = SamplingRun(
            options[ADAPTER_KEY],
            guidance.cast,
            guidance.settings,
            guided,
            torch.linspace(1, 0, 9),
            references,
            MaskStream(cast, 8),
        )
        more = {ROLE_COND: torch.full((1, 1), AudioRole.VOICES.value, device=self.device)}
        if any(cast.speaking):
            tracks = self.features(sum(cast.speaking) + 1)
            more[TRACKS_COND] = VoiceTracks(tracks[None]).pack()
        if references is not None:
            more["time_dim_concat"] = references
        options |= {RUN_KEY: run, "uuids": ["the positive"], "cond_or_uncond": [0]}

        def evaluate() -> Tensor:
            run.begin_evaluation(SIGMA, self.latent)
            output = self.evaluate(options, **more)
            run.end_evaluation(output)
            return output

        return evaluate


@dataclass(eq=False)
class InfiniteTalk:
    """Core's InfiniteTalk with random weights of its true sizes, and the same weights in our adapter."""

    patch: nn.Module
    ours: ModelPatcher

    @classmethod
    def build(cls, shape: Shape, depth: int, device: torch.device, dtype: torch.dtype) -> InfiniteTalk:
        """Core writes 40 heads whatever the width, so this is for the width of 14B."""
        from comfy_extras.nodes_model_patch import MultiTalkModelPatch

        kwargs = {"device": device, "dtype": dtype, "operations": comfy.ops.manual_cast}
        patch = fill(MultiTalkModelPatch(in_dim=shape.width, num_layers=depth, **MULTITALK, **kwargs))
        weights = patch.state_dict()
        config = MultiTalkConfig.of({key: value.shape for key, value in weights.items()}, "random weights")
        adapter = MultiTalkAdapter(config, "meta", dtype, comfy.ops.manual_cast)
        adapter.load_state_dict(weights, assign=True)
        return cls(patch, in_patcher(adapter.eval().requires_grad_(False), device))

    def core(self, setup: ForwardSetup, cast: Cast) -> Callable[[], Tensor]:
        """An evaluation under core's own patches (WanInfiniteTalkToVideo), one speaker or two."""
        from comfy.ldm.wan.model_multitalk import (
            MultiTalkCrossAttnPatch,
            MultiTalkGetAttnMapPatch,
            project_audio_features,
        )

        speakers = sum(cast.speaking)
        tracks = [track[:, 1:].to(setup.base.get_dtype()) for track in setup.features(speakers)]
        with torch.inference_mode():
            tokens = project_audio_features(self.patch.audio_proj, tracks, 0, setup.grid.frames)
        patches = {"attn2_patch": [MultiTalkCrossAttnPatch(_Holder(self.patch))]}
        if speakers > 1:
            masks = cast.regions.flatten(1) > 0
            patches["attn1_patch"] = [MultiTalkGetAttnMapPatch(masks)]
        options = {"audio_embeds": tokens, "patches": patches}
        return lambda: setup.evaluate(dict(options))


@dataclass(eq=False)
class _Holder:
    """What core's patches ask of a MODEL_PATCH."""

    model: nn.Module
