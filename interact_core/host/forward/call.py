"""What one call of the diffusion model needs to know; it lives as long as the call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...adapter import SpeechAdapter
from ...adapter.model import Attention
from ..tokens.layout import Geometry
from ..tokens.reference_cache import SeenReferences

if TYPE_CHECKING:
    from .finite import FiniteProbe

CALL_KEY = "interact_call"
"""Where the wrapper leaves the CallState for the patches, in the call's own transformer_options."""
BASE_KEY = "interact_base"
"""Where it leaves the diffusion model that runs, likewise."""


MaskHead = Callable[[Tensor, Tensor, Tensor, Tensor, Attention], Tensor]
"""Called as MaskPredictor is."""


class AudioRole(Enum):
    """What one row of the batch hears; its value is the `interact_flag` of the conditioning.

    NONE: no injection at all. The negative of classifier-free guidance: training drops audio by leaving the
        injection out (so that the null condition is one the network knows).
    MUTE: silence everywhere, mouths shut: the middle of three-way guidance.
    VOICES: every track inside its owner's mask; this row also predicts the masks.
    """

    NONE = 0.0
    MUTE = 0.5
    VOICES = 1.0

    @classmethod
    def of(cls, flag: float) -> "AudioRole":
        """The role whose value is nearest (flags travel in the model's dtype)."""
        return min(cls, key=lambda role: abs(role.value - flag))


@dataclass(frozen=True)
class Voices:
    """The audio of the batch rows that hear any.

    tokens: [S + 1, R, T, n, context], mute last; weights: [S + 1, R or 1, L or 1]; rows: [R] int64, None for
    all rows; strength: factor on the injection. Where references hear as well (null_audio.py), T counts them too.
    """

    tokens: Tensor
    weights: Tensor
    rows: Tensor | None
    strength: float


@dataclass
class CallState:
    """Read by the patches while the blocks run; `mask_logits` and `injected` are written by them.

    mask_logits: one [R, N, T*h*w] per mask block, in block order, R the rows in `mask_rows` (None: all).
    injected: blocks whose injection is done. VACE blocks fire attn2 patches again under their host's index
        (comfy/ldm/wan/model.py, VaceWanModel.forward_orig), always after it.
    """

    geometry: Geometry
    positions: tuple[Tensor, Tensor]  # of the video's and the references' tokens: Geometry.positions
    adapter: SpeechAdapter
    attention: Attention
    voices: Voices | None
    mask_heads: Mapping[str, MaskHead]  # by block number; empty where no masks are wanted
    mask_rows: Tensor | None = None
    seen: SeenReferences | None = None  # what the call recalls of its references, or where it notes it
    probe: "FiniteProbe | None" = None
    mask_logits: list[Tensor] = field(default_factory=list)
    injected: set[int] = field(default_factory=set)


def project_tracks(adapter: SpeechAdapter, audio: Tensor) -> Tensor:
    """audio [B, S + 1, F + 1, L, C] as the conditioning carries it -> tokens [S + 1, B, T, n, context].

    The last frame, the sentinel of `attach_cast` that keeps core from slicing the features, is left out.
    """
    batch, tracks = audio.shape[:2]
    tokens = adapter.audio_projector(audio[:, :, :-1].flatten(0, 1))
    return tokens.unflatten(0, (batch, tracks)).transpose(0, 1)


def mute_weights(tracks: int, device: torch.device) -> Tensor:
    """[tracks, 1, 1]: everything on the last track, which is silence."""
    weights = torch.zeros(tracks, 1, 1, device=device)
    weights[-1] = 1.0
    return weights


def row_index(rows: Sequence[int], batch: int, device: torch.device) -> Tensor | None:
    """[R] int64 of the given rows, or None if they are the whole batch in order (nothing to gather then)."""
    return None if list(rows) == list(range(batch)) else torch.tensor(rows, dtype=torch.long, device=device)
