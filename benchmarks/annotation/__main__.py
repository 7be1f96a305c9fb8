"""`dev.py bench annotation`: is `dev.py annotate` right on raw films of which all is known?

The theatre cuts films together out of scenes that training never saw (theatre/raw_films.py); the pipeline takes them
through its stages, with the theatre's own eyes in place of public models. `pipeline` measures cutting, duplicates,
masks, and above all whose every voice is; `adapter` what is learned from the shards (adapter.py). A run that was
stopped goes on.
"""

from __future__ import annotations

import argparse
import datetime
import logging
from collections.abc import Sequence
from pathlib import Path

from ..scenes import held_out, result  # isort: skip  (it configures comfy, before anything imports comfy)
from ...interact_core.annotation.pipeline.config import read_config
from ...interact_core.annotation.pipeline.engine import OneProcess
from ...interact_core.annotation.pipeline.record import Places
from ...interact_core.annotation.pipeline.run import Passed, annotate
from ...interact_core.annotation.stages import STAGES
from ...interact_core.theatre.measuring import report
from ...interact_core.theatre.raw_films import LOOKS_FILE, RawFilm, write_films
from ...interact_core.theatre.training.clips import FRAMES
from ..scenes.result import Figure
from ..scenes.store import CACHE, add_run_arguments
from .adapter import CONFIG as TRAINING
from .adapter import PIPELINE, TRUTH, figures_of, run_scenes, train_both
from .figures import clips_of, figures
from .truth import write_truth

CONFIG = Path(__file__).parents[2] / "configs" / "annotate_theatre.toml"
LAST = {"pipeline": "references", "adapter": "shards"}
"""The last stage that is run: what comes behind packs, or encodes."""
TITLES = {"pipeline": "puppets", "adapter": "adapter"}
COUNTED = {"pipeline": "counted", "adapter": "scenes"}


def settings(looks: Path) -> list[str]:
    """Where the theatre's eyes find who may appear; no film is held out, as the scenes are."""
    found = [f"{table}.looks='{looks.resolve()}'" for table in ("captions", "masks", "voices")]
    return [*found, "groups.validation=0.0"]


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dev.py bench annotation", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("comparison", nargs="?", choices=tuple(LAST), default="pipeline")
    parser.add_argument(
        "--count", type=int, default=8, help="raw films of eight shots (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=held_out.FIRST_SEED, help="of the films")
    parser.add_argument("--folder", type=Path, default=CACHE / "annotation", help="for films and side files")
    parser.add_argument("--out", type=Path, default=result.FOLDER / "annotation.json", help="JSON")
    parser.add_argument("--training-steps", type=int, default=200, help="of adapter (default: %(default)s)")
    parser.add_argument("--scenes", type=int, default=8, help="of adapter, held out (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of each scene (default: %(default)s)")
    add_run_arguments(parser)
    return parser.parse_args(argv)


def learned(
    chosen: argparse.Namespace, films: Sequence[RawFilm], passed: Sequence[Passed], places: Places
) -> list[Figure]:
    """The figures of adapters that were trained on the pipeline's shards and on the truth."""
    rows = {one.stage: one.kept for one in passed}
    clips = clips_of(films, rows["references"])
    truth = write_truth(clips, places, chosen.folder / "truth", chosen.seed)
    shards = {
        PIPELINE: [places.out / row.texts["shard"] for row in rows["shards"]],
        TRUTH: truth,
    }
    trained = train_both(chosen.folder, chosen.models, shards, chosen.training_steps)
    return figures_of(run_scenes(chosen, trained))


def main(argv: Sequence[str] | None = None) -> None:
    from comfyui_version import __version__ as comfyui

    chosen = arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    raw, out = chosen.folder / "raw", chosen.folder / "out"
    films = write_films(raw, chosen.seed, chosen.count)
    stages = STAGES[: 1 + [stage.name for stage in STAGES].index(LAST[chosen.comparison])]
    places = Places(raw, out)
    config = read_config(CONFIG, settings(raw / LOOKS_FILE), STAGES)
    passed = annotate(places, stages, config, OneProcess, print)
    if chosen.comparison == "pipeline":
        found, about = figures(films, passed, places), {"config": CONFIG.name}
    else:
        found = learned(chosen, films, passed, places)
        about = {"config": TRAINING.name, "training_steps": chosen.training_steps, "frames": chosen.frames}
    about["clips"] = len({one.stage: one for one in passed}["references"].kept)
    counted = COUNTED[chosen.comparison]
    print(result.table(found, counted))
    result.merge(
        chosen.out,
        TITLES[chosen.comparison],
        found,
        report.machine(),
        report.versions(comfyui),
        result.command("annotation"),
        counted=counted,
        **about,
        seed=chosen.seed,
        films=len(films),
        seconds_of_stages={one.stage: round(one.seconds, 1) for one in passed},
        when=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
    )


if __name__ == "__main__":
    main()
