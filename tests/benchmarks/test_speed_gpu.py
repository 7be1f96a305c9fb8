"""What is prepared for a GPU, on a CPU: time that runs out, what the ledger counts, the trainer's own utilisation."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from interacthuman.benchmarks.scenes import result
from interacthuman.benchmarks.speed import __main__ as speed
from interacthuman.benchmarks.speed import folding, gpu, kernels, roofline, utilisation
from interacthuman.benchmarks.speed.forward import Bench
from interacthuman.benchmarks.speed.gpu import Part
from interacthuman.benchmarks.speed.models import Grid, Shape, adapter_config, build_adapter, cast_of
from interacthuman.interact_core.adapter import Adapter, AdapterConfig, init_adapter

CPU = torch.device("cpu")
BENCH = Bench(Shape("small", 256, 512, 2, 10, 3), Grid(96, 64, 9), 2, CPU, torch.float32, 2)


def test_what_does_not_fit_is_skipped_and_what_fails_leaves_the_others_their_time() -> None:
    now, ran, said = [0.0], [], []

    def run(part: Part) -> None:
        ran.append(part.name)
        now[0] += 40.0
        if part.name == "broken":
            raise RuntimeError("out of luck\nand more")

    parts = [
        Part("broken", "14B", 30),
        Part("first", "14B", 60),
        Part("long", "14B", 50),
        Part("last", "14B", 20),
    ]
    ended = gpu.run_parts(parts, 100.0, run, said.append, lambda: now[0])
    assert ran == ["broken", "first", "last"]
    assert ended["broken"].startswith("failed: RuntimeError") and "out of luck" in ended["broken"]
    assert ended["first"] == ended["last"] == "done"
    assert ended["long"] == "skipped: it may take 50 s, and 20 s are left"
    assert [line.split(": ")[0] for line in said] == [f"[gpu] {part.name}" for part in parts]


@pytest.mark.skipif(not hasattr(gpu.signal, "setitimer"), reason="this system has no alarm")
def test_a_part_that_takes_too_long_is_stopped() -> None:
    began = time.monotonic()
    ended = gpu.run_parts([Part("endless", "14B", 0)], 0.2, lambda _: time.sleep(60), lambda _: None)
    assert ended == {"endless": "stopped: the time was over"} and time.monotonic() - began < 30


def test_without_a_gpu_all_parts_run_small_and_stay_out_of_the_results(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen = {}

    def measure(name: str, title: str, bench: Bench, path: Path) -> None:
        seen[name] = title, bench, path

    assert set(gpu.main([], CPU, measure).values()) == {"done"}
    assert list(seen) == [part.name for part in gpu.PARTS] and set(seen) <= set(speed.SHAPED)
    assert "No figure of this says anything of a GPU" in capsys.readouterr().out
    for title, bench, path in seen.values():
        assert "Wan small" in title and bench.shape.blocks == 2 and result.FOLDER not in path.parents
    gpu.main(["core", "--out", str(tmp_path / "x.json")], CPU, measure)
    assert seen["core"][2] == tmp_path / "x.json"


def test_on_a_gpu_the_published_sizes_are_run() -> None:
    sizes = {part.name: gpu.bench_of(part, torch.device("cuda"), small=False) for part in gpu.PARTS}
    assert {name: (one.shape.name, one.grid.tokens) for name, one in sizes.items()} == {
        "forward": ("14B", 32760),
        "core": ("14B", 32760),
        "folding": ("14B", 32760),
        "kernels": ("14B", 32760),
        "utilisation": ("1.3B", 32760),
    }
    assert sum(part.seconds for part in gpu.PARTS) <= 15 * 60


def test_the_ledger_counts_what_the_parts_multiply() -> None:
    """Against the products of `bench speed parts`, counted by hand; and nothing of the base."""
    setup = BENCH.setup()
    adapter = build_adapter(BENCH.shape, BENCH.depth, CPU, torch.float32)
    action = setup.guided(adapter, cast_of(BENCH.grid, 2))
    action()  # makes what is made once a run
    found = kernels.profiled(action, cuda=False)
    parts = roofline._parts(BENCH)
    for part, name in ((kernels.AUDIO, "audio_block"), (kernels.MASKS, "mask_head")):
        flops = sum(operation.flops for operation, _ in found if operation.part == part)
        assert flops == pytest.approx(BENCH.depth * parts[name].flops, rel=0.01)
    products = [(operation, seconds) for operation, seconds in found if operation.flops]
    assert products and all(seconds > 0 for _, seconds in products)
    # The query: 72 tokens of 256 channels in, weights, bias, and as many out.
    query = next(one for one, _ in products if one.flops == 2 * 72 * 256**2)
    assert query.bytes == 4 * (2 * 72 * 256 + 256**2 + 256)


def test_the_dearest_are_told_by_name_and_floor() -> None:
    figures = {figure.name: figure for figure in kernels.kernels(replace(BENCH, repeats=1))}
    times = [figures[f"dearest_{rank}_ms"].value for rank in range(1, kernels.DEAREST + 1)]
    assert (
        times == sorted(times, reverse=True)
        and sum(times) <= figures["audio_ms"].value + figures["masks_ms"].value
    )
    first = figures["dearest_1_ms"].note
    assert first.startswith(("audio: ", "masks: ")) and "a step" in first and "floor by" in first


def test_utilisation_is_the_trainers_own(tmp_path: Path) -> None:
    small = replace(BENCH, shape=replace(BENCH.shape, blocks=2))
    base = utilisation._write_base(tmp_path, small.shape)
    utilisation._write_shard(tmp_path, small.grid)
    rows = utilisation._train(tmp_path, base, small, checkpointing=False)
    assert len(rows) == utilisation.STEPS[False] > utilisation.WARM
    assert all(0 < float(row["utilisation"]) < 1 and float(row["tokens_per_second"]) > 0 for row in rows)


def test_folded_audio_layers_give_the_same_within_1e5() -> None:
    """In float32, with soft shares; gathered, what tokens lose is less than their shares of what they do not hear."""
    torch.manual_seed(0)
    config = AdapterConfig(
        **{**vars(adapter_config(BENCH.shape, 1)), "audio_tokens": 6, "audio_context_width": 24}
    )
    audio = init_adapter(Adapter(config)).audio_blocks["0"]
    torch.nn.init.normal_(audio.o.weight, std=0.1)
    for layer in (audio.q, audio.k, audio.v, audio.o):
        torch.nn.init.normal_(layer.bias)
    frames, each, tracks, batch = 5, 24, 3, 2
    video, tokens = torch.randn(batch, frames * each, 256), torch.randn(tracks, batch, frames, 6, 24)
    weights = (4 * torch.randn(tracks, batch, frames * each)).softmax(0)
    shares = weights.view(tracks, batch * frames, each)
    with torch.inference_mode():
        wanted = audio(video, tokens, weights)
        scale = wanted.abs().max()
        assert (folding.folded(audio, video, tokens, shares) - wanted).abs().max() < 1e-5 * scale
        all_heard = folding.hearers(shares, -1.0)
        assert (folding.folded(audio, video, tokens, shares, all_heard) - wanted).abs().max() < 1e-5 * scale
        for bound in (0.5, 0.01):
            heard = folding.hearers(shares, bound)
            got = folding.folded(audio, video, tokens, shares, heard)
            each_track = [audio(video, tokens[s : s + 1], torch.ones(1, 1, 1)) for s in range(tracks)]
            most = max((one - audio.o.bias).abs().max() for one in each_track)
            assert 1e-5 * scale < (got - wanted).abs().max() <= tracks * bound * most
        # Whoever hears nobody but the mute track is gathered for that alone.
        shares = torch.stack((torch.zeros(10, each), torch.ones(10, each)))
        shares[:, 3, :2] = torch.tensor([[1.0], [0.0]])
        assert [who.tokens.shape[1] for who in folding.hearers(shares, 0.0)] == [2, each]


def test_folding_counts_fewer_products() -> None:
    """Of 384 tokens a frame, of which a quarter of the picture hears a voice each, beside a head's 128 channels."""
    large = replace(BENCH, repeats=1, grid=Grid(384, 256, 9))
    figures = {figure.name: figure.note for figure in folding.folding(large)}
    share = {name: float(note.split()[0]) for name, note in figures.items() if "products" in note}
    video, d, heads, sound, context = 3 * 384, 256, 2, 3 * 3 * 8, 768  # 3 tracks of 3 frames of 8 tokens
    keys_and_values = 2 * sound * context * d
    direct = keys_and_values + 2 * video * d**2 + 2 * video * 3 * 8 * d
    by_hand = keys_and_values + 2 * sound * d**2 + 2 * video * 3 * 8 * heads * d
    assert share["folded_over_direct_8"] == pytest.approx(by_hand / direct, abs=1e-3)
    assert (
        share["gathered_over_direct_8"] < share["folded_over_direct_8"] < share["folded_over_direct_32"] < 1.1
    )
