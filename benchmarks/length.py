"""`dev.py bench length`: does a long film keep voice and person to its end, and are its joints visible?

Each scene has two speakers and is one that training never saw; it is far longer than a training clip. It is
made twice from the same speech: through ComfyUI's context windows in one run, and in parts that overlap, each
continuing from the last frames of the previous part (InterAct Next Part), given as latent or, for
"encoded_again", as pictures only. Sync at the end is set against sync at the beginning of the same film, and
the picture's change at every joint against that of all other frames.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ..interact_core.host.standalone import prepare_comfy

prepare_comfy()

from ..interact_core.frames import TEMPORAL_STRIDE, snap_frames  # noqa: E402  (comfy has to be configured first)
from ..interact_core.metrics.intervals import bootstrap_interval  # noqa: E402
from ..interact_core.metrics.puppets.drawing import random_looks  # noqa: E402
from ..interact_core.theatre.measuring import measure  # noqa: E402
from ..interact_core.theatre.pipeline import (  # noqa: E402
    AudioExcerpt,
    Film,
    RunSettings,
    run_scene,
    run_scene_in_parts,
    shipped_run_settings,
)
from ..interact_core.theatre.training.clips import FRAMES  # noqa: E402
from .scenes import result  # noqa: E402
from .scenes.held_out import (  # noqa: E402
    FIRST_SEED,
    PAUSE,
    Case,
    add_model_arguments,
    load_recordings,
    models_of_this_process,
    write_results,
)
from .scenes.result import Figure, at_most  # noqa: E402

WAYS = ("windows", "parts", "encoded_again")
SECONDS = 20.0
END = 5.0  # seconds at the beginning and at the end of a film that are set against each other
FULL = 4  # scenes below which nothing is written unless --out says so
LOST = 0.05  # of sync, at most, from beginning to end
QUANTILE = 99  # a joint is invisible if the picture changes there no more than in this percentile of frames


@dataclass(frozen=True)
class End:
    """Five seconds of a film, both characters averaged."""

    sync: float
    crosstalk: float
    alike: float


@dataclass(frozen=True)
class FilmMetrics:
    """What was measured of a film.

    worst_seam: the largest change of the picture at a joint, over the 99th percentile of all changes;
    seams_above: share of the joints whose change passes that percentile, 0.01 if joints are frames like
    others.
    """

    first: End
    last: End
    worst_seam: float
    seams_above: float
    seconds: float


def long_speech(rng: np.random.Generator, pool: Sequence[AudioExcerpt], seconds: float) -> AudioExcerpt:
    """Sentence after sentence with pauses between, at least so long; all of the pool's sample rate."""
    rate = pool[0].rate
    pieces, total, order = [], 0, []
    while total < seconds * rate:
        order = order or list(rng.permutation(len(pool)))
        sentence = pool[order.pop()].waveform
        loudest = np.abs(sentence).max()
        pieces += [sentence / loudest if loudest > 0 else sentence, np.zeros(round(PAUSE * rate), np.float32)]
        total += len(pieces[-2]) + len(pieces[-1])
    return AudioExcerpt(np.concatenate(pieces).astype(np.float32), rate, source=pool[0].source)


def draw_case(number: int, seconds: float, recordings: Sequence[AudioExcerpt]) -> Case:
    """Two looks, each with a speech of its own made of recordings of one sample rate."""
    seed = FIRST_SEED + number
    rng = np.random.default_rng(seed)
    looks = random_looks(rng, 2)
    rates = sorted({recording.rate for recording in recordings})
    pool = [recording for recording in recordings if recording.rate == rates[number % len(rates)]]
    return Case(seed, looks, tuple(long_speech(rng, pool, seconds) for _ in looks))


def window_seams(run_settings: RunSettings) -> tuple[int, ...]:
    """Video frames at which a context window begins (comfy/context_windows.py, the standard static schedule)."""
    length = (run_settings.windows["context_length"] - 1) // TEMPORAL_STRIDE + 1
    step = length - run_settings.windows["context_overlap"] // TEMPORAL_STRIDE
    latents = (run_settings.frames - 1) // TEMPORAL_STRIDE + 1
    starts = [min(start, latents - length) for start in range(step, latents - length + step, step)]
    return tuple(TEMPORAL_STRIDE * start - TEMPORAL_STRIDE + 1 for start in starts)


def measure_film(case: Case, film: Film, fps: float, seconds: float) -> FilmMetrics:
    """Measure both ends and the joints."""
    count = min(round(END * fps), len(film.frames) // 2)
    ends = [_end(case, film.frames, fps, place) for place in (slice(0, count), slice(-count, None))]
    changes = np.abs(np.diff(film.frames.astype(np.int16), axis=0)).mean((1, 2, 3))
    limit = max(float(np.percentile(changes, QUANTILE)), 1e-6)
    joints = np.array([changes[frame - 1] for frame in film.seams]) / limit
    above = float((joints > 1).mean()) if joints.size else 0.0
    return FilmMetrics(*ends, float(joints.max(initial=0.0)), above, seconds)


def _end(case: Case, frames: np.ndarray, fps: float, place: slice) -> End:
    part = frames[place]
    voices = np.stack([e.mouth_openings(fps, len(frames))[place] for e in case.excerpts])
    reading = measure.read_clip(part, case.looks)
    likenesses = measure.identity(part, case.looks, reading)
    pairs = [(reading.openings[i], voices[i], np.delete(voices, i, 0)) for i in range(len(case.looks))]
    return End(
        sync=float(np.mean([measure.sync(opening, own) for opening, own, _ in pairs])),
        crosstalk=float(np.mean([measure.crosstalk(opening, others) for opening, _, others in pairs])),
        alike=float(np.mean([likeness.alike for likeness in likenesses])),
    )


def make_film(
    case: Case, run_settings: RunSettings, worker: tuple[Path, int, bool], way: str, length: int, overlap: int
) -> Film:
    models = models_of_this_process(*worker)
    given = models, run_settings, case.looks, case.excerpts, case.seed
    if way == "windows":
        return Film(run_scene(*given).frames, window_seams(run_settings))
    return run_scene_in_parts(*given, length, overlap, encode_again=way == "encoded_again")


def _make_and_measure(
    case: Case,
    run_settings: RunSettings,
    worker: tuple[Path, int, bool],
    ways: Sequence[str],
    length: int,
    overlap: int,
    films: Path | None,
) -> dict[str, FilmMetrics]:
    measured = {}
    for way in ways:
        began = time.perf_counter()
        film = make_film(case, run_settings, worker, way, length, overlap)
        measured[way] = measure_film(case, film, run_settings.fps, time.perf_counter() - began)
        if films is not None:
            films.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(films / f"{case.seed}_{way}.npz", frames=film.frames, seams=film.seams)
    return measured


def make_films(
    cases: Sequence[Case], run_settings: RunSettings, chosen: argparse.Namespace
) -> Iterator[dict[str, FilmMetrics]]:
    """The cases in their order, in processes that share the cores."""
    worker = (chosen.models, max(1, (os.cpu_count() or 1) // chosen.workers), chosen.bf16)
    make_one = partial(
        _make_and_measure,
        run_settings=run_settings,
        worker=worker,
        ways=chosen.ways,
        length=chosen.length,
        overlap=chosen.overlap,
        films=chosen.films,
    )
    if chosen.workers == 1:
        yield from map(make_one, cases)
        return
    with ProcessPoolExecutor(chosen.workers, get_context("spawn")) as pool:
        yield from pool.map(make_one, cases)


def figures_of(scenes: Sequence[dict[str, FilmMetrics]]) -> list[Figure]:
    """Every way's figures; differences are taken within a film."""
    table = []
    for way in scenes[0]:
        films = [scene[way] for scene in scenes]

        def mean(
            figure: Callable[[FilmMetrics], float], films: Sequence[FilmMetrics] = films
        ) -> tuple[float, tuple[float, float], int]:
            values = [figure(film) for film in films]
            return float(np.mean(values)), bootstrap_interval(values), len(values)

        table += [
            Figure(f"sync_first_{way}", *mean(lambda film: film.first.sync)),
            Figure(f"sync_last_{way}", *mean(lambda film: film.last.sync)),
            at_most(f"sync_lost_{way}", *mean(lambda film: film.first.sync - film.last.sync), LOST),
            Figure(f"crosstalk_first_{way}", *mean(lambda film: film.first.crosstalk)),
            Figure(f"crosstalk_last_{way}", *mean(lambda film: film.last.crosstalk)),
            Figure(f"identity_first_{way}", *mean(lambda film: film.first.alike)),
            Figure(f"identity_last_{way}", *mean(lambda film: film.last.alike)),
            at_most(f"worst_seam_{way}", *mean(lambda film: film.worst_seam), 1.0, WORST),
            Figure(f"seams_above_{way}", *mean(lambda film: film.seams_above), note=ABOVE),
            Figure(f"seconds_{way}", *mean(lambda film: film.seconds)),
        ]
    return table


WORST = (
    "Change of the picture at the worst joint of a film, over the 99th percentile of the changes of all its "
    "frames. The worst of many frames passes it by chance: seams_above says how many do."
)
ABOVE = "Share of the joints at which the picture changes more than in 99 of 100 frames: 0.01 by chance."


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench length", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--scenes", type=int, default=FULL, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="(default: %(default)s)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS[:2])
    parser.add_argument("--length", type=int, default=FRAMES, help="frames of a part (default: %(default)s)")
    parser.add_argument("--overlap", type=int, default=9, help="frames (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="(default: the shipped graph's)")
    add_model_arguments(parser)
    parser.add_argument("--films", type=Path, help="write every film's frames into this folder (.npz)")
    parser.add_argument("--out", type=Path, help="JSON (default: length.json in benchmarks/results)")
    return parser.parse_args(argv)


def main() -> None:
    chosen = arguments()
    run_settings = shipped_run_settings(25)
    run_settings = replace(
        run_settings,
        frames=snap_frames(round(chosen.seconds * run_settings.fps)),
        steps=chosen.steps or run_settings.steps,
    )
    recordings = load_recordings(chosen.recordings)
    cases = [
        draw_case(number, run_settings.frames / run_settings.fps, recordings)
        for number in range(chosen.scenes)
    ]
    scenes, began = [], time.perf_counter()
    for scene in make_films(cases, run_settings, chosen):
        scenes.append(scene)
        summary = ", ".join(
            f"{way}: sync {film.first.sync:.2f} then {film.last.sync:.2f}, worst seam {film.worst_seam:.2f}, "
            f"{film.seconds:.0f} s"
            for way, film in scene.items()
        )
        print(f"[{len(scenes)}/{len(cases)}] {summary}", flush=True)
    figures = figures_of(scenes)
    path = chosen.out or (result.FOLDER / "length.json" if chosen.scenes >= FULL else None)
    write_results(
        "length",
        path,
        figures,
        run_settings,
        began,
        parts={"length": chosen.length, "overlap": chosen.overlap},
    )


if __name__ == "__main__":
    main()
