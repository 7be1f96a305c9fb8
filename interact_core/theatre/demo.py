"""`dev.py demo`: characters that talk, made by a real ComfyUI server from the shipped graph, and measured.

Into the output folder go video.mp4 (with the mixed speech), masks.mp4 (the masks over it), contact_sheet.png
and report.json.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..comfy_client import PromptFailed, PromptRejected, ServerDied
from ..comfy_server import ComfyServer
from ..guidance import MaskHistory, snap_frames
from ..media import read_frames, read_sound
from . import voices
from .demo_characters import DemoCharacter, draw_characters, write_input_files
from .graphs import Graph, id_of, inputs_of, shipped_graph, with_characters
from .measuring import report
from .measuring.measure import read_clip
from .sample_speech import SEED, sample_files

SECONDS = 1.96  # of video: 49 frames; the models learned 73 at once, which output half as long again
LIMIT = 3600.0  # seconds that a graph may output


@dataclass
class Stopwatch:
    """Prints each step as it begins and ends, and keeps how long it took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, name: str, title: str) -> Iterator[None]:
        print(f"[demo] {title} ...", flush=True)
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 2)
        print(f"[demo] {title}: {self.seconds[name]:.1f} s", flush=True)


@dataclass(frozen=True)
class DemoOutput:
    """What the server made: three files, and the masks of every step."""

    video: Path
    masks_video: Path
    contact_sheet: Path
    history: MaskHistory


def build_graph(characters: Sequence[DemoCharacter], seconds: float, seed: int) -> Graph:
    """The shipped graph with these characters, length in seconds and seed."""
    graph = with_characters(shipped_graph(), characters)
    size = inputs_of(graph, "InterActEncodeCharacters")
    size["length"] = snap_frames(round(seconds * size["fps"]))
    inputs_of(graph, "InterActSampler")["seed"] = seed
    return graph


def run_graph(server: ComfyServer, graph: Graph) -> DemoOutput:
    """Run the graph; raises PromptRejected, PromptFailed, ServerDied, TimeoutError."""
    from ..preview.manifest import read_history

    with _print_progress(server):
        outputs = server.run(graph, timeout=LIMIT)
    preview = id_of(graph, "InterActPreviewMasks")
    savers = [name for name, node in graph.items() if node["class_type"] == "SaveVideo"]
    saved = {_source(graph, name): _only_file(server, outputs, name) for name in savers}
    (manifest,) = outputs[preview]["interact_masks"]
    return DemoOutput(
        video=saved[id_of(graph, "VAEDecode")],
        masks_video=saved[preview],
        contact_sheet=_only_file(server, outputs, id_of(graph, "SaveImage")),
        history=read_history(manifest, server.temp),
    )


def voice_tracks(characters: Sequence[DemoCharacter], fps: float, frames: int) -> np.ndarray:
    """How far each character's mouth should be open at each frame, float32 [N, frames]."""
    return np.stack([voices.mouth_opening(*read_sound(p.recording), fps, frames) for p in characters])


def measure_output(output: DemoOutput, characters: Sequence[DemoCharacter]) -> list[dict[str, Any]]:
    """The characters' part of report.json."""
    frames = read_frames(output.video)
    looks = [character.look for character in characters]
    tracks = voice_tracks(characters, output.history.fps, len(frames))
    measured = report.measure_characters(frames, looks, tracks, output.history, read_clip(frames, looks))
    return [report.character_record(each, output.history.steps) for each in measured]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--speech", nargs="+", type=Path, metavar="FILE", help="one to four recordings, one a character"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="length of the video (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help="draws the puppets and the noise (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("output/demo"), help="folder (default: %(default)s)")
    chosen = parser.parse_args(argv)
    if not 0 < chosen.seconds <= 600:
        parser.error("--seconds must be above 0 and at most 600.")
    try:
        characters = draw_characters(chosen.speech or sample_files(2), chosen.seed)
        for character in characters:
            read_sound(character.recording)  # fail early for a recording that cannot be read
        run_demo(characters, chosen.seconds, chosen.seed, chosen.out)
    except (ValueError, ServerDied, PromptRejected, PromptFailed, TimeoutError) as error:
        print(f"[demo] {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def run_demo(characters: Sequence[DemoCharacter], seconds: float, seed: int, out: Path) -> dict[str, Any]:
    """Run the whole demo; returns what it wrote into report.json."""
    import torch

    stopwatch, began = Stopwatch(), time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    server = ComfyServer(out / "server", cpu=not torch.cuda.is_available())
    with stopwatch.time("inputs", f"drawing {', '.join(character.name for character in characters)}"):
        write_input_files(characters, server.input)
        graph = build_graph(characters, seconds, seed)
    try:
        with stopwatch.time("server_start", "starting ComfyUI"):
            server.start()
        version = server.get("/system_stats")["system"]["comfyui_version"]
        with stopwatch.time("graph", "making the video"):
            output = run_graph(server, graph)
    finally:
        server.stop()
    with stopwatch.time("measure", "measuring it"):
        records = measure_output(output, characters)
        for source, name in zip(
            (output.video, output.masks_video, output.contact_sheet),
            ("video.mp4", "masks.mp4", "contact_sheet.png"),
        ):
            shutil.copyfile(source, out / name)
    stopwatch.seconds["total"] = round(time.perf_counter() - began, 2)
    history = output.history
    written = {
        "versions": report.versions(version),
        "machine": report.machine(),
        "seconds": stopwatch.seconds,
        "video": {
            "width": history.width,
            "height": history.height,
            "frames": history.frames,
            "fps": history.fps,
        },
        "seed": seed,
        "steps": history.total_steps,
        "first_step_of_stage_two": history.boundary_step + 1 if history.boundary_step >= 0 else None,
        "characters": records,
    }
    (out / "report.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    _print_summary(written, out)
    return written


def _print_summary(written: dict[str, Any], out: Path) -> None:
    print(
        f"{'character':12}{'sync':>8}{'crosstalk':>11}{'last mask IoU':>15}{'whole':>8}{'  like its picture'}"
    )
    for character in written["characters"]:
        last = list(character["mask_iou"].values())[-1]
        alike = "yes" if character["looks_like_its_reference"] else "no"
        whole = "-" if character["whole"] is None else f"{character['whole']:.2f}"
        figures = f"{character['sync']:8.2f}{character['crosstalk']:11.2f}{last:15.2f}{whole:>8}"
        print(f"{character['name']:12}{figures}  {alike}")
    print(f"[demo] done in {written['seconds']['total']:.0f} s: see {out / 'video.mp4'}", flush=True)


def _source(graph: Graph, saver: str) -> str:
    """The node whose images a SaveVideo writes, through its CreateVideo."""
    created = graph[saver]["inputs"]["video"][0]
    return graph[created]["inputs"]["images"][0]


def _only_file(server: ComfyServer, outputs: dict[str, Any], name: str) -> Path:
    (file,) = outputs[name]["images"]
    return server.path_of(file)


@contextmanager
def _print_progress(server: ComfyServer) -> Iterator[None]:
    """Shows the sampler's steps as the server logs them."""
    done = threading.Event()

    def follow() -> None:
        printed = ""
        while not done.wait(0.5):
            steps = re.findall(r"(\d+/\d+) \[", server.log()[-2000:])
            if steps and steps[-1] != printed:
                printed = steps[-1]
                print(f"[demo]   step {printed}", flush=True)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
