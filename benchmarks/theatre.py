"""`dev.py bench theatre`: does each voice move its own mouth? Fresh scenes, measured with bootstrap
intervals.

Scenes are drawn from seeds that training never saw. Two puppets speak, or as many as `--puppets` says; other
scenes have a silent one. Where everybody speaks a scene is played three times from the same noise: masks
predicted, masks fixed, and every voice everywhere. Fixed masks are what a person would draw before anything
moves: the true segmentation of the first frame of the finished predicted run, repeated over time.

Clips are as long as three of training's, sampled through context windows: over a single second a mouth correlates
with anybody's voice at the best of five lags (0.22 on average between the recordings themselves, 0.12 over three).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ..interact_core.host.standalone import prepare_comfy

prepare_comfy()

from ..interact_core.theatre import measure, report, voices  # noqa: E402  (comfy has to be told first)
from ..interact_core.theatre.film import read_sound  # noqa: E402
from ..interact_core.theatre.measure import Reading, bootstrap_interval  # noqa: E402
from ..interact_core.theatre.puppets import Look, random_looks  # noqa: E402
from ..interact_core.theatre.rehearsal import (  # noqa: E402
    MODELS,
    Clip,
    Direction,
    Excerpt,
    Theatre,
    open_theatre,
    play,
    shipped_direction,
)
from ..interact_core.theatre.report import Performance  # noqa: E402
from ..interact_core.theatre.sample_speech import sample_files  # noqa: E402
from . import _result  # noqa: E402
from ._result import Figure, at_least, at_most  # noqa: E402

FIRST_SEED = 9_000_000  # training's are below 1,000,000
FULL = 32  # scenes below which nothing is written unless --out says so
TRAVEL = 8.0  # pixels, half a token: a scene moves if some head goes this far from where it began
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".m4a")
BOUNDS = {False: (0.70, 0.15), True: (0.5, 0.2)}  # sync and crosstalk; by whether there are more than two
SPOKEN = 0.15  # standard deviation of a mouth's opening below which an excerpt is mostly a pause


@dataclass(frozen=True, eq=False)
class Case:
    """One scene: looks, an excerpt or None for each, and its seed."""

    seed: int
    looks: tuple[Look, ...]
    excerpts: tuple[Excerpt | None, ...]


@dataclass(frozen=True, eq=False)
class Played:
    """A case played with one source of masks."""

    performances: tuple[Performance, ...]
    boundary: int  # index of the masks at the stage boundary
    travel: float  # pixels, the farthest that any head went

    def mean(self, figure: Callable[[Performance], float]) -> float:
        return float(np.mean([figure(performance) for performance in self.performances]))

    @property
    def margin(self) -> float:
        return self.mean(lambda p: p.sync - p.crosstalk)


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


def excerpt(rng: np.random.Generator, recording: Excerpt, direction: Direction) -> Excerpt:
    """A part of a recording as long as the video in which something is said, if there is one."""
    frames = int(len(recording.waveform) / recording.rate * direction.fps)
    for _ in range(20):
        begin = rng.integers(0, max(1, frames - direction.frames + 1))
        part = replace(recording, begin=float(begin / direction.fps))
        if part.openings(direction.fps, direction.frames).std() > SPOKEN:
            break
    return part


def draw_case(
    number: int, direction: Direction, spoken: Sequence[Excerpt], silent: bool, puppets: int = 2
) -> Case:
    """Looks and as many recordings of one source, the sources in turn; one puppet is mute if `silent`."""
    seed = FIRST_SEED + number
    rng = np.random.default_rng(seed)
    looks = random_looks(rng, puppets)
    sources = sorted({recording.source for recording in spoken})
    source = sources[number % len(sources)]
    pool = [recording for recording in spoken if recording.source == source]
    chosen = rng.choice(len(pool), puppets, replace=len(pool) < puppets)
    parts: list[Excerpt | None] = [excerpt(rng, pool[k], direction) for k in chosen]
    if silent:
        parts[int(rng.integers(puppets))] = None
    return Case(seed, looks, tuple(parts))


def judge(case: Case, clip: Clip, direction: Direction) -> tuple[Played, Reading]:
    still = np.zeros(len(clip.frames), np.float32)
    tracks = [still if e is None else e.openings(direction.fps, len(clip.frames)) for e in case.excerpts]
    reading = measure.read_clip(clip.frames, case.looks)
    performances = report.judge(clip.frames, case.looks, np.stack(tracks), clip.history, reading)
    travels = [float(np.hypot(h.x - h.x[0], h.y - h.y[0])[h.found].max(initial=0.0)) for h in reading.heads]
    return Played(performances, report.boundary_record(clip.history), max(travels)), reading


def play_case(
    theatre: Theatre, case: Case, direction: Direction, sources: Sequence[str], pictures: Path | None
) -> dict[str, Played]:
    """The case played with each source of masks; "predicted" first, which gives the fixed masks."""
    played, layouts = {}, None
    for source in sources:
        told = replace(direction, guidance=replace(direction.guidance, mask_source=source))
        given = layouts if source == "fixed" else None
        clip = play(theatre, told, case.looks, case.excerpts, case.seed, given)
        played[source], reading = judge(case, clip, direction)
        if source == "predicted":
            layouts = reading.masks[:, :1]
        if pictures is not None:
            _write_strip(pictures / f"{case.seed}_{source}.png", clip.frames)
    return played


@lru_cache(maxsize=1)
def theatre_of_this_process(models: Path, threads: int, bf16_vae: bool) -> Theatre:
    import torch

    torch.set_num_threads(threads)
    return open_theatre(models, torch.bfloat16 if bf16_vae else None)


def _play_in_worker(
    case: Case,
    sources: Sequence[str],
    house: tuple[Path, int, bool],
    direction: Direction,
    pictures: Path | None,
) -> dict[str, Played]:
    return play_case(theatre_of_this_process(*house), case, direction, sources, pictures)


def play_all(
    cases: Sequence[Case], asked: Sequence[Sequence[str]], direction: Direction, chosen: argparse.Namespace
) -> Iterator[dict[str, Played]]:
    """The cases in their order, each with the sources asked of it, in processes that share the cores."""
    threads = max(1, (os.cpu_count() or 1) // chosen.workers)
    house = (chosen.models, threads, chosen.bf16_vae)
    play_one = partial(_play_in_worker, house=house, direction=direction, pictures=chosen.pictures)
    if chosen.workers == 1:
        yield from map(play_one, cases, asked)
        return
    with ProcessPoolExecutor(chosen.workers, get_context("spawn")) as pool:
        yield from pool.map(play_one, cases, asked)


def figures_of(
    speaking: Sequence[dict[str, Played]], silent: Sequence[dict[str, Played]], cases: Sequence[Case]
) -> list[Figure]:
    """The table of the project's figures; each scene counts once, its characters averaged."""
    sync, crosstalk = BOUNDS[len(cases[0].looks) > 2]
    own = [played["predicted"] for played in speaking]
    everyone = own + [played["predicted"] for played in silent]

    def mean(
        of: Sequence[Played], figure: Callable[[Played], float]
    ) -> tuple[float, tuple[float, float], int]:
        values = [figure(played) for played in of]
        return float(np.mean(values)), bootstrap_interval(values), len(values)

    table = [
        at_least("identity", *mean(everyone, lambda p: p.mean(lambda c: c.likeness.alike)), 0.95),
        at_least("mask_iou_last", *mean(everyone, lambda p: p.mean(lambda c: c.mask_iou[-1])), 0.85),
        at_least("mask_iou_boundary", *mean(everyone, _boundary_iou), 0.55),
        at_least("sync", *mean(own, lambda p: p.mean(lambda c: c.sync)), sync),
        at_most("crosstalk", *mean(own, lambda p: p.mean(lambda c: c.crosstalk)), crosstalk, CHANCE_NOTE),
        Figure("crosstalk_at_own_lag", *mean(own, lambda p: p.mean(lambda c: c.crosstalk_at_own_lag))),
        Figure("crosstalk_of_perfect_mouths", *mean(own, lambda p: p.mean(lambda c: c.chance))),
    ]
    if silent:
        mute = [played["predicted"] for played in silent]
        table.append(at_most("silent_open", *mean(mute, _silent_open), 0.10))
    for source in sorted({case.excerpts[0].source for case in cases[: len(own)]}):
        of = [played for played, case in zip(own, cases) if case.excerpts[0].source == source]
        table.append(Figure(f"sync_{source}", *mean(of, lambda p: p.mean(lambda c: c.sync))))
        table.append(Figure(f"crosstalk_{source}", *mean(of, lambda p: p.mean(lambda c: c.crosstalk))))
    if "affinity" in speaking[0]:
        told = [played["affinity"] for played in speaking]
        table.append(
            Figure("affinity_mask_iou_last", *mean(told, lambda p: p.mean(lambda c: c.mask_iou[-1])))
        )
        table.append(Figure("affinity_sync", *mean(told, lambda p: p.mean(lambda c: c.sync))))
        table.append(Figure("affinity_crosstalk", *mean(told, lambda p: p.mean(lambda c: c.crosstalk))))
    return table + _margins(speaking)


CHANCE_NOTE = (
    "The best of five lags over a short clip correlates with any voice: crosstalk_of_perfect_mouths "
    "is what the recordings themselves score. Nothing is subtracted."
)


def _boundary_iou(played: Played) -> float:
    return played.mean(lambda c: c.mask_iou[played.boundary])


def _silent_open(played: Played) -> float:
    return float(np.mean([c.silent_open for c in played.performances if c.silent_open is not None]))


def _margins(speaking: Sequence[dict[str, Played]]) -> list[Figure]:
    """Sync minus crosstalk by source of masks, over scenes that move, and what prediction gains."""
    moving = [played for played in speaking if played["predicted"].travel >= TRAVEL]
    if not moving:
        return []
    own = [played["predicted"].margin for played in moving]
    interval = bootstrap_interval(own)
    table = [Figure("margin_predicted", float(np.mean(own)), interval, len(own), note=MOVING_NOTE)]
    for source, name in (("fixed", "fixed"), ("none", "global"), ("affinity", "affinity")):
        if source not in moving[0]:
            continue
        others = [played[source].margin for played in moving]
        theirs = bootstrap_interval(others)
        gains = np.subtract(own, others)
        table.append(Figure(f"margin_{name}", float(np.mean(others)), theirs, len(own)))
        table.append(
            Figure(
                f"margin_over_{name}",
                float(gains.mean()),
                bootstrap_interval(gains),
                len(own),
                "> 0, intervals of both margins apart",
                bool(interval[0] > theirs[1]),
                "The interval is that of the paired difference; 'holds' compares the margins' own intervals.",
            )
        )
    return table


FIXED_MASKS = "true segmentation of the first frame of the finished predicted run, repeated over time"
MOVING_NOTE = f"Over the scenes in which some head of the predicted run goes at least {TRAVEL:.0f} pixels."


def _write_strip(path: Path, frames: np.ndarray) -> None:
    """Six frames of a clip side by side."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    picked = np.concatenate(list(frames[np.linspace(0, len(frames) - 1, 6).astype(int)]), axis=1)
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(picked, cv2.COLOR_RGB2BGR))[1].tobytes())


def directed(chosen: argparse.Namespace) -> Direction:
    """The shipped graph's settings with what the command line changes."""
    direction = shipped_direction(chosen.frames)
    guidance = {
        "mask_gain": chosen.gain,
        "boundary": chosen.boundary,
        "stage_one_audio": chosen.stage_one_audio,
    }
    sampling = {
        "steps": chosen.steps,
        "cfg": chosen.cfg,
        "audio_cfg": chosen.audio_cfg,
        "shift": chosen.shift,
    }
    return replace(
        direction,
        guidance=replace(direction.guidance, **{k: v for k, v in guidance.items() if v is not None}),
        **{k: v for k, v in sampling.items() if v is not None},
    )


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench theatre", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--scenes", type=int, default=FULL, help="in which everybody speaks (default: %(default)s)"
    )
    parser.add_argument(
        "--silent", type=int, help="with a silent puppet beside the speakers (default: half as many)"
    )
    parser.add_argument(
        "--recordings", type=Path, help="a folder of recordings, used in turn with espeak-ng's voices"
    )
    parser.add_argument(
        "--models", type=Path, default=MODELS, help="a models folder (default: the shipped one)"
    )
    parser.add_argument(
        "--sources", nargs="+", choices=("fixed", "none", "affinity"), default=("fixed", "none")
    )
    parser.add_argument("--alone", action="store_true", help="predicted masks only, for sweeps")
    parser.add_argument("--puppets", type=int, default=2, choices=(2, 3, 4), help="in every scene")
    parser.add_argument("--frames", type=int, default=73, help="of every clip (default: %(default)s)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--cfg", type=float)
    parser.add_argument("--audio-cfg", type=float)
    parser.add_argument("--shift", type=float)
    parser.add_argument("--gain", type=float)
    parser.add_argument("--boundary", type=float)
    parser.add_argument("--stage-one-audio", choices=("none", "mute", "all"))
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that share the cores (default: %(default)s)"
    )
    parser.add_argument(
        "--bf16-vae",
        action="store_true",
        help="as ComfyUI's option: three times as fast on processors with AMX",
    )
    parser.add_argument("--pictures", type=Path, help="write six frames of every clip into this folder")
    parser.add_argument("--out", type=Path, help="JSON (default: theatre.json in benchmarks/results)")
    chosen = parser.parse_args(words)
    chosen.silent = chosen.scenes // 2 if chosen.silent is None else chosen.silent
    return chosen


def main() -> None:
    from comfyui_version import __version__ as comfyui

    chosen = arguments()
    direction = directed(chosen)
    spoken = recordings(chosen.recordings)
    sources = ("predicted",) if chosen.alone else ("predicted", *chosen.sources)
    total = chosen.scenes + chosen.silent
    cases = [draw_case(k, direction, spoken, k >= chosen.scenes, chosen.puppets) for k in range(total)]
    asked = [sources if number < chosen.scenes else ("predicted",) for number in range(total)]
    runs, began = [], time.perf_counter()
    for number, run in enumerate(play_all(cases, asked, direction, chosen)):
        runs.append(run)
        own = runs[-1]["predicted"]
        spent = time.perf_counter() - began
        print(
            f"[{number + 1}/{total}] sync {own.mean(lambda c: c.sync):.2f} "
            f"crosstalk {own.mean(lambda c: c.crosstalk):.2f} iou {own.mean(lambda c: c.mask_iou[-1]):.2f} "
            f"alike {own.mean(lambda c: c.likeness.alike):.1f}, {spent / (number + 1):.0f} s a scene",
            flush=True,
        )
    figures = figures_of(runs[: chosen.scenes], runs[chosen.scenes :], cases)
    print(_result.table(figures))
    name = "theatre.json" if chosen.puppets == 2 else f"theatre_{chosen.puppets}.json"
    path = chosen.out or (_result.FOLDER / name if chosen.scenes >= FULL else None)
    if path is not None:
        settings = {**vars(direction), "guidance": vars(direction.guidance)}
        _result.write(
            path,
            figures,
            report.machine(),
            report.versions(comfyui),
            _result.command("theatre"),
            settings=settings,
            fixed_masks=FIXED_MASKS,
            seconds=round(time.perf_counter() - began),
        )


if __name__ == "__main__":
    main()
