"""What pruned and cached reference images cost in quality: the theatre's scenes, each run with every setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...interact_core.metrics.intervals import bootstrap_interval
from ...interact_core.theatre.pipeline import MODELS, load_models, run_scene, shipped_run_settings
from ..scenes import held_out
from ..scenes.held_out import SceneResult
from ..scenes.result import Figure
from .forward import INTERVAL, Bench

FRAMES = 25
SCENES = 16  # a CPU's three repeats are too few to tell anything
WAYS = {
    "whole": ("all", 1),
    "person": ("person", 1),
    "all_now_and_then": ("all", INTERVAL),
    "person_now_and_then": ("person", INTERVAL),
}
"""reference_tokens and reference_interval."""
NOTES = {way: f"looked at in every {interval}th of 20 steps" for way, (_, interval) in WAYS.items()}
NOTES |= {"person": "of the same scenes and seeds"}
FIGURES: dict[str, Callable[[SceneResult], float]] = {
    "sync": lambda result: result.mean(lambda c: c.sync),
    "crosstalk": lambda result: result.mean(lambda c: c.crosstalk),
    "mask_iou_last": lambda result: result.mean(lambda c: c.mask_iou[-1]),
    "mask_iou_boundary": lambda result: result.mean(lambda c: c.mask_iou[result.boundary]),
    "identity": lambda result: result.mean(lambda c: c.likeness.alike),
}


def reference_quality(bench: Bench) -> list[Figure]:
    """Figures of bench theatre with whole references in every step, and what each of WAYS changes, pairwise."""
    run_settings = shipped_run_settings(FRAMES)
    models, recordings = load_models(MODELS), held_out.load_recordings(None)
    results: dict[str, list[SceneResult]] = {way: [] for way in WAYS}
    for number in range(max(SCENES, bench.repeats)):
        case = held_out.draw_case(number, run_settings, recordings)
        for way, (tokens, interval) in WAYS.items():
            changed = {"reference_tokens": tokens, "reference_interval": interval}
            settings = replace(run_settings, guidance=replace(run_settings.guidance, **changed))
            clip = run_scene(models, settings, case.looks, case.excerpts, case.seed)
            results[way].append(held_out.measure_clip(case, clip, run_settings)[0])
            print(f"scene {number}, {way}: sync {FIGURES['sync'](results[way][-1]):.2f}", flush=True)
    figures = []
    for name, figure in FIGURES.items():
        found = {way: np.array([figure(result) for result in runs]) for way, runs in results.items()}
        whole = found.pop("whole")
        figures.append(Figure(name, float(whole.mean()), bootstrap_interval(whole), len(whole)))
        figures += [
            Figure(f"{name}_{way}_minus_whole", *_mean(cut - whole), note=NOTES[way])
            for way, cut in found.items()
        ]
    return figures


def _mean(values: np.ndarray) -> tuple[float, tuple[float, float], int]:
    return float(values.mean()), bootstrap_interval(values), len(values)
