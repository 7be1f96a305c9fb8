"""Which film a free server makes next: those that share models stay together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from .films import Film

TRIES = 2  # a film whose server died is made once more


class Schedule:
    """The films that are left, by the models that they load.

    A server goes on with its own models as long as there are films for them; then it takes models that no other server
    has loaded, of those the ones with most films, and helps with a group of another server only when nothing else is
    left.
    """

    def __init__(self, films: Sequence[Film]) -> None:
        self._left: dict[str, deque[Film]] = {}
        for film in films:
            self._left.setdefault(film.models, deque()).append(film)
        self._at: dict[int, str] = {}
        self.tries: dict[str, int] = {}

    @property
    def left(self) -> int:
        """Films that nobody makes yet."""
        return sum(map(len, self._left.values()))

    def take(self, server: int) -> Film | None:
        """The next film of a server, None where none is left."""
        left = {models: films for models, films in self._left.items() if films}
        if not left:
            return None
        models = self._at.get(server)
        if models not in left:
            others = {at for number, at in self._at.items() if number != server}
            free = [name for name in left if name not in others] or list(left)
            models = max(free, key=lambda name: len(left[name]))
        self._at[server] = models
        film = left[models].popleft()
        self.tries[film.key] = self.tries.get(film.key, 0) + 1
        return film

    def once_more(self, film: Film) -> bool:
        """Put a film back, first of its group, whose server died; False where it has had its tries."""
        if self.tries[film.key] >= TRIES:
            return False
        self._left[film.models].appendleft(film)
        return True
