"""Scenes of the theatre that training never saw, and what is measured of one that was played."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...interact_core.host.standalone import prepare_comfy

prepare_comfy()

from ...interact_core.media import read_sound  # noqa: E402
from ...interact_core.theatre import measure, report, voices  # noqa: E402  (comfy has to be told first)
from ...interact_core.theatre.measure import Reading  # noqa: E402
from ...interact_core.theatre.pipeline import MODELS, Clip, Direction, Excerpt, Theatre, open_theatre
from ...interact_core.theatre.pipeline import shipped_direction as shipped_direction
from ...interact_core.theatre.puppets import Look, random_looks  # noqa: E402
from ...interact_core.theatre.report import Performance  # noqa: E402
from ...interact_core.theatre.sample_speech import sample_files  # noqa: E402
from . import result as _result  # noqa: E402
from .result import Figure  # noqa: E402

FIRST_SEED = 9_000_000  # training's are below 1,000,000
TRAVEL = 8.0  # pixels, half a token: a scene moves if some head goes this far from where it began
MOVING = 1.0  # how far puppets are told to go (theatre/prompts.py), so that they leave their places
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".m4a")
PAUSE = 0.3  # seconds between one sentence and the next
QUIET = 0.02  # of the loudest sample: what lies below is no speech
SPOKEN = 0.15  # standard deviation of a mouth's opening below which an excerpt is mostly a pause


@dataclass(frozen=True, eq=False)
class Case:
    """One scene: looks, an excerpt or None for each, and its seed."""

    seed: int
    looks: tuple[Look, ...]
    excerpts: tuple[Excerpt | None, ...]


@dataclass(frozen=True, eq=False)
class Played:
    """A case as it was played."""

    performances: tuple[Performance, ...]
    boundary: int  # index of the masks at the stage boundary
    travel: float  # pixels, the farthest that any head went

    def mean(self, figure: Callable[[Performance], float]) -> float:
        return float(np.mean([figure(performance) for performance in self.performances]))


def recordings(folder: Path | None) -> list[Excerpt]:
    """Whole recordings: the folder's, and espeak-ng voices that training never hears or else the samples."""
    found = []
    if folder is not None:
        files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in SOUNDS]
        found += [Excerpt(*read_sound(file), source="given") for file in files]
    if voices.has_espeak():
        rng = np.random.default_rng(FIRST_SEED)
        for text in voices.SENTENCES:
            for voice in voices.HELD_OUT_VOICES:
                wave = voices.espeak(text, voice, int(rng.integers(120, 200)), int(rng.integers(20, 80)))
                found.append(Excerpt(wave, voices.RATE, source="espeak"))
    elif folder is None:
        found += [Excerpt(*read_sound(file), source="espeak") for file in sample_files(4)]
    return found


def said_on(recording: Excerpt, seconds: float) -> Excerpt:
    """The recording without the silence at its ends, said again after PAUSE until it is at least so long.

    Recordings that end before the clip does fall silent together, and two that do correlate with one another however
    well each mouth follows its own: over 73 frames 0.20 on average, 0.12 said on.
    """
    loudness = np.abs(recording.waveform)
    heard = np.flatnonzero(loudness > QUIET * loudness.max(initial=0.0))
    if not heard.size:
        return recording
    once = np.concatenate(
        [recording.waveform[heard[0] : heard[-1] + 1], np.zeros(round(PAUSE * recording.rate), np.float32)]
    )
    times = int(np.ceil(seconds * recording.rate / len(once)))
    return replace(recording, waveform=np.tile(once, times).astype(np.float32))


def excerpt(rng: np.random.Generator, recording: Excerpt, direction: Direction) -> Excerpt:
    """A part of a recording as long as the video in which something is said, if there is one.

    Every place of the recording can be where the part begins.
    """
    seconds = direction.frames / direction.fps
    recording = said_on(recording, seconds + len(recording.waveform) / recording.rate)
    frames = int(len(recording.waveform) / recording.rate * direction.fps)
    for _ in range(20):
        begin = rng.integers(0, max(1, frames - direction.frames + 1))
        part = replace(recording, begin=float(begin / direction.fps))
        if part.openings(direction.fps, direction.frames).std() > SPOKEN:
            break
    return part


def draw_case(number: int, direction: Direction, spoken: Sequence[Excerpt], puppets: int = 2) -> Case:
    """Looks and as many recordings of one source, the sources in turn."""
    seed = FIRST_SEED + number
    rng = np.random.default_rng(seed)
    looks = random_looks(rng, puppets)
    source = source_of(number, spoken)
    pool = [recording for recording in spoken if recording.source == source]
    chosen = rng.choice(len(pool), puppets, replace=len(pool) < puppets)
    return Case(seed, looks, tuple(excerpt(rng, pool[k], direction) for k in chosen))


def source_of(number: int, spoken: Sequence[Excerpt]) -> str:
    """Where the recordings of a case are from."""
    sources = sorted({recording.source for recording in spoken})
    return sources[number % len(sources)]


def judge(case: Case, clip: Clip, direction: Direction) -> tuple[Played, Reading]:
    still = np.zeros(len(clip.frames), np.float32)
    tracks = [still if e is None else e.openings(direction.fps, len(clip.frames)) for e in case.excerpts]
    reading = measure.read_clip(clip.frames, case.looks)
    performances = report.judge(clip.frames, case.looks, np.stack(tracks), clip.history, reading)
    travels = [float(np.hypot(h.x - h.x[0], h.y - h.y[0])[h.found].max(initial=0.0)) for h in reading.heads]
    return Played(performances, report.boundary_record(clip.history), max(travels)), reading


@lru_cache(maxsize=1)
def theatre_of_this_process(models: Path, threads: int, bf16: bool) -> Theatre:
    import torch

    torch.set_num_threads(threads)
    return open_theatre(models, torch.bfloat16 if bf16 else None)


def write_strip(path: Path, frames: np.ndarray) -> None:
    """Six frames of a clip side by side."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    picked = np.concatenate(list(frames[np.linspace(0, len(frames) - 1, 6).astype(int)]), axis=1)
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(picked, cv2.COLOR_RGB2BGR))[1].tobytes())


def add_house_arguments(parser: argparse.ArgumentParser) -> None:
    """What every bench is told that plays scenes of the theatre: by whom, with what, on how many cores."""
    parser.add_argument(
        "--recordings", type=Path, help="a folder of recordings, used in turn with espeak-ng's voices"
    )
    parser.add_argument(
        "--models", type=Path, default=MODELS, help="a models folder (default: the shipped one)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that share the cores (default: %(default)s)"
    )
    parser.add_argument(
        "--bf16",
        action="store_true",
        help="diffusion model and VAE compute in bfloat16, as on most GPUs: up to three times as fast",
    )


def keep(
    bench: str, path: Path | None, figures: Sequence[Figure], direction: Direction, began: float, **more: Any
) -> None:
    """Print the table, and write it with all that it was measured with, unless path is None.

    began: time.perf_counter() at the start; more: what else belongs to the record.
    """
    from comfyui_version import __version__ as comfyui

    print(_result.table(figures))
    if path is not None:
        _result.write(
            path,
            figures,
            report.machine(),
            report.versions(comfyui),
            _result.command(bench),
            settings={**vars(direction), "guidance": vars(direction.guidance)},
            **more,
            seconds=round(time.perf_counter() - began),
        )
