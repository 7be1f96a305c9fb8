"""The picture of a probe: how well each block and attention head of a model says who is where."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from ..guidance.affinity_recipe import HIDDEN, QUERY_KEY, Place, PlaceScores
from .lettering import text_width, write
from .palette import FAINT, INK, PAPER

MARGIN, TEXT, LINE = 16, 15, 22
MOST_SIDE = 720  # pixels that the blocks take at most
CELLS = (18, 56)  # pixels of a cell, at least and at most
READABLE = 40  # from this size on a cell has its figure in it
# Perceptually rising and told apart with any kind of colour vision: dark blue, green, yellow.
SCALE = ((38, 40, 70), (0, 158, 115), (240, 228, 66))


def draw_places(scores: PlaceScores) -> np.ndarray:
    """Uint8 RGB [H, W, 3]: a row for each block, a column for hidden and one for each head; colour is the mean IoU.

    The best place has a frame. Colours go from 0 to 1 whatever the scores are, so that pictures can be compared.
    """
    blocks = max(place.block for place in scores.scores) + 1
    heads = max((place.head for place in scores.scores if place.head is not None), default=-1) + 1
    cell = min(max(MOST_SIDE // blocks, CELLS[0]), CELLS[1])
    best = scores.best
    title = f"best: {best}, IoU {scores.mean(best):.2f}"
    first = 2 * MARGIN + text_width("block 00", TEXT)
    gap = MARGIN  # between hidden and the heads
    hidden_wide = max(cell, text_width("hidden", TEXT))
    heads_left = first + hidden_wide + gap
    top = MARGIN + 3 * LINE
    width = max(
        heads_left + max(heads * cell, text_width("query_key, by head", TEXT)),
        first + text_width(title, TEXT),
    )
    picture = Image.new("RGB", (width + MARGIN, top + blocks * cell + 2 * MARGIN + LINE), PAPER)
    canvas = ImageDraw.Draw(picture)
    write(canvas, (MARGIN, MARGIN), title, TEXT, INK)
    write(canvas, (first, MARGIN + LINE), HIDDEN, TEXT, FAINT)
    if heads:
        write(canvas, (heads_left, MARGIN + LINE), f"{QUERY_KEY}, by head", TEXT, FAINT)
    every = math.ceil(TEXT * 1.6 / cell)
    for head in range(0, heads, every):
        write(
            canvas,
            (heads_left + head * cell + cell // 2, top - LINE // 2),
            str(head),
            TEXT,
            FAINT,
            anchor="mm",
        )
    for block in range(blocks):
        y = top + block * cell
        if block % every == 0:
            write(canvas, (MARGIN, y + cell // 2), f"block {block}", TEXT, FAINT, anchor="lm")
        boxes = {Place(block): (first, y, first + hidden_wide - 2, y + cell - 2)}
        for head in range(heads):
            x = heads_left + head * cell
            boxes[Place(block, QUERY_KEY, head)] = (x, y, x + cell - 2, y + cell - 2)
        for place, box in boxes.items():
            _draw_cell(canvas, scores.mean(place), place == best, box)
    _draw_scale(canvas, first, top + blocks * cell + MARGIN)
    return np.asarray(picture)


def _draw_cell(canvas: ImageDraw.ImageDraw, value: float, best: bool, box: tuple[int, int, int, int]) -> None:
    """Nothing for a place that was not scored."""
    if math.isnan(value):
        return
    canvas.rectangle(box, fill=_colour(value), outline=INK if best else None, width=3 if best else 1)
    if box[3] - box[1] >= READABLE - 2:
        middle = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
        write(canvas, middle, f"{value:.2f}", TEXT, PAPER if value > 0.4 else INK, anchor="mm")


def _draw_scale(canvas: ImageDraw.ImageDraw, left: int, top: int, length: int = 160) -> None:
    write(canvas, (left - 8 - text_width("IoU 0", TEXT), top), "IoU 0", TEXT, FAINT)
    for x in range(length):
        canvas.line((left + x, top, left + x, top + TEXT), fill=_colour(x / (length - 1)))
    write(canvas, (left + length + 8, top), "1", TEXT, FAINT)


def _colour(value: float) -> tuple[int, int, int]:
    """Of an IoU in 0..1, between the two neighbours in SCALE."""
    along = min(max(value, 0.0), 1.0) * (len(SCALE) - 1)
    number = min(int(along), len(SCALE) - 2)
    share = along - number
    red, green, blue = (
        round(a + share * (b - a)) for a, b in zip(SCALE[number], SCALE[number + 1], strict=True)
    )
    return red, green, blue
