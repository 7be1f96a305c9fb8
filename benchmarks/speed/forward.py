"""Comparisons of whole evaluations: the method's parts on the bare model, and core's InfiniteTalk on the
same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from ...interact_core.guidance.settings import REFERENCE_TOKENS
from ...interact_core.host.tokens.reference_pruning import kept_tokens
from ..scenes.result import Figure, at_most
from .models import FIXED_MASKS, ForwardSetup, Grid, InfiniteTalk, Shape, build_adapter, build_wan, cast_of
from .timing import Action, FlopClock, Pass, Stopwatch, alternate, median, peak_memory, ratio, side_by_side

EIGHT_OVER_TWO, MASK_HEADS, MEMORY, ONE_MORE = 1.05, 0.5, 3.0, 2.0
TWO_SPEAKERS = {True: 1.10, False: 1.04}  # by whether the video is short
OVER_CORE = {True: 0.80, False: 0.85}  # likewise
SPEAKING = {1: "one_speaker", 2: "two_speakers"}
INTERVAL = 4  # reference_interval, where the reference KV cache is used
SHORT = 20_000  # tokens: 9,360 is below and 32,760 above


@dataclass(frozen=True)
class Bench:
    """Where and how long it is measured."""

    shape: Shape
    grid: Grid
    depth: int
    device: torch.device
    dtype: torch.dtype
    repeats: int
    characters: int = 2
    speakers: tuple[int, ...] = (1, 2)  # whom `core` is compared with

    def setup(self, image_to_video: bool = False) -> ForwardSetup:
        model = build_wan(self.shape, self.depth, self.device, self.dtype, image_to_video)
        return ForwardSetup(model, self.grid, self.device, image_to_video)

    def passes(
        self, setup: ForwardSetup, actions: dict[str, Action]
    ) -> tuple[dict[str, list[Pass]], dict[str, list[float]]]:
        """Passes of every action in turn, and their seconds at the full number of blocks."""
        watch = Stopwatch(setup.base.diffusion_model, self.device)
        warm = self.device.type != "cpu"  # a GPU's first kernels; on a CPU a pass takes too long
        found = alternate(
            {name: _timed(watch, action) for name, action in actions.items()}, self.repeats, warm
        )
        return found, self._whole(found)

    def pairs(
        self, setup: ForwardSetup, actions: dict[str, Action]
    ) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Pairs of successive passes of every action: their seconds and FLOPs at the full number of blocks.

        On a CPU all actions run at once, timed in seconds of their own threads.
        """
        cpu = self.device.type == "cpu"
        clock = time.thread_time if cpu else time.perf_counter
        timing, counting = (Stopwatch(setup.base.diffusion_model, self.device) for _ in range(2))

        def twice(action: Action) -> list[tuple[Pass, Pass]]:
            runs: list[Pass] = []
            with FlopClock() as flops:
                products = [
                    counting.time(lambda: runs.append(timing.time(action, clock)), flops) for _ in range(2)
                ]
            return list(zip(runs, products))

        found = (side_by_side if cpu else alternate)(
            {name: partial(twice, action) for name, action in actions.items()}, self.repeats
        )
        passes = {name: [both for pair in pairs for both in pair] for name, pairs in found.items()}
        seconds, flops = (
            self._whole({name: [both[n] for both in runs] for name, runs in passes.items()}) for n in (0, 1)
        )
        return seconds, flops

    def _whole(self, found: dict[str, list[Pass]]) -> dict[str, list[float]]:
        heads = {name: 1 if name.startswith("region") else self.shape.mask_blocks for name in found}
        return {
            name: [run.whole(self.shape.blocks, heads[name]) for run in runs] for name, runs in found.items()
        }


def _timed(watch: Stopwatch, action: Action) -> Callable[[], Pass]:
    return lambda: watch.time(action)


def forward(bench: Bench) -> list[Figure]:
    """The bare step; with references; with references and audio; with masks too."""
    count = bench.characters
    setup, cast = bench.setup(), cast_of(bench.grid, count)
    adapter = build_adapter(bench.shape, bench.depth, bench.device, bench.dtype)
    actions: dict[str, Action] = {
        "bare": setup.bare(),
        "references": setup.bare(count),
        "audio": setup.guided(adapter, cast, heads=False),
        "masks": setup.guided(adapter, cast),
    }
    if count == 8:
        actions["two_speak"] = setup.guided(adapter, cast_of(bench.grid, 2, 6))
    found, steps = bench.passes(setup, actions)
    under = steps["references"]
    figures = [
        Figure("bare_step_s", *median(steps["bare"]), note="one pass at full depth"),
        Figure("references_over_bare", *ratio(under, steps["bare"])),
        Figure("audio_over_references", *ratio(steps["audio"], under)),
    ]
    whole = ratio(steps["masks"], under)
    if count == 2:
        bound = TWO_SPEAKERS[bench.grid.tokens < SHORT]
        behind = [100 * bench.shape.mask_blocks * sum(run.behind) / bench.depth for run in found["masks"]]
        figures += [
            at_most("two_speakers_over_bare", *whole, bound, "the bare step has the references too"),
            at_most("mask_heads", *ratio(behind, under), MASK_HEADS, "percent of the bare step"),
        ]
    else:
        figures.append(Figure("masks_over_references", *whole))
    if count == 8:
        note = "eight speak, and two of the same eight"
        figures.append(
            at_most("eight_over_two", *ratio(steps["masks"], steps["two_speak"]), EIGHT_OVER_TWO, note)
        )
    return figures


def core(bench: Bench) -> list[Figure]:
    """Core's InfiniteTalk and ours on one image-to-video base, with the same weights and the same sound."""
    setup = bench.setup(image_to_video=True)
    infinite = InfiniteTalk.build(bench.shape, bench.depth, bench.device, bench.dtype)
    actions: dict[str, Action] = {"bare": setup.bare()}
    for count in bench.speakers:
        cast = cast_of(bench.grid, count, by_region=True)
        actions[f"core_{count}"] = infinite.core(setup, cast)
        actions[f"region_{count}"] = setup.guided(infinite.ours, cast)
    _, steps = bench.passes(setup, actions)
    bare = steps["bare"]
    figures = [Figure("bare_i2v_step_s", *median(bare), note="seconds, one pass at full depth")]
    for count in bench.speakers:
        ours, theirs = steps[f"region_{count}"], steps[f"core_{count}"]
        figures += [
            Figure(f"core_{SPEAKING[count]}_over_bare", *ratio(theirs, bare)),
            Figure(f"ours_{SPEAKING[count]}_over_bare", *ratio(ours, bare)),
        ]
        if count == 2:
            bound = OVER_CORE[bench.grid.tokens < SHORT]
            figures.append(at_most("over_core", *ratio(ours, theirs), bound, "two speakers"))
        else:
            figures.append(Figure("over_core_one_speaker", *ratio(ours, theirs)))
    return figures


def memory(bench: Bench) -> list[Figure]:
    """Peak memory of one evaluation above what was held before: activations and caches, without weights."""
    setup = bench.setup()
    adapter = build_adapter(bench.shape, bench.depth, bench.device, bench.dtype)
    actions = {"bare": setup.bare(2), "guided": setup.guided(adapter, cast_of(bench.grid, 2))}
    for action in actions.values():
        action()  # so that what is made once in a run exists already
    peaks = {
        name: [peak_memory(action, bench.device) for _ in range(bench.repeats)]
        for name, action in actions.items()
    }
    if None in peaks["bare"]:
        return []
    more = _percent_more(ratio(peaks["guided"], peaks["bare"]))
    return [
        Figure("bare_peak_GiB", *median(peaks["bare"], 2**-30), note="activations, two references"),
        at_most("peak_memory_above_bare", *more, MEMORY, "percent of bare_peak_GiB, weights aside"),
    ]


def reference(bench: Bench) -> list[Figure]:
    """What a third reference image costs a step: whole, pruned, and with its KV cached. Nobody speaks."""
    setup = bench.setup()
    adapter = build_adapter(bench.shape, bench.depth, bench.device, bench.dtype)
    actions: dict[str, Action] = {}
    for tokens in REFERENCE_TOKENS:
        # These runs refresh the reference KV cache in every second evaluation, so that a pair of passes has both kinds.
        settings = replace(FIXED_MASKS, reference_tokens=tokens, reference_interval=2)
        for count in (2, 3):
            actions[f"{tokens}_{count}"] = setup.guided(adapter, cast_of(bench.grid, 0, count), settings)
    steps, flops = (_with_interval(pairs) for pairs in bench.pairs(setup, actions))

    def one_more(way: str, steps: dict[str, list[float]] = steps) -> tuple[float, tuple[float, float], int]:
        return _percent_more(ratio(steps[f"{way}_3"], steps[f"{way}_2"]))

    def over_whole(way: str) -> tuple[float, tuple[float, float], int]:
        return ratio(steps[f"{way}_2"], steps["all_2"])

    kept = kept_tokens(cast_of(bench.grid, 0, 3))
    stays = f"{100 * kept.each / bench.grid.frame_tokens:.0f} % of a picture's tokens stay"
    every = f"looked at in every {INTERVAL}th step"
    return [
        Figure("one_more_reference_whole", *one_more("all"), note="percent of a step, as all of these"),
        Figure("one_more_reference_person", *one_more("person"), note=stays),
        Figure("one_more_reference_now_and_then", *one_more("now_and_then_all"), note=every),
        at_most("one_more_reference", *one_more("now_and_then_person"), ONE_MORE, f"{stays}, {every}"),
        Figure(
            "one_more_reference_whole_flops", *one_more("all", flops), note="percent of a step's products"
        ),
        Figure("one_more_reference_flops", *one_more("now_and_then_person", flops), note=f"{stays}, {every}"),
        Figure("person_over_whole", *over_whole("person"), note="a step, two references"),
        Figure("now_and_then_over_whole", *over_whole("now_and_then_all"), note=every),
        Figure("person_now_and_then_over_whole", *over_whole("now_and_then_person"), note=every),
    ]


def _with_interval(pairs: dict[str, list[float]]) -> dict[str, list[float]]:
    """Of pairs of a refreshing and a cached pass: the former, and the mean of INTERVAL steps of which one
    refreshes.
    """
    refreshing = {name: both[::2] for name, both in pairs.items()}
    means = {
        f"now_and_then_{name}": [
            (refresh + (INTERVAL - 1) * cached) / INTERVAL for refresh, cached in zip(both[::2], both[1::2])
        ]
        for name, both in pairs.items()
    }
    return refreshing | means


def _percent_more(
    found: tuple[float, tuple[float, float], int],
) -> tuple[float, tuple[float, float], int]:
    value, interval, count = found
    return 100 * (value - 1), (100 * (interval[0] - 1), 100 * (interval[1] - 1)), count


COMPARISONS: dict[str, Callable[[Bench], Sequence[Figure]]] = {
    "forward": forward,
    "core": core,
    "memory": memory,
    "reference": reference,
}
