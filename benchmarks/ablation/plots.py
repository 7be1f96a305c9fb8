"""Figures as SVG text: dots with intervals, and curves. Colours come from the page, or stand by themselves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .tables import Spread

WIDTH, LEFT, RIGHT = 720, 280, 60
ROW, TOP, FOOT = 30, 14, 44
INK, FAINT, GRID = "var(--ink, #24303a)", "var(--faint, #6b7882)", "var(--grid, #e3e7e9)"
COLOURS = {
    "predicted": "var(--predicted, #1f7a72)",
    "fixed": "var(--fixed, #c0822b)",
    "global": "var(--global, #b25268)",
    "true": "var(--true, #5a6b8c)",
    "other": "var(--other, #8a969e)",
}
FONT = 'font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="13"'


@dataclass(frozen=True)
class Dot:
    label: str
    value: Spread
    colour: str = "other"


@dataclass(frozen=True)
class Curve:
    """One line through (x, y); bands: for each point the ends of its interval, or nothing."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = "other"
    dashed: bool = False
    strong: bool = False
    bands: Sequence[tuple[float, float]] = ()


def dots(title: str, rows: Sequence[Dot], axis: str, alone: bool = False) -> str:
    """Rows of a dot and its interval, over one axis that holds 0. alone: with a background, for a file of its
    own.
    """
    low = min(0.0, *(row.value[1] for row in rows))
    high = max(0.1, *(row.value[2] for row in rows))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    height = TOP + ROW * len(rows) + FOOT

    def across(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    bottom = TOP + ROW * len(rows)
    parts = [_vertical(across(t), TOP, bottom, INK if t == 0 else GRID) for t in ticks]
    parts += [_text(across(t), bottom + 18, f"{t:g}", FAINT, "middle") for t in ticks]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + 36, axis, FAINT, "middle"))
    for k, row in enumerate(rows):
        y, colour = TOP + ROW * (k + 0.5), COLOURS[row.colour]
        value, begin, end = map(across, row.value)
        parts.append(_text(LEFT - 16, y + 4, row.label, INK, "end"))
        parts.append(
            f'<line x1="{begin:.1f}" y1="{y}" x2="{end:.1f}" y2="{y}" stroke="{colour}" stroke-width="7" '
            'stroke-linecap="round" opacity="0.28"/>'
        )
        parts.append(f'<circle cx="{value:.1f}" cy="{y}" r="5.5" fill="{colour}"/>')
        parts.append(_text(WIDTH - RIGHT + 12, y + 4, f"{round(row.value[0], 2) + 0.0:.2f}", colour, "start"))
    return _svg(height, title, parts, alone)


def curves(
    title: str,
    rows: Sequence[Curve],
    across_name: str,
    up_name: str,
    ticks: Sequence[float],
    high: float | None = None,
    low: float = 0.0,
) -> str:
    """Curves over one pair of axes, named at their right end; ticks: of the axis across."""
    height, left, right, top, bottom = 346, 62, 190, 38, 296
    low = min([low, *(value for row in rows for value in row.y)])
    high = high or max(value for row in rows for value in row.y) * 1.05 or 1.0
    first, last = min(ticks), max(ticks)
    last = last if last > first else first + 1

    def across(value: float) -> float:
        return left + (value - first) / (last - first) * (WIDTH - left - right)

    def up(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    parts = []
    for t in _ticks(low, high):
        if t <= high:
            parts.append(_horizontal(left, WIDTH - right, up(t)))
            parts.append(_text(left - 10, up(t) + 4, f"{t:g}", FAINT, "end"))
    parts += [_text(across(t), bottom + 20, f"{t:g}", FAINT, "middle") for t in ticks]
    parts.append(_text((left + WIDTH - right) / 2, bottom + 42, across_name, FAINT, "middle"))
    parts.append(_text(left - 34, top - 20, up_name, FAINT, "start"))
    ends = _apart([up(row.y[-1]) for row in rows])
    for row, end in zip(rows, ends):
        colour = COLOURS[row.colour]
        points = [(across(x), up(y)) for x, y in zip(row.x, row.y)]
        if row.bands:
            edge = [(across(x), up(b[1])) for x, b in zip(row.x, row.bands)]
            edge += [(across(x), up(b[0])) for x, b in zip(row.x, row.bands)][::-1]
            parts.append(f'<polygon points="{_points(edge)}" fill="{colour}" opacity="0.14"/>')
        dash = ' stroke-dasharray="5 5"' if row.dashed else ""
        width = 3 if row.strong else 1.6
        parts.append(
            f'<polyline points="{_points(points)}" fill="none" stroke="{colour}" stroke-width="{width}"{dash} '
            'stroke-linejoin="round"/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 1}" fill="{colour}"/>' for x, y in points]
        parts.append(_text(points[-1][0] + 12, end + 4, row.label, colour, "start"))
    return _svg(height, title, parts, False)


def _svg(height: float, title: str, parts: Sequence[str], alone: bool) -> str:
    background = f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#ffffff"/>' if alone else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {FONT}>'
        f"<title>{escape(title)}</title>{background}{''.join(parts)}</svg>"
    )


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers over low..high, 0 among them, some five."""
    reach = max(high - low, 1e-6)
    step = next(
        base * 10**power
        for power in range(-3, 6)
        for base in (1, 2, 2.5, 5)
        if reach / (base * 10**power) <= 6
    )
    first, last = int(low // step), int(-(-high // step))
    return [round(k * step, 6) for k in range(first, last + 1)]


def _apart(heights: Sequence[float], gap: float = 16.0) -> list[float]:
    """Places for labels near these heights that do not lie on each other."""
    order = sorted(range(len(heights)), key=lambda k: heights[k])
    places = list(heights)
    for before, after in itertools.pairwise(order):
        places[after] = max(places[after], places[before] + gap)
    return places


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _vertical(x: float, top: float, bottom: float, colour: str) -> str:
    return f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}" stroke-width="1"/>'


def _horizontal(left: float, right: float, y: float) -> str:
    return f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{GRID}" stroke-width="1"/>'


def _text(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
