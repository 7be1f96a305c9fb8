"""Training clips of the theatre, encoded once: latents, reference latents, masks on the token grid, and
speech.

A clip is 73 frames of one scene, long enough for a puppet to cross the stage; a training step may use only
its first frames. Each puppet speaks an excerpt of one recording, or nothing. Clips are grouped by number of
puppets, so that a batch is a plain stack.
"""

from __future__ import annotations

import logging
import math
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ...frames import TEMPORAL_STRIDE
from ...guidance.layout import layouts_on_grid
from ...metrics.puppets.drawing import Pose, portrait
from ...speech.encode import encode_speech
from ...whole_file import whole_file
from ..prompts import motion_amount
from ..scenes import FAST, World, random_scene, render
from ..voices import RATE, mouth_opening, training_recordings
from .devices import bfloat16_autocast, training_device
from .wan_vae import encode

log = logging.getLogger(__name__)
WIDTH, HEIGHT, FRAMES, FPS = 192, 128, 73, 25.0
REFERENCE_VIEWS = 3
SILENT = -1  # recording number of a puppet without speech


@dataclass(frozen=True)
class SpeechBank:
    """Recordings as audio features and as mouth openings.

    features: per recording [F, L, C] float16; openings: per recording [F] in 0..1; mute [L, C], the encoding
    of silence.
    """

    features: list[Tensor]
    openings: list[np.ndarray]
    mute: Tensor


@dataclass(frozen=True)
class ClipGroup:
    """K clips of N puppets each.

    latents [K, 16, T, h8, w8] and references [K, N, views, 16, h8, w8], float16, deviation about 1; masks
    [K, N, T, h, w] uint8 (255 = 1), visible share of each token; mouths likewise, the discs around mouths
    (for loss weights); recordings, offsets [K, N]: which recording each puppet speaks (SILENT: none), and
    the video frame of the recording at which the clip begins (negative: the speech starts later); motion [K],
    how far its puppets go (prompts.motion_amount); places [K, N, 2], x of each head in pixels, in the clip's first
    frame and in its middle.
    """

    latents: Tensor
    references: Tensor
    masks: Tensor
    mouths: Tensor
    recordings: Tensor
    offsets: Tensor
    motion: Tensor
    places: Tensor

    @property
    def frames(self) -> int:
        """Video frames of a clip."""
        return TEMPORAL_STRIDE * (self.latents.shape[2] - 1) + 1

    def beginning(self, latent_frames: int) -> ClipGroup:
        """The same clips, cut to their first latent frames: exact, because the VAE is causal."""
        shortened = {
            name: getattr(self, name)[:, :, :latent_frames] for name in ("latents", "masks", "mouths")
        }
        return replace(self, **shortened)


def speech_bank(rng: np.random.Generator, count: int, encoder) -> SpeechBank:
    """Synthesise and encode `count` recordings."""
    features, openings, mute = [], [], None
    for wave in training_recordings(rng, count):
        speech = encode_speech(encoder, torch.from_numpy(wave)[None], RATE, fps=FPS)
        features.append(speech.features.half())
        openings.append(mouth_opening(wave, RATE, FPS, len(speech.features)))
        mute = speech.mute
    return SpeechBank(features, openings, mute)


def write_bank(path: Path, bank: SpeechBank) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "features": torch.cat(bank.features),
            "openings": torch.from_numpy(np.concatenate(bank.openings)),
            "lengths": torch.tensor([len(f) for f in bank.features]),
            "mute": bank.mute,
        },
        path,
    )


def read_bank(path: Path) -> SpeechBank:
    with safe_open(path, "pt") as file:
        lengths = file.get_tensor("lengths").tolist()
        features, openings = (file.get_tensor(name).split(lengths) for name in ("features", "openings"))
        return SpeechBank(list(features), [opening.numpy() for opening in openings], file.get_tensor("mute"))


def excerpt(values: Tensor, offset: int, fill: Tensor, frames: int = FRAMES) -> Tensor:
    """`frames` rows of `values` from row `offset` on; rows before the first or after the last are `fill`."""
    rows = fill.expand(frames, *values.shape[1:]).clone()
    first, last = max(0, offset), min(len(values), offset + frames)
    if last > first:
        rows[first - offset : last - offset] = values[first:last]
    return rows


def reference_pose(rng: np.random.Generator) -> Pose:
    """The pose of a reference image: half body, bust or head alone, as InterActHuman crops its references."""
    radius = HEIGHT * float(rng.choice([0.2, 0.2, 0.26, 0.36])) * rng.uniform(0.9, 1.1)
    return Pose(
        WIDTH / 2 + rng.uniform(-12, 12),
        HEIGHT * rng.uniform(0.4, 0.5),
        radius,
        rng.uniform(-6, 6),
        float(rng.random() < 0.25) * rng.uniform(0, 0.5),
    )


def to_frames(pixels: np.ndarray) -> Tensor:
    """uint8 [F, H, W, 3] -> [1, 3, F, H, W] in -1..1, channels last."""
    frames = torch.from_numpy(pixels).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    return frames.contiguous(memory_format=torch.channels_last_3d)


def mouth_discs(heads: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH][:, None, None]
    cx, cy, r = (heads[..., k][..., None, None] for k in range(3))
    return (((x - cx) ** 2 + (y - cy - 0.5 * r) ** 2) < (0.5 * r) ** 2).astype(np.float32)


def to_token_grid(masks: np.ndarray) -> Tensor:
    """[N, F, H, W] in 0..1 -> uint8 [N, T, H/16, W/16]; latent frame t averages video frames 4t-3..4t."""
    frames, height, width = masks.shape[1:]
    grid = [layouts_on_grid(torch.from_numpy(mask), frames, width, height) for mask in masks]
    return (torch.stack(grid) * 255).round().to(torch.uint8)


@torch.no_grad()
def encode_frames(vae: nn.Module, frames: Tensor) -> Tensor:
    """[B, 3, F, H, W] in -1..1 -> latents [B, 16, T, H/8, W/8] float16, normalised for the diffusion model
    (ComfyUI's `process_in`).
    """
    from comfy.latent_formats import Wan21

    device = next(vae.parameters()).device
    with bfloat16_autocast(device):
        z = encode(vae, frames.to(device))
    return Wan21().process_in(z.float().cpu()).half()


@torch.no_grad()
def latent_statistics(vae: nn.Module, scenes: int = 48, world: World = FAST) -> tuple[Tensor, Tensor]:
    """Mean and deviation [16] of raw latents over training scenes."""
    latents = []
    for seed in range(scenes):
        rng = np.random.default_rng(seed)
        scene = random_scene(rng, 1 + seed % 4, WIDTH, HEIGHT, world=world)
        drawn = render(scene, rng.random((len(scene.looks), FRAMES)), range(9))
        device = next(vae.parameters()).device
        with bfloat16_autocast(device):
            latents.append(encode(vae, to_frames(drawn.frames).to(device)).float().cpu())
    z = torch.cat(latents)
    return z.mean((0, 2, 3, 4)), z.std((0, 2, 3, 4))


def make_clip(
    seed: int, puppets: int, bank: SpeechBank, vae: nn.Module, world: World = FAST
) -> dict[str, Tensor]:
    """One clip with N = `puppets`, as a row of ClipGroup; the same seed gives the same clip."""
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, puppets, WIDTH, HEIGHT, world=world)
    recordings, offsets, mouths = [], [], []
    for _ in range(puppets):
        chosen = SILENT if rng.random() < 0.2 else int(rng.integers(len(bank.features)))
        offset = int(rng.integers(-8, max(1, len(bank.openings[chosen]) - FRAMES))) if chosen != SILENT else 0
        opening = torch.from_numpy(bank.openings[chosen]) if chosen != SILENT else torch.zeros(1)
        recordings.append(chosen)
        offsets.append(offset)
        mouths.append(
            excerpt(opening, offset, torch.zeros(())).numpy()
            if chosen != SILENT
            else np.zeros(FRAMES, np.float32)
        )
    drawn = render(scene, np.stack(mouths))
    views = [
        portrait(look, WIDTH, HEIGHT, reference_pose(rng))
        for look in scene.looks
        for _ in range(REFERENCE_VIEWS)
    ]
    references = torch.cat([to_frames(view[None]) for view in views])
    return {
        "latents": encode_frames(vae, to_frames(drawn.frames))[0],
        "references": encode_frames(vae, references)[:, :, 0].unflatten(0, (puppets, REFERENCE_VIEWS)),
        "masks": to_token_grid(drawn.masks),
        "mouths": to_token_grid(mouth_discs(drawn.heads)).amax(0, keepdim=True),
        "recordings": torch.tensor(recordings),
        "offsets": torch.tensor(offsets),
        "motion": torch.tensor(motion_amount(drawn.heads)),
        "places": torch.from_numpy(drawn.heads[:, [0, FRAMES // 2], 0]),
    }


PUPPETS_OF_SHARDS = (
    2,
    4,
    1,
    2,
    3,
    2,
    4,
    2,
    3,
    2,
)  # puppets of shard 0, 1, ..., repeated; half of the shards have two
SHARD = 100


def write_shard(path: Path, index: int, bank_file: Path, vae_file: Path, world: World = FAST) -> Path:
    """Draw and encode one shard of clips, all of the same number of puppets; runs in a process of its own."""
    from ...host.standalone import prepare_comfy
    from .models import load_vae

    torch.set_num_threads(1)
    prepare_comfy()
    bank, vae = read_bank(bank_file), load_vae(vae_file).to(training_device())
    puppets = PUPPETS_OF_SHARDS[index % len(PUPPETS_OF_SHARDS)]
    seeds = range(index * SHARD, (index + 1) * SHARD)
    clips = [make_clip(seed, puppets, bank, vae, world) for seed in seeds]
    with whole_file(path) as partial:
        save_file({name: torch.stack([clip[name] for clip in clips]) for name in clips[0]}, partial)
    return path


def write_clips(
    folder: Path, count: int, bank_file: Path, vae_file: Path, workers: int, world: World = FAST
) -> None:
    """Encode `count` clips in shards; existing shards are kept, so a killed run can go on. A folder holds
    clips of one world.

    workers: processes. On two cores two processes of one thread were twice as fast as one process of two
    threads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {index: folder / f"clips_{index:03d}.safetensors" for index in range(math.ceil(count / SHARD))}
    missing = {index: path for index, path in paths.items() if not path.exists()}
    began = time.monotonic()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        tasks = [
            pool.submit(write_shard, path, index, bank_file, vae_file, world)
            for index, path in missing.items()
        ]
        for done, task in enumerate(as_completed(tasks), 1):
            log.info(
                "clips %s  %d/%d shards  %.0f s",
                task.result().name,
                done,
                len(missing),
                time.monotonic() - began,
            )


def read_clips(folder: Path) -> dict[int, ClipGroup]:
    """All shards of a folder, by number of puppets. Raises ValueError for one that an earlier version drew."""
    parts: dict[int, list[dict[str, Tensor]]] = {}
    for path in sorted(folder.glob("clips_*.safetensors")):
        with safe_open(path, "pt") as file:
            clip = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        missing = {field.name for field in fields(ClipGroup)} - clip.keys()
        if missing:
            raise ValueError(
                f"{path} lacks {', '.join(sorted(missing))}: an earlier version drew it. Delete it; `train clips` "
                "draws it again."
            )
        parts.setdefault(clip["masks"].shape[1], []).append(clip)
    return {
        n: ClipGroup(**{name: torch.cat([p[name] for p in group]) for name in group[0]})
        for n, group in sorted(parts.items())
    }
