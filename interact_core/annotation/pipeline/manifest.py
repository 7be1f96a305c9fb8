"""What is made: a Parquet file for each stage, and journals of what a run adds to it.

A worker writes a line to its own journal for every row that it has finished, so that a kill at any moment
loses only the rows that were being worked on. Journals are taken into the stage's Parquet file at the stage's
next beginning or end.

A row's key is a digest of all that it was made from: the raw film's size and date, and name, version and keys
of every stage that it went through. A stage does only what is not there under its key. A changed stage, or a
changed key of its table, is therefore done anew with all that follows it, and nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import InteractError, one_line
from ...whole_file import whole_file
from .record import Record, Stage

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the errors of a disk that takes no more."""


class NoRoom(InteractError):
    """The output takes no more, which is no row's fault."""


ERROR = "error: "
"""How the reason of a rejection begins that no figure decided: a crash, a hang, a file that cannot be read."""


def digest(*parts: Any) -> str:
    """24 hexadecimal digits of anything that JSON takes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def stage_digest(stage: Stage, keys: Any) -> str:
    """What a stage makes of the same row changes with this."""
    return digest(stage.name, stage.version, asdict(keys), stage.identity(keys))


@dataclass(frozen=True)
class Done:
    """What became of one row. made_from: its key as the stage's input; rows: what came of it; seconds: it took."""

    made_from: str
    rows: tuple[Record, ...]
    seconds: float


class Journal:
    """One worker's lines of one stage. Raises InteractError where the disk is full."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{uuid.uuid4().hex}.jsonl"
        self._file: Any = None

    def add(self, done: Done) -> None:
        line = {"made_from": done.made_from, "seconds": done.seconds, "rows": [r.to_row() for r in done.rows]}
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("a", encoding="utf-8")
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise no_room(self.path.parent, error) from error


def is_full(error: BaseException | None) -> bool:
    """Whether a disk that takes no more is behind an error."""
    while error is not None:
        if getattr(error, "errno", None) in FULL:
            return True
        error = error.__cause__
    return False


def no_room(folder: Path, error: Exception) -> NoRoom:
    """The sentence of an output that takes no more."""
    return NoRoom(
        f"{folder} cannot be written to ({one_line(error)}): make room and run the same command again; what is "
        "finished is kept."
    )


class Manifest:
    """The folder `manifest` of an output."""

    def __init__(self, out: Path) -> None:
        self.folder = out / "manifest"

    def journals(self, stage: str) -> Path:
        """The folder of a stage's journals."""
        return self.folder / stage

    def settle(self, stage: str, wanted: Sequence[str], again: bool = False) -> dict[str, Done]:
        """Take the journals into the stage's file, drop what is not wanted any more, and give what is there.

        wanted: made_from of the rows that the stage has to do, in the order of the file. again: drop the rows that
        ended in an error, too.
        """
        found = {done.made_from: done for done in (*self.read(stage), *self._journaled(stage))}
        kept = {made_from: found[made_from] for made_from in wanted if made_from in found}
        if again:
            kept = {name: done for name, done in kept.items() if not _failed(done)}
        self.write(stage, kept.values())
        for journal in self.journals(stage).glob("*.jsonl"):
            journal.unlink(missing_ok=True)
        return kept

    def read(self, stage: str) -> list[Done]:
        """The stage's Parquet file; empty where there is none. Raises InteractError where it cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.folder / f"{stage}.parquet"
        if not path.is_file():
            return []
        try:
            rows = pq.read_table(path).to_pylist()
            done: dict[str, tuple[list[Record], float]] = {}
            for row in rows:
                made_from, seconds = row.pop("made_from"), row.pop("seconds")
                done.setdefault(made_from, ([], seconds))[0].append(_record(row))
        except (OSError, pa.ArrowException, KeyError, TypeError) as error:
            raise InteractError(
                f"{path} cannot be read ({one_line(error)}): delete it, and the stage is done anew."
            ) from error
        return [Done(name, tuple(records), seconds) for name, (records, seconds) in done.items()]

    def write(self, stage: str, finished: Iterable[Done]) -> None:
        """Write the stage's Parquet file; it appears whole."""
        rows = [
            {"made_from": done.made_from, "seconds": done.seconds, **record.to_row()}
            for done in finished
            for record in done.rows
        ]
        write_parquet(rows, self.folder / f"{stage}.parquet")

    def _journaled(self, stage: str) -> Iterable[Done]:
        for journal in sorted(self.journals(stage).glob("*.jsonl")):
            for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    found = json.loads(line)
                    rows = tuple(_record(row) for row in found["rows"])
                    yield Done(found["made_from"], rows, found["seconds"])
                except (ValueError, LookupError, TypeError):  # a kill in the middle of the last line
                    continue


def _record(row: Mapping[str, Any]) -> Record:
    return Record(**{**row, "figures": dict(row["figures"]), "texts": dict(row["texts"])})


def _failed(done: Done) -> bool:
    return any(record.rejected.startswith(ERROR) for record in done.rows)


def write_parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Rows of records, perhaps with made_from and seconds. Raises InteractError where the disk is full."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = pa.string(), pa.float64()
    kinds = {
        **dict.fromkeys(("made_from", "id", "source", "folder", "rejected", "stage", "key"), text),
        **dict.fromkeys(("seconds", "start", "end", "figure"), number),
        "figures": pa.map_(text, number),
        "texts": pa.map_(text, text),
    }
    names = [name for name in kinds if not rows or name in rows[0]]
    columns = {name: [row[name] for row in rows] for name in names}
    for name in ("figures", "texts"):
        columns[name] = [list(value.items()) for value in columns[name]]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({name: pa.array(columns[name], kinds[name]) for name in names})
        with whole_file(path) as partial:
            pq.write_table(table, partial)
    except OSError as error:
        raise no_room(path.parent, error) from error
