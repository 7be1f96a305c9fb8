"""The picture of a scored film: every mouth over its voice, and who follows whom as a grid of colours."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from ..metrics.types import FilmFigures, PersonFigures, Span
from .lettering import text_width, write
from .palette import FAINT, INK, PAPER, as_bytes, character_colours

Colour = tuple[int, int, int]

WIDTH, BAND = 900, 132  # pixels: of the picture, and the height that a person takes
MARGIN, TEXT, HEAD = 16, 15, 26
CELL = 64  # of the grid
FITS: Colour = (
    0,
    158,
    115,
)  # Okabe and Ito's bluish green and vermilion: told apart with any kind of colour vision
WRONG: Colour = (213, 94, 0)
PANEL: Colour = (42, 42, 46)


def draw_score(figures: FilmFigures) -> np.ndarray:
    """Uint8 RGB [H, WIDTH, 3]: a band for each person, then the grids of lips and SyncNet that there are.

    In a band the voice is an area and the mouth a line over the film's seconds; below them green where the mouth fits
    its own voice, orange where it follows somebody else's.
    """
    grids = [
        (title, matrix)
        for title, matrix in (("lips", figures.lips_matrix), ("Sync-C", figures.sync_matrix))
        if matrix is not None and len(matrix) > 1
    ]
    height = MARGIN + len(figures.people) * (BAND + MARGIN) + 2 * TEXT
    grid_top = height
    if grids:
        height += _grid_height(len(figures.people)) + MARGIN
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    canvas = ImageDraw.Draw(picture)
    colours = [as_bytes(colour) for colour in character_colours(len(figures.people))]
    for number, person in enumerate(figures.people):
        _draw_band(canvas, figures, number, person, colours[number], MARGIN + number * (BAND + MARGIN))
    _draw_seconds(canvas, figures, grid_top - 2 * TEXT)
    left = MARGIN
    for title, matrix in grids:
        left += _draw_grid(canvas, title, matrix, figures, colours, left, grid_top) + 2 * MARGIN
    return np.asarray(picture)


def _draw_band(
    canvas: ImageDraw.ImageDraw,
    figures: FilmFigures,
    number: int,
    person: PersonFigures,
    colour: Colour,
    top: int,
) -> None:
    write(canvas, (MARGIN, top), person.name, TEXT, colour)
    said = _said(person)
    write(canvas, (WIDTH - MARGIN - text_width(said, TEXT), top), said, TEXT, INK)
    box = (MARGIN, top + HEAD, WIDTH - MARGIN, top + BAND - 12)
    canvas.rectangle(box, fill=PANEL)
    if figures.voices is not None:
        red, green, blue = (value // 2 for value in colour)
        _draw_area(canvas, figures.voices[number], box, (red, green, blue))
    if figures.openings is not None:
        _draw_line(canvas, figures.openings[number], box, INK)
    marks = [(span, FITS) for span in person.fits] + [(wrong.span, WRONG) for wrong in person.wrong]
    for span, shade in marks:
        _draw_mark(canvas, span, figures.frames, box, shade)
    for wrong in person.wrong:
        said, x = f"like {wrong.voice}", _across(wrong.span[0], figures.frames, box)
        x = min(x, box[2] - text_width(said, TEXT - 2))
        write(canvas, (x, box[3] + 9), said, TEXT - 2, WRONG)  # below the mark: lines run through the box


def _said(person: PersonFigures) -> str:
    named = (
        ("lips", person.lips),
        ("crosstalk", person.crosstalk),
        ("open while silent", person.silent_open),
        ("Sync-C", person.sync_c),
        ("Sync-D", person.sync_d),
    )
    found = [f"{name} {value:.2f}" for name, value in named if value is not None]
    return "   ".join(found) or "not measured"


def _across(frame: float, frames: int, box: tuple[int, int, int, int]) -> float:
    return box[0] + (box[2] - box[0]) * frame / max(frames, 1)


def _down(values: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Rows of values whose largest fills nine tenths of the box; NaN stays NaN."""
    most = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    return box[3] - (box[3] - box[1]) * 0.9 * values / max(most, 1e-6)


def _points(values: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """[n, 2]: at most as many as the box is wide, of a long film the largest in each place."""
    wide = box[2] - box[0]
    if len(values) > wide:
        parts = np.array_split(values, wide)
        values = np.array([np.nanmax(part) if np.isfinite(part).any() else np.nan for part in parts])
    x = box[0] + (np.arange(len(values)) + 0.5) * wide / len(values)
    return np.stack([x, _down(values, box)], 1)


def _draw_area(
    canvas: ImageDraw.ImageDraw, values: np.ndarray, box: tuple[int, int, int, int], colour: Colour
) -> None:
    points = [tuple(point) for point in _points(values, box).tolist()]
    canvas.polygon([(box[0], box[3]), *points, (box[2], box[3])], fill=colour)


def _draw_line(
    canvas: ImageDraw.ImageDraw, values: np.ndarray, box: tuple[int, int, int, int], colour: Colour
) -> None:
    run: list[tuple[float, ...]] = []
    for point in [*_points(values, box).tolist(), [np.nan, np.nan]]:
        if np.isfinite(point[1]):
            run.append(tuple(point))
            continue
        if len(run) > 1:
            canvas.line(run, fill=colour, width=2, joint="curve")
        run = []


def _draw_mark(
    canvas: ImageDraw.ImageDraw, span: Span, frames: int, box: tuple[int, int, int, int], colour: Colour
) -> None:
    left, right = (_across(frame, frames, box) for frame in span)
    canvas.rectangle((left, box[3] + 2, max(left + 1, right - 1), box[3] + 7), fill=colour)


def _draw_seconds(canvas: ImageDraw.ImageDraw, figures: FilmFigures, top: int) -> None:
    seconds = figures.frames / figures.fps
    step = next((s for s in (0.5, 1, 2, 5, 10, 30, 60, 120, 300) if seconds / s <= 12), 600)
    box = (MARGIN, 0, WIDTH - MARGIN, 0)
    for k in range(int(seconds / step) + 1):
        x = _across(k * step * figures.fps, figures.frames, box)
        label = f"{k * step:g} s"
        write(canvas, (min(x, WIDTH - MARGIN - text_width(label, TEXT)), top), label, TEXT, FAINT)


def _grid_height(people: int) -> int:
    return 3 * TEXT + people * CELL


def _draw_grid(
    canvas: ImageDraw.ImageDraw,
    title: str,
    matrix: np.ndarray,
    figures: FilmFigures,
    colours: list[Colour],
    left: int,
    top: int,
) -> int:
    """Rows are mouths, columns voices; the width that was taken."""
    names = [person.name for person in figures.people]
    first = left + max(text_width(name, TEXT) for name in [*names, title]) + 8
    write(canvas, (left, top), title, TEXT, FAINT)
    write(canvas, (first, top), "voice of", TEXT, FAINT)
    most = float(np.nanmax(np.abs(matrix))) if np.isfinite(matrix).any() else 1.0
    scale = 1.0 if title == "lips" else max(most, 1e-6)
    y = top + 3 * TEXT - 6
    for column, name in enumerate(names):
        write(canvas, (first + column * CELL + 2, top + TEXT + 4), _short(name), TEXT - 2, colours[column])
    for row, name in enumerate(names):
        write(canvas, (left, y + row * CELL + CELL // 2 - TEXT // 2), name, TEXT, colours[row])
        for column in range(len(names)):
            value = float(matrix[row, column])
            place = (first + column * CELL, y + row * CELL)
            corner = (place[0] + CELL - 3, place[1] + CELL - 3)
            outline = INK if row == column else None
            canvas.rectangle((*place, *corner), fill=_shade(value / scale, row == column), outline=outline)
            text = f"{value:.2f}" if np.isfinite(value) else "-"
            write(canvas, (place[0] + CELL // 2 - 1, place[1] + CELL // 2), text, TEXT, INK, anchor="mm")
    return first - left + len(names) * CELL


def _short(name: str) -> str:
    while text_width(name, TEXT - 2) > CELL - 6 and len(name) > 2:
        name = name[:-1]
    return name


def _shade(value: float, own: bool) -> Colour:
    """From the panel's grey to green for a mouth's own voice, and to orange for another's."""
    if not np.isfinite(value):
        return PANEL
    share, towards = min(max(value, 0.0), 1.0), FITS if own else WRONG
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(PANEL, towards, strict=True))
    return red, green, blue
