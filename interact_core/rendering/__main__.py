"""`python dev.py render films.csv graph.json`: a film for each row of a table. docs/scale.md."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InteractError
from ..scoring.records import FIGURES, check_output, film_mean
from ..tables import write_table
from .films import NAME, Film, read_films
from .graph import Graph, read_graph
from .pools import Pool, RayPool, ThreadPool
from .run import Outcome, Run, kept_outcomes
from .server import ServerPlan

TABLE = "rendered"
OUR_COLUMNS = {
    "film": "text",
    "status": "text",
    "error": "text",
    "files": "text",
    "seconds": "float",
    "tries": "int",
    "server": "text",
}


def main(words: Sequence[str] | None = None) -> int:
    """0 where all films were made, 1 where one failed, 2 where nothing could be begun or the run had to stop."""
    options = parse(words)
    try:
        graph = read_graph(options.graph)
        films = read_films(options.table, graph, options.graph.parent)
        check_output(options.out, ("films", "records"))
        outcomes = make(films, graph, options)
        figures = score(outcomes, options) if options.score is not None else {}
        failed = write(outcomes, figures, films, options.out)
    except InteractError as error:
        print(f"render stopped: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line; options that are not known go to ComfyUI's main.py, as with `dev.py serve`."""
    parser = argparse.ArgumentParser(
        prog="dev.py render", description=__doc__, epilog="Other options go to ComfyUI."
    )
    parser.add_argument("table", type=Path, help="CSV, JSON or Parquet: a row for each film")
    parser.add_argument("graph", type=Path, help="a graph in API form (in ComfyUI: File > Export (API))")
    parser.add_argument(
        "--out", type=Path, default=Path("output/render"), help="folder (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="ComfyUI servers that are started (default: 1)"
    )
    parser.add_argument(
        "--servers",
        nargs="+",
        default=[],
        metavar="URL",
        help="servers that run already, in place of started ones",
    )
    parser.add_argument("--address", help="of a Ray cluster, on which the servers are started")
    parser.add_argument(
        "--gpus", type=float, help="of each started server; a part lets several share one (default: 1)"
    )
    parser.add_argument(
        "--no-ray", action="store_true", help="threads in this process, as without Ray installed"
    )
    parser.add_argument(
        "--limit", type=float, default=3600.0, help="seconds a film may take (default: %(default)s)"
    )
    parser.add_argument(
        "--keep",
        nargs="+",
        default=[],
        metavar="TITLE",
        help="nodes whose files are kept (default: every Save node)",
    )
    parser.add_argument(
        "--score",
        nargs="?",
        const="",
        metavar="TITLE",
        help="figures of each film; TITLE: the node that saves it",
    )
    options, options.extra = parser.parse_known_args(words)
    if options.workers < 1 or options.limit <= 0:
        parser.error("--workers must be at least 1 and --limit above 0")
    if options.no_ray and options.address:
        parser.error("--address is of a Ray cluster, so it does not go with --no-ray")
    if options.servers and options.extra:
        parser.error(f"unknown: {' '.join(options.extra)} (servers that run already take no options)")
    return options


def make(films: Sequence[Film], graph: Graph, options: argparse.Namespace) -> list[Outcome]:
    """All outcomes, those of an earlier run first, with a line for each new one."""
    outcomes = kept_outcomes(films, options.out)
    done = {outcome.film.key for outcome in outcomes}
    left = [film for film in films if film.key not in done]
    if outcomes:
        say(f"{len(outcomes)} of {len(films)} were made before.")
    if not left:
        return outcomes
    plans = plans_of(options, len(left))
    began, fresh = time.perf_counter(), 0
    pool = pool_of(plans, options)
    try:
        for outcome in Run(graph, options.out, pool, len(plans), say).films(left):
            outcomes.append(outcome)
            fresh += 1
            rest = (len(left) - fresh) * (time.perf_counter() - began) / fresh / 60
            error, seconds = outcome.record["error"], outcome.record["seconds"]
            what = f"failed: {error}" if error else f"{seconds:.1f} s"
            say(f"[{len(outcomes)}/{len(films)}] {outcome.film.name}: {what} ({rest:.0f} min left)")
    except KeyboardInterrupt:
        raise InteractError("interrupted. Run the same command again; what is made is kept.") from None
    finally:
        pool.close()
    return outcomes


def plans_of(options: argparse.Namespace, films: int) -> list[ServerPlan]:
    """A plan for each server, no more than there are films."""
    common = {"limit": options.limit, "keep": tuple(options.keep)}
    if options.servers:
        return [ServerPlan(address, **common) for address in options.servers[:films]]
    gpus = _gpus()
    plans = []
    for number in range(min(options.workers, films)):
        extra = tuple(options.extra)
        if gpus > 1 and not _uses_ray(options):  # Ray shows each actor its own GPU
            extra = ("--cuda-device", str(number % gpus), *extra)
        plans.append(ServerPlan(extra=extra, cpu=not gpus_of(options), **common))
    return plans


def pool_of(plans: Sequence[ServerPlan], options: argparse.Namespace) -> Pool:
    """Ray's where it is installed and servers are started. Raises InteractError where --address needs it."""
    if options.address and importlib.util.find_spec("ray") is None:
        raise InteractError("--address needs Ray (the extra `scale`): install it, or leave --address out.")
    if not _uses_ray(options):
        say(f"{len(plans)} servers, each watched by a thread of this process.")
        return ThreadPool(plans)
    gpus = gpus_of(options)
    say(f"{len(plans)} servers, each in a Ray actor.")
    pool = RayPool(plans, options.address, 0.0 if options.servers else gpus)
    if pool.waits_for_gpu:
        say(f"They wait for {gpus:g} GPU, which Ray does not have now: --gpus 0 starts them on processors.")
    return pool


def gpus_of(options: argparse.Namespace) -> float:
    """Of each server: what `--gpus` says; else one on a cluster, and here where there are any."""
    return options.gpus if options.gpus is not None else float(bool(options.address or _gpus()))


def _uses_ray(options: argparse.Namespace) -> bool:
    return not options.no_ray and not options.servers and importlib.util.find_spec("ray") is not None


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def score(outcomes: Sequence[Outcome], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Figures by the film's key, of every film that was made; what is scored is kept, as with `dev.py score`."""
    from ..host.standalone import prepare_comfy

    prepare_comfy()

    from .figures import score_films

    return score_films(outcomes, options.out, options.score, say)


def write(outcomes: Sequence[Outcome], figures: dict[str, Any], films: Sequence[Film], out: Path) -> int:
    """The table of all films, in the order of their rows; returns how many failed."""
    own = list(dict.fromkeys(name for film in films for name in film.row if name not in OUR_COLUMNS))
    kinds = OUR_COLUMNS | dict.fromkeys(FIGURES if figures else (), "float") | dict.fromkeys(own, "text")
    rows = []
    for outcome in sorted(outcomes, key=lambda outcome: outcome.film.number):
        record, film = outcome.record, outcome.film
        scored = figures.get(film.key)
        rows.append(
            {name: None if film.row.get(name) is None else str(film.row[name]) for name in own}
            | {name: film_mean(scored, name) if scored else None for name in (FIGURES if figures else ())}
            | {name: record[name] for name in ("error", "seconds", "tries", "server")}
            | {
                NAME: film.name,
                "status": "failed" if record["error"] else "made",
                "files": json.dumps(record["files"]),
            }
        )
    missing = write_table(rows, out / TABLE, kinds)
    failed = [row for row in rows if row["status"] == "failed"]
    say(f"{len(rows) - len(failed)} films made, {len(failed)} failed: {out / TABLE}.csv")
    if missing:
        say(missing)
    for row in failed[:10]:
        say(f"  {row[NAME]}: {row['error']}")
    return len(failed)


def say(line: str) -> None:
    """A line of progress."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
