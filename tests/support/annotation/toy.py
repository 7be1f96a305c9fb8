"""Stages without films, which tell by files how often they worked."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from interacthuman.interact_core.annotation.pipeline.record import Places, Record, Rejected, Stage
from interacthuman.interact_core.config_tables import key


@dataclass(frozen=True)
class ToyKeys:
    """A toy's keys."""

    factor: float = key(1.0, "what figures are multiplied by")


def worked(places: Places, stage: str) -> list[str]:
    """The rows that a stage was asked for, in their order of being begun."""
    path = places.out / f"{stage}.txt"
    return path.read_text("utf-8").split() if path.exists() else []


def _note(places: Places, stage: str, record: Record) -> None:
    with (places.out / f"{stage}.txt").open("a", encoding="utf-8") as file:
        file.write(f"{record.id}\n")


def make_halves(keys: ToyKeys):
    """A film to two clips, the second of which is rejected where its film's name begins with x. A film whose name is a
    kind of trouble makes it.
    """

    def run(record: Record, places: Places) -> list[Record]:
        _note(places, "halves", record)
        _trouble(Path(record.source).stem, places)
        size = places.film(record).stat().st_size
        first, second = (Record(f"{record.id}-{n}", record.source, n, n + 1.0) for n in (0, 1))
        clips = [clip.having(size=size * keys.factor) for clip in (first, second)]
        return [clips[0], clips[1].reject("begins with x", 7.0) if record.source[0] == "x" else clips[1]]

    return run


def _trouble(kind: str, places: Places) -> None:
    if kind == "hang":
        time.sleep(60)
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "exit":
        print("no such codec", file=sys.stderr, flush=True)
        os._exit(3)
    if kind == "memory":
        bytearray(2**34)
    if kind == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if kind == "broken":
        raise ValueError("not a film")
    if kind == "prints":
        print("noise", flush=True)
    if kind == "dies once" and not (places.out / "died").exists():
        (places.out / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def make_lengths(keys: ToyKeys):
    """Adds a figure, and rejects odd sizes."""

    def run(record: Record, places: Places) -> Record:
        _note(places, "lengths", record)
        if record.figures["size"] % 2:
            raise Rejected("odd", record.figures["size"])
        return record.having(twice=2 * record.figures["size"] * keys.factor)

    return run


def make_heavy(keys: ToyKeys):
    """Takes rows that carry megabytes, and one of which kills its worker the first time."""

    def run(record: Record, places: Places) -> Record:
        if record.id == "row-07":
            _trouble("dies once", places)
        return Record(record.id, record.source).having(length=len(record.texts["load"]))

    return run


HALVES = Stage("halves", 1, ToyKeys, make_halves)
LENGTHS = Stage("lengths", 1, ToyKeys, make_lengths)
HEAVY = Stage("heavy", 1, ToyKeys, make_heavy)


def raw_films(folder: Path, **sizes: int) -> Path:
    """Files that only their names make films: NAME.mp4 of so many bytes."""
    folder.mkdir(exist_ok=True)
    for name, size in sizes.items():
        (folder / f"{name}.mp4").write_bytes(bytes(size))
    return folder
