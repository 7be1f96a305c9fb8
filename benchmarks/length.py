"""`dev.py bench length`: does a long film keep voice and person to its end, and is it seen where it was joined?

Each scene has two speakers and is one that training never saw; it is far longer than what the models learned to
make at once. It is made twice from the same speech: through ComfyUI's context windows in one run, and in parts
that overlap, each going on from the last frames of the one before (InterAct Next Part), whose latent it is given
or, if "encoded_again" is asked for, only the pictures. Sync at the end is set
against sync at the beginning of the same film, and the picture's change at every joint against that of all other
frames.
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

from ..interact_core.frames import TEMPORAL_STRIDE, snap_frames  # noqa: E402  (comfy has to be told first)
from ..interact_core.theatre import measure  # noqa: E402
from ..interact_core.theatre.measure import bootstrap_interval  # noqa: E402
from ..interact_core.theatre.pipeline import Direction, Excerpt, Film, play, play_in_parts, shipped_direction
from ..interact_core.theatre.puppets import random_looks  # noqa: E402
from ..interact_core.theatre.training.clips import FRAMES  # noqa: E402
from .scenes import result as _result  # noqa: E402
from .scenes.held_out import (
    FIRST_SEED,
    PAUSE,
    Case,
    add_house_arguments,
    keep,
    recordings,
    theatre_of_this_process,
)
from .scenes.result import Figure, at_most  # noqa: E402

WAYS = ("windows", "parts", "encoded_again")
SECONDS = 20.0
END = 5.0  # seconds at the beginning and at the end of a film that are set against each other
FULL = 4  # scenes below which nothing is written unless --out says so
LOST = 0.05  # of sync, at most, from beginning to end
QUANTILE = 99  # a joint is not seen if the picture changes there no more than in this percentile of frames


@dataclass(frozen=True)
class End:
    """Five seconds of a film, both characters averaged."""

    sync: float
    crosstalk: float
    alike: float


@dataclass(frozen=True)
class Shown:
    """A film as measured.

    worst_seam: the largest change of the picture at a joint, over the 99th percentile of all changes;
    seams_above: share of the joints whose change passes that percentile, 0.01 if joints are frames like others.
    """

    first: End
    last: End
    worst_seam: float
    seams_above: float
    seconds: float


def long_speech(rng: np.random.Generator, pool: Sequence[Excerpt], seconds: float) -> Excerpt:
    """Sentence after sentence with pauses between, at least so long; all of the pool's sample rate."""
    rate = pool[0].rate
    pieces, total, order = [], 0, []
    while total < seconds * rate:
        order = order or list(rng.permutation(len(pool)))
        spoken = pool[order.pop()].waveform
        loudest = np.abs(spoken).max()
        pieces += [spoken / loudest if loudest > 0 else spoken, np.zeros(round(PAUSE * rate), np.float32)]
        total += len(pieces[-2]) + len(pieces[-1])
    return Excerpt(np.concatenate(pieces).astype(np.float32), rate, source=pool[0].source)


def draw_case(number: int, seconds: float, spoken: Sequence[Excerpt]) -> Case:
    """Two looks, each with a speech of its own made of recordings of one sample rate."""
    seed = FIRST_SEED + number
    rng = np.random.default_rng(seed)
    looks = random_looks(rng, 2)
    rates = sorted({recording.rate for recording in spoken})
    pool = [recording for recording in spoken if recording.rate == rates[number % len(rates)]]
    return Case(seed, looks, tuple(long_speech(rng, pool, seconds) for _ in looks))


def window_seams(direction: Direction) -> tuple[int, ...]:
    """Video frames at which a context window begins (comfy/context_windows.py, the standard static schedule)."""
    length = (direction.windows["context_length"] - 1) // TEMPORAL_STRIDE + 1
    step = length - direction.windows["context_overlap"] // TEMPORAL_STRIDE
    latents = (direction.frames - 1) // TEMPORAL_STRIDE + 1
    starts = [min(start, latents - length) for start in range(step, latents - length + step, step)]
    return tuple(TEMPORAL_STRIDE * start - TEMPORAL_STRIDE + 1 for start in starts)


def show(case: Case, film: Film, fps: float, seconds: float) -> Shown:
    """Measure both ends and the joints."""
    count = min(round(END * fps), len(film.frames) // 2)
    ends = [_end(case, film.frames, fps, place) for place in (slice(0, count), slice(-count, None))]
    changes = np.abs(np.diff(film.frames.astype(np.int16), axis=0)).mean((1, 2, 3))
    limit = max(float(np.percentile(changes, QUANTILE)), 1e-6)
    joints = np.array([changes[frame - 1] for frame in film.seams]) / limit
    above = float((joints > 1).mean()) if joints.size else 0.0
    return Shown(*ends, float(joints.max(initial=0.0)), above, seconds)


def _end(case: Case, frames: np.ndarray, fps: float, place: slice) -> End:
    part = frames[place]
    voices = np.stack([e.openings(fps, len(frames))[place] for e in case.excerpts])
    reading = measure.read_clip(part, case.looks)
    likenesses = measure.identity(part, case.looks, reading)
    pairs = [(reading.openings[i], voices[i], np.delete(voices, i, 0)) for i in range(len(case.looks))]
    return End(
        sync=float(np.mean([measure.sync(opening, own) for opening, own, _ in pairs])),
        crosstalk=float(np.mean([measure.crosstalk(opening, others) for opening, _, others in pairs])),
        alike=float(np.mean([likeness.alike for likeness in likenesses])),
    )


def make(
    case: Case, direction: Direction, house: tuple[Path, int, bool], way: str, length: int, overlap: int
) -> Film:
    theatre = theatre_of_this_process(*house)
    given = theatre, direction, case.looks, case.excerpts, case.seed
    if way == "windows":
        return Film(play(*given).frames, window_seams(direction))
    return play_in_parts(*given, length, overlap, encode_again=way == "encoded_again")


def _make_and_show(
    case: Case,
    direction: Direction,
    house: tuple[Path, int, bool],
    ways: Sequence[str],
    length: int,
    overlap: int,
    films: Path | None,
) -> dict[str, Shown]:
    shown = {}
    for way in ways:
        began = time.perf_counter()
        film = make(case, direction, house, way, length, overlap)
        shown[way] = show(case, film, direction.fps, time.perf_counter() - began)
        if films is not None:
            films.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(films / f"{case.seed}_{way}.npz", frames=film.frames, seams=film.seams)
    return shown


def make_all(
    cases: Sequence[Case], direction: Direction, chosen: argparse.Namespace
) -> Iterator[dict[str, Shown]]:
    """The cases in their order, in processes that share the cores."""
    house = (chosen.models, max(1, (os.cpu_count() or 1) // chosen.workers), chosen.bf16)
    make_one = partial(
        _make_and_show,
        direction=direction,
        house=house,
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


def figures_of(scenes: Sequence[dict[str, Shown]]) -> list[Figure]:
    """Every way's figures; differences are taken within a film."""
    table = []
    for way in scenes[0]:
        films = [scene[way] for scene in scenes]

        def mean(
            figure: Callable[[Shown], float], films: Sequence[Shown] = films
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


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench length", description=__doc__.split("\n\n", maxsplit=1)[0]
    )
    parser.add_argument("--scenes", type=int, default=FULL, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="(default: %(default)s)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS[:2])
    parser.add_argument("--length", type=int, default=FRAMES, help="frames of a part (default: %(default)s)")
    parser.add_argument("--overlap", type=int, default=9, help="frames (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="(default: the shipped graph's)")
    add_house_arguments(parser)
    parser.add_argument("--films", type=Path, help="write every film's frames into this folder (.npz)")
    parser.add_argument("--out", type=Path, help="JSON (default: length.json in benchmarks/results)")
    return parser.parse_args(words)


def main() -> None:
    chosen = arguments()
    direction = shipped_direction(25)
    direction = replace(
        direction,
        frames=snap_frames(round(chosen.seconds * direction.fps)),
        steps=chosen.steps or direction.steps,
    )
    spoken = recordings(chosen.recordings)
    cases = [draw_case(number, direction.frames / direction.fps, spoken) for number in range(chosen.scenes)]
    scenes, began = [], time.perf_counter()
    for scene in make_all(cases, direction, chosen):
        scenes.append(scene)
        told = ", ".join(
            f"{way}: sync {film.first.sync:.2f} then {film.last.sync:.2f}, worst seam {film.worst_seam:.2f}, "
            f"{film.seconds:.0f} s"
            for way, film in scene.items()
        )
        print(f"[{len(scenes)}/{len(cases)}] {told}", flush=True)
    figures = figures_of(scenes)
    path = chosen.out or (_result.FOLDER / "length.json" if chosen.scenes >= FULL else None)
    keep(
        "length", path, figures, direction, began, parts={"length": chosen.length, "overlap": chosen.overlap}
    )


if __name__ == "__main__":
    main()
