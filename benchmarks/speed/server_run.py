"""Time and memory of whole runs in a real ComfyUI server, with our sampler and with core's KSampler."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ...interact_core.adapter import save_adapter
from ...interact_core.comfy_server import ComfyServer
from ...interact_core.theatre.graphs import id_of, inputs_of, shipped_graph
from ..scenes.result import Figure
from .forward import Bench
from .models import build_adapter, build_wan
from .timing import alternate, median, ratio

STEPS = 8
FIRST = "loads the model and encodes everything"


def server(bench: Bench) -> list[Figure]:
    """A run of 8 steps in a real server: the InterAct Sampler, and core's KSampler on the bare model.

    Both see the same references, and both models have one block of this width; cfg is 1, so that every step
    is one pass. What comes before the sampler is in ComfyUI's cache, as where only the seed changes.
    """
    with tempfile.TemporaryDirectory() as folder:
        models = _write_models(Path(folder), bench)
        extra = ("--extra-model-paths-config", str(models), "--use-pytorch-cross-attention")
        cpu = bench.device.type == "cpu"
        with ComfyServer(Path(folder) / "server", cpu=cpu, extra=extra) as running:
            graphs = {"core": _graph(bench, ours=False), "ours": _graph(bench, ours=True)}
            # Ours last: the server's cache holds what the last graph needed.
            first = {name: _run(running, graph, 0)[0] for name, graph in graphs.items()}
            cached = [_run(running, graphs["ours"], 0)[0] for _ in range(max(3, bench.repeats))]
            seeds = iter(range(1, 1000))
            actions = {
                name: (lambda graph=graph: _run(running, graph, next(seeds)))
                for name, graph in graphs.items()
            }
            found = alternate(actions, bench.repeats, warm=False)
            started = running.seconds_to_start
    spent = {name: [run[0] for run in runs] for name, runs in found.items()}
    note = f"{STEPS} steps, one block, {bench.grid.frames} frames"
    figures = [
        Figure("server_start_s", started, (started,) * 2, 1),
        Figure("core_first_run_s", first["core"], (first["core"],) * 2, 1, note=FIRST),
        Figure("ours_first_run_s", first["ours"], (first["ours"],) * 2, 1, note=FIRST),
        Figure("ours_cached_run_ms", *median(cached, 1000), note="the same graph again: nothing to do"),
        Figure("core_run_s", *median(spent["core"]), note=note),
        Figure("ours_run_s", *median(spent["ours"]), note=note),
        Figure("run_over_core", *ratio(spent["ours"], spent["core"])),
    ]
    peaks = {name: [run[1] for run in runs] for name, runs in found.items()}
    if all(peak is not None for runs in peaks.values() for peak in runs):
        figures.append(Figure("core_run_peak_GiB", *median(peaks["core"], 2**-30), note="the whole process"))
        figures.append(Figure("run_peak_over_core", *ratio(peaks["ours"], peaks["core"])))
    return figures


def _run(running: ComfyServer, graph: dict[str, Any], seed: int) -> tuple[float, int | None]:
    """Seconds from the request to the end of the run, and the server's peak of resident memory in bytes."""
    graph = json.loads(json.dumps(graph))
    for node in graph.values():
        if node["class_type"] in ("InterActSampler", "KSampler"):
            node["inputs"]["seed"] = seed
    process = Path(f"/proc/{running.pid}")
    reset = process / "clear_refs"
    if reset.exists():
        reset.write_text("5")
    began = time.perf_counter()
    running.run(graph)
    spent = time.perf_counter() - began
    if not reset.exists():
        return spent, None
    lines = (process / "status").read_text().splitlines()
    return spent, 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def _write_models(folder: Path, bench: Bench) -> Path:
    """One block of this width and an adapter for it, made for the features of the shipped wav2vec2."""
    models = folder / "models"
    cpu = torch.device("cpu")
    wan = build_wan(bench.shape, 1, cpu, torch.bfloat16).model.diffusion_model
    places = {name: models / name for name in ("diffusion_models", "interact")}
    for place in places.values():
        place.mkdir(parents=True)
    save_file(wan.state_dict(), places["diffusion_models"] / "bench_wan.safetensors")
    features = {"audio_layers": 4, "audio_width": 96}  # models/audio_encoders/theatre_wav2vec2
    adapter = build_adapter(bench.shape, 1, cpu, torch.bfloat16, **features).model
    save_adapter(places["interact"] / "bench_adapter.safetensors", adapter.state_dict(), adapter.config)
    config = folder / "extra_model_paths.yaml"
    lines = [f"  {name}: {json.dumps(str(place))}" for name, place in places.items()]
    config.write_text("\n".join(["bench:", *lines]) + "\n", encoding="utf-8")
    return config


def _graph(bench: Bench, ours: bool) -> dict[str, Any]:
    """The shipped graph on the bench's models, from noise, without windows, up to a latent that is saved."""
    graph = shipped_graph()
    load, sampler = id_of(graph, "InterActLoadDiT"), id_of(graph, "InterActSampler")
    graph[load]["inputs"] |= {
        "model_name": "bench_wan.safetensors",
        "adapter_name": "bench_adapter.safetensors",
    }
    encode = id_of(graph, "InterActEncodeCharacters")
    inputs_of(graph, "InterActEncodeCharacters").update(
        width=bench.grid.width, height=bench.grid.height, length=bench.grid.frames
    )
    chosen = graph[sampler]["inputs"]
    chosen.update(model=[load, 0], latent=[encode, 2], denoise=1.0, steps=STEPS, cfg=1.0, stage_boundary=0.0)
    if not ours:
        graph["bare"] = {
            "class_type": "UNETLoader",
            "inputs": {"unet_name": "bench_wan.safetensors", "weight_dtype": "default"},
        }
        kept = ("positive", "negative", "seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")
        graph[sampler] = {
            "class_type": "KSampler",
            "inputs": {
                **{name: chosen[name] for name in kept},
                "model": ["bare", 0],
                "latent_image": [encode, 2],
            },
        }
    graph["saved"] = {
        "class_type": "SaveLatent",
        "inputs": {"samples": [sampler, 0], "filename_prefix": "bench"},
    }
    return _needed(graph, "saved")


def _needed(graph: dict[str, Any], last: str) -> dict[str, Any]:
    """The nodes that `last` depends on, and itself."""
    needed, open_ = set(), [last]
    while open_:
        name = open_.pop()
        if name not in needed:
            needed.add(name)
            open_ += [value[0] for value in graph[name]["inputs"].values() if isinstance(value, list)]
    return {name: graph[name] for name in graph if name in needed}
