"""Comparisons beside the diffusion model: hearing, importing, whole runs in the server, and a training step."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ...interact_core.adapter import model, save_adapter
from ...interact_core.comfy_server import ComfyServer, comfy_folder
from ...interact_core.speech.encode import encode_speech
from ...interact_core.speech.wav2vec2 import SAMPLE_RATE, Wav2Vec2Encoder
from ...interact_core.theatre.graphs import id_of, inputs_of, shipped_graph
from ..scenes.result import Figure, at_most
from .clock import alternate, median, ratio, seconds
from .forward import Bench
from .models import build_adapter, build_wan

HEARING = 1.05
SECONDS = 10.0  # of speech
STEPS = 8
FIRST = "loads the model and encodes everything"


def hearing(bench: Bench) -> list[Figure]:
    """Audio feature extraction at wav2vec2-base's shape against transformers' own call."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    plain_model = Wav2Vec2Model(Wav2Vec2Config()).eval()
    encoder = Wav2Vec2Encoder(plain_model, do_normalize=True).eval().requires_grad_(False)
    sound = torch.randn(1, int(SECONDS * SAMPLE_RATE))
    normal = (sound - sound.mean()) / sound.std()

    def plain() -> object:
        with torch.no_grad():
            return plain_model(normal, output_hidden_states=True)

    def first() -> object:
        encoder.silence = None
        return encode_speech(encoder, sound, SAMPLE_RATE)

    acts = {"plain": plain, "ours": lambda: encode_speech(encoder, sound, SAMPLE_RATE), "first": first}
    cpu = torch.device("cpu")
    found = alternate({name: _timed(act, cpu) for name, act in acts.items()}, max(5, bench.repeats))
    note = f"{SECONDS:.0f} s of speech to features per video frame; transformers' call on the same sound"
    return [
        Figure("transformers_call_s", *median(found["plain"])),
        at_most("audio_features", *ratio(found["ours"], found["plain"]), HEARING, note),
        Figure(
            "audio_features_first", *ratio(found["first"], found["plain"]), note="with silence, heard once"
        ),
    ]


IMPORT = """
import sys, time, asyncio
sys.argv = sys.argv[:1]
from comfy.cli_args import args
args.cpu = {cpu}
import nodes, server, comfy.samplers, comfy.sd
from comfy_api.latest import io
begun, held = time.perf_counter(), set(sys.modules)
import interacthuman
async def listed():
    return await (await interacthuman.comfy_entrypoint()).get_node_list()
found = asyncio.run(listed())
print(time.perf_counter() - begun, len(found), len(set(sys.modules) - held))
"""


def imports(bench: Bench) -> list[Figure]:
    """The pack's import and node list in a fresh process that has ComfyUI's own modules."""
    script = IMPORT.format(cpu=bench.device.type == "cpu")
    taken = []
    for _ in range(max(3, bench.repeats)):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=comfy_folder(), check=True
        )
        spent, nodes, modules = done.stdout.split()[-3:]
        taken.append(float(spent))
    note = f"{nodes} nodes, {modules} modules that ComfyUI does not load itself"
    return [Figure("import_ms", *median(taken, 1000), note=note)]


def server(bench: Bench) -> list[Figure]:
    """A run of 8 steps in a real server: the InterAct Sampler, and core's KSampler on the bare model.

    Both see the same references, and both models have one block of this width; cfg is 1, so that every step is
    one pass. What comes before the sampler is in ComfyUI's cache, as where only the seed changes.
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
            acts = {
                name: (lambda graph=graph: _run(running, graph, next(seeds)))
                for name, graph in graphs.items()
            }
            found = alternate(acts, bench.repeats, warm=False)
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
    """One block of this width and an adapter for it, that hears what the shipped wav2vec2 says."""
    models = folder / "models"
    cpu = torch.device("cpu")
    wan = build_wan(bench.shape, 1, cpu, torch.bfloat16).model.diffusion_model
    places = {name: models / name for name in ("diffusion_models", "interact")}
    for place in places.values():
        place.mkdir(parents=True)
    save_file(wan.state_dict(), places["diffusion_models"] / "bench_wan.safetensors")
    heard = {"audio_layers": 4, "audio_width": 96}  # models/audio_encoders/theatre_wav2vec2
    adapter = build_adapter(bench.shape, 1, cpu, torch.bfloat16, **heard).model
    save_adapter(places["interact"] / "bench_adapter.safetensors", adapter.state_dict(), adapter.config)
    config = folder / "extra_model_paths.yaml"
    lines = [f"  {name}: {json.dumps(str(place))}" for name, place in places.items()]
    config.write_text("\n".join(["bench:", *lines]) + "\n", encoding="utf-8")
    return config


def _graph(bench: Bench, ours: bool) -> dict[str, Any]:
    """The shipped graph on the bench's models, without windows, up to a latent that is saved."""
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
    chosen.update(model=[load, 0], steps=STEPS, cfg=1.0, stage_boundary=0.0)
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


def training(bench: Bench) -> list[Figure]:
    """A step of the theatre's own training, forward and backward, 4 clips of two people."""
    from ...interact_core.host.forward.differentiable import differentiable_host
    from ...interact_core.host.forward.hooks import training_options
    from ...interact_core.theatre.training.models import ADAPTER, build_adapter, build_dit

    clips, frames, height, width = 4, 7, 8, 12
    dit, adapter = build_dit(0).train(), build_adapter(0).train()
    latent = torch.randn(clips, 16, frames, 2 * height, 2 * width)
    pictures = torch.randn(clips, 16, 2, 2 * height, 2 * width)
    sound = torch.randn(clips, 3, 4 * (frames - 1) + 2, ADAPTER.audio_layers, ADAPTER.audio_width)
    weights = torch.rand(clips, 3, frames * height * width).softmax(1)

    def step() -> None:
        options = training_options(adapter, weights)
        with differentiable_host(), torch.autocast("cpu", torch.bfloat16):
            velocity = dit(
                latent,
                torch.full((clips,), 500.0),
                latent.new_zeros(clips, 1, 4096),
                time_dim_concat=pictures,
                transformer_options=options,
                interact_audio=sound,
                interact_flag=torch.ones(clips, 1),
            )
        logits = options["interact_call"].mask_logits
        (velocity.float().square().mean() + sum(logit.float().square().mean() for logit in logits)).backward()

    def before() -> None:
        now, model.mix_tracks = model.mix_tracks, _one_by_one
        try:
            step()
        finally:
            model.mix_tracks = now

    cpu = torch.device("cpu")
    found = alternate({"step": _timed(step, cpu), "before": _timed(before, cpu)}, max(5, bench.repeats))
    note = "against voices that are mixed one by one, as they were"
    return [
        Figure("training_step_ms", *median(found["step"], 1000), note="float32 and bfloat16 autocast"),
        Figure("training_step_over_before", *ratio(found["step"], found["before"]), note=note),
    ]


def _one_by_one(
    q: Tensor, k: Tensor, v: Tensor, weights: Tensor, heads: int, attention: model.Attention
) -> Tensor:
    """The sum that `mix_tracks` forms, with one call of `attention` for every track."""
    batch, length, width = q.shape
    q = q.view(batch * k.shape[2], -1, width)
    heard = [attention(q, *(x[n].flatten(0, 1) for x in (k, v)), heads) for n in range(len(k))]
    return sum(part.view(batch, length, width) * w.to(part)[..., None] for part, w in zip(heard, weights))


def _timed(act: Callable[[], object], device: torch.device) -> Callable[[], float]:
    return lambda: seconds(act, device)


ALONE: dict[str, Callable[[Bench], Sequence[Figure]]] = {
    "hearing": hearing,
    "imports": imports,
    "training": training,
}
"""What does not depend on the shape of the diffusion model."""
