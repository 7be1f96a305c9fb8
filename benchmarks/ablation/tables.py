"""From records to lines with intervals, and the project's own bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...interact_core.metrics.intervals import bootstrap_interval
from ...interact_core.metrics.sets.frechet import Moments, frechet_distance, pooled
from ..scenes.result import Figure, at_least
from ..scenes.runs import PAPER_STEPS, RENDERED, Record, moments_of
from ..scenes.settings import EVERY_FRAME, FIRST_FRAME, Setting
from ..scenes.store import Store
from .rows import ARGUMENT, TITLES, Row

SAME = 0.005  # of margin: a smaller gain is rounding, as with an audio scale that equals cfg
ANALYSES = (
    "best",
    "steps",
    "occlusion",
)  # groups of `--only` that are computed from the runs of other groups
OVERLAP = 1.3  # closeness below which bodies overlap, see scenes/runs.py
DRAWS = 400  # of the bootstrap of Frechet distances
METRICS = (
    "margin",
    "sync",
    "crosstalk",
    "mask_iou",
    "identity",
    "on_screen",
    "silent_open",
    "perfect_margin",
    "travel",
)

Spread = tuple[float, float, float]  # mean, and the ends of its 95 % bootstrap interval
Numbers = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class Line:
    """A row with its results. over: the paired gain in margin over the row that it is compared with."""

    label: str
    setting: str
    scenes: int
    metrics: dict[str, Spread]
    over: Spread | None = None
    frechet: Spread | None = None
    cost: float | None = None  # processor time of a run, relative to that of the row that it is compared with

    def record(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Findings:
    """All results. steps, occlusion: None where they were not asked for; trained: a sentence on how long
    other weights were trained.
    """

    figures: list[Figure]
    groups: dict[str, list[Line]]
    steps: dict[str, Any] | None = None
    occlusion: dict[str, list[Line]] | None = None
    trained: str = ""


def spread(values: Sequence[float]) -> Spread:
    low, high = bootstrap_interval(values)
    return round(float(np.mean(values)), 4), round(low, 4), round(high, 4)


def line(row: Row, records: Sequence[Record], base: Sequence[Record] | None) -> Line:
    """records: of the row's setting; base: of the one it is compared with on the same scenes, if any."""
    values = {name: [r[name] for r in records if r[name] is not None] for name in METRICS}
    over = cost = None
    if base is not None and row.setting != row.against:
        over = spread(gains(records, base))
        cost = round(
            float(np.mean([r["seconds"] for r in records]) / np.mean([r["seconds"] for r in base])), 2
        )
    return Line(
        row.label,
        row.setting.key,
        len(records),
        {name: spread(numbers) for name, numbers in values.items() if numbers},
        over,
        cost=cost,
    )


def gains(records: Sequence[Record], base: Sequence[Record]) -> list[float]:
    return [ours["margin"] - theirs["margin"] for ours, theirs in zip(records, base)]


def frechet(generated: Sequence[Moments], rendered: Sequence[Moments]) -> Spread:
    """Distance over all scenes' tokens; resampled by scene, a generated video and its rendered scene as a
    pair.
    """
    picks = np.random.default_rng(0).integers(0, len(generated), (DRAWS, len(generated)))
    weights = [np.bincount(pick, minlength=len(generated)) for pick in picks]
    draws = [frechet_distance(pooled(generated, w), pooled(rendered, w)) for w in weights]
    low, high = np.percentile(draws, (2.5, 97.5))
    value = frechet_distance(pooled(generated), pooled(rendered))
    return round(value, 4), round(float(low), 4), round(float(high), 4)


def findings(
    finished: dict[str, list[Row]],
    store: Store,
    numbers: Numbers,
    searched: Sequence[int],
    only: Sequence[str],
) -> Findings:
    """Everything that the records of the finished rows say.

    numbers: gives the scenes of a kind of row; searched: all scenes run for the argument, moving or not.
    """
    lines: dict[str, list[Line]] = {}
    for group, rows in finished.items():
        lines[group] = []
        for row in rows:
            of = numbers(row.scenes)
            base = None if row.against is None else store.of(row.against.key, of)
            lines[group].append(line(row, store.of(row.setting.key, of), base))
    if store.has(RENDERED, numbers(ARGUMENT)):
        sides = store.of(RENDERED, numbers(ARGUMENT))
        for group in {"injection", "best", "trained"} & set(lines):
            lines[group] = [_with_frechet(one, store, numbers(ARGUMENT), sides) for one in lines[group]]
    return Findings(
        headline(finished, store, numbers(ARGUMENT)) if "injection" in finished else [],
        {group: lines[group] for group in TITLES if group in lines},
        by_step(store.of(Setting().key, searched)) if "steps" in only and searched else None,
        by_overlap(finished.get("injection", []), store, numbers(ARGUMENT)) if "occlusion" in only else None,
    )


def _with_frechet(one: Line, store: Store, numbers: Sequence[int], rendered: Sequence[Record]) -> Line:
    generated = [moments_of(record) for record in store.of(one.setting, numbers)]
    return replace(one, frechet=frechet(generated, [moments_of(record) for record in rendered]))


def best_rows(finished: dict[str, list[Row]], store: Store, tuning: Sequence[int]) -> list[Row]:
    """Predicted, fixed, true and global, each at the best of what was tried for it on the tuning scenes.

    A setting other than the shipped one is taken only if its paired gain there is clear of SAME; among those,
    the one that gains most. The ceiling has the settings of the predicted masks, and so has global where they
    apply. Empty where nothing was tried.
    """
    rows = [row for group in ("sharpness", "audio_scale") for row in finished.get(group, ())]
    tried = [row for row in rows if row.against is not None]
    if not tried:
        return []
    best = {
        masks: _clearly_best(
            Setting(masks), [row.setting for row in tried if row.setting.masks == masks], store, tuning
        )
        for masks in ("predicted", FIRST_FRAME)
    }
    predicted = best["predicted"]
    rows = {
        "every voice everywhere": Setting("none", audio_cfg=predicted.audio_cfg),
        f"fixed mask, {best[FIRST_FRAME].description}": best[FIRST_FRAME],
        f"predicted mask, {predicted.description}": predicted,
        f"true mask, {predicted.description}": replace(predicted, masks=EVERY_FRAME),
    }
    return [Row("best", label, setting, ARGUMENT, predicted) for label, setting in rows.items()]


def _clearly_best(shipped: Setting, tried: Sequence[Setting], store: Store, tuning: Sequence[int]) -> Setting:
    best, most = shipped, 0.0
    for setting in tried:
        gain, low, _ = spread(gains(store.of(setting.key, tuning), store.of(shipped.key, tuning)))
        if low > SAME and gain > most:
            best, most = setting, gain
    return best


def headline(finished: dict[str, list[Row]], store: Store, numbers: Sequence[int]) -> list[Figure]:
    """The figures with bounds: of each strategy at its best, if that was looked for, else as shipped."""
    rows = {row.setting.masks: row for row in finished.get("best") or finished["injection"]}
    if not {"none", FIRST_FRAME, "predicted", EVERY_FRAME} <= set(rows):
        return []  # there was no time for all of it
    margins = {
        name: np.array([record["margin"] for record in store.of(rows[masks].setting.key, numbers)])
        for name, masks in (
            ("global", "none"),
            ("fixed", FIRST_FRAME),
            ("predicted", "predicted"),
            ("true", EVERY_FRAME),
        )
    }
    count, note = len(numbers), "; ".join(f"{row.label}" for row in rows.values())
    edges = {name: bootstrap_interval(values) for name, values in margins.items()}
    table = [Figure(f"margin_{n}", float(v.mean()), edges[n], count) for n, v in margins.items()]
    for other, bound in (("fixed", 0.1), ("global", 0.3)):
        difference = margins["predicted"] - margins[other]
        figure = at_least(
            f"predicted_over_{other}",
            float(difference.mean()),
            bootstrap_interval(difference),
            count,
            bound,
            note,
        )
        table.append(figure)
    both = np.stack([margins["predicted"], margins["true"]], 1)
    share = bootstrap_interval(both, _ratio)
    table.append(at_least("of_ceiling", _ratio(both), share, count, 0.9))
    gaps = [edges[a][0] - edges[b][1] for a, b in (("predicted", "fixed"), ("fixed", "global"))]
    gap = min(gaps)
    apart = Figure("intervals_apart", gap, (gap, gap), count, "> 0", gap > 0, APART_NOTE)
    return [*table, apart]


APART_NOTE = (
    "The smaller gap of the margins' intervals: predicted above fixed, fixed above global. Not resampled."
)


def _ratio(pairs: np.ndarray) -> float:
    means = pairs.mean(0)
    return float(means[0] / means[1]) if means[1] else 0.0


def by_step(records: Sequence[Record]) -> dict[str, Any]:
    """Mask IoU by step and block: of the third of the scenes that moves least, the third that moves most, and
    all.
    """
    ordered = sorted(records, key=lambda record: record["travel"])
    third = max(1, len(ordered) // 3)
    parts = {"low": ordered[:third], "high": ordered[-third:], "all": ordered}
    found: dict[str, Any] = {}
    for name, part in parts.items():
        blocks = part[0]["iou_by_layer"]
        found[name] = {
            "scenes": len(part),
            "travel": [part[0]["travel"], part[-1]["travel"]],
            "averaged": {str(s): spread([r["iou_by_step"][str(s)] for r in part]) for s in PAPER_STEPS},
            "blocks": {
                block: {str(s): spread([r["iou_by_layer"][block][str(s)] for r in part]) for s in PAPER_STEPS}
                for block in blocks
            },
        }
    return found


def by_overlap(rows: Sequence[Row], store: Store, numbers: Sequence[int]) -> dict[str, list[Line]]:
    """The injection rows where bodies overlap at some time of the predicted run, and where they never do."""
    near = {n for n in numbers if store.of(Setting().key, [n])[0]["closeness"] < OVERLAP}
    parts = {"overlapping": [n for n in numbers if n in near], "apart": [n for n in numbers if n not in near]}
    return {
        name: [line(row, store.of(row.setting.key, part), store.of(row.against.key, part)) for row in rows]
        for name, part in parts.items()
        if part
    }
