"""`dev.py bench theatre`: does each voice move its own mouth? Fresh scenes, measured with bootstrap
intervals.

Scenes are drawn from seeds that training never saw. Two puppets speak, or as many as `--puppets` says; in
other scenes one of them is silent. Where everybody speaks, a scene is run three times from the same noise:
with predicted masks, with fixed masks, and with every voice everywhere. Fixed masks are what a person would
draw before anything moves: the true segmentation of the first frame of the finished predicted run, repeated
over time. Two more mask sources need no trained head: `--sources affinity`, by likeness to the reference
images, and `start_image`: the video begins with a rendered picture, and everybody is followed from there by
likeness.

Clips are as long as those of training, and who speaks does so to the end: over a single second, or where both
fall silent, a mouth correlates with any voice at the best of five lags (crosstalk_of_perfect_mouths is what
the recordings themselves score).

Finished runs are kept in .cache/bench_runs, by weights, settings and code: a bench that was killed goes on,
and runs of the same scenes by another bench are not repeated.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..interact_core.metrics.intervals import bootstrap_interval
from ..interact_core.theatre.training.clips import FRAMES
from .scenes import result
from .scenes.held_out import MIN_TRAVEL, RunSettings, load_recordings, source_of, write_results
from .scenes.result import Figure, at_least, at_most
from .scenes.runs import Record
from .scenes.settings import AFFINITY_HEAD, FIRST_FRAME, ONE_SILENT, START_IMAGE, Setting
from .scenes.store import ScenePlan, add_run_arguments, open_runs, settings_from_arguments
from .speed.timing import median

FULL = 32  # scenes below which nothing is written unless --out says so
WHOLE = {True: 0.95, False: 0.97}  # by whether the motion prompt tells puppets how far to move
BOUNDS = {False: (0.70, 0.15), True: (0.5, 0.2)}  # sync and crosstalk; by whether there are more than two
MASKS = {
    "predicted": "predicted",
    "fixed": FIRST_FRAME,
    "none": "none",
    "affinity": "affinity",
    "affinity_head": AFFINITY_HEAD,
    "start_image": START_IMAGE,
}
LIKENESS = {
    "affinity": 0.50,
    "affinity_head": 0.80,
    "start_image": 0.65,
}  # masks without a trained head, and the last step's IoU


def settings_of(puppets: int, sources: Sequence[str]) -> dict[str, Setting]:
    """Settings of a scene in which everybody speaks, by source of masks."""
    return {source: Setting(MASKS[source], references=puppets, speakers=puppets) for source in sources}


def mean_of(record: Record, figure: str) -> float:
    """Mean of a metric over the characters of a scene; those that speak have no "silent_open"."""
    return float(np.mean([one[figure] for one in record["characters"] if one[figure] is not None]))


def figures_of(
    speaking: Mapping[str, Sequence[Record]],
    silent: Sequence[Record],
    origins: Sequence[str],
    told: bool = True,
) -> list[Figure]:
    """The table of the project's figures; each scene counts once, its characters averaged.

    speaking: by source of masks the same scenes in the same order; origins: where their recordings are from; told:
    whether a motion prompt said how far to move.
    """
    own = speaking["predicted"]
    everyone = [*own, *silent]
    sync, crosstalk = BOUNDS[len(own[0]["characters"]) > 2]

    def mean(of: Sequence[Record], figure: str) -> tuple[float, tuple[float, float], int]:
        return spread([mean_of(record, figure) for record in of])

    table = [
        at_least("identity", *mean(everyone, "identity"), 0.95),
        *_wholeness(everyone, WHOLE[told]),
        *_steadiness(everyone),
        at_least("mask_iou_last", *mean(everyone, "mask_iou"), 0.85),
        at_least("mask_iou_boundary", *mean(everyone, "boundary_iou"), 0.55),
        at_least("sync", *mean(own, "sync"), sync),
        at_most("crosstalk", *mean(own, "crosstalk"), crosstalk, CHANCE_NOTE),
        Figure("crosstalk_at_own_lag", *mean(own, "crosstalk_at_own_lag")),
        Figure("crosstalk_of_perfect_mouths", *mean(own, "chance")),
    ]
    if silent:
        table.append(at_most("silent_open", *mean(silent, "silent_open"), 0.10))
    for origin in sorted(set(origins)):
        of = [record for record, theirs in zip(own, origins) if theirs == origin]
        table += [Figure(f"{figure}_{origin}", *mean(of, figure)) for figure in ("sync", "crosstalk")]
    for source, bound in LIKENESS.items():
        if source in speaking:
            records = speaking[source]
            table.append(at_least(f"{source}_mask_iou_last", *mean(records, "mask_iou"), bound))
            table += [Figure(f"{source}_{name}", *mean(records, name)) for name in ("sync", "crosstalk")]
    return table + _margins(speaking)


def _wholeness(records: Sequence[Record], bound: float) -> list[Figure]:
    """Share of the puppet-frames with one head, two eyes and one mouth; nothing for records without it."""
    values = [
        float(np.mean(known))
        for record in records
        if (known := [one["whole"] for one in record["characters"] if one.get("whole") is not None])
    ]
    return [at_least("whole", *spread(values), bound)] if values else []


def _steadiness(records: Sequence[Record]) -> list[Figure]:
    """Flicker and sharpness of the clips, and of the same scenes drawn; nothing for records without them."""
    found = [record["steadiness"] for record in records if "steadiness" in record]
    table = []
    for name in ("flicker", "drawn_flicker", "sharpness", "drawn_sharpness") if found else ():
        values = [one[name] for one in found if one.get(name) is not None]
        table += [Figure(name, *spread(values), note=STEADINESS)] if values else []
    return table


STEADINESS = (
    "interact_core/metrics/steadiness.py. Flicker: mean second difference of brightness where nothing moves. "
    "Sharpness: 1 - blur after Crete et al. 2007."
)
CHANCE_NOTE = (
    "The best of five lags over a short clip correlates with any voice: crosstalk_of_perfect_mouths "
    "is what the recordings themselves score. Nothing is subtracted."
)


def spread(values: Sequence[float]) -> tuple[float, tuple[float, float], int]:
    """Mean, its interval and the number of scenes."""
    return float(np.mean(values)), bootstrap_interval(values), len(values)


def _margins(speaking: Mapping[str, Sequence[Record]]) -> list[Figure]:
    """Sync minus crosstalk by source of masks, over scenes that move, and what prediction gains."""
    moving = [k for k, record in enumerate(speaking["predicted"]) if record["travel"] >= MIN_TRAVEL]
    if not moving:
        return []
    margins = {
        source: np.array([records[k]["margin"] for k in moving]) for source, records in speaking.items()
    }
    travels = [_travel(source, [records[k] for k in moving]) for source, records in speaking.items()]
    own = margins.pop("predicted")
    table = [Figure("margin_predicted", *spread(own), note=MOVING_NOTE)]
    for source, others in margins.items():
        name = "global" if source == "none" else source
        table.append(Figure(f"margin_{name}", *spread(others)))
        table.append(gain(f"margin_over_{name}", own, others))
    likeness = [source for source in LIKENESS if source in margins and "none" in margins]
    table += [gain(f"{source}_over_global", margins[source], margins["none"]) for source in likeness]
    return table + travels


def gain(name: str, own: np.ndarray, others: np.ndarray, note: str | None = None) -> Figure:
    """Gain of one measure over another in the same scenes."""
    apart = bootstrap_interval(own)[0] > bootstrap_interval(others)[1]
    return Figure(name, *spread(own - others), APART, bool(apart), note or PAIRED)


def _travel(source: str, records: Sequence[Record]) -> Figure:
    """A median: where two puppets change places, or are taken for one another, a head seems to cross the
    picture.
    """
    values = [record["travel"] for record in records]
    name = "travel_global" if source == "none" else f"travel_{source}"
    return Figure(name, *median(values), note=PIXELS)


FIXED_MASKS = "true segmentation of the first frame of the finished predicted run, repeated over time"
MOVING_NOTE = (
    f"Over the scenes in which some head of the predicted run goes at least {MIN_TRAVEL:.0f} pixels."
)
PIXELS = "Pixels that the farthest head of a scene goes, median over scenes; a token is 16."
APART = "> 0, intervals of both margins apart"
PAIRED = "The interval is that of the paired difference; 'holds' compares the margins' own intervals."


def run_settings_of(chosen: argparse.Namespace) -> RunSettings:
    """The shipped graph's settings with what the command line changes."""
    run_settings = settings_from_arguments(chosen)
    guidance = {
        "mask_gain": chosen.gain,
        "boundary": chosen.boundary,
        "stage_one_audio": chosen.stage_one_audio,
    }
    sampling = {
        "steps": chosen.steps,
        "cfg": chosen.cfg,
        "audio_cfg": chosen.audio_cfg,
        "shift": chosen.shift,
    }
    return replace(
        run_settings,
        guidance=replace(run_settings.guidance, **{k: v for k, v in guidance.items() if v is not None}),
        **{k: v for k, v in sampling.items() if v is not None},
    )


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench theatre", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--scenes", type=int, default=FULL, help="in which everybody speaks (default: %(default)s)"
    )
    parser.add_argument(
        "--silent", type=int, help="with a silent puppet beside the speakers (default: half as many)"
    )
    parser.add_argument(
        "--sources",
        nargs="+",
        choices=[source for source in MASKS if source != "predicted"],
        default=("fixed", "none"),
    )
    parser.add_argument("--alone", action="store_true", help="predicted masks only, for sweeps")
    parser.add_argument("--puppets", type=int, default=2, choices=(2, 3, 4), help="in every scene")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of every clip (default: %(default)s)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--cfg", type=float)
    parser.add_argument("--audio-cfg", type=float)
    parser.add_argument("--shift", type=float)
    parser.add_argument("--gain", type=float)
    parser.add_argument("--boundary", type=float)
    parser.add_argument("--stage-one-audio", choices=("none", "mute", "all"))
    add_run_arguments(parser)
    parser.add_argument(
        "--out", type=Path, help="JSON (default: theatre.json or its like in benchmarks/results)"
    )
    chosen = parser.parse_args(argv)
    chosen.silent = chosen.scenes // 2 if chosen.silent is None else chosen.silent
    return chosen


def main() -> None:
    chosen, began = arguments(), time.perf_counter()
    plan = ScenePlan(run_settings_of(chosen), load_recordings(chosen.recordings))
    asked = settings_of(chosen.puppets, ("predicted", *(() if chosen.alone else chosen.sources)))
    mute = replace(asked["predicted"], speech=ONE_SILENT)
    speaking = range(chosen.scenes)
    silent = range(chosen.scenes, chosen.scenes + chosen.silent)
    with open_runs(plan, chosen) as (store, run):
        tasks = [(k, setting) for setting in asked.values() for k in speaking] + [(k, mute) for k in silent]
        # Runs whose segmentation becomes true masks come before the runs that use them.
        run([plan.task(k, setting) for k, setting in tasks if not setting.needs_truth])
        run([plan.task(k, setting) for k, setting in tasks if setting.needs_truth])
    told = plan.run_settings.motion is not None
    figures = figures_of(
        {source: store.of(setting.key, speaking) for source, setting in asked.items()},
        store.of(mute.key, silent),
        [source_of(k, plan.recordings) for k in speaking],
        told=told,
    )
    words = [
        "theatre",
        *([str(chosen.puppets)] if chosen.puppets != 2 else []),
        *([] if told else ["untold"]),
    ]
    name = "_".join(words) + ".json"
    path = chosen.out or (result.FOLDER / name if chosen.scenes >= FULL else None)
    write_results("theatre", path, figures, plan.run_settings, began, fixed_masks=FIXED_MASKS)


if __name__ == "__main__":
    main()
