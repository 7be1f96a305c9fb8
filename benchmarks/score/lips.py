"""Lips as InterAct Score has them, beside the theatre's own measure, on scenes that the model drew.

The node knows the puppets by their pictures, their voices by the cast, and reads the film in its own way; the bench
knows the scene. Both measure the very same frames, once with every voice where it was when the scene was drawn and once
with the voices swapped, where the figures are low.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..scenes import held_out  # isort: skip  (it configures comfy, before anything imports comfy)
import comfy.utils

from ...interact_core.guidance import Cast, Character
from ...interact_core.host.encode.recording import encode_recording
from ...interact_core.host.score import score_image
from ...interact_core.metrics.lips import crosstalk, sync
from ...interact_core.metrics.puppets.drawing import portrait
from ...interact_core.metrics.puppets.reading import read_clip
from ...interact_core.theatre.pipeline import AudioExcerpt, Clip, RunSettings, TheatreModels, run_scene
from ..scenes.held_out import Case
from ..scenes.result import Figure, at_most
from ..scenes.store import CACHE, Store, fingerprint

CLOSE = 0.02  # the node's lips and the bench's sync may differ by this much
STEPS = 8  # what is compared is two readings of one film, whether its masks are the best or not
KEY = "node beside bench"  # of the records, which carry it where those of other benches carry their setting
RIGHT, SWAPPED = "right", "swapped"


def compare(scenes: int, frames: int, models_folder: Path) -> list[Figure]:
    """Run what has not been run yet, and the figures over all of it."""
    comfy.utils.set_progress_bar_enabled(False)
    shipped = held_out.shipped_run_settings(frames)
    settings = replace(shipped, steps=STEPS, motion=held_out.MOTION)
    recordings = held_out.load_recordings(None)
    store = Store(CACHE / fingerprint([models_folder], settings, recordings, False))
    for number in range(scenes):
        if store.has(KEY, [number]):
            continue
        models = held_out.models_of_this_process(models_folder, torch.get_num_threads(), False)
        began = time.perf_counter()
        case = held_out.draw_case(number, settings, recordings)
        clip = run_scene(models, settings, case.looks, case.excerpts, case.seed)
        store.add({"setting": KEY, "case": number, **record(models, settings, case, clip)})
        (added,) = store.of(KEY, [number])
        print(f"[{number + 1}/{scenes}] {time.perf_counter() - began:.0f} s {added}", flush=True)
    return figures(store.of(KEY, range(scenes)))


def record(models: TheatreModels, settings: RunSettings, case: Case, clip: Clip) -> dict[str, Any]:
    """By order of the voices: [bench, node] of lips and crosstalk of everybody, and the wrong voices told."""
    openings = read_clip(clip.frames, case.looks).openings
    image = torch.from_numpy(clip.frames).float() / 255
    found: dict[str, Any] = {}
    for order, excerpts in ((RIGHT, case.excerpts), (SWAPPED, case.excerpts[::-1])):
        voices = np.stack([e.mouth_openings(settings.fps, len(clip.frames)) for e in excerpts if e])
        scored = score_image(image, cast_of(models, settings, case, excerpts), clip.history).figures
        bench = [
            (sync(o, v), crosstalk(o, np.delete(voices, n, 0)))
            for n, (o, v) in enumerate(zip(openings, voices))
        ]
        node = [(person.lips, person.crosstalk) for person in scored.people]
        found[order] = {
            "lips": [[round(float(a[0]), 5), _rounded(b[0])] for a, b in zip(bench, node, strict=True)],
            "crosstalk": [[round(float(a[1]), 5), _rounded(b[1])] for a, b in zip(bench, node, strict=True)],
            "wrong": [len(person.wrong) for person in scored.people],
            "mask_iou": [_rounded(person.mask_iou) for person in scored.people],
        }
    return found


def cast_of(
    models: TheatreModels, settings: RunSettings, case: Case, excerpts: Sequence[AudioExcerpt | None]
) -> Cast:
    """The cast as the graph makes it, of the portraits and recordings alone."""
    characters = []
    for number, (look, excerpt) in enumerate(zip(case.looks, excerpts, strict=True), start=1):
        picture = torch.from_numpy(portrait(look, settings.width, settings.height))[None] / 255.0
        speech = None
        if excerpt is not None:
            audio = {"waveform": torch.from_numpy(excerpt.waveform)[None, None], "sample_rate": excerpt.rate}
            speech = encode_recording(models.encoder, audio, -excerpt.begin, 1.0)
        characters.append(Character(f"puppet {number}", picture, speech, None))
    return Cast(tuple(characters), settings.width, settings.height, settings.frames, settings.fps, None)


def figures(records: Sequence[dict[str, Any]]) -> list[Figure]:
    """The largest difference of node and bench, by order of the voices and figure, and what was compared."""
    table = []
    for order in (RIGHT, SWAPPED):
        for figure in ("lips", "crosstalk"):
            pairs = np.array([pair for one in records for pair in one[order][figure]], float)
            apart = np.abs(pairs[:, 0] - np.nan_to_num(pairs[:, 1], nan=np.inf))
            spread = (float(np.median(apart)), float(apart.max()))
            table.append(at_most(f"{figure}_{order}", spread[1], spread, len(records), CLOSE, LARGEST))
        values = np.array([pair[0] for one in records for pair in one[order]["lips"]])
        table.append(
            Figure(
                f"bench_lips_{order}",
                float(values.mean()),
                (float(values.min()), float(values.max())),
                len(records),
                note=RANGE,
            )
        )
    return table


LARGEST = "The largest difference of node and bench over all puppets; for an interval median and largest."
RANGE = "What was compared: the bench's mean; for an interval smallest and largest."


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 5)
