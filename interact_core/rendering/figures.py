"""Figures of finished films, by the scorer of `dev.py score`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InteractError
from ..host.folders import register_folders
from ..host.scorer import ScorerFiles, load_found_scorer
from ..scoring.jobs import FILMS
from ..scoring.records import Record, check_output, failure
from ..scoring.work import run_jobs, settings
from .run import Outcome


def score_films(
    outcomes: Sequence[Outcome], out: Path, title: str, say: Callable[[str], None]
) -> dict[str, Record]:
    """Records of `dev.py score` by the key of the film, of all that were made.

    title: of the node whose video is scored, where a film has several. Raises InteractError where it is not told which.
    """
    check_output(out / "score")
    register_folders()
    files, jobs = ScorerFiles(), {}
    for outcome in outcomes:
        if outcome.record["error"]:
            continue
        film = outcome.film
        job = film.job(out / _video_of(outcome, title))
        jobs[job.key(settings(files))] = (film.key, job)
    records = {}
    todo, score = [job for _, job in jobs.values()], out / "score"
    for scored in run_jobs(todo, score, load_found_scorer, files, settings(files), workers=1):
        if scored.record is None:
            say(f"not scored: {failure(scored.film, scored.failed or '')}")
        else:
            records[jobs[scored.key][0]] = scored.record
    return records


def _video_of(outcome: Outcome, title: str) -> str:
    videos = [name for name in outcome.record["files"] if Path(name).suffix in FILMS]
    if title:
        videos = [name for name in videos if Path(name).stem == title] or videos
    if len(videos) != 1:
        titles = ", ".join(Path(name).stem for name in videos) or "none"
        raise InteractError(
            f"{outcome.film.name} has {len(videos)} videos ({titles}): name the node whose video is scored by "
            "--score TITLE."
        )
    return videos[0]
