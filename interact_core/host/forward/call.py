"""The state of one call of the diffusion model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import torch
from torch import Tensor

from ...adapter import SpeechAdapter
from ...adapter.affinity import LikenessHead
from ...adapter.families import LayersByBlock
from ...adapter.model import Attention
from ..tokens.geometry import Geometry
from ..tokens.reference_cache import CachedReferences
from .finite import FiniteProbe


class AudioRole(Enum):
    """Which audio one row of the batch gets; its value travels in the conditioning under ROLE_COND.

    NONE: no injection at all. The negative of classifier-free guidance: training drops audio by leaving the
        injection out, so this is the null condition that the network was trained on.
    MUTE: the mute track everywhere, mouths shut: the middle of three-way guidance.
    VOICES: every track inside its character's mask; this row also predicts the masks.
    """

    NONE = 0.0
    MUTE = 0.5
    VOICES = 1.0

    @classmethod
    def of(cls, flag: float) -> "AudioRole":
        """The role whose value is nearest (flags travel in the model's dtype)."""
        return min(cls, key=lambda role: abs(role.value - flag))


class PlaceJudge(Protocol):
    """Is shown what the blocks of one call make, and keeps none of it."""

    @property
    def compares_heads(self) -> bool:
        """Whether `see_heads` is wanted."""
        ...

    def see_hidden(self, block: int, tokens: Tensor) -> None:
        """tokens: [B, L, D], what comes out of the block."""
        ...

    def see_heads(self, block: int, q: Tensor, k: Tensor) -> None:
        """q, k: [B, L, H, d] of the block's self-attention, with RoPE; CallState.rotation is set."""
        ...


class CallProbe(Protocol):
    """What PROBE_KEY holds."""

    def judge_of(self, call: "CallState", options: dict[str, Any]) -> PlaceJudge | None:
        """For a call that has just been opened; None where it is not looked at."""
        ...


@dataclass(frozen=True)
class Voices:
    """The audio of the batch rows that get any.

    tokens: [S + 1, R, T, n, context], mute last; weights: [S + 1, R or 1, L or 1], the share of each track for each
    video token; rows: [R] int64, None for all rows; strength: factor on the injection. Where references get audio as
    well (null_audio.py), T counts them too.
    """

    tokens: Tensor
    weights: Tensor
    rows: Tensor | None
    strength: float


@dataclass
class CallState:
    """Read by the patches while the blocks run; `mask_logits` and `injected` are written by them.

    mask_logits: one [R, N, T*h*w] per mask block, in block order, R the rows in `mask_rows` (None: all).
    injected: blocks whose injection is done. VACE blocks call attn2 patches again under their host's index
        (comfy/ldm/wan/model.py, VaceWanModel.forward_orig), always after it.
    """

    geometry: Geometry
    positions: tuple[Tensor, Tensor]  # of the video's and the references' tokens: Geometry.positions
    adapter: SpeechAdapter
    attention: Attention
    voices: Voices | None
    mask_heads: LayersByBlock  # empty where no masks are wanted
    mask_rows: Tensor | None = None
    cached: CachedReferences | None = None  # the references' keys and values, to read or to store
    probe: FiniteProbe | None = None
    mask_logits: list[Tensor] = field(default_factory=list)  # of each head that has run
    mask_blocks: list[int] = field(default_factory=list)  # and the blocks behind which they stand
    injected: set[int] = field(default_factory=set)
    likeness: LikenessHead | None = None  # what compares queries and keys, in these heads of these blocks
    compared_heads: Mapping[int, Sequence[int | None]] = field(default_factory=dict)
    compared: set[int] = field(default_factory=set)  # blocks whose heads were compared
    rotation: Tensor | None = None  # query_key.py: rotation_of
    unvoiced: Voices | None = None  # the other rows, of a base that always gets audio (null_audio.py)
    judge: PlaceJudge | None = None  # of a call whose blocks are scored (host/probe/judge.py)


class ForwardRun(Protocol):
    """What the DIFFUSION_MODEL wrapper needs of a run: a SamplingRun, or a TrainingRun in training."""

    def references_for(self, time_dim_concat: Tensor | None, options: dict[str, Any]) -> Tensor | None:
        """The references of one call, [B, C, N, H, W]."""
        ...

    def shorten(
        self, geometry: Geometry, options: dict[str, Any], device: torch.device
    ) -> tuple[Geometry, CachedReferences | None]:
        """Geometry and cache of a call whose blocks take a shorter sequence."""
        ...

    def open_call(
        self,
        geometry: Geometry,
        x: Tensor,
        audio: Tensor | None,
        flag: Tensor,
        options: dict[str, Any],
        cached: CachedReferences | None = None,
    ) -> CallState:
        """State for one call on x [B, C, T, H, W], whose rows are the conds of options["uuids"], b rows each.

        audio: packed VoiceTracks, or None (nobody speaks); flag: [B, 1], an AudioRole value per row; cached: of
        `shorten`.
        """
        ...

    def close_call(self, call: CallState) -> None:
        """The call has ended: take the masks that it predicted."""
        ...


def mute_weights(tracks: int, device: torch.device) -> Tensor:
    """[tracks, 1, 1]: everything on the last track, which is silence."""
    weights = torch.zeros(tracks, 1, 1, device=device)
    weights[-1] = 1.0
    return weights


def row_index(rows: Sequence[int], batch: int, device: torch.device) -> Tensor | None:
    """[R] int64 of the given rows, or None if they are the whole batch in order (nothing to gather then)."""
    return None if list(rows) == list(range(batch)) else torch.tensor(rows, dtype=torch.long, device=device)
