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

from ..comfy_server import ComfyServer, PromptFailed, PromptRejected, ServerDied
from ..guidance import MaskHistory, snap_frames
from ..media import read_frames, read_sound
from . import report, voices
from .company import Player, assemble, write_inputs
from .graphs import Graph, cast_players, id_of, inputs_of, shipped_graph
from .measure import read_clip
from .sample_speech import SEED, sample_files

SECONDS = 1.96  # of video: 49 frames; the models learned 73 at once, which take half as long again
LIMIT = 3600.0  # seconds that a graph may take


@dataclass
class Stages:
    """Prints each stage as it begins and ends, and keeps how long it took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, words: str) -> Iterator[None]:
        print(f"[demo] {words} ...", flush=True)
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 2)
        print(f"[demo] {words}: {self.seconds[name]:.1f} s", flush=True)


@dataclass(frozen=True)
class Take:
    """What the server made: three files, and the masks of every step."""

    video: Path
    masks_video: Path
    contact_sheet: Path
    history: MaskHistory


def build_graph(players: Sequence[Player], seconds: float, seed: int) -> Graph:
    """The shipped graph with these players, this length and this seed."""
    graph = cast_players(shipped_graph(), players)
    size = inputs_of(graph, "InterActEncodeCharacters")
    size["length"] = snap_frames(round(seconds * size["fps"]))
    inputs_of(graph, "InterActSampler")["seed"] = seed
    return graph


def play(server: ComfyServer, graph: Graph) -> Take:
    """Run the graph; raises PromptRejected, PromptFailed, ServerDied, TimeoutError."""
    from ..preview.manifest import read_history

    with _progress(server):
        outputs = server.run(graph, timeout=LIMIT)
    preview = id_of(graph, "InterActPreviewMasks")
    savers = [name for name, node in graph.items() if node["class_type"] == "SaveVideo"]
    saved = {_source(graph, name): _only_file(server, outputs, name) for name in savers}
    (manifest,) = outputs[preview]["interact_masks"]
    return Take(
        video=saved[id_of(graph, "VAEDecode")],
        masks_video=saved[preview],
        contact_sheet=_only_file(server, outputs, id_of(graph, "SaveImage")),
        history=read_history(manifest, server.temp),
    )


def voice_tracks(players: Sequence[Player], fps: float, frames: int) -> np.ndarray:
    """How far each player's mouth should be open at each frame, float32 [N, frames]."""
    return np.stack([voices.mouth_opening(*read_sound(p.recording), fps, frames) for p in players])


def measure_take(take: Take, players: Sequence[Player]) -> list[dict[str, Any]]:
    """The characters' part of report.json."""
    frames = read_frames(take.video)
    looks = [player.look for player in players]
    tracks = voice_tracks(players, take.history.fps, len(frames))
    performances = report.judge(frames, looks, tracks, take.history, read_clip(frames, looks))
    return [report.character_record(performance, take.history.steps) for performance in performances]


def main(words: Sequence[str] | None = None) -> int:
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
    chosen = parser.parse_args(words)
    if not 0 < chosen.seconds <= 600:
        parser.error("--seconds must be above 0 and at most 600.")
    try:
        players = assemble(chosen.speech or sample_files(2), chosen.seed)
        for player in players:
            read_sound(player.recording)  # a recording that cannot be read is said before anything starts
        perform(players, chosen.seconds, chosen.seed, chosen.out)
    except (ValueError, ServerDied, PromptRejected, PromptFailed, TimeoutError) as error:
        print(f"[demo] {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def perform(players: Sequence[Player], seconds: float, seed: int, out: Path) -> dict[str, Any]:
    """The whole demo; returns what it wrote into report.json."""
    import torch

    stages, began = Stages(), time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    server = ComfyServer(out / "server", cpu=not torch.cuda.is_available())
    with stages.stage("inputs", f"drawing {', '.join(player.name for player in players)}"):
        write_inputs(players, server.input)
        graph = build_graph(players, seconds, seed)
    try:
        with stages.stage("server_start", "starting ComfyUI"):
            server.start()
        version = server.get("/system_stats")["system"]["comfyui_version"]
        with stages.stage("graph", "making the video"):
            take = play(server, graph)
    finally:
        server.stop()
    with stages.stage("measure", "measuring it"):
        characters = measure_take(take, players)
        for source, name in zip(
            (take.video, take.masks_video, take.contact_sheet),
            ("video.mp4", "masks.mp4", "contact_sheet.png"),
        ):
            shutil.copyfile(source, out / name)
    stages.seconds["total"] = round(time.perf_counter() - began, 2)
    history = take.history
    written = {
        "versions": report.versions(version),
        "machine": report.machine(),
        "seconds": stages.seconds,
        "video": {
            "width": history.width,
            "height": history.height,
            "frames": history.frames,
            "fps": history.fps,
        },
        "seed": seed,
        "steps": history.total_steps,
        "first_step_of_stage_two": history.boundary_step + 1 if history.boundary_step >= 0 else None,
        "characters": characters,
    }
    (out / "report.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    _print_summary(written, out)
    return written


def _print_summary(written: dict[str, Any], out: Path) -> None:
    print(f"{'character':12}{'sync':>8}{'crosstalk':>11}{'last mask IoU':>15}{'  like its picture'}")
    for character in written["characters"]:
        last = list(character["mask_iou"].values())[-1]
        alike = "yes" if character["looks_like_its_reference"] else "no"
        figures = f"{character['sync']:8.2f}{character['crosstalk']:11.2f}{last:15.2f}"
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
def _progress(server: ComfyServer) -> Iterator[None]:
    """Shows the sampler's steps as the server logs them."""
    done = threading.Event()

    def follow() -> None:
        shown = ""
        while not done.wait(0.5):
            steps = re.findall(r"(\d+/\d+) \[", server.log()[-2000:])
            if steps and steps[-1] != shown:
                shown = steps[-1]
                print(f"[demo]   step {shown}", flush=True)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
