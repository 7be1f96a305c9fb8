"""The pictures of the shipped graphs in ComfyUI's template browser, each made by a run of its graph.

    python -m interacthuman.tools.make_thumbnails [--steps N] [--seeds N ...] [NAME ...]

runs every graph on a real server as it is shipped (a minute or more each) and writes the picture beside its UI form,
under the only name that the template browser asks a custom node for (frontend 1.47). Run it when weights or settings
have changed. `--steps` is for a quick look only. `--seeds` tries several and keeps the picture of the one in which
puppets are whole most often (no third eye): SEED of graphs/parts.py is then to be set to it.
"""

from __future__ import annotations

import argparse
import io
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interacthuman.interact_core.comfy_server import ComfyServer
from interacthuman.interact_core.examples import portrait_file
from interacthuman.interact_core.guidance import MaskHistory
from interacthuman.interact_core.media import read_frames
from interacthuman.interact_core.metrics.puppets.reading import read_clip
from interacthuman.interact_core.metrics.puppets.recognition import look_of
from interacthuman.interact_core.preview.lettering import write
from interacthuman.interact_core.preview.manifest import read_history
from interacthuman.interact_core.preview.masks import enlarge, latent_frame_of
from interacthuman.interact_core.preview.overlay import label, outline, tint
from interacthuman.interact_core.preview.palette import INK, PAPER, to_pillow, to_tensor
from interacthuman.interact_core.preview.record import RunRecord
from interacthuman.interact_core.theatre.measuring.wholeness import count_parts
from interacthuman.tools.graphs.parts import DRAWN_LEFT_TO_RIGHT, Graph, nodes_of, video
from interacthuman.tools.graphs.parts import SIZE as SIZE_PLACED
from interacthuman.tools.make_workflows import GRAPHS, ui_file
from PIL import Image, ImageDraw

logger = logging.getLogger(__name__)

SIZE = (480, 480)  # pixels; the browser shows it about half as large, on a square card
SEAM = 6  # pixels between the parts
STEPS_SHOWN = 3  # under the frame: the masks as they form
LIMIT = 60_000  # bytes
RUN_LIMIT = 3600.0  # seconds


@dataclass(frozen=True)
class Take:
    """One sampler's run: frames uint8 [F, H, W, 3], its masks, how loud it is at each frame [F], and at which frames
    everybody is drawn with two eyes, one mouth, one head and one body, bool [F].
    """

    title: str
    frames: np.ndarray
    history: RunRecord
    loudness: np.ndarray
    whole: np.ndarray

    @property
    def best_frame(self) -> int:
        """The loudest one, in which mouths are open, of those in which everybody is whole."""
        whole = self.whole if self.whole.any() else np.ones_like(self.whole)
        return int(np.where(whole, self.loudness, -1.0).argmax())


def whole_frames(frames: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Frames in which nobody of the examples who is in view has a part too many or too few, bool [F]."""
    looks = []
    for name in names:
        with Image.open(portrait_file(name)) as picture:
            look = look_of(np.asarray(picture.convert("RGB")))
        if look is None:
            raise ValueError(f"{name} is no puppet of the theatre's.")
        looks.append(look)
    reading = read_clip(frames, looks)
    parts = count_parts(frames, reading)
    return (parts.whole | ~parts.in_view).all(0)


def takes_of(server: ComfyServer, graph: Graph, outputs: dict[str, Any]) -> list[Take]:
    """What every viewer of the graph was given, with the video of the same frames."""
    takes = []
    for viewer in nodes_of(graph, "InterActPreviewMasks"):
        frames = graph[viewer]["inputs"]["image"]
        (made,) = (
            name for name in nodes_of(graph, "CreateVideo") if graph[name]["inputs"]["images"] == frames
        )
        (saver,) = (
            name for name in nodes_of(graph, "SaveVideo") if graph[name]["inputs"]["video"][0] == made
        )
        (file,), (manifest,) = outputs[saver]["images"], outputs[viewer]["interact_masks"]
        history = read_history(manifest, server.temp)
        if graph[graph[viewer]["inputs"]["masks"][0]]["inputs"].get("mask_source") == "fixed":
            history = replace(history, masks=drawn_masks(history))
        peaks = np.array([voice for voice in manifest["voices"] if voice is not None], dtype=float)
        loudness = peaks.reshape(len(peaks), -1, 4).mean((0, 2))[: history.frames]
        title, shown = graph[viewer]["_meta"]["title"], read_frames(server.path_of(file))
        whole = whole_frames(shown, everybody(graph, history.names))
        takes.append(Take(title, shown, history, loudness[: len(shown)], whole))
    return takes


def everybody(graph: Graph, shown: Sequence[str]) -> list[str]:
    """Who may be seen: those in the viewer, and who is in the film all the same, as of a film that is dubbed."""
    named = (graph[one]["inputs"]["name"] for one in nodes_of(graph, "InterActCharacter"))
    return list(dict.fromkeys([*shown, *named]))


def with_every_video(graph: Graph) -> Graph:
    """The graph with a video of whatever a viewer shows and no node saves, as of a part of a film."""
    whole = dict(graph)
    for viewer in nodes_of(graph, "InterActPreviewMasks"):
        images = graph[viewer]["inputs"]["image"]
        if not any(graph[name]["inputs"]["images"] == images for name in nodes_of(graph, "CreateVideo")):
            whole |= video(f"{viewer}000", "Video for the picture", images, f"part_{viewer}")
    return whole


def drawn_masks(history: MaskHistory) -> torch.Tensor:
    """What halves of graphs/parts.py draws, in the place of the masks that the model predicted beside them."""
    masks = torch.zeros_like(history.masks)
    half, top = masks.shape[-1] // 2, round((1 - SIZE_PLACED) * masks.shape[-2])
    masks[:, history.index(DRAWN_LEFT_TO_RIGHT[0]), ..., top:, :half] = 1
    masks[:, history.index(DRAWN_LEFT_TO_RIGHT[1]), ..., top:, half:] = 1
    return masks


def draw_frame(take: Take, frame: int, width: int, height: int, names: bool = True) -> Image.Image:
    """A frame of the video with everybody's outline, and with either their names or a faint tint."""
    picture = to_tensor(Image.fromarray(take.frames[frame]).resize((width, height), Image.Resampling.BICUBIC))
    masks = enlarge(take.history.masks[-1][:, latent_frame_of(frame)], width, height)
    if not names:
        picture = (picture + tint(picture, masks)) / 2
    picture = outline(picture, masks, width / 400)
    return to_pillow(label(picture, masks, take.history.names) if names else picture)


def draw_masks(take: Take, row: int, frame: int, width: int, height: int) -> Image.Image:
    """The masks alone, of one recorded step."""
    masks = enlarge(take.history.masks[row][:, latent_frame_of(frame)], width, height)
    ground = (torch.tensor(PAPER, dtype=torch.float32) / 255).expand(height, width, 3)
    return to_pillow(outline(tint(ground, masks), masks, width / 400))


def draw_single(take: Take) -> Image.Image:
    """The frame, and under it how its masks formed."""
    canvas, frame = Image.new("RGB", SIZE, PAPER), take.best_frame
    width = (SIZE[0] - (STEPS_SHOWN - 1) * SEAM) // STEPS_SHOWN
    height = SIZE[0] * take.history.height // take.history.width
    canvas.paste(draw_frame(take, frame, SIZE[0], height))
    last = len(take.history.steps) - 1
    for number in range(STEPS_SHOWN):
        row = round(last * number / (STEPS_SHOWN - 1))
        tile = draw_masks(take, row, frame, width, SIZE[1] - height - SEAM)
        canvas.paste(tile, (number * (width + SEAM), height + SEAM))
    return canvas


def draw_several(takes: Sequence[Take]) -> Image.Image:
    """The same frame of every take, one above the other, with what is special about each."""
    canvas, frame = Image.new("RGB", SIZE, PAPER), takes[0].best_frame
    height = (SIZE[1] - (len(takes) - 1) * SEAM) // len(takes)
    width = height * takes[0].history.width // takes[0].history.height
    pen = ImageDraw.Draw(canvas)
    for number, take in enumerate(takes):
        top = number * (height + SEAM)
        canvas.paste(draw_frame(take, frame, width, height, names=False), (0, top))
        for line, word in enumerate(take.title.split()):
            place = (width + (SIZE[0] - width) // 2, top + height // 2 + 32 * line - 16)
            write(pen, place, word, 28, INK, anchor="mm")
    return canvas


def as_jpeg(picture: Image.Image) -> bytes:
    """As good as LIMIT allows."""
    for quality in range(92, 40, -4):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True, subsampling=0)
        if buffer.tell() < LIMIT:
            break
    return buffer.getvalue()


def left_to_right(history: MaskHistory) -> list[str]:
    """Names in the order in which the last step's masks have them, left first."""
    masks = history.masks[-1].float().sum((1, 2))  # [N, w]
    columns = torch.arange(masks.shape[1], dtype=torch.float32)
    middle = (masks * columns).sum(1) / masks.sum(1).clamp(min=1e-6)
    return [history.names[number] for number in middle.argsort().tolist()]


def check_drawn(name: str, takes: Sequence[Take]) -> None:
    """Says so where the puppets stand the other way round than the masks that were drawn for them."""
    for take in takes:
        found = left_to_right(take.history)
        logger.info("%s, %s: from left to right %s", name, take.title, ", ".join(found))
        if len(takes) > 1 and take is takes[0] and found != list(DRAWN_LEFT_TO_RIGHT):
            logger.warning("set DRAWN_LEFT_TO_RIGHT in graphs/parts.py to %s", tuple(found))


def best_takes(server: ComfyServer, name: str, steps: int, seeds: Sequence[int]) -> list[Take]:
    """The takes of the seed in which puppets are whole most often; of the graph's own without seeds."""
    best: list[Take] = []
    for seed in seeds or [None]:
        graph = with_every_video(GRAPHS[name]())
        for node in graph.values():
            if steps and "steps" in node["inputs"]:
                node["inputs"]["steps"] = steps
            if seed is not None and "seed" in node["inputs"]:
                node["inputs"]["seed"] = seed
        takes = takes_of(server, graph, server.run(graph, RUN_LIMIT))
        share = np.mean([take.whole.mean() for take in takes])
        logger.info("%s, seed %s: whole in %.0f %% of the frames", name, seed, 100 * share)
        if not best or share > np.mean([take.whole.mean() for take in best]):
            best = takes
    return best


def main(names: Sequence[str], steps: int = 0, seeds: Sequence[int] = ()) -> None:
    cpu = not torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder, ComfyServer(Path(folder), cpu=cpu) as server:
        for name in names:
            takes = best_takes(server, name, steps, seeds)
            picture = draw_single(takes[0]) if len(takes) == 1 else draw_several(takes)
            ui_file(name).with_suffix(".jpg").write_bytes(as_jpeg(picture))
            check_drawn(name, takes)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=0, help="fewer steps than shipped, for a quick look")
    parser.add_argument("--seeds", type=int, nargs="+", default=[], help="seeds to choose from")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(GRAPHS))
    chosen = parser.parse_args()
    main(chosen.names or list(GRAPHS), chosen.steps, chosen.seeds)
