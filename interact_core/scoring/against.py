"""FVD of the scored films against a folder of real ones; the features of a film are kept, so that a run goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InteractError
from ..metrics.sets.fvd import Features, check_clips, clip_features, clips_of, fvd
from ..metrics.sync.tracks import SYNC_FPS
from ..whole_file import whole_file
from .films import open_film
from .jobs import FILMS

Say = Callable[[str], None]


def fvd_against(
    films: Sequence[Path], real: Path, features: Features, network: str, folder: Path, say: Say
) -> tuple[dict[str, Any] | None, list[str]]:
    """The figure of the summary, and sentences; None where FVD is refused, and a sentence says why.

    network: name of the I3D file, by which kept features are told apart; folder: for features/. All films are brought
    to 25 fps and cut into clips of 16 frames, the middle square of each. A film that cannot be read is left out and
    told. Raises InteractError for a place that holds no films.
    """
    reference = (
        sorted(file for file in real.rglob("*") if file.suffix.lower() in FILMS) if real.is_dir() else []
    )
    if not reference:
        raise InteractError(f"{real} holds no films for FVD ({', '.join(FILMS)}).")
    (folder / "features").mkdir(exist_ok=True)
    notes: list[str] = []
    try:
        scored = _features_of(films, features, network, folder, say, notes)
        check_clips("films", scored)  # before the reference, which is the longer part
        found = fvd(scored, _features_of(reference, features, network, folder, say, notes))
    except InteractError as error:
        return None, [*notes, str(error)]
    bias = (
        "" if found.bias is None else f", of which about {found.bias:.1f} is due to the number of clips alone"
    )
    notes.append(
        f"FVD is {found.value:.1f}{bias}: {found.clips[0]} clips against {found.clips[1]}, 16 frames at 25 fps, middle "
        "square of 224 pixels."
    )
    return {
        "mean": found.value,
        "low": None,
        "high": None,
        "films": found.clips[0],
        "bias": found.bias,
    }, notes


def _features_of(
    paths: Sequence[Path], features: Features, network: str, folder: Path, say: Say, notes: list[str]
) -> np.ndarray:
    """[clips, 400] of all films."""
    found = []
    for number, path in enumerate(paths, start=1):
        try:
            found.append(_kept(path, features, network, folder))
        except InteractError as error:
            notes.append(f"Left out of FVD: {error}")
            continue
        say(f"[FVD {number}/{len(paths)}] {path.name}: {len(found[-1])} clips")
    return np.concatenate(found) if found else np.zeros((0, 400))


def _kept(path: Path, features: Features, network: str, folder: Path) -> np.ndarray:
    stat = path.stat()
    key = hashlib.sha256(
        f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {network}".encode()
    ).hexdigest()[:16]
    file = folder / "features" / f"{key}.npy"
    try:
        return np.load(file, allow_pickle=False)
    except (OSError, ValueError):
        pass
    made = clip_features(clips_of(open_film(path).film.at_rate(SYNC_FPS)), features)
    with whole_file(file) as partial, partial.open("wb") as stream:
        np.save(stream, made, allow_pickle=False)
    return made
