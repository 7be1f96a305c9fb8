"""The row that goes from stage to stage: one film at first, one clip from the cuts on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

VIDEO = "video.mp4"
"""The side file of a clip: its frames at `FPS`, without sound."""
SOUND = "sound.wav"
"""The side file of a film and of a clip: mono, 16 bit, at `RATE`, as long as the picture."""
FPS = 25
RATE = 16000


class Rejected(Exception):
    """Raised by a stage for a row that goes no further. reason: a sentence without a full stop; figure: the value
    that decided, where there is one.
    """

    def __init__(self, reason: str, figure: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.figure = reason, figure


@dataclass(frozen=True)
class Record:
    """One film or clip.

    id: a name of letters, digits, - and _, the same in every run; source: the film's file below the folder of
    raw films; start, end: seconds of that film; folder: of its side files, below the output; figures, texts:
    columns that the stages add; rejected: why it goes no further ("" while it does), by which stage, and the
    figure that decided (NaN for none); key: a digest of all that it was made from (pipeline/manifest.py).
    """

    id: str
    source: str
    start: float = 0.0
    end: float = 0.0
    folder: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    rejected: str = ""
    stage: str = ""
    figure: float = float("nan")
    key: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def having(self, texts: Mapping[str, str] | None = None, **figures: float) -> Record:
        """The same with more columns."""
        values = {name: float(value) for name, value in figures.items()}
        return replace(self, figures={**self.figures, **values}, texts={**self.texts, **(texts or {})})

    def reject(self, reason: str, figure: float | None = None) -> Record:
        """The same as a row that goes no further; the pipeline writes the stage in."""
        return replace(self, rejected=reason, figure=float("nan") if figure is None else float(figure))

    def to_row(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


@dataclass(frozen=True)
class Places:
    """The folder of raw films and the output."""

    raw: Path
    out: Path

    def film(self, record: Record) -> Path:
        """The raw film that a row comes from."""
        return self.raw / record.source

    def folder(self, record: Record) -> Path:
        """Where the side files of a row lie; it is made if it is not there."""
        folder = self.out / record.folder
        folder.mkdir(parents=True, exist_ok=True)
        return folder


Run = Callable[[Record, Places], Record | Sequence[Record]]
"""One row to one or more: figures and texts added, side files written.

Raises Rejected; any other error than a full disk or a lack of memory is the row's rejection, too. It gives the same for
the same row, and is called again for a row whose worker died: side files are written over.
"""


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    name: also of its table in the configuration; version: raised when the same row and keys give something
    else, so that its rows are made anew; keys: the dataclass of that table (`config_tables.py: key`); make: gives
    the function of a row, once in each worker, and loads models there. It raises InteractError for a file that
    is missing, which stops the run. check: the same test of files without loading them, before the first film.
    isolated: a row runs in a process of its own with a time limit (pipeline/isolate.py), because files of
    strangers are decoded there. gpu: it uses one where there is one. whole: instead of make; all rows that are
    left to all rows that go on or are rejected, at once and in every run, such as a search for duplicates.
    identity: of files that the keys name, so that other weights of the same name are other weights.
    of_shards: its rows are shards and no clips any more. idle: whether these keys leave it out.
    """

    name: str
    version: int
    keys: type
    make: Callable[[Any], Run] | None = None
    check: Callable[[Any], None] = lambda keys: None
    isolated: bool = False
    gpu: bool = False
    whole: Callable[[list[Record], Any, Places], list[Record]] | None = None
    identity: Callable[[Any], str] = lambda keys: ""
    of_shards: bool = False
    idle: Callable[[Any], bool] = lambda keys: False
