"""What dropping the references' ground costs in quality: the theatre's scenes, each played both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..interact_core.theatre.measure import bootstrap_interval
from ..interact_core.theatre.rehearsal import MODELS, open_theatre, play, shipped_direction
from . import _scenes
from ._result import Figure
from ._scenes import Played
from ._speed_forward import Bench

FRAMES = 25
SCENES = 10  # a CPU's three repeats are too few to tell anything
FIGURES: dict[str, Callable[[Played], float]] = {
    "sync": lambda played: played.mean(lambda c: c.sync),
    "crosstalk": lambda played: played.mean(lambda c: c.crosstalk),
    "mask_iou_last": lambda played: played.mean(lambda c: c.mask_iou[-1]),
    "mask_iou_boundary": lambda played: played.mean(lambda c: c.mask_iou[played.boundary]),
    "identity": lambda played: played.mean(lambda c: c.likeness.alike),
}


def price(bench: Bench) -> list[Figure]:
    """Figures of bench theatre with whole references, and what reference_tokens "person" changes, pairwise."""
    direction = shipped_direction(FRAMES)
    house, spoken = open_theatre(MODELS), _scenes.recordings(None)
    played: dict[str, list[Played]] = {"all": [], "person": []}
    for number in range(max(SCENES, bench.repeats)):
        case = _scenes.draw_case(number, direction, spoken)
        for tokens, runs in played.items():
            told = replace(direction, guidance=replace(direction.guidance, reference_tokens=tokens))
            clip = play(house, told, case.looks, case.excerpts, case.seed)
            runs.append(_scenes.judge(case, clip, direction)[0])
            print(f"scene {number}, {tokens}: sync {FIGURES['sync'](runs[-1]):.2f}", flush=True)
    figures = []
    for name, figure in FIGURES.items():
        whole, cut = (np.array([figure(run) for run in runs]) for runs in played.values())
        figures += [
            Figure(name, float(whole.mean()), bootstrap_interval(whole), len(whole)),
            Figure(f"{name}_person_minus_whole", *_mean(cut - whole), note="of the same scenes and seeds"),
        ]
    return figures


def _mean(values: np.ndarray) -> tuple[float, tuple[float, float], int]:
    return float(values.mean()), bootstrap_interval(values), len(values)
