"""`dev.py bench annotation`: is `dev.py annotate` right on raw films of which all is known?

The theatre cuts films together out of scenes that training never saw (theatre/raw_films.py); the pipeline takes them
through all stages but the last, with the theatre's own eyes in place of public models. What is measured is cutting,
duplicates, masks, and above all whose every voice is. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path

from ..scenes import held_out, result  # isort: skip  (it configures comfy, before anything imports comfy)
from ...interact_core.annotation.pipeline.config import read_config
from ...interact_core.annotation.pipeline.engine import OneProcess
from ...interact_core.annotation.pipeline.record import Places
from ...interact_core.annotation.pipeline.run import annotate
from ...interact_core.annotation.stages import STAGES
from ...interact_core.theatre.measuring import report
from ...interact_core.theatre.raw_films import LOOKS_FILE, write_films
from ..scenes.store import CACHE
from .figures import clips_of, figures
from .truth import write_truth

CONFIG = Path(__file__).parents[2] / "configs" / "annotate_theatre.toml"
LAST = "references"
"""The last stage that is run: what comes then packs and encodes."""


def settings(looks: Path) -> list[str]:
    """Where the theatre's eyes find who may appear."""
    return [f"{table}.looks='{looks.resolve()}'" for table in ("captions", "masks", "voices")]


def main(argv: Sequence[str] | None = None) -> None:
    from comfyui_version import __version__ as comfyui

    parser = argparse.ArgumentParser(
        prog="dev.py bench annotation", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument(
        "--count", type=int, default=8, help="raw films of eight shots (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=held_out.FIRST_SEED, help="of the films")
    parser.add_argument("--folder", type=Path, default=CACHE / "annotation", help="for films and side files")
    parser.add_argument("--out", type=Path, default=result.FOLDER / "annotation.json", help="JSON")
    parser.add_argument("--truth", type=Path, help="write shards of the same clips as they were drawn here")
    chosen = parser.parse_args(argv)
    raw, out = chosen.folder / "raw", chosen.folder / "out"
    films = write_films(raw, chosen.seed, chosen.count)
    stages = STAGES[: 1 + [stage.name for stage in STAGES].index(LAST)]
    places = Places(raw, out)
    config = read_config(CONFIG, settings(raw / LOOKS_FILE), STAGES)
    passed = annotate(places, stages, config, OneProcess, print)
    found = figures(films, passed, places)
    if chosen.truth is not None:
        print(*write_truth(clips_of(films, passed[-1].kept), places, chosen.truth, chosen.seed))
    print(result.table(found, "counted"))
    result.merge(
        chosen.out,
        "puppets",
        found,
        report.machine(),
        report.versions(comfyui),
        result.command("annotation"),
        counted="counted",
        config=CONFIG.name,
        seed=chosen.seed,
        films=len(films),
        seconds_of_stages={one.stage: round(one.seconds, 1) for one in passed},
        when=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
    )


if __name__ == "__main__":
    main()
