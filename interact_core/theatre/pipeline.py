"""Playing scenes in this process: the shipped graph's steps through the host room, without a server.

What the nodes do is called here as the nodes call it; only the wires are missing. Imports comfy: call
host.standalone.prepare_comfy() first.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from ..host.encode.parts import EncodedPart, encode_part, join_parts
from ..host.encode.recording import encode_recording
from ..host.loading import apply_adapter, load_adapter, load_dit
from ..host.sampling import sample
from . import voices
from .graphs import inputs_of, shipped_graph
from .prompts import told
from .puppets import Look, portrait

MODELS = Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True, eq=False)
class Excerpt:
    """A part of a recording: waveform float32 [samples] of the whole, Hz, and the second at which the part
    begins.

    source: where the recording is from, for tables.
    """

    waveform: np.ndarray
    rate: int
    begin: float = 0.0
    source: str = ""

    def openings(self, fps: float, frames: int) -> np.ndarray:
        """How far a mouth that speaks it is open at each frame of the video, float32 [frames]."""
        skipped = round(self.begin * fps)
        return voices.mouth_opening(self.waveform, self.rate, fps, skipped + frames)[skipped:]


@dataclass(frozen=True)
class Direction:
    """How a scene is played; `shipped_direction` is how the shipped graph plays it.

    frames: 4n+1; shift: of the noise schedule; windows: inputs of core's WanContextWindowsManual, by which
    videos longer than what the model learned are made; audio_cfg: None for one scale for text and voices; motion:
    how far the puppets are told to go, 0..1 (words.py), None for no text.
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

    The latent is float32, as the diffusion model sees it.
    """

    frames: np.ndarray
    history: MaskHistory
    latent: np.ndarray


@dataclass(frozen=True, eq=False)
class StartImage:
    """What a video begins with: a picture, uint8 RGB [H, W, 3], and where everybody is in it,
    float32 [N, H, W] in 0..1.
    """

    picture: np.ndarray
    regions: np.ndarray


@dataclass(frozen=True, eq=False)
class Film:
    """A finished video made in parts, uint8 RGB [F, H, W, 3]; seams: the frames at which a new part begins."""

    frames: np.ndarray
    seams: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Theatre:
    """The loaded models."""

    model: ModelPatcher
    vae: Any
    encoder: InterActAudioEncoder


def shipped_direction(frames: int) -> Direction:
    """What workflows/two_speakers.json plays, at `frames` video frames."""
    graph = shipped_graph()
    size, chosen = inputs_of(graph, "InterActEncodeCharacters"), inputs_of(graph, "InterActSampler")
    windows = inputs_of(graph, "WanContextWindowsManual")
    return Direction(
        width=size["width"],
        height=size["height"],
        frames=frames,
        fps=size["fps"],
        shift=inputs_of(graph, "ModelSamplingSD3")["shift"],
        windows={key: value for key, value in windows.items() if key != "model"},
        steps=chosen["steps"],
        cfg=chosen["cfg"],
        audio_cfg=chosen["audio_cfg"] or None,
        blank_negative=size.get("negative_references") == "blank",
        sampler=chosen["sampler_name"],
        scheduler=chosen["scheduler"],
        guidance=GuidanceSettings(
            mask_source=chosen["mask_source"],
            boundary=chosen["stage_boundary"],
            stage_one_audio=chosen["stage_one_audio"],
            mask_gain=chosen["mask_gain"],
            smoothing=chosen["mask_smoothing"],
        ),
    )


def open_theatre(models: Path = MODELS, dtype: torch.dtype | None = None) -> Theatre:
    """Load what the shipped graph loads, from a folder laid out as ComfyUI's models folder.

    dtype: in which diffusion model and VAE compute, as core's ModelComputeDtype node and --bf16-vae have it; None
    for ComfyUI's choice, which is float32 on a processor.
    """
    graph = shipped_graph()
    base = inputs_of(graph, "InterActLoadDiT")
    adapter = load_adapter(models / "interact" / base["adapter_name"])
    model = load_dit(models / "diffusion_models" / base["model_name"], base["weight_dtype"])
    if dtype is not None:
        model.set_model_compute_dtype(dtype)
    vae_file = models / "vae" / inputs_of(graph, "VAELoader")["vae_name"]
    weights, metadata = comfy.utils.load_torch_file(str(vae_file), return_metadata=True)
    speech = inputs_of(graph, "InterActLoadWav2Vec2")["audio_encoder_name"]
    return Theatre(
        model=apply_adapter(model, adapter),
        vae=comfy.sd.VAE(sd=weights, metadata=metadata, dtype=dtype),
        encoder=load_audio_encoder(models / "audio_encoders" / speech),
    )


@torch.no_grad()
def play(
    theatre: Theatre,
    direction: Direction,
    looks: Sequence[Look],
    excerpts: Sequence[Excerpt | None],
    seed: int,
    layouts: np.ndarray | None = None,
    start: StartImage | None = None,
) -> Clip:
    """Sample one clip: looks as reference portraits, an excerpt or None (silent) for each.

    layouts: [N, F or 1, H, W] for direction.guidance.mask_source "fixed"; start: for "affinity", which then follows
    its regions from the first frame on and does not look at the portraits.
    """
    made = _encoded(theatre, direction, looks, excerpts, layouts)
    if start is not None:
        made = _beginning_with(theatre, made, start)
    latent, history = _sampled(theatre, direction, made, seed)
    frames = _as_bytes(_decoded(theatre, direction, latent))
    return Clip(frames, history, as_the_model_sees(theatre, latent["samples"]))


@torch.no_grad()
def play_in_parts(
    theatre: Theatre,
    direction: Direction,
    looks: Sequence[Look],
    excerpts: Sequence[Excerpt | None],
    seed: int,
    length: int,
    overlap: int,
    encode_again: bool = False,
) -> Film:
    """Sample the same film part by part, as InterAct Next Part and InterAct Join Parts make it.

    length, overlap: frames, as host.parts.encode_part takes them; encode_again: known frames from pictures
    alone and not from the latent of the part before.
    """
    made = _encoded(theatre, direction, looks, excerpts, None)
    film, masks, latent, seams = None, None, None, []
    while film is None or film.shape[0] < direction.frames:
        given = made.positive, made.negative, made.cast, theatre.vae
        part = encode_part(*given, length, overlap, film, masks, None if encode_again else latent)
        if film is not None:
            seams.append(film.shape[0])
        latent, masks = _sampled(theatre, direction, part, seed)
        film, _ = join_parts(_decoded(theatre, direction, latent), part.cast, film)
    return Film(_as_bytes(film), tuple(seams))


def _encoded(
    theatre: Theatre,
    direction: Direction,
    looks: Sequence[Look],
    excerpts: Sequence[Excerpt | None],
    layouts: np.ndarray | None,
) -> EncodedCast:
    characters = []
    for i, (look, excerpt) in enumerate(zip(looks, excerpts)):
        picture = torch.from_numpy(portrait(look, direction.width, direction.height))[None] / 255.0
        layout = None if layouts is None else torch.from_numpy(np.asarray(layouts[i], np.float32))
        speech = None if excerpt is None else _encode(theatre, excerpt)
        characters.append(make_character(f"puppet {i + 1}", picture, speech=speech, layout=layout))
    size = direction.width, direction.height, direction.frames, direction.fps
    text = None if direction.motion is None else [[told(torch.tensor([direction.motion])), {}]]
    return encode_cast(characters, theatre.vae, *size, positive=text, blank_negative=direction.blank_negative)


def _beginning_with(theatre: Theatre, made: EncodedCast, start: StartImage) -> EncodedPart:
    """The first frame is known, as that of a part is: the theatre's base has no other room for a start image."""
    picture = torch.from_numpy(start.picture)[None] / 255.0
    part = encode_part(made.positive, made.negative, made.cast, theatre.vae, made.cast.frames, 1, picture)
    size = made.cast.width, made.cast.height
    regions = [layouts_on_grid(region[None], 1, *size) for region in torch.from_numpy(start.regions)]
    return replace(part, cast=replace(part.cast, regions=torch.cat(regions)))


def _sampled(
    theatre: Theatre, direction: Direction, made: EncodedCast | EncodedPart, seed: int
) -> tuple[dict[str, Any], MaskHistory]:
    from comfy_extras.nodes_context_windows import WanContextWindowsManualNode
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    (model,) = ModelSamplingSD3().patch(theatre.model, direction.shift)
    model = WanContextWindowsManualNode.execute(model, **direction.windows).result[0]
    return sample(
        model,
        made.positive,
        made.negative,
        made.latent,
        made.cast,
        direction.guidance,
        seed=seed,
        steps=direction.steps,
        cfg=direction.cfg,
        audio_cfg=direction.audio_cfg,
        sampler=direction.sampler,
        scheduler=direction.scheduler,
    )


def _decoded(theatre: Theatre, direction: Direction, latent: dict[str, Any]) -> torch.Tensor:
    """IMAGE [F, H, W, 3]."""
    return theatre.vae.decode(latent["samples"]).reshape(-1, direction.height, direction.width, 3)


def _as_bytes(pictures: torch.Tensor) -> np.ndarray:
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def as_the_model_sees(theatre: Theatre, latent: torch.Tensor) -> np.ndarray:
    """A latent of the VAE [1, 16, T, H/8, W/8] in the diffusion model's scale: float32 without the batch axis."""
    return theatre.model.model.process_latent_in(latent)[0].float().cpu().numpy()


def _encode(theatre: Theatre, excerpt: Excerpt) -> dict[str, Any]:
    audio = {"waveform": torch.from_numpy(excerpt.waveform)[None, None], "sample_rate": excerpt.rate}
    return encode_recording(theatre.encoder, audio, -excerpt.begin, 1.0)
