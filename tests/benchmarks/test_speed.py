"""Bench speed on a Wan of a few channels: what is compared, how times are put together, and what is written."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from interacthuman.benchmarks.scenes import result
from interacthuman.benchmarks.speed import __main__ as speed
from interacthuman.benchmarks.speed import forward, roofline, server_run
from interacthuman.benchmarks.speed.forward import Bench
from interacthuman.benchmarks.speed.models import (
    ForwardSetup,
    Grid,
    InfiniteTalk,
    Shape,
    build_adapter,
    build_wan,
    cast_of,
)
from interacthuman.benchmarks.speed.timing import Pass, alternate, ratio, side_by_side
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)

CPU = torch.device("cpu")
SMALL = Shape("small", 256, 512, 2, 10, 3)
BENCH = Bench(SMALL, Grid(96, 64, 9), 2, CPU, torch.float32, 2)


def named(figures: list[result.Figure]) -> dict[str, result.Figure]:
    return {figure.name: figure for figure in figures}


def test_a_pass_is_put_together_at_full_depth() -> None:
    """Ten blocks of 2 s, three of which carry a head of half a second, and 3 s that are there once."""
    cut = Pass(blocks=(1.5, 2.5), behind=(0.25, 0.75), once=3.0)
    assert cut.seconds == 8.0
    assert cut.whole(10, 3) == pytest.approx(3.0 + 10 * 2.0 + 3 * 0.5)


def test_neighbours_are_compared_with_neighbours() -> None:
    order: list[str] = []
    actions = {name: (lambda name=name: order.append(name) or len(order)) for name in ("a", "b")}
    found = alternate(actions, 2, warm=False)
    assert order == ["a", "b", "a", "b"] and found == {"a": [1, 3], "b": [2, 4]}
    # The machine slows down tenfold in between: the ratio does not feel it.
    value, interval, count = ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0])
    assert (value, interval, count) == (2.0, (2.0, 2.0), 3)


def test_side_by_side_the_short_act_goes_on_until_the_long_one_is_done() -> None:
    threads, again = torch.get_num_threads(), threading.Event()
    calls = {"short": 0, "long": 0}

    def action(name: str) -> tuple[int, int]:
        calls[name] += 1
        if calls["short"] > 2:
            again.set()
        if name == "long":
            assert again.wait(60)
        return calls[name], torch.get_num_threads()

    found = side_by_side({name: partial(action, name) for name in calls}, 2)
    assert found == {name: [(1, 1), (2, 1)] for name in calls}  # the further ones are not counted
    assert torch.get_num_threads() == threads


def test_an_act_that_fails_ends_all_of_them() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        side_by_side({"fails": fails, "goes on": lambda: None}, 2)


def test_peaks_are_those_of_the_act_alone() -> None:
    """In a process of its own: one that has long been at work may give back as much as the action takes."""
    wanted = 1 << 28
    script = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import torch; from interacthuman.benchmarks.speed.timing import peak_memory\n"
        f"print(peak_memory(lambda: torch.ones({wanted // 4}), torch.device('cpu')))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    if printed.strip() == "None":
        pytest.skip("this system does not tell peaks of memory")
    assert 0.9 * wanted < int(printed) < 1.3 * wanted


def test_the_watch_marks_every_block_and_what_is_behind_it() -> None:
    setup = BENCH.setup()
    adapter = build_adapter(SMALL, 2, CPU, torch.float32)
    found, steps = BENCH.passes(setup, {"masks": setup.guided(adapter, cast_of(BENCH.grid, 2))})
    for run, whole in zip(found["masks"], steps["masks"]):
        assert len(run.blocks) == len(run.behind) == 2
        assert min(run.blocks) > 0 and min(run.behind) > 0 and run.once > 0
        assert whole == pytest.approx(run.whole(SMALL.blocks, SMALL.mask_blocks))


def test_the_guided_evaluation_is_one_of_a_run() -> None:
    """References alone are core's own; audio moves the result; masks move nothing, as they are fixed."""
    setup = BENCH.setup()
    adapter = build_adapter(SMALL, 2, CPU, torch.float32)
    two, silent = cast_of(BENCH.grid, 2), cast_of(BENCH.grid, 0, 2)
    bare, audio = setup.bare(2)(), setup.guided(adapter, two, heads=False)()
    assert torch.equal(setup.guided(adapter, silent)(), bare)
    assert not torch.allclose(audio, bare, rtol=1e-4)
    assert torch.equal(setup.guided(adapter, two)(), audio)
    evaluate = setup.guided(adapter, two)
    assert torch.equal(evaluate(), evaluate())


def test_cores_infinitetalk_and_ours_share_weights_and_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """One speaker everywhere is where the two agree (adapter/multitalk.py)."""
    from comfy.ldm.wan import model_multitalk

    made = model_multitalk.SingleStreamMultiAttention.__init__

    def fitting(self: torch.nn.Module, *args: object, num_heads: int, **kwargs: object) -> None:
        made(self, *args, num_heads=SMALL.heads, **kwargs)

    monkeypatch.setattr(model_multitalk.SingleStreamMultiAttention, "__init__", fitting)
    setup = BENCH.setup(image_to_video=True)
    infinite = InfiniteTalk.build(SMALL, 2, CPU, torch.float32)
    ours = infinite.ours.model.audio_blocks["0"].norm_x.weight
    assert infinite.patch.blocks[0].norm_x.weight.data_ptr() == ours.data_ptr()
    one = cast_of(BENCH.grid, 1, by_region=True)
    everywhere = replace(one, layouts=torch.ones_like(one.layouts))
    bare, core = setup.bare()(), infinite.core(setup, one)()
    scale = float((core - bare).abs().max())
    assert scale > 1e-4
    ours = setup.guided(infinite.ours, everywhere)()
    assert float((ours - core).abs().max()) < 0.01 * scale
    two = named(forward.core(replace(BENCH, repeats=1)))
    assert two["over_core"].bound == "<= 0.8" and two["over_core"].value > 0


def test_every_bound_of_the_issue_has_its_figure() -> None:
    quick = replace(BENCH, repeats=1)
    found = named([*forward.forward(quick), *forward.reference(quick)])
    found |= named(forward.forward(replace(quick, characters=8)))
    bounds = {name: figure.bound for name, figure in found.items() if figure.bound}
    assert bounds == {
        "two_speakers_over_bare": "<= 1.1",
        "mask_heads": "<= 0.5",
        "eight_over_two": "<= 1.05",
        "one_more_reference": "<= 2.0",
    }


def test_floors_count_what_the_parts_multiply() -> None:
    parts = roofline._parts(BENCH)
    # 3 frames of video and 2 references, 24 tokens each: q, k, v, o twice without text's k and v, FFN, attention.
    tokens, d = 5 * 24, SMALL.width
    block = tokens * (6 * d * d + 2 * d * SMALL.ffn + 2 * tokens * d + 2 * 512 * d) + 2 * 512 * d * d
    assert parts["bare_block"].flops == 2 * block
    assert parts["audio_query_or_output"].flops == 2 * 72 * d * d
    for part in parts.values():
        with torch.inference_mode():
            part.action()


def test_the_flops_of_passes_are_counted() -> None:
    """Against the products of the blocks by hand, of which attention is a part that torch alone does not
    count.
    """
    setup = BENCH.setup()
    actions = {str(count): setup.bare(count) for count in (1, 2)}
    _, flops = replace(BENCH, repeats=1).pairs(setup, actions)
    one, two = (first for first, _ in flops.values())
    tokens, d, text = 72 + torch.tensor([24, 48]), SMALL.width, 512
    block = tokens * (6 * d * d + 2 * d * SMALL.ffn + 2 * tokens * d + 2 * text * d)
    by_hand = SMALL.blocks * 2 * (block[1] - block[0]).item()
    assert by_hand < two - one < 1.02 * by_hand  # the rest: patch embedding and output head


def test_the_servers_graphs_differ_in_model_and_sampler_alone() -> None:
    ours, core = server_run._graph(BENCH, ours=True), server_run._graph(BENCH, ours=False)
    kinds = [{node["class_type"] for node in graph.values()} for graph in (ours, core)]
    assert kinds[0] - kinds[1] == {"InterActSampler", "InterActLoadDiT"}
    assert kinds[1] - kinds[0] == {"KSampler", "UNETLoader"}
    shared = [name for name in ours if name in core and ours[name] == core[name]]
    assert len(shared) == len(ours) - 2  # all but the loader and the sampler


def test_a_comparison_replaces_itself_and_keeps_its_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"

    def measured(title: str, value: float) -> None:
        figures = [result.at_most("ratio", value, (value, value), 3, 1.0)]
        result.merge(path, title, figures, {"cores": 2}, {"torch": "x"}, "python", "passes", when="now")

    measured("b", 2.0)
    measured("a", 0.5)
    measured("b", 0.9)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert list(record) == ["a", "b"]
    assert record["b"]["figures"]["ratio"] == {
        "value": 0.9, "interval": [0.9, 0.9], "bound": "<= 1.0", "holds": True, "passes": 3,
    }  # fmt: skip
    assert record["a"]["when"] == "now"


def test_comparisons_are_chosen_by_name() -> None:
    chosen = speed.arguments(["forward", "core", "--characters", "2", "8"])
    titles = [title for name in chosen.comparisons for title, _ in speed.benches(name, chosen, BENCH)]
    assert titles == [
        "forward, Wan 14B, 72 tokens, cpu, 2 characters",
        "forward, Wan 14B, 72 tokens, cpu, 8 characters",
        "forward, Wan 1.3B, 72 tokens, cpu, 2 characters",
        "forward, Wan 1.3B, 72 tokens, cpu, 8 characters",
        "core, Wan 14B, 72 tokens, cpu",
    ]
    ((title, smaller),) = speed.benches("server", speed.arguments(["server", "--shape", "14B"]), BENCH)
    assert title == "server, Wan 14B, 48 tokens, cpu" and smaller.grid == Grid(96, 64, speed.SERVER_FRAMES)
    ((_, two),) = speed.benches("core", speed.arguments(["core", "--characters", "2", "4"]), BENCH)
    assert two.speakers == (2,)
    assert set(speed.arguments([]).comparisons) == set(speed.EVERY)
    with pytest.raises(SystemExit):
        speed.arguments(["nothing"])


def test_models_are_stock_and_cut_in_depth_alone() -> None:
    wan = build_wan(SMALL, 1, CPU, torch.float32).model.diffusion_model
    assert (wan.dim, wan.ffn_dim, wan.num_heads, len(wan.blocks)) == (256, 512, 2, 1)
    assert isinstance(
        ForwardSetup(build_wan(SMALL, 1, CPU, torch.float32), BENCH.grid, CPU).bare()(), torch.Tensor
    )
