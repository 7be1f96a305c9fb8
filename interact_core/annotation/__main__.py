"""`python dev.py annotate RAW/ OUT/ --config annotate.toml`: training shards of raw films. docs/scale.md."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import InteractError
from ..scoring.records import check_output, write_json
from .pipeline.config import describe, read_config
from .pipeline.engine import engine_of
from .pipeline.record import Places
from .pipeline.run import annotate
from .stages import STAGES
from .summary import lines_of, summary_of


def main(words: Sequence[str] | None = None) -> int:
    """0 where all stages were gone through, 2 where nothing could be begun or the run had to stop."""
    options = parse(words)
    if options.explain:
        sys.stdout.write(describe(STAGES))
        return 0
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        config = read_config(options.config, options.set, STAGES)
        check_output(options.out, ("manifest",))
        places = Places(options.raw.resolve(), options.out.resolve())
        workers = options.workers or config.run.workers
        passed = annotate(
            places,
            STAGES,
            config,
            lambda: engine_of(options.address, not options.no_ray, workers, config.run.store_gb),
            say,
            options.again,
        )
        summary = summary_of(passed)
        write_json(options.out / "summary.json", summary)
    except InteractError as error:
        print(f"annotate stopped: {error}", file=sys.stderr)
        return 2
    for line in lines_of(summary):
        say(line)
    say(f"\nevery clip with its figures: {options.out / 'clips.parquet'}; shards: {options.out / 'shards'}")
    return 0


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="dev.py annotate", description=__doc__)
    parser.add_argument("raw", type=Path, nargs="?", help="folder of raw films; those in its folders, too")
    parser.add_argument("out", type=Path, nargs="?", help="folder for manifest, clips and shards")
    parser.add_argument("--config", type=Path, help="TOML file; without it every key has its default")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="TABLE.KEY=VALUE", help="keys to change, such as cuts.crf=18"
    )
    parser.add_argument(
        "--explain", action="store_true", help="print a configuration with every key explained"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes (default: [run] workers)")
    parser.add_argument("--address", help="of a Ray cluster, whose machines all see both folders")
    parser.add_argument("--no-ray", action="store_true", help="one process, as without Ray installed")
    parser.add_argument("--again", action="store_true", help="try the rows that ended in an error once more")
    options = parser.parse_args(words)
    if not options.explain and (options.raw is None or options.out is None):
        parser.error("give the folder of raw films and the folder for the output")
    if options.no_ray and options.address:
        parser.error("--address is of a Ray cluster, so it does not go with --no-ray")
    if options.workers < 0:
        parser.error("--workers must be 1 or more")
    return options


def say(line: str) -> None:
    """A line of progress."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
