"""Held-out scenes of the theatre, which training never saw, and what is measured of one that was run."""

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
from ...interact_core.metrics.puppets.drawing import Look, random_looks  # noqa: E402
from ...interact_core.theatre import voices  # noqa: E402  (comfy has to be configured first)
from ...interact_core.theatre.measuring import measure, report  # noqa: E402  (comfy has to be configured first)
from ...interact_core.theatre.measuring.measure import ClipReading  # noqa: E402
from ...interact_core.theatre.measuring.report import CharacterMetrics  # noqa: E402
from ...interact_core.theatre.pipeline import (  # noqa: E402
    MODELS,
    AudioExcerpt,
    Clip,
    RunSettings,
    TheatreModels,
    load_models,
)
from ...interact_core.theatre.pipeline import shipped_run_settings as shipped_run_settings  # noqa: E402
from ...interact_core.theatre.sample_speech import sample_files  # noqa: E402
from . import result  # noqa: E402
from .result import Figure  # noqa: E402

FIRST_SEED = 9_000_000  # training's are below 1,000,000
MIN_TRAVEL = 8.0  # pixels, half a token: a scene moves if some head moves this far from where it began
MOTION = 1.0  # of the motion prompt (theatre/prompts.py), so that puppets leave their places
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a")
PAUSE = 0.3  # seconds between one sentence and the next
SILENCE_LEVEL = 0.02  # of the loudest sample: anything below is silence
MIN_OPENING_STD = 0.15  # standard deviation of a mouth's opening below which an excerpt is mostly a pause


@dataclass(frozen=True, eq=False)
class Case:
    """One scene: looks, an excerpt or None for each, and its seed."""

    seed: int
    looks: tuple[Look, ...]
    excerpts: tuple[AudioExcerpt | None, ...]


@dataclass(frozen=True, eq=False)
class SceneResult:
    """What was measured of a case that was run."""

    characters: tuple[CharacterMetrics, ...]
    boundary: int  # index of the masks at the stage boundary
    travel: float  # pixels, the largest distance of any head from where it began

    def mean(self, metric: Callable[[CharacterMetrics], float]) -> float:
        """Mean of a metric over the characters."""
        return float(np.mean([metric(character) for character in self.characters]))


def load_recordings(folder: Path | None) -> list[AudioExcerpt]:
    """Whole recordings: those of the folder, and espeak-ng voices held out of training, or else the samples."""
    found = []
    if folder is not None:
        files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in AUDIO_SUFFIXES]
        found += [AudioExcerpt(*read_sound(file), source="given") for file in files]
    if voices.has_espeak():
        rng = np.random.default_rng(FIRST_SEED)
        for text in voices.SENTENCES:
            for voice in voices.HELD_OUT_VOICES:
                wave = voices.espeak(text, voice, int(rng.integers(120, 200)), int(rng.integers(20, 80)))
                found.append(AudioExcerpt(wave, voices.RATE, source="espeak"))
    elif folder is None:
        found += [AudioExcerpt(*read_sound(file), source="espeak") for file in sample_files(4)]
    return found


def repeat_speech(recording: AudioExcerpt, seconds: float) -> AudioExcerpt:
    """The recording without the silence at its ends, repeated after PAUSE until it lasts at least `seconds`.

    Recordings that end before the clip fall silent together, and then correlate with each other however well
    each mouth follows its own: 0.20 on average over 73 frames, 0.12 when repeated.
    """
    loudness = np.abs(recording.waveform)
    sounding = np.flatnonzero(loudness > SILENCE_LEVEL * loudness.max(initial=0.0))
    if not sounding.size:
        return recording
    once = np.concatenate(
        [
            recording.waveform[sounding[0] : sounding[-1] + 1],
            np.zeros(round(PAUSE * recording.rate), np.float32),
        ]
    )
    times = int(np.ceil(seconds * recording.rate / len(once)))
    return replace(recording, waveform=np.tile(once, times).astype(np.float32))


def draw_excerpt(
    rng: np.random.Generator, recording: AudioExcerpt, run_settings: RunSettings
) -> AudioExcerpt:
    """A random part of a recording, as long as the video, with some speech in it, if there is any."""
    seconds = run_settings.frames / run_settings.fps
    recording = repeat_speech(recording, seconds + len(recording.waveform) / recording.rate)
    frames = int(len(recording.waveform) / recording.rate * run_settings.fps)
    for _ in range(20):
        begin = rng.integers(0, max(1, frames - run_settings.frames + 1))
        part = replace(recording, begin=float(begin / run_settings.fps))
        if part.mouth_openings(run_settings.fps, run_settings.frames).std() > MIN_OPENING_STD:
            break
    return part


def draw_case(
    number: int, run_settings: RunSettings, recordings: Sequence[AudioExcerpt], puppets: int = 2
) -> Case:
    """Looks and as many recordings of one source, the sources in turn."""
    seed = FIRST_SEED + number
    rng = np.random.default_rng(seed)
    looks = random_looks(rng, puppets)
    source = source_of(number, recordings)
    pool = [recording for recording in recordings if recording.source == source]
    chosen = rng.choice(len(pool), puppets, replace=len(pool) < puppets)
    return Case(seed, looks, tuple(draw_excerpt(rng, pool[k], run_settings) for k in chosen))


def source_of(number: int, recordings: Sequence[AudioExcerpt]) -> str:
    """Where the recordings of a case are from."""
    sources = sorted({recording.source for recording in recordings})
    return sources[number % len(sources)]


def measure_clip(case: Case, clip: Clip, run_settings: RunSettings) -> tuple[SceneResult, ClipReading]:
    """Measure a finished clip of a case: every character's metrics, and what they were read from."""
    still = np.zeros(len(clip.frames), np.float32)
    tracks = [
        still if e is None else e.mouth_openings(run_settings.fps, len(clip.frames)) for e in case.excerpts
    ]
    reading = measure.read_clip(clip.frames, case.looks)
    characters = report.measure_characters(clip.frames, case.looks, np.stack(tracks), clip.history, reading)
    travels = [float(np.hypot(h.x - h.x[0], h.y - h.y[0])[h.found].max(initial=0.0)) for h in reading.heads]
    return SceneResult(characters, report.boundary_index(clip.history), max(travels)), reading


@lru_cache(maxsize=1)
def models_of_this_process(folder: Path, threads: int, bf16: bool) -> TheatreModels:
    """The models of a folder, loaded once in a worker process, which then computes on so many threads."""
    import torch

    torch.set_num_threads(threads)
    return load_models(folder, torch.bfloat16 if bf16 else None)


def write_strip(path: Path, frames: np.ndarray) -> None:
    """Six frames of a clip side by side."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    picked = np.concatenate(list(frames[np.linspace(0, len(frames) - 1, 6).astype(int)]), axis=1)
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(picked, cv2.COLOR_RGB2BGR))[1].tobytes())


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of every bench that runs scenes of the theatre: recordings, models, processes and precision."""
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


def write_results(
    bench: str,
    path: Path | None,
    figures: Sequence[Figure],
    run_settings: RunSettings,
    began: float,
    **more: Any,
) -> None:
    """Print the table, and write it with all that it was measured with, unless path is None.

    began: time.perf_counter() at the start; more: what else belongs to the record.
    """
    from comfyui_version import __version__ as comfyui

    print(result.table(figures))
    if path is not None:
        result.write(
            path,
            figures,
            report.machine(),
            report.versions(comfyui),
            result.command(bench),
            settings={**vars(run_settings), "guidance": vars(run_settings.guidance)},
            **more,
            seconds=round(time.perf_counter() - began),
        )
