"""Looking at the reference pictures now and then, and recalling in between what was seen of them.

A deviation from the paper, whose model looks at them in every step. The pictures do not change while the video
forms, and what the blocks make of them changes little from one step to the next. So their tokens can be left out of
the sequence, and self-attention be given the keys and values that they had when they were last in it: a picture costs
what attending to it costs, and nothing else.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ...guidance import Cast, GuidanceSettings
from .layout import Geometry, KeptTokens
from .reference_pruning import kept_tokens

Key = tuple[tuple[object, ...], int, torch.device, bool]
"""Conds by uuid, latent frames in the call, device, and whether tokens stand for several. All windows of one length share what the first of them saw:
the references stand behind the last frame of each (Geometry.positions)."""


@dataclass
class SeenReferences:
    """What the blocks of one call made of its references, for the calls of later evaluations.

    evaluation: in which they were seen; keys_and_values: by block, both [B, N*K, D], as attention had them; shown: by
    mask block, [R, N, h*w, D] as Geometry.reference_tokens has it.
    """

    evaluation: int
    keys_and_values: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    shown: dict[str, Tensor] = field(default_factory=dict)

    def note(self, block: int, *keys_and_values: Tensor) -> None:
        """Both [B, N*K, D]: copied, so that the rest of the sequence can go."""
        k, v = (x.clone() for x in keys_and_values)
        self.keys_and_values[block] = k, v

    def beside(self, block: int, *keys_and_values: Tensor) -> tuple[Tensor, Tensor]:
        """Those of the rest of the sequence, both [B, L, D], with the references' behind them."""
        k, v = (torch.cat(both, dim=1) for both in zip(keys_and_values, self.keys_and_values[block]))
        return k, v


class ReferenceView:
    """Of one run: what the blocks of each call see of the references, and what they recall."""

    def __init__(self, cast: Cast, settings: GuidanceSettings) -> None:
        self._interval = settings.reference_interval
        cut = settings.reference_tokens == "person" and cast.references > 0
        self._kept = kept_tokens(cast) if cut else None
        self._seen: dict[Key, SeenReferences] = {}
        self._lock = threading.Lock()

    def of_call(
        self,
        geometry: Geometry,
        uuids: Sequence[object] | None,
        device: torch.device,
        evaluation: int,
        weigh: bool,
    ) -> tuple[Geometry, SeenReferences | None]:
        """The call's geometry, and what it recalls (if `recalled` is set in it) or has to note for later calls.

        uuids: of its conds; without them nothing can be recalled. evaluation: number of the model's evaluation in the
        run; weigh: whether tokens may stand for several.
        """
        if not geometry.references:
            return geometry, None
        if self._kept is not None:
            self._kept = self._kept.to(device)  # once, and not in every call
        geometry = replace(geometry, kept=self._kept if weigh else None)
        if self._interval == 1 or uuids is None:
            return geometry, None
        key = (tuple(uuids), len(geometry.frames), device, weigh)
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None and evaluation < seen.evaluation + self._interval:
                return replace(geometry, recalled=True), seen
            seen = self._seen[key] = SeenReferences(evaluation)
        return geometry, seen

    def recalled_each(self, frame_tokens: int) -> int:
        """Tokens of each reference that are kept in memory through the run."""
        if self._interval == 1:
            return 0
        return frame_tokens if self._kept is None else self._kept.each

    def release(self) -> None:
        """Let go of every tensor."""
        self._seen.clear()
