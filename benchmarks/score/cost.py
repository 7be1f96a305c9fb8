"""What a score takes: wall clock and processor time for one film, memory for a long one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from ..scenes import held_out as held_out  # isort: skip  (it configures comfy, before anything imports comfy)
from ...interact_core.guidance import Cast, Character
from ...interact_core.host.score import score_image
from ...interact_core.host.scorer import ScorerFiles, load_scorer
from ...interact_core.media import read_sound
from ...interact_core.metrics.score import Scorer
from ...interact_core.metrics.sync.tracks import TrackRules
from ...interact_core.metrics.types import VOICE_RATE
from ...interact_core.scoring.jobs import read_jobs
from ...interact_core.scoring.work import score_job
from ...interact_core.speech.from_core import SPEECH_KEY
from ...interact_core.speech.types import Speech
from ..scenes.result import Figure, at_most
from .stand_ins import FPS, NoNetwork, NoSearch, frames, write_film, write_scorer

ROOT = Path(__file__).parents[2]
FRAMES, WIDTH, HEIGHT = 81, 832, 480
SECONDS = 20.0  # for that film with two people on two cores, without FVD
SMALL = 160, 96  # pixels of the long film: the stream is what is measured, and not its decoding
SHORT = 10  # seconds of the film that the long one is held against
FEATURES = 4 * 4096  # bytes a frame: SyncNet's of two faces and two voices
MB = 2**20


def time_of_one_film(repeats: int) -> list[Figure]:
    """Wall clock and processor seconds of `dev.py score` from start to end, and of the node without loading."""
    with tempfile.TemporaryDirectory() as place, _two_cores():
        folder = Path(place)
        write_film(folder, FRAMES, WIDTH, HEIGHT)
        files = write_scorer(folder)
        whole = [_whole_process(folder, files, f"out{k}") for k in range(repeats)]
        node = _node(folder, files, repeats)
    return [
        _seconds("node_wall", [wall for wall, _ in node], NODE, SECONDS),
        _seconds("node_processor", [processor for _, processor in node], PROCESSOR),
        _seconds("process_wall", [wall for wall, _, _ in whole], PROCESS),
        _seconds("process_processor", [processor for _, processor, _ in whole], PROCESSOR),
        _megabytes(
            "process_memory", max(peak for _, _, peak in whole) / MB, repeats, "MB, resident at the most."
        ),
    ]


NODE = "Seconds. InterAct Score on frames in memory, faces, SyncNet and all that needs no picture; files are loaded."
PROCESS = (
    "Seconds. `dev.py score` of the same film as a file, loading, tables and page included, and the start of Python, "
    "PyTorch and ComfyUI, which a folder of films pays for once: the bound is of a film, and so not of this."
)
PROCESSOR = (
    "Seconds of both cores together: the wall clock of an idle machine lies between half of it and all."
)


def memory_of_a_long_film(minutes: float) -> list[Figure]:
    """Largest resident memory of scoring a long film from its file, and by how much that is above a short one's."""
    peaks = {}
    for name, seconds in (("short", SHORT), ("long", 60 * minutes)):
        with tempfile.TemporaryDirectory() as place, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            write_film(Path(place), round(seconds * FPS), *SMALL)
            began = time.perf_counter()
            peaks[name] = pool.submit(_score_a_film, Path(place)).result() / MB
        spent = time.perf_counter() - began
        print(f"{name}: {seconds:.0f} s of film in {spent:.0f} s, {peaks[name]:.0f} MB", flush=True)
    count = round(60 * minutes * FPS)
    held, kept = count * SMALL[0] * SMALL[1] * 3 / MB, count * FEATURES / MB
    growth = peaks["long"] - peaks["short"]
    note = GROWTH.format(kept=kept, held=held)
    return [
        _megabytes("peak_short", peaks["short"], count, f"MB, a film of {SHORT} s. {NETWORKS}"),
        _megabytes("peak_long", peaks["long"], count, f"MB, a film of {minutes:g} minutes."),
        at_most("growth", growth, (growth, growth), count, round(2 * kept), note),
    ]


NETWORKS = "Networks are replaced by ones that answer at once: theirs is a memory of one batch, in every film the same."
GROWTH = (
    "MB. SyncNet's features of two faces and two voices alone are {kept:.0f}; the frames, were they held, {held:.0f}. "
    "The bound is twice the features, whatever the size of the picture."
)


def _score_a_film(folder: Path) -> int:
    """In a process of its own: score the film of `write_film`; the process's largest resident bytes."""
    import resource

    (job,) = read_jobs(folder / "films", voices=folder / "voices", masks=folder / "masks")
    scorer = Scorer(faces=NoSearch(*SMALL), syncnet=NoNetwork(), rules=TrackRules(min_size=0.0))
    record, _ = score_job(job, scorer)
    _check_work(record["people"])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS


MAXRSS = 1 if sys.platform == "darwin" else 1024  # bytes


def _whole_process(folder: Path, files: ScorerFiles, out: str) -> tuple[float, float, int]:
    """Wall seconds, processor seconds and largest resident bytes of a run of the command. Raises where it fails."""
    words = [str(folder / "films"), "--voices", str(folder / "voices"), "--masks", str(folder / "masks")]
    words += ["--faces", str(files.faces), "--syncnet", str(files.syncnet), "--out", str(folder / out)]
    program = (
        "import resource, subprocess, sys, time; began = time.perf_counter(); "
        "code = subprocess.run(sys.argv[1:]).returncode; wall = time.perf_counter() - began; "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(code, wall, used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    command = [sys.executable, "-c", program, sys.executable, str(ROOT / "dev.py"), "score", *words]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    code, wall, processor, peak = said.splitlines()[-1].split()
    if code != "0":
        raise RuntimeError(f"dev.py score ended with {code}: {said}")
    (record,) = (folder / out / "records").iterdir()
    _check_work(json.loads(record.read_text(encoding="utf-8"))["people"])
    return float(wall), float(processor), int(peak) * MAXRSS


def _check_work(people: Sequence[dict]) -> None:
    """A film in which nobody was found costs little: no figure of this file may come from one."""
    if not all(one["seen"] == 1.0 and one["windows"] for one in people):
        raise RuntimeError(f"the faces of the film were not found: {people}")


def _node(folder: Path, files: ScorerFiles, repeats: int) -> list[tuple[float, float]]:
    """Wall and processor seconds of the node's own work."""
    scorer = load_scorer(files)
    image = torch.from_numpy(np.stack(list(frames(FRAMES, WIDTH, HEIGHT)))).float() / 255
    halves = torch.zeros(2, HEIGHT, WIDTH)
    halves[0, :, : WIDTH // 2], halves[1, :, WIDTH // 2 :] = 1, 1
    cast = Cast(
        tuple(_character(folder, name) for name in ("Anna", "Ben")), WIDTH, HEIGHT, FRAMES, float(FPS), None
    )
    found = []
    for _ in range(repeats):
        began, before = time.perf_counter(), time.process_time()
        scored = score_image(image, cast, masks=halves, scorer=scorer)
        found.append((time.perf_counter() - began, time.process_time() - before))
        _check_work([vars(person) for person in scored.figures.people])
    return found


def _character(folder: Path, name: str) -> Character:
    sound, rate = read_sound(folder / "voices" / "film" / f"{name}.wav", VOICE_RATE)
    speech = Speech(
        torch.zeros(1, 1, 1), torch.zeros(1, 1), float(FPS), torch.from_numpy(sound)[None], rate, 0.0
    )
    picture = torch.ones(1, HEIGHT, WIDTH, 3)
    return Character(name, picture, {SPEECH_KEY: speech}, None)


@contextmanager
def _two_cores() -> Iterator[None]:
    """This process and those that it starts on two of the machine's cores, where it has more and that can be said."""
    threads = torch.get_num_threads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, set(sorted(cores)[:2]))
    torch.set_num_threads(min(2, threads))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if cores:
            os.sched_setaffinity(0, cores)


def _seconds(name: str, values: Sequence[float], note: str, bound: float | None = None) -> Figure:
    value, spread = float(np.median(values)), (min(values), max(values))
    note = f"{note} For an interval smallest and largest."
    if bound is None:
        return Figure(name, value, spread, len(values), note=note)
    return at_most(name, value, spread, len(values), bound, note)


def _megabytes(name: str, value: float, count: int, note: str) -> Figure:
    return Figure(name, value, (value, value), count, note=note)
