"""The pictures of the nodes' help pages that show a film: made by a run of the shipped graph of two speakers.

    python -m interacthuman.tools.make_help_pictures

writes two_speakers.png, one_mask.png, voices.png and masks_by_step.png into web/docs/pictures. Run it when weights or
settings have changed. The other pictures there show what no run changes.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.examples import recording_file
from interacthuman.interact_core.media import read_sound
from interacthuman.interact_core.preview.contact_sheet import draw_contact_sheet
from interacthuman.interact_core.preview.lettering import write
from interacthuman.interact_core.preview.masks import masks_as_video
from interacthuman.interact_core.preview.overlay import draw_overlay
from interacthuman.interact_core.preview.palette import PAPER, as_bytes, character_colours, to_pillow
from interacthuman.tools.make_thumbnails import Take, best_takes
from PIL import Image, ImageDraw
from torch import Tensor

PICTURES = Path(__file__).resolve().parents[1] / "web" / "docs" / "pictures"
GRAPH = "two_speakers"
WIDE = (288, 192)  # pixels of a frame, four in a row
SMALL = (192, 128)  # six in a row
SEAM = 4
WAVE, NAME = 120, 30  # height of a recording, and of its name in it
SHEET = 820  # width of the contact sheet
COLOURS = 128  # of a palette: these pictures are shown small


def spread(take: Take, count: int) -> list[int]:
    """Frames from the whole film; of each part the loudest in which everybody is whole."""
    parts = np.array_split(np.arange(len(take.frames)), count)
    heard = np.where(take.whole, take.loudness, take.loudness - take.loudness.max() - 1)
    return [int(part[heard[part].argmax()]) for part in parts]


def row(pictures: Sequence[Image.Image], size: tuple[int, int]) -> Image.Image:
    """Side by side, each scaled to `size`, with seams between them."""
    canvas = Image.new("RGB", (len(pictures) * (size[0] + SEAM) - SEAM, size[1]), PAPER)
    for number, picture in enumerate(pictures):
        canvas.paste(picture.resize(size, Image.Resampling.BICUBIC), (number * (size[0] + SEAM), 0))
    return canvas


def above(*rows: Image.Image) -> Image.Image:
    """One below the other, with seams."""
    canvas = Image.new("RGB", (rows[0].width, sum(one.height + SEAM for one in rows) - SEAM), PAPER)
    top = 0
    for one in rows:
        canvas.paste(one, (0, top))
        top += one.height + SEAM
    return canvas


def video_of(take: Take) -> Tensor:
    """IMAGE [F, H, W, 3]."""
    return torch.from_numpy(take.frames.astype(np.float32) / 255)


def two_speakers(take: Take) -> Image.Image:
    """Four frames; below each who is where."""
    chosen = spread(take, 4)
    masks = draw_overlay(take.history, image=video_of(take))
    return above(
        row([Image.fromarray(take.frames[frame]) for frame in chosen], WIDE),
        row([to_pillow(masks[frame]) for frame in chosen], WIDE),
    )


def one_mask(take: Take) -> Image.Image:
    """Four frames; below each the mask of the first character."""
    chosen = spread(take, 4)
    mask = masks_as_video(take.history, take.history.names[0])
    return above(
        row([Image.fromarray(take.frames[frame]) for frame in chosen], WIDE),
        row([to_pillow(mask[frame, :, :, None].expand(-1, -1, 3)) for frame in chosen], WIDE),
    )


def voices(take: Take) -> Image.Image:
    """Six frames over the recordings of everybody, in their colours, as long as the film."""
    frames = row([Image.fromarray(take.frames[frame]) for frame in spread(take, 6)], SMALL)
    seconds = len(take.frames) / take.history.fps
    colours = character_colours(len(take.history.names))
    waves = [
        wave(name, as_bytes(colour), seconds, frames.width)
        for name, colour in zip(take.history.names, colours)
    ]
    return above(frames, *waves)


def wave(name: str, colour: tuple[int, int, int], seconds: float, width: int) -> Image.Image:
    """The peaks of an example's recording, from the start of the film to its end."""
    canvas = Image.new("RGB", (width, WAVE), PAPER)
    pen, middle = ImageDraw.Draw(canvas), (WAVE + NAME) // 2
    sound, rate = read_sound(recording_file(name))
    heard = np.zeros(round(seconds * rate))
    heard[: min(len(sound), len(heard))] = sound[: len(heard)]
    peaks = np.array([np.abs(part).max() for part in np.array_split(heard, width)])
    for x, peak in enumerate(peaks / max(peaks.max(), 1e-9)):
        half = max(1, round(peak * (WAVE - NAME - SEAM) / 2))
        pen.line((x, middle - half, x, middle + half), fill=colour)
    write(pen, (SEAM, NAME // 2), name, 20, colour, anchor="lm")
    return canvas


def masks_by_step(take: Take) -> Image.Image:
    """The contact sheet of InterAct Preview Masks."""
    sheet = to_pillow(draw_contact_sheet(take.history, video_of(take))[0])
    return sheet.resize((SHEET, SHEET * sheet.height // sheet.width), Image.Resampling.LANCZOS)


def main() -> None:
    cpu = not torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder, ComfyServer(Path(folder), cpu=cpu) as server:
        (take,) = best_takes(server, GRAPH, 0, ())
        for draw in (two_speakers, one_mask, voices, masks_by_step):
            picture = draw(take).quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
            picture.save(PICTURES / f"{draw.__name__}.png", optimize=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
