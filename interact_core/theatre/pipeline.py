"""Sampling scenes in this process: the steps of the shipped graph without a server.

Calls the same functions of interact_core/host as the nodes do. Imports comfy: call
host.standalone.prepare_comfy() first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
import numpy as np
import torch
from comfy.model_patcher import ModelPatcher

from ..guidance import GuidanceSettings, MaskHistory, layouts_on_grid
from ..host.encode.audio_encoder import InterActAudioEncoder, load_audio_encoder
from ..host.encode.cast_encoding import EncodedCast, encode_cast, make_character
from ..host.encode.dubbing import EncodedDub, encode_dub
from ..host.encode.parts import EncodedPart, encode_part, join_parts
from ..host.encode.recording import encode_recording
from ..host.loading import apply_adapter, load_adapter, load_dit
from ..host.sampling import sample
from ..metrics.puppets.drawing import Look, portrait
from . import voices
from .graphs import inputs_of, shipped_graph, whole_schedule
from .prompts import motion_prompt

MODELS = Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True, eq=False)
class AudioExcerpt:
    """A part of a recording.

    waveform: float32 [samples] of the whole recording; rate: Hz; begin: second at which the part begins;
    source: where the recording is from, for tables.
    """

    waveform: np.ndarray
    rate: int
    begin: float = 0.0
    source: str = ""

    def mouth_openings(self, fps: float, frames: int) -> np.ndarray:
        """How far the speaker's mouth is open at each frame of the video, float32 [frames] in 0..1."""
        skipped = round(self.begin * fps)
        return voices.mouth_opening(self.waveform, self.rate, fps, skipped + frames)[skipped:]


@dataclass(frozen=True)
class RunSettings:
    """How a scene is sampled; `shipped_run_settings` gives the values of the shipped graph.

    frames: 4n+1; shift: of the noise schedule; windows: inputs of core's WanContextWindowsManual, by which
    videos longer than a training clip are sampled; audio_cfg: None for one scale for text and voices; motion:
    how far the motion prompt has the puppets move (prompts.py), None for no text.
    """

    width: int
    height: int
    frames: int
    fps: float
    shift: float
    windows: dict[str, Any]
    steps: int
    cfg: float
    audio_cfg: float | None
    blank_negative: bool
    sampler: str
    scheduler: str
    guidance: GuidanceSettings
    motion: float | None = None


@dataclass(frozen=True, eq=False)
class Clip:
    """A finished video, uint8 RGB [F, H, W, 3], the masks of its run, and its latent [16, T, H/8, W/8].

    The latent is float32 in the diffusion model's scale.
    """

    frames: np.ndarray
    history: MaskHistory
    latent: np.ndarray


@dataclass(frozen=True, eq=False)
class StartImage:
    """The first frame of a video: uint8 RGB [H, W, 3], and each character's region in it, float32 [N, H, W]
    in 0..1.
    """

    picture: np.ndarray
    regions: np.ndarray


@dataclass(frozen=True, eq=False)
class Film:
    """A finished video made in parts, uint8 RGB [F, H, W, 3]; seams: the frames at which a new part begins."""

    frames: np.ndarray
    seams: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Dub:
    """A dubbed film: as it is shown, as it was decoded, and what was given to the sampler.

    frames, decoded: uint8 RGB [F, H, W, 3], with and without the source's pixels outside of the mask.
    """

    frames: np.ndarray
    decoded: np.ndarray
    encoded: EncodedDub


@dataclass(frozen=True, eq=False)
class TheatreModels:
    """The loaded models: the diffusion model with its adapter, the VAE and the audio encoder."""

    model: ModelPatcher
    vae: Any
    encoder: InterActAudioEncoder


def shipped_run_settings(frames: int) -> RunSettings:
    """The settings of workflows/api/two_speakers.json at `frames` frames, but from noise, as the paper samples."""
    graph = shipped_graph()
    size, chosen = inputs_of(graph, "InterActEncodeCharacters"), inputs_of(graph, "InterActSampler")
    windows = inputs_of(graph, "WanContextWindowsManual")
    return RunSettings(
        width=size["width"],
        height=size["height"],
        frames=frames,
        fps=size["fps"],
        shift=inputs_of(graph, "ModelSamplingSD3")["shift"],
        windows={key: value for key, value in windows.items() if key != "model"},
        steps=whole_schedule(chosen),
        cfg=chosen["cfg"],
        audio_cfg=chosen["audio_cfg"] or None,
        blank_negative=size.get("negative_references") == "blank",
        sampler=chosen["sampler_name"],
        scheduler=chosen["scheduler"],
        guidance=GuidanceSettings(
            mask_source=chosen["mask_source"],
            stage_boundary=chosen["stage_boundary"],
            stage_one_audio=chosen["stage_one_audio"],
            mask_gain=chosen["mask_gain"],
            mask_smoothing=chosen["mask_smoothing"],
        ),
    )


def load_models(folder: Path = MODELS, dtype: torch.dtype | None = None) -> TheatreModels:
    """Load what the shipped graph loads, from a folder laid out as ComfyUI's models folder.

    dtype: in which diffusion model and VAE compute, as core's ModelComputeDtype node and --bf16-vae set it;
    None for ComfyUI's choice, which is float32 on a CPU.
    """
    graph = shipped_graph()
    base = inputs_of(graph, "InterActLoadDiT")
    adapter = load_adapter(folder / "interact" / base["adapter_name"])
    model = load_dit(folder / "diffusion_models" / base["model_name"], base["weight_dtype"])
    if dtype is not None:
        model.set_model_compute_dtype(dtype)
    vae_file = folder / "vae" / inputs_of(graph, "VAELoader")["vae_name"]
    weights, metadata = comfy.utils.load_torch_file(str(vae_file), return_metadata=True)
    speech = inputs_of(graph, "InterActLoadWav2Vec2")["audio_encoder_name"]
    return TheatreModels(
        model=apply_adapter(model, adapter),
        vae=comfy.sd.VAE(sd=weights, metadata=metadata, dtype=dtype),
        encoder=load_audio_encoder(folder / "audio_encoders" / speech),
    )


@torch.no_grad()
def run_scene(
    models: TheatreModels,
    settings: RunSettings,
    looks: Sequence[Look],
    excerpts: Sequence[AudioExcerpt | None],
    seed: int,
    layouts: np.ndarray | None = None,
    start: StartImage | None = None,
) -> Clip:
    """Sample one clip: looks as reference images, an excerpt or None (silent) for each.

    layouts: [N, F or 1, H, W] for settings.guidance.mask_source "fixed"; start: for "affinity", which then
    follows its regions from the first frame on and ignores the reference images.
    """
    encoded = _encode_cast(models, settings, looks, excerpts, layouts)
    if start is not None:
        encoded = _with_start_image(models, encoded, start)
    latent, history = _sample(models, settings, encoded, seed)
    frames = _to_uint8(_decode_frames(models, settings, latent))
    return Clip(frames, history, to_model_latent(models, latent["samples"]))


@torch.no_grad()
def run_scene_in_parts(
    models: TheatreModels,
    settings: RunSettings,
    looks: Sequence[Look],
    excerpts: Sequence[AudioExcerpt | None],
    seed: int,
    length: int,
    overlap: int,
    encode_again: bool = False,
) -> Film:
    """Sample one film part by part, as InterAct Next Part and InterAct Join Parts do.

    length, overlap: frames, as host.encode.parts.encode_part takes them; encode_again: known frames are
    encoded from pictures alone and not taken from the latent of the previous part.
    """
    encoded = _encode_cast(models, settings, looks, excerpts, None)
    film, masks, latent, seams = None, None, None, []
    while film is None or film.shape[0] < settings.frames:
        given = encoded.positive, encoded.negative, encoded.cast, models.vae
        part = encode_part(*given, length, overlap, film, masks, None if encode_again else latent)
        if film is not None:
            seams.append(film.shape[0])
        latent, masks = _sample(models, settings, part, seed)
        film, _ = join_parts(_decode_frames(models, settings, latent), part.cast, film)
    return Film(_to_uint8(film), tuple(seams))


@torch.no_grad()
def dub_scene(
    models: TheatreModels,
    settings: RunSettings,
    looks: Sequence[Look],
    excerpts: Sequence[AudioExcerpt | None],
    seed: int,
    film: np.ndarray,
    mask: np.ndarray | None = None,
    look_first: tuple[int, float] | None = None,
    denoise: float = 1.0,
    encode: Callable[..., EncodedDub] = encode_dub,
    layouts: np.ndarray | None = None,
) -> Dub:
    """Dub a film, uint8 RGB [F, H, W, 3]: puppets with an excerpt speak anew, all else stays.

    looks, excerpts: of those who are dubbed, as others would be drawn a second time; mask: [F or 1, H, W] in 0..1, who
    that is; look_first: steps and denoise of a run over the film whose predicted masks say so, and steer the dub from
    its first step on; encode: what InterAct Dub Video does, or something else; layouts: [N, F or 1, H, W], where each
    of them is, which then steers every step.
    """
    encoded = _encode_cast(models, settings, looks, excerpts, layouts)
    if layouts is not None:
        settings = replace(settings, guidance=replace(settings.guidance, mask_source="fixed"))
    source = torch.from_numpy(film) / 255.0
    masks = None
    if look_first is not None:
        steps, share = look_first
        begun = replace(encoded, latent={"samples": models.vae.encode(source)})
        _, masks = _sample(models, replace(settings, steps=steps), begun, seed, share)
    given = None if mask is None else torch.from_numpy(np.asarray(mask, np.float32))
    dub = encode(models.vae, source, encoded.cast, given, masks)
    latent, _ = _sample(models, settings, replace(encoded, latent=dub.latent), seed, denoise, masks)
    decoded = _decode_frames(models, settings, latent)
    shown = torch.lerp(
        dub.video, decoded.to(dub.video), dub.mask.unsqueeze(-1)
    )  # as core's ImageCompositeMasked
    return Dub(_to_uint8(shown), _to_uint8(decoded), dub)


def _encode_cast(
    models: TheatreModels,
    settings: RunSettings,
    looks: Sequence[Look],
    excerpts: Sequence[AudioExcerpt | None],
    layouts: np.ndarray | None,
) -> EncodedCast:
    characters = []
    for i, (look, excerpt) in enumerate(zip(looks, excerpts)):
        picture = torch.from_numpy(portrait(look, settings.width, settings.height))[None] / 255.0
        layout = None if layouts is None else torch.from_numpy(np.asarray(layouts[i], np.float32))
        speech = None if excerpt is None else _encode_speech(models, excerpt)
        characters.append(make_character(f"puppet {i + 1}", picture, speech=speech, layout=layout))
    size = settings.width, settings.height, settings.frames, settings.fps
    text = None if settings.motion is None else [[motion_prompt(torch.tensor([settings.motion])), {}]]
    return encode_cast(characters, models.vae, *size, positive=text, blank_negative=settings.blank_negative)


def _with_start_image(models: TheatreModels, encoded: EncodedCast, start: StartImage) -> EncodedPart:
    """The first frame is known, as in a later part of a film: the theatre's base has no other input for a
    start image.
    """
    picture = torch.from_numpy(start.picture)[None] / 255.0
    part = encode_part(
        encoded.positive, encoded.negative, encoded.cast, models.vae, encoded.cast.frames, 1, picture
    )
    size = encoded.cast.width, encoded.cast.height
    regions = [layouts_on_grid(region[None], 1, *size) for region in torch.from_numpy(start.regions)]
    return replace(part, cast=replace(part.cast, regions=torch.cat(regions)))


def _sample(
    models: TheatreModels,
    settings: RunSettings,
    encoded: EncodedCast | EncodedPart,
    seed: int,
    denoise: float = 1.0,
    masks: MaskHistory | None = None,
) -> tuple[dict[str, Any], MaskHistory]:
    from comfy_extras.nodes_context_windows import WanContextWindowsManualNode
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    (model,) = ModelSamplingSD3().patch(models.model, settings.shift)
    model = WanContextWindowsManualNode.execute(model, **settings.windows).result[0]
    return sample(
        model,
        encoded.positive,
        encoded.negative,
        encoded.latent,
        encoded.cast,
        settings.guidance,
        seed=seed,
        steps=settings.steps,
        cfg=settings.cfg,
        audio_cfg=settings.audio_cfg,
        sampler=settings.sampler,
        scheduler=settings.scheduler,
        denoise=denoise,
        masks=masks,
    )


def _decode_frames(models: TheatreModels, settings: RunSettings, latent: dict[str, Any]) -> torch.Tensor:
    """IMAGE [F, H, W, 3]."""
    return models.vae.decode(latent["samples"]).reshape(-1, settings.height, settings.width, 3)


def _to_uint8(pictures: torch.Tensor) -> np.ndarray:
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def to_model_latent(models: TheatreModels, latent: torch.Tensor) -> np.ndarray:
    """A VAE latent [1, 16, T, H/8, W/8] in the diffusion model's scale: float32 [16, T, H/8, W/8]."""
    return models.model.model.process_latent_in(latent)[0].float().cpu().numpy()


def _encode_speech(models: TheatreModels, excerpt: AudioExcerpt) -> dict[str, Any]:
    audio = {"waveform": torch.from_numpy(excerpt.waveform)[None, None], "sample_rate": excerpt.rate}
    return encode_recording(models.encoder, audio, -excerpt.begin, 1.0)
