"""Every place of a model scored during a run: how well its masks by likeness are those that are given."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...adapter.affinity import LikenessHead
from ...guidance import Cast
from ...guidance.affinity_recipe import HIDDEN, QUERY_KEY, Place, PlaceScores
from ...metrics.regions import SHOWN, share_of
from ..forward.call import CallState
from ..forward.patches import mask_logits
from ..forward.query_key import logits_of_head
from ..tokens.geometry import Geometry
from ..tokens.likeness import likeness_of, shows_examples

MOST_LEVELS = 4
SAME = 1e-4  # relative: a sampler's sigma may differ from the schedule's in the last digits


def levels_of(schedule: Sequence[float]) -> list[float]:
    """At most MOST_LEVELS sigmas of a schedule of steps, spread evenly over it and away from both ends."""
    count = min(MOST_LEVELS, len(schedule))
    return [schedule[int((number + 0.5) * len(schedule) / count)] for number in range(count)]


class BlockProbe:
    """Under PROBE_KEY of a MODEL through one run. Of each place only two counts of cells are kept.

    IoU is that of metrics/regions.py: mask_iou, on the token grid, over all frames of a character. Where the examples
    are the first frame's own tokens (regions), that frame is left out.
    """

    def __init__(self, cast: Cast, scored: Sequence[int], temperature: float, compares_heads: bool) -> None:
        """scored: the characters whose layouts are the truth, by number; the cast has layouts."""
        assert cast.layouts is not None, "probe_blocks refuses a cast without layouts"
        self.compares_heads = compares_heads
        self.temperature = temperature
        self._cast = cast
        self._scored = list(scored)
        self._given = cast.layouts[self._scored] >= SHOWN  # [S, T, h, w]
        self._pending: list[float] | None = None  # levels that the run has not reached
        self._levels: list[float] = []
        self._counts: dict[tuple[int, Place], Tensor] = {}  # by level: [2, S], cells in both and in either
        self._lock = threading.Lock()  # several devices may call at once

    def judge_of(self, call: CallState, options: dict[str, Any]) -> "CallJudge | None":
        """What scores the places of this call; None where it has no row with masks or is not to be looked at."""
        geometry = call.geometry
        if call.mask_rows is not None and not len(call.mask_rows):
            return None
        own_first = self._cast.regions is not None and not geometry.group_picture
        shown = [
            number
            for number in range(geometry.anchors, len(geometry.frames))
            if not (own_first and geometry.frames[number] == 0)
        ]
        if not shown or not shows_examples(self._cast, geometry):
            return None
        level = self._level(options)
        if level is None:
            return None
        return CallJudge(self, call, level, shown, likeness_of(self._cast, geometry, self.temperature))

    def _level(self, options: dict[str, Any]) -> int | None:
        """The number of the noise level that this evaluation is looked at as: the first at or below each chosen one."""
        sigma = float(options["sigmas"].max())
        with self._lock:
            if self._pending is None:
                self._pending = levels_of(options["sample_sigmas"][:-1].tolist())
            if sigma in self._levels:  # another call of the same evaluation
                return self._levels.index(sigma)
            left = [level for level in self._pending if sigma > level * (1 + SAME)]
            if len(left) == len(self._pending):
                return None
            self._pending = left
            self._levels.append(sigma)
            return len(self._levels) - 1

    def given(self, geometry: Geometry, shown: Sequence[int], device: torch.device) -> Tensor:
        """Bool [S, frames shown, h, w] of a call."""
        return self._given[:, [geometry.frames[number] for number in shown]].to(device)

    def count(self, level: int, place: Place, found: Tensor, given: Tensor) -> None:
        """found: bool [N, frames, h, w] of the whole cast; given: of those who are scored."""
        found = found[self._scored]
        counts = torch.stack([found & given, found | given]).flatten(2).sum(-1)
        with self._lock:
            before = self._counts.get((level, place))
            self._counts[level, place] = counts if before is None else before + counts.to(before.device)

    def scores(self) -> PlaceScores | None:
        """After the run; None where no block was seen."""
        order = sorted(range(len(self._levels)), key=lambda level: -self._levels[level])
        places = [
            place
            for place in {place for _, place in self._counts}
            if all((level, place) in self._counts for level in order)
        ]
        found = {place: tuple(self._iou(level, place) for level in order) for place in places}
        if not found:
            return None
        return PlaceScores(tuple(self._levels[level] for level in order), found, self.temperature)

    def _iou(self, level: int, place: Place) -> float:
        each = self._counts[level, place].cpu().numpy()
        return sum(share_of(each[:, number]) for number in range(each.shape[1])) / each.shape[1]


class CallJudge:
    """Scores the places of one call, one after the other, by its first row with voices; a `call.py: PlaceJudge`."""

    def __init__(
        self, probe: BlockProbe, call: CallState, level: int, shown: Sequence[int], likeness: LikenessHead
    ) -> None:
        """shown: which frames of the call count."""
        self.compares_heads = probe.compares_heads
        self._probe = probe
        self._likeness = likeness
        self._call = call
        self._level = level
        self._shown = list(shown)
        self._given: Tensor | None = None
        self._seen: set[Place] = set()  # VACE blocks come by again under their host's index

    def see_hidden(self, block: int, tokens: Tensor) -> None:
        """tokens: [B, L, D], what comes out of the block."""
        own = replace(self._call, mask_heads={str(block): self._likeness}, mask_rows=None)
        place = Place(block, HIDDEN)
        if place not in self._seen:
            self._score(place, mask_logits(own, str(block), self._row(tokens)))

    def see_heads(self, block: int, q: Tensor, k: Tensor) -> None:
        """q, k: [B, L, H, d], roped, of the block's self-attention."""
        own = replace(self._call, likeness=self._likeness, mask_rows=None)
        q, k = self._row(q), self._row(k)
        for head in range(q.shape[2]):
            place = Place(block, QUERY_KEY, head)
            if place not in self._seen:
                self._score(place, logits_of_head(own, q, k, head))

    def _row(self, x: Tensor) -> Tensor:
        return x[:1] if self._call.mask_rows is None else x[self._call.mask_rows[:1]]

    def _score(self, place: Place, logits: Tensor) -> None:
        """logits: [1, N, T*h*w]; a probability of SHOWN is a logit of 0."""
        self._seen.add(place)
        geometry = self._call.geometry
        grid = (len(geometry.frames), geometry.height, geometry.width)
        if self._given is None:
            self._given = self._probe.given(geometry, self._shown, logits.device)
        found = logits[0].unflatten(-1, grid)[:, self._shown] >= 0
        self._probe.count(self._level, place, found, self._given)
