"""All masks of a run in one picture: steps down, frames across."""

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ..guidance import MaskHistory
from ..guidance.layout import TEMPORAL_STRIDE
from .lettering import text_width, write
from .masks import enlarge, frame_pictures, recorded_step
from .overlay import outline, tint
from .palette import FAINT, INK, PAPER, as_bytes, character_colours, to_pillow, to_tensor
from .record import RunRecord

ROWS, COLUMNS = 10, 7  # at most
CELL = 192  # pixels, the longer side of one cell
GAP = 6
TEXT = 15
MARGIN = 16
BOUNDARY_HEIGHT = 26
LINE = (245, 245, 245)


@torch.no_grad()
def draw_contact_sheet(history: RunRecord, image: Tensor | None = None) -> Tensor:
    """IMAGE [1, H, W, 3] in 0..1: a row for each of up to ROWS steps, a column for each of COLUMNS frames.

    A legend with names is at the top, and a line where stage two begins and masks start to steer the voices.
    image as in `draw_overlay`, and then a step lies over the picture as it was at that step, where that was kept: only
    the last one has made the finished video. Raises InteractError for an empty history or a video of another length.
    """
    recorded_step(history, 0)
    rows = chosen_rows(history)
    columns = evenly(history.masks.shape[2], COLUMNS)
    pictures = frame_pictures(history, image)
    cell = cell_size(history)
    left = MARGIN + text_width("noise 0.00", TEXT) + MARGIN
    top = legend_height(history, left + len(columns) * (cell[0] + GAP)) + TEXT + 2 * GAP
    boundary = next(
        (place for place, row in enumerate(rows) if 0 <= history.steers_from <= history.steps[row]), None
    )
    extra = BOUNDARY_HEIGHT if boundary is not None else 0
    size = (
        left + len(columns) * (cell[0] + GAP) + MARGIN - GAP,
        top + len(rows) * (cell[1] + GAP) + extra + MARGIN,
    )
    sheet = Image.new("RGB", size, PAPER)
    canvas = ImageDraw.Draw(sheet)
    draw_legend(canvas, history, size[0])
    for place, column in enumerate(columns):
        seconds = column * TEMPORAL_STRIDE / history.fps
        middle = left + place * (cell[0] + GAP) + cell[0] // 2
        write(canvas, (middle, top - TEXT), f"{seconds:.2f} s", TEXT, FAINT, anchor="mm")
    y = top
    for place, row in enumerate(rows):
        if place == boundary:
            draw_boundary(canvas, y, left, size[0] - MARGIN, history)
            y += BOUNDARY_HEIGHT
        write(canvas, (MARGIN, y + cell[1] // 2 - TEXT), f"step {history.steps[row] + 1}", TEXT, INK)
        write(canvas, (MARGIN, y + cell[1] // 2 + 4), f"noise {history.sigmas[row]:.2f}", TEXT, FAINT)
        for number, column in enumerate(columns):
            picture = None if pictures is None else picture_behind(history, pictures, row, column)
            drawn = draw_cell(history.masks[row, :, column], picture, *cell)
            sheet.paste(to_pillow(drawn), (left + number * (cell[0] + GAP), y))
        y += cell[1] + GAP
    return to_tensor(sheet).unsqueeze(0)


def picture_behind(history: RunRecord, video: Tensor, row: int, column: int) -> Tensor:
    """[H, W, 3] in 0..1 of a recorded step and a latent frame; video [frames, H, W, 3], as it is finished."""
    if history.pictures is None or row == len(history.steps) - 1:
        return video[min(column * TEMPORAL_STRIDE, history.frames - 1)]
    return history.pictures[row, column].float() / 255


def chosen_rows(history: MaskHistory) -> list[int]:
    """Indices of the steps that get a row: spread evenly, first, last and stage two's first kept."""
    rows = evenly(len(history.steps), ROWS)
    begins = next((row for row, step in enumerate(history.steps) if 0 <= history.steers_from <= step), None)
    if begins is not None and begins not in rows:
        nearest = min(rows[1:-1] or rows, key=lambda row: abs(row - begins))
        rows[rows.index(nearest)] = begins
    return sorted(rows)


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of 0..count-1, evenly spread, both ends among them."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def cell_size(history: MaskHistory) -> tuple[int, int]:
    """Width and height of a cell in pixels, of the video's shape."""
    scale = CELL / max(history.width, history.height)
    return max(8, round(history.width * scale)), max(8, round(history.height * scale))


def draw_cell(masks: Tensor, picture: Tensor | None, width: int, height: int) -> Tensor:
    """[height, width, 3]: one step's masks [N, h, w] over one frame [H, W, 3], or on a dark background."""
    large = enlarge(masks, width, height)
    if picture is None:
        background = (torch.tensor(PAPER, dtype=torch.float32) / 255 * 1.8).expand(height, width, 3)
    else:
        small = F.interpolate(
            picture.float().cpu().movedim(-1, 0).unsqueeze(0),
            size=(height, width),
            mode="bilinear",
            antialias=True,
        )
        background = small[0].movedim(0, -1)
    return outline(tint(background, large), large, 1.0)


def legend_lines(history: MaskHistory, width: int) -> list[list[int]]:
    """Character numbers, in lines that fit into `width` pixels."""
    lines: list[list[int]] = [[]]
    used = MARGIN
    for number, name in enumerate(history.names):
        needed = legend_entry(name)
        if lines[-1] and used + needed > width - MARGIN:
            lines.append([])
            used = MARGIN
        lines[-1].append(number)
        used += needed
    return lines


def legend_entry(name: str) -> int:
    """Width in pixels of a name and its patch of colour."""
    return text_width(name, TEXT) + 2 * TEXT + MARGIN


def legend_height(history: MaskHistory, width: int) -> int:
    """Height in pixels of the legend on a sheet of this width."""
    return MARGIN + len(legend_lines(history, width)) * (TEXT + GAP + 4)


def draw_legend(canvas: ImageDraw.ImageDraw, history: MaskHistory, width: int) -> None:
    """A patch of each character's colour with its name, from the upper left corner."""
    colours = character_colours(len(history.names))
    for line, numbers in enumerate(legend_lines(history, width)):
        x, y = MARGIN, MARGIN + line * (TEXT + GAP + 4)
        for number in numbers:
            canvas.rounded_rectangle(
                (x, y + 1, x + TEXT, y + TEXT + 1), radius=4, fill=as_bytes(colours[number])
            )
            write(canvas, (x + TEXT + TEXT // 2, y), history.names[number], TEXT, INK)
            x += legend_entry(history.names[number])


def draw_boundary(canvas: ImageDraw.ImageDraw, y: int, left: int, right: int, history: MaskHistory) -> None:
    """The line between the stages, above the first row of stage two."""
    which = "this part's own masks" if history.carried else "masks"  # before, those of the previous part do
    text = f"step {history.steers_from + 1}: from here {which} steer the voices"
    middle = y + BOUNDARY_HEIGHT // 2 - GAP // 2
    width = text_width(text, TEXT)
    write(canvas, (left, middle), text, TEXT, LINE, anchor="lm")
    canvas.line((MARGIN, middle, left - GAP, middle), fill=LINE, width=2)
    canvas.line((left + width + GAP, middle, right, middle), fill=LINE, width=2)
