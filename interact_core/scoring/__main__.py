"""`python dev.py score films/ --references refs/ --voices voices/`: docs/metrics.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InteractError
from ..host.standalone import prepare_comfy

prepare_comfy()

from ..host.folders import register_folders  # noqa: E402  (comfy has to be configured first)
from ..host.scorer import ScorerFiles, load_found_scorer  # noqa: E402
from ..metrics.sync.tracks import TrackRules  # noqa: E402
from .against import fvd_against  # noqa: E402
from .i3d import load_i3d  # noqa: E402
from .jobs import Job, read_jobs  # noqa: E402
from .page import page  # noqa: E402
from .records import check_output, failure, rows_of, summary_of, write_json, write_tables  # noqa: E402
from .work import Outcome, run_jobs, settings  # noqa: E402

DEFAULT = TrackRules()


def main(words: Sequence[str] | None = None) -> int:
    """0 where all films were scored, 1 where one failed, 2 where nothing could be begun."""
    options = parse(words)
    try:
        jobs = read_jobs(options.films, options.references, options.voices, options.masks, options.predicted)
        check_output(options.out)
        register_folders()
        files = files_of(options)
        load_found_scorer(files)  # a wrong file is told at once, and not for every film
        outcomes = collect(jobs, options.out, files, options.workers)
        failed = write(outcomes, options, jobs)
    except InteractError as error:
        print(f"score stopped: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line, as paths."""
    parser = argparse.ArgumentParser(prog="dev.py score", description=__doc__)
    parser.add_argument("films", type=Path, help="a folder of films, or a manifest: CSV, JSON or Parquet")
    parser.add_argument(
        "--references", type=Path, help="pictures: NAME/PERSON.png, or NAME.png for one person"
    )
    parser.add_argument("--voices", type=Path, help="recordings: NAME/PERSON.wav, or NAME.wav for one person")
    parser.add_argument(
        "--masks", type=Path, help="where people are: NAME/PERSON.png, or .mp4 frame by frame"
    )
    parser.add_argument(
        "--predicted", type=Path, help="the run's own masks, in the same way: measured by --masks (mask IoU)"
    )
    parser.add_argument("--against", type=Path, help="a folder of real films, for FVD; needs --i3d")
    parser.add_argument("--i3d", type=Path, help="i3d_torchscript.pt, for --against")
    parser.add_argument(
        "--faces", type=Path, help="the face landmarker, if not in ComfyUI's models/detection"
    )
    parser.add_argument(
        "--syncnet", type=Path, help="SyncNet as safetensors, if not in models/interact_metrics"
    )
    parser.add_argument("--clip", type=Path, help="a folder with a CLIP model of transformers")
    parser.add_argument("--dino", type=Path, help="a folder with a DINO model of transformers")
    parser.add_argument("--pose", type=Path, help="SDPose's checkpoint, for hands; very slow without a GPU")
    _add_rules(parser)
    parser.add_argument("--device", default="cpu", help="where SyncNet, CLIP and DINO run: cpu, cuda")
    parser.add_argument("--out", type=Path, default=Path("output/score"), help="folder of the results")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    options = parser.parse_args(words)
    if (options.against is None) != (options.i3d is None):
        parser.error("--against and --i3d go together")
    return options


def _add_rules(parser: argparse.ArgumentParser) -> None:
    rules = parser.add_argument_group(
        "which faces SyncNet looks at", "The original's: --min-frames 100 --min-size 100."
    )
    for name, default, meaning in (
        ("--min-frames", DEFAULT.min_frames, "found in more frames at 25 fps than this"),
        ("--min-size", DEFAULT.min_size, "more pixels wide or high than this"),
        (
            "--max-missed",
            DEFAULT.max_missed,
            "frames at 25 fps after which a face that comes back is another",
        ),
        ("--min-iou", DEFAULT.min_iou, "overlap of a face with itself in the next frame"),
    ):
        rules.add_argument(
            name, type=type(default), default=default, help=f"{meaning} (default: %(default)s)"
        )


def files_of(options: argparse.Namespace) -> ScorerFiles:
    """What the command line names. Raises InteractError for rules that no face can meet."""
    rules = TrackRules(options.min_iou, options.max_missed, options.min_frames, options.min_size)
    return ScorerFiles(
        options.faces,
        options.syncnet,
        options.clip,
        options.dino,
        options.device,
        pose=options.pose,
        rules=rules,
    )


def collect(jobs: Sequence[Job], out: Path, files: ScorerFiles, workers: int) -> list[Outcome]:
    """All outcomes, with a line of progress for each film."""
    outcomes: list[Outcome] = []
    began, fresh = time.perf_counter(), 0
    order = {job.key(settings(files)): place for place, job in enumerate(jobs)}
    for outcome in run_jobs(jobs, out, load_found_scorer, files, settings(files), workers):
        outcomes.append(outcome)
        if outcome.kept:
            continue
        fresh += 1
        left = (len(jobs) - len(outcomes)) * (time.perf_counter() - began) / fresh
        what = f"{outcome.film}: {outcome.seconds:.1f} s"
        if outcome.failed is not None:
            what = f"failed: {failure(outcome.film, outcome.failed)}"
        failures = sum(one.failed is not None for one in outcomes)
        say(f"[{len(outcomes)}/{len(jobs)}] {what} ({failures} failed, {left / 60:.0f} min left)")
    kept = sum(outcome.kept for outcome in outcomes)
    if kept:
        say(f"{kept} of {len(jobs)} were finished before.")
    return sorted(outcomes, key=lambda outcome: order.get(outcome.key, 0))  # workers finish in any order


def add_fvd(options: argparse.Namespace, jobs: Sequence[Job], figures: dict[str, Any]) -> list[str]:
    """Put FVD into the summary's figures where --against asks for it; sentences about it."""
    if options.against is None:
        return []
    features = load_i3d(options.i3d, options.device)
    network = f"{options.i3d.name} {options.i3d.stat().st_size}"
    films = [job.film for job in jobs if job.film.is_file()]
    found, notes = fvd_against(films, options.against, features, network, options.out, say)
    if found is not None:
        figures["fvd"] = found
    return notes


def say(line: str) -> None:
    """A line of progress, at once."""
    print(line, flush=True)


def write(outcomes: Sequence[Outcome], options: argparse.Namespace, jobs: Sequence[Job]) -> int:
    """Tables, summary and page; the number of films that failed."""
    out = options.out
    records = {one.key: one.record for one in outcomes if one.record is not None}
    failed = {one.film: one.failed for one in outcomes if one.failed is not None}
    rows = [row for record in records.values() for row in rows_of(record)]
    no_parquet = write_tables(rows, out)
    summary = summary_of(list(records.values()), failed)
    notes = add_fvd(options, jobs, summary["figures"])
    write_json(out / "summary.json", {**summary, "notes": notes})
    html = page(records, summary, f"Scores of {options.films.name or options.films}", notes)
    (out / "index.html").write_text(html, encoding="utf-8")
    for name, figure in summary["figures"].items():
        interval = "" if figure["low"] is None else f"{figure['low']:.4g} to {figure['high']:.4g}"
        say(f"{name:<12} {figure['mean']:9.4g}   {interval}   n={figure['films']}")
    for line in (*notes, *(f"failed: {failure(film, why)}" for film, why in failed.items())):
        say(line)
    say(f"{len(records)} scored, {len(failed)} failed: {out / 'index.html'}, scores.csv, summary.json")
    if no_parquet:
        say(no_parquet)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
