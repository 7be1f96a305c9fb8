"""What seeing less of the references costs in quality: the theatre's scenes, each played in every way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...interact_core.theatre.measure import bootstrap_interval
from ...interact_core.theatre.pipeline import MODELS, open_theatre, play, shipped_direction
from ..scenes import held_out
from ..scenes.held_out import Played
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
FIGURES: dict[str, Callable[[Played], float]] = {
    "sync": lambda played: played.mean(lambda c: c.sync),
    "crosstalk": lambda played: played.mean(lambda c: c.crosstalk),
    "mask_iou_last": lambda played: played.mean(lambda c: c.mask_iou[-1]),
    "mask_iou_boundary": lambda played: played.mean(lambda c: c.mask_iou[played.boundary]),
    "identity": lambda played: played.mean(lambda c: c.likeness.alike),
}


def price(bench: Bench) -> list[Figure]:
    """Figures of bench theatre with whole references in every step, and what each of WAYS changes, pairwise."""
    direction = shipped_direction(FRAMES)
    house, spoken = open_theatre(MODELS), held_out.recordings(None)
    played: dict[str, list[Played]] = {way: [] for way in WAYS}
    for number in range(max(SCENES, bench.repeats)):
        case = held_out.draw_case(number, direction, spoken)
        for way, (tokens, interval) in WAYS.items():
            shown = {"reference_tokens": tokens, "reference_interval": interval}
            told = replace(direction, guidance=replace(direction.guidance, **shown))
            clip = play(house, told, case.looks, case.excerpts, case.seed)
            played[way].append(held_out.judge(case, clip, direction)[0])
            print(f"scene {number}, {way}: sync {FIGURES['sync'](played[way][-1]):.2f}", flush=True)
    figures = []
    for name, figure in FIGURES.items():
        found = {way: np.array([figure(run) for run in runs]) for way, runs in played.items()}
        whole = found.pop("whole")
        figures.append(Figure(name, float(whole.mean()), bootstrap_interval(whole), len(whole)))
        figures += [
            Figure(f"{name}_{way}_minus_whole", *_mean(cut - whole), note=NOTES[way])
            for way, cut in found.items()
        ]
    return figures


def _mean(values: np.ndarray) -> tuple[float, tuple[float, float], int]:
    return float(values.mean()), bootstrap_interval(values), len(values)
