"""Which films are scored, and whose voice, picture and mask are where: from a manifest or from folders."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InteractError
from ..tables import TABLES, read_rows

FILMS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".opus", ".aac")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
COLUMNS = ("film", "person", "voice", "reference", "mask", "spans", "start", "predicted")
ONLY = "speaker"  # what the one person of a film is called that nobody named


@dataclass(frozen=True)
class PersonFiles:
    """Where one person's files are, each None where there is none.

    voice: a recording, or a film whose sound it is; reference: their picture; mask: a picture for the whole film, or a
    film in grey; spans: seconds of the film in which they speak; start: seconds of the film at which the recording
    begins; predicted: the masks of the run that made the film, as mask.
    """

    name: str
    voice: Path | None = None
    reference: Path | None = None
    mask: Path | None = None
    spans: tuple[tuple[float, float], ...] | None = None
    start: float = 0.0
    predicted: Path | None = None

    @property
    def files(self) -> tuple[Path | None, ...]:
        """All of them, None where there is none."""
        return self.voice, self.reference, self.mask, self.predicted


@dataclass(frozen=True)
class Job:
    """One film and its people."""

    film: Path
    people: tuple[PersonFiles, ...]

    def key(self, settings: str) -> str:
        """The same for the same files, unchanged since, and settings: what a finished record is found by."""
        digest = hashlib.sha256(settings.encode())
        for person in (*self.people,):
            digest.update(repr((person.name, person.spans, person.start)).encode())
        for path in (self.film, *(path for one in self.people for path in one.files)):
            digest.update(f"{path}".encode())
            if path is not None and path.is_file():
                stat = path.stat()
                digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
        return digest.hexdigest()[:16]


def read_jobs(
    films: Path,
    references: Path | None = None,
    voices: Path | None = None,
    masks: Path | None = None,
    predicted: Path | None = None,
) -> list[Job]:
    """Jobs of a manifest (CSV, JSON or Parquet: COLUMNS, a row for each film and person) or of a folder of films.

    In the folders a film's people are `NAME/PERSON.*`, or `NAME.*` where it has one person; NAME is the film's file
    without its ending. Raises InteractError for a place that is not there, without films, or with a row that misses
    its film.
    """
    if films.is_dir():
        folders = {"voice": voices, "reference": references, "mask": masks, "predicted": predicted}
        return _from_folders(films, folders)
    if films.suffix.lower() in TABLES and films.is_file():
        return _from_manifest(films)
    raise InteractError(f"{films} is neither a folder of films nor a manifest ({', '.join(TABLES)}).")


def _from_folders(films: Path, folders: Mapping[str, Path | None]) -> list[Job]:
    """Jobs of a folder of films; folders: by fields of PersonFiles."""
    for folder in folders.values():
        if folder is not None and not folder.is_dir():
            raise InteractError(f"{folder} is not a folder.")
    found = sorted(file for file in films.rglob("*") if file.suffix.lower() in FILMS)
    if not found:
        raise InteractError(f"{films} holds no films ({', '.join(FILMS)}).")
    return [_job_of(film, folders) for film in found]


ENDINGS = {"voice": SOUNDS, "reference": PICTURES, "mask": PICTURES + FILMS, "predicted": PICTURES + FILMS}


def _job_of(film: Path, folders: Mapping[str, Path | None]) -> Job:
    files = {what: _by_person(folder, film.stem, ENDINGS[what]) for what, folder in folders.items()}
    names = sorted({name for some in files.values() for name in some} - {ONLY})
    people = [
        PersonFiles(
            name,
            files["voice"].get(name),
            files["reference"].get(name),
            files["mask"].get(name),
            predicted=files["predicted"].get(name),
        )
        for name in names or [ONLY]
    ]
    return Job(film, tuple(with_own_sound(film, people)))


def _by_person(folder: Path | None, film: str, endings: Sequence[str]) -> dict[str, Path]:
    """Files by person's name; ONLY for a file that is called as the film is."""
    if folder is None:
        return {}
    inside = folder / film
    if inside.is_dir():
        return {f.stem: f for f in sorted(inside.iterdir()) if f.suffix.lower() in endings}
    own = [
        f
        for f in sorted(folder.glob(f"{_literal(film)}.*"))
        if f.suffix.lower() in endings and f.stem == film
    ]
    return {ONLY: own[0]} if own else {}


def _literal(name: str) -> str:
    """A name for glob, with what glob reads as signs taken literally."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def with_own_sound(film: Path, people: Sequence[PersonFiles]) -> list[PersonFiles]:
    """The film's own sound is the voice of its one person, if no other was given."""
    if len(people) == 1 and people[0].voice is None:
        return [replace(people[0], voice=film)]
    return list(people)


def _from_manifest(path: Path) -> list[Job]:
    rows = read_rows(path)
    by_film: dict[Path, list[PersonFiles]] = {}
    for number, row in enumerate(rows, start=1):
        unknown = set(row) - set(COLUMNS)
        if unknown or not row.get("film"):
            what = f"columns {', '.join(sorted(unknown))}" if unknown else "no film"
            raise InteractError(f"row {number} of {path} has {what}: the columns are {', '.join(COLUMNS)}.")
        try:
            person = PersonFiles(
                str(row.get("person") or ONLY),
                *(_place(path, row.get(what)) for what in ("voice", "reference", "mask")),
                spans=read_spans(row.get("spans")),
                start=float(row.get("start") or 0.0),
                predicted=_place(path, row.get("predicted")),
            )
        except (TypeError, ValueError) as error:
            raise InteractError(f"row {number} of {path} cannot be read: {error}.") from error
        by_film.setdefault(path.parent / str(row["film"]), []).append(person)
    if not by_film:
        raise InteractError(f"{path} names no films.")
    return [Job(film, tuple(with_own_sound(film, people))) for film, people in by_film.items()]


def _place(manifest: Path, value: Any) -> Path | None:
    return manifest.parent / str(value) if value else None


def read_spans(value: Any) -> tuple[tuple[float, float], ...] | None:
    """Seconds, as text (0-1.5 2-3) or as pairs."""
    if not value:
        return None
    if isinstance(value, str):
        value = [part.split("-") for part in value.replace(";", " ").replace(",", " ").split()]
    spans = tuple((float(begin), float(end)) for begin, end in value)
    if any(not 0 <= begin < end for begin, end in spans):
        raise ValueError(f"spans {value} are not seconds from and to")
    return spans
