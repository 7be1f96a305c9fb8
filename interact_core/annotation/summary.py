"""What a run came to: how many rows each stage kept and rejected, for which reasons, and how long it took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from .pipeline.record import Record
from .pipeline.run import Passed

QUARTILES = (0.0, 25.0, 50.0, 75.0, 100.0)


def summary_of(passed: Sequence[Passed]) -> dict[str, Any]:
    """As JSON takes it.

    stages: for each its rows, those made in this run, kept and rejected ones, and the mean seconds of a worker for
    a row; rejected: stage, reason, how often, and the quartiles of the figures that decided; figures: quartiles of
    every column over all clips that have it, those that were rejected later included, since bounds are chosen by
    them.
    """
    stages = [
        {
            "stage": one.stage,
            "rows": one.given,
            "fresh": one.fresh,
            "kept": len(one.kept),
            "rejected": len(one.rows) - len(one.kept),
            "seconds_each": round(one.seconds / max(1, one.given), 4),
        }
        for one in passed
    ]
    reasons: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in (row for one in passed for row in one.rows if row.rejected):
        reasons[row.stage, row.rejected].append(row.figure)
    rejected = [
        {"stage": stage, "reason": reason, "count": len(figures), "figures": _quartiles(figures)}
        for (stage, reason), figures in reasons.items()
    ]
    return {"stages": stages, "rejected": rejected, "figures": _columns(passed)}


def _columns(passed: Sequence[Passed]) -> dict[str, list[float]]:
    latest: dict[str, Record] = {}
    for one in passed:
        latest.update({row.id: row for row in one.rows})
    values: dict[str, list[float]] = defaultdict(list)
    for row in latest.values():
        for name, value in row.figures.items():
            values[name].append(value)
    return {name: found for name, some in values.items() if (found := _quartiles(some))}


def _quartiles(values: Sequence[float]) -> list[float]:
    """Least, quarter, median, three quarters, largest; empty where no value is a number."""
    finite = [value for value in values if np.isfinite(value)]
    return [float(f"{value:.4g}") for value in np.percentile(finite, QUARTILES)] if finite else []


def lines_of(summary: dict[str, Any]) -> list[str]:
    """A table for people."""
    lines = [
        "",
        f"{'stage':<12}{'rows':>8}{'new':>8}{'kept':>8}{'rejected':>10}{'s a row':>10}{'rows/h a worker':>17}",
    ]
    for one in summary["stages"]:
        each = one["seconds_each"]
        an_hour = f"{3600 / each:,.0f}" if each >= 0.001 else ""
        lines.append(
            f"{one['stage']:<12}{one['rows']:>8}{one['fresh']:>8}{one['kept']:>8}{one['rejected']:>10}"
            f"{each:>10.3f}{an_hour:>17}"
        )
    if summary["rejected"]:
        lines += ["", "rejected (least, median, largest figure)"]
    for one in sorted(summary["rejected"], key=lambda one: -one["count"]):
        figures = one["figures"]
        shown = f" ({figures[0]:g}, {figures[2]:g}, {figures[4]:g})" if figures else ""
        lines.append(f"{one['count']:>8}  {one['stage']}: {one['reason']}{shown}")
    return lines
