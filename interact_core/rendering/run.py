"""A run: films go to servers as these come free, and what is finished is kept at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..comfy_client import ServerDied
from ..errors import InteractError, one_line
from ..scoring.records import Record, read_record, write_json
from ..whole_file import whole_file
from .films import Film
from .graph import Graph, with_values
from .pools import Pool
from .schedule import Schedule
from .server import Made, Order

DEATHS = 3  # in a row, with no film between them: then a server is given up


@dataclass(frozen=True)
class Outcome:
    """A film that is done. record: film, files (below the output), seconds, server, tries, error (None when made).

    kept: it was finished in an earlier run.
    """

    film: Film
    record: Record
    kept: bool = False


def kept_outcomes(films: Sequence[Film], folder: Path) -> list[Outcome]:
    """Of those films that an earlier run has made and whose files are all there."""
    found = []
    for film in films:
        record = read_record(folder / "records" / f"{film.key}.json")
        if record and not record["error"] and all((folder / name).is_file() for name in record["files"]):
            found.append(Outcome(film, record, kept=True))
    return found


class Run:
    """Films on the servers of a pool. say: gets a line when a server begins, dies or is given up."""

    def __init__(
        self, graph: Graph, folder: Path, pool: Pool, servers: int, say: Callable[[str], None]
    ) -> None:
        self.graph, self.folder, self.pool, self.say = graph, folder, pool, say
        self.deaths = dict.fromkeys(range(servers), 0)  # of each server since its last film
        self.addresses: dict[int, str] = {}
        self.making: dict[int, Film] = {}
        self.starting: set[int] = set()
        self.idle: set[int] = set()
        self.last_words = ""

    def films(self, films: Sequence[Film]) -> Iterator[Outcome]:
        """Make the films and yield each as it ends.

        A film whose server dies is made once more, by whichever server is free. Raises InteractError when no server is
        left or the output cannot be written; what is finished is kept.
        """
        schedule = Schedule(films)
        for server in self.deaths:
            self._start(server)
        while self.starting or self.making:
            server, came = self.pool.next()
            film = self.making.pop(server, None)
            self.starting.discard(server)
            if isinstance(came, ServerDied):
                if film is not None and not schedule.once_more(film):
                    failed = Made(
                        failed=f"its server died {schedule.tries[film.key]} times: {one_line(came, 600)}"
                    )
                    yield self._finish(server, film, failed, schedule)
                self._mourn(server, film, came)
            elif isinstance(came, str):
                self.addresses[server] = came
                self.say(f"server {server + 1} is ready: {came}")
                self.idle.add(server)
            elif film is not None:
                self.deaths[server] = 0
                self.idle.add(server)
                yield self._finish(server, film, came, schedule)
            self._employ(schedule)
        if schedule.left:
            raise InteractError(
                f"no server is left for {schedule.left} films: {self.last_words}. Run the same command again; what is "
                "made is kept."
            )

    def _start(self, server: int) -> None:
        self.starting.add(server)
        self.pool.start(server)

    def _mourn(self, server: int, film: Film | None, death: ServerDied) -> None:
        """Start a server anew, or give it up."""
        self.deaths[server] += 1
        self.last_words = one_line(death, 600)
        self.say(f"server {server + 1} died{f' over {film.name}' if film else ''}: {self.last_words}")
        if self.deaths[server] < DEATHS:
            self._start(server)
        else:
            self.say(f"server {server + 1} is given up: it died {DEATHS} times without a film between them")

    def _employ(self, schedule: Schedule) -> None:
        """Give a film to every server that is free, as far as there are any."""
        for server in sorted(self.idle):
            film = schedule.take(server)
            if film is None:
                break
            self.idle.remove(server)
            self.making[server] = film
            self.pool.make(server, order_of(film, self.graph))

    def _finish(self, server: int, film: Film, made: Made, schedule: Schedule) -> Outcome:
        """Keep what came of a film."""
        record = {
            "film": film.name,
            "files": list(write_files(film, made, self.folder)),
            "seconds": round(made.seconds, 3),
            "server": self.addresses.get(server, ""),
            "tries": schedule.tries[film.key],
            "error": made.failed,
        }
        try:
            write_json(self.folder / "records" / f"{film.key}.json", record)
        except OSError as error:
            raise no_room(self.folder, error) from error
        return Outcome(film, record)


def order_of(film: Film, graph: Graph) -> Order:
    """What its server needs. Raises InteractError for a file that has gone since the table was read."""
    try:
        files = {target: (path.name, path.read_bytes()) for target, path in film.files.items()}
    except OSError as error:
        raise InteractError(f"row {film.number} ({film.name}): {error}.") from error
    return Order(with_values(graph, film.values), files)


def write_files(film: Film, made: Made, folder: Path) -> tuple[str, ...]:
    """Names below the output: films/NAME.mp4 for one file, films/NAME/TITLE.mp4 and so on for several."""
    if made.failed is not None:
        return ()
    files = dict(made.files)
    names = {title: f"films/{film.name}{Path(title).suffix}" for title in files}
    if len(files) > 1:
        names = {title: f"films/{film.name}/{title}" for title in files}
    try:
        for title, data in files.items():
            place = folder / names[title]
            place.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(place) as partial:
                partial.write_bytes(data)
    except OSError as error:
        raise no_room(folder, error) from error
    return tuple(names.values())


def no_room(folder: Path, error: OSError) -> InteractError:
    """The sentence of an output that takes no more."""
    return InteractError(
        f"{folder} cannot be written to: {error}. Make room and run the same command again; what is made is kept."
    )
