"""`dev.py bench live`: what the live view of the masks costs a run, and how much it sends to the browser.

Measured is all that a sampler step does for the view: masks and predicted frames are coloured, copied off the
device, packed into pictures, written, and the event is handed over. Masks and latents are noise, which does
not compress: real runs write less. It is compared with the shortest possible step: one forward pass of the
blocks of Wan 1.3B (one real block at the run's true tokens, measured in the same process, times their
number), without cfg's second pass, without the adapter, embeddings and head.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..interact_core.host.standalone import prepare_comfy

prepare_comfy()

import comfy.latent_formats  # noqa: E402  (only now: comfy has to be with_view first)
import comfy.ldm.wan.model  # noqa: E402
import comfy.model_management  # noqa: E402
import comfy.ops  # noqa: E402

from ..interact_core.frames import snap_frames  # noqa: E402
from ..interact_core.guidance import Cast, Character, GuidanceSettings, MaskMemory  # noqa: E402
from ..interact_core.host.run.latent_preview import LatentPreview  # noqa: E402
from ..interact_core.host.run.live import MaskStream  # noqa: E402
from ..interact_core.metrics.intervals import bootstrap_interval  # noqa: E402
from ..interact_core.preview.recorder import RunRecorder  # noqa: E402
from ..interact_core.theatre.measuring import report  # noqa: E402
from .scenes import result  # noqa: E402
from .scenes.result import Figure, at_most  # noqa: E402

STEPS, TIMED = 50, 20  # steps of the run; the last so many are timed, when nothing runs for the first time
SHARE = 2.0  # percent of a step that the view may cost, so that nobody has a reason to turn it off
MASK_BYTES = 6.0  # MB of masks that a whole run may send, so that a browser keeps several runs
WIDTH, HEADS, FFN, BLOCKS, TEXT = 1536, 12, 8960, 30, 512  # Wan 2.1 T2V 1.3B; tokens of text


@dataclass(frozen=True)
class View:
    """Cost of the view: ms of each timed step with and without it, and MB of all steps."""

    record: list[float]  # ms, keeping masks for the history as a run does with or without a view
    step: list[float]  # ms, the same with frames, packed, written and sent
    masks: float  # MB
    frames: float
    events: float


def cast_of(characters: int, width: int, height: int, frames: int) -> Cast:
    picture = torch.ones(1, 32, 32, 3)
    people = tuple(Character(f"character {n + 1}", picture, None, None) for n in range(characters))
    return Cast(people, width, height, frames, 25.0, None)


def measure_view(cast: Cast, device: torch.device, steps: int = STEPS, timed: int = TIMED) -> View:
    """A run of `steps` whose network costs nothing."""
    events: list[int] = []
    settings = GuidanceSettings()
    memory = MaskMemory(cast.latent_frames, settings)
    recorder, bare = RunRecorder(), RunRecorder()
    colours = LatentPreview(comfy.latent_formats.Wan21())
    generator = torch.Generator(device).manual_seed(0)
    shape = (1, len(cast.characters), *cast.grid)
    latent = (1, 16, cast.latent_frames, cast.height // 8, cast.width // 8)
    without_view, with_view = [], []
    with tempfile.TemporaryDirectory() as folder:

        def send(event: str, step: dict, client: str) -> None:
            events.append(len(json.dumps(step)))  # ComfyUI does this in its server's thread

        stream = MaskStream(cast, steps, folder=folder, send=send, client="bench")
        for step in range(steps):
            masks = torch.rand(shape, generator=generator, device=device)
            predicted = torch.randn(latent, generator=generator, device=device)
            memory.begin_evaluation()
            memory.add(masks, range(cast.latent_frames))
            memory.commit()
            _finish(device)
            record = partial(bare.record, step, 0.5, memory.prediction)
            without_view.append(_milliseconds(record))
            send_too = partial(_record_and_send, memory, recorder, colours, stream, step, predicted)
            with_view.append(_milliseconds(send_too))
        stream.end("done")
        sizes = {ending: _megabytes(Path(folder).glob(f"*{ending}")) for ending in (".png", ".jpg")}
    return View(without_view[-timed:], with_view[-timed:], sizes[".png"], sizes[".jpg"], sum(events) / 1e6)


def _record_and_send(
    memory: MaskMemory,
    recorder: RunRecorder,
    colours: LatentPreview,
    stream: MaskStream,
    step: int,
    latent: Tensor,
) -> None:
    """As SamplingRun.end_step."""
    masks, pictures = recorder.record(step, 0.5, memory.prediction, colours.pictures(latent))
    stream.step(step, 0.5, True, masks, pictures)


def precision(device: torch.device) -> torch.dtype:
    """What ComfyUI chooses for a model of this size here."""
    return comfy.model_management.unet_dtype(
        device, 1_300_000_000, (torch.float16, torch.bfloat16, torch.float32)
    )


def measure_block(tokens: tuple[int, int, int], device: torch.device, repeats: int) -> list[float]:
    """ms of each forward pass of one block at `tokens` (time, height, width), after one that is not counted.

    That one has fewer tokens on a CPU, where a pass takes minutes.
    """
    dtype = precision(device)
    wan = comfy.ldm.wan.model.WanModel(
        model_type="t2v",
        dim=WIDTH,
        ffn_dim=FFN,
        num_heads=HEADS,
        num_layers=1,
        operations=comfy.ops.manual_cast,
        device=device,
        dtype=dtype,
    )
    with torch.no_grad():
        for parameter in wan.blocks[0].parameters():
            parameter.normal_(std=0.02)

    def forward(time_tokens: int) -> Callable[[], Tensor]:
        freqs = wan.rope_encode(
            time_tokens, 2 * tokens[1], 2 * tokens[2], device=device, dtype=dtype
        )  # a token is 2 x 2 latent cells
        length = time_tokens * tokens[1] * tokens[2]
        x = torch.randn(1, length, WIDTH, device=device, dtype=dtype)
        e = torch.randn(1, 1, 6, WIDTH, device=device, dtype=dtype)
        text = torch.randn(1, TEXT, WIDTH, device=device, dtype=dtype)
        return lambda: wan.blocks[0](x, e=e, freqs=freqs, context=text, context_img_len=None)

    with torch.inference_mode():
        forward(1 if device.type == "cpu" else tokens[0])()
        _finish(device)
        whole = forward(tokens[0])
        return [_milliseconds(lambda: (whole(), _finish(device))) for _ in range(repeats)]


def figures_of(view: View, block: Sequence[float]) -> list[Figure]:
    step = statistics.median(block) * BLOCKS
    spent = [with_view - without_view for with_view, without_view in zip(view.step, view.record)]
    shares = [100 * value / step for value in spent]
    note = f"median of {len(block)} passes of one block x {BLOCKS}; the least that a step could take"
    return [
        at_most("view_percent_of_step", *_median(shares), SHARE, "view_ms_per_step of forward_ms"),
        Figure("view_ms_per_step", *_median(spent), note="with the view less without it, last steps"),
        Figure("record_ms_per_step", *_median(view.record), note="the masks' history, without a view"),
        Figure("forward_ms", step, _interval([BLOCKS * value for value in block]), len(block), note=note),
        at_most("masks_MB_per_run", view.masks, (view.masks,) * 2, 1, MASK_BYTES, "noise: the most there is"),
        Figure("frames_MB_per_run", view.frames, (view.frames,) * 2, 1, note="noise, too"),
        Figure("events_MB_per_run", view.events, (view.events,) * 2, 1),
    ]


def _median(values: Sequence[float]) -> tuple[float, tuple[float, float], int]:
    return float(np.median(values)), _interval(values), len(values)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    return bootstrap_interval(values, np.median)


def _milliseconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


def _finish(device: torch.device) -> None:
    """Wait for what a GPU has yet to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _megabytes(files: Sequence[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench live", description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--width", type=int, default=832)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--characters", type=int, default=3)
    parser.add_argument("--repeats", type=int, help="passes of the block (default: 1 on a CPU, 20 on a GPU)")
    parser.add_argument("--out", type=Path, help="JSON (default: benchmarks/results/live.json)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    from comfyui_version import __version__ as comfyui

    chosen = arguments(argv)
    device = comfy.model_management.get_torch_device()
    repeats = chosen.repeats or (1 if device.type == "cpu" else 20)
    cast = cast_of(chosen.characters, chosen.width, chosen.height, snap_frames(chosen.frames))
    view = measure_view(cast, device)
    print(f"the view: {statistics.median(view.step):.1f} ms a step; now one block on {device}", flush=True)
    tokens = (cast.latent_frames + chosen.characters, *cast.grid[1:])  # a reference is one frame more
    figures = figures_of(view, measure_block(tokens, device, repeats))
    print(result.table(figures))
    standard = (chosen.frames, chosen.width, chosen.height, chosen.characters) == (81, 832, 480, 3)
    path = chosen.out or (result.FOLDER / "live.json" if standard else None)
    if path is not None:
        settings = {
            "video": [cast.frames, cast.width, cast.height],
            "characters": chosen.characters,
            "steps": STEPS,
            "timed": TIMED,
            "blocks": {"width": WIDTH, "heads": HEADS, "ffn": FFN, "number": BLOCKS},
            "tokens": list(tokens),
            "precision": str(precision(device)),
        }
        result.write(
            path,
            figures,
            report.machine(),
            report.versions(comfyui),
            result.command("live"),
            settings=settings,
        )


if __name__ == "__main__":
    main()
