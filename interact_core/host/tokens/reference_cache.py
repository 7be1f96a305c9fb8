"""The reference KV cache: reference pictures pass through the blocks in every n-th evaluation, not in each.

A deviation from the paper, whose model gets them in every step. The pictures do not change while the video forms, and
what the blocks make of them changes little from one step to the next. So their tokens can be left out of the sequence,
and self-attention be given the keys and values that they had when they were last in it: a picture then costs what
attending to it costs, and nothing else.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ...guidance import Cast, GuidanceSettings
from .geometry import Geometry, KeptTokens
from .reference_pruning import kept_tokens

Key = tuple[tuple[object, ...], int, torch.device, bool]
"""Conds by uuid, latent frames in the call, device, and whether attention is proportional. All windows of one length
share what the first of them stored: in each, the references follow the last frame (Geometry.positions)."""


@dataclass
class CachedReferences:
    """Keys, values and features of one call's references, for the calls of later evaluations.

    evaluation: in which they passed through the blocks; keys_and_values: by block, both [B, N*K, D], as they entered
    attention; features: by mask block, [R, N, h*w, D] as of Geometry.reference_tokens.
    """

    evaluation: int
    keys_and_values: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    features: dict[str, Tensor] = field(default_factory=dict)

    def store(self, block: int, *keys_and_values: Tensor) -> None:
        """Both [B, N*K, D]: copied, so that the rest of the sequence can be freed."""
        k, v = (x.clone() for x in keys_and_values)
        self.keys_and_values[block] = k, v

    def append_to(self, block: int, *keys_and_values: Tensor) -> tuple[Tensor, Tensor]:
        """Those of the rest of the sequence, both [B, L, D], followed by the references'."""
        k, v = (
            torch.cat(both, dim=1) for both in zip(keys_and_values, self.keys_and_values[block], strict=True)
        )
        return k, v


class ReferenceCache:
    """Of one run: which tokens of the references each call gets, and which keys and values it reads or stores."""

    def __init__(self, cast: Cast, settings: GuidanceSettings) -> None:
        self._interval = settings.reference_interval
        pruned = settings.reference_tokens == "person" and cast.references > 0
        self._kept: KeptTokens | None = kept_tokens(cast) if pruned else None
        self._entries: dict[Key, CachedReferences] = {}
        self._lock = threading.Lock()

    def of_call(
        self,
        geometry: Geometry,
        uuids: Sequence[object] | None,
        device: torch.device,
        evaluation: int,
        proportional: bool,
    ) -> tuple[Geometry, CachedReferences | None]:
        """The call's geometry, and what it reads (if the geometry is `cached`) or has to fill for later calls.

        uuids: of its conds; without them nothing can be cached. evaluation: number of the model's evaluation in the
        run; proportional: whether attention can be weighted; if not, no token is pruned.
        """
        if not geometry.references:
            return geometry, None
        if self._kept is not None:
            self._kept = self._kept.to(device)  # once, not in every call
        geometry = replace(geometry, kept=self._kept if proportional else None)
        if self._interval == 1 or uuids is None:
            return geometry, None
        key = (tuple(uuids), len(geometry.frames), device, proportional)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and evaluation < entry.evaluation + self._interval:
                return replace(geometry, cached=True), entry
            entry = self._entries[key] = CachedReferences(evaluation)
        return geometry, entry

    def tokens_each(self, frame_tokens: int) -> int:
        """Tokens of each reference whose keys and values stay in memory through the run."""
        if self._interval == 1:
            return 0
        return frame_tokens if self._kept is None else self._kept.each

    def release(self) -> None:
        """Drop every tensor."""
        self._entries.clear()
