"""The voice tracks of a cast, and how CONDITIONING holds them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...adapter import SpeechAdapter


@dataclass(frozen=True, eq=False)  # tensors have no truth value: compare by identity
class VoiceTracks:
    """Audio features of every speaking character in cast order, the mute track last.

    features: [B, S + 1, F, L, C], F video frames, L hidden states of C channels.

    Packed they are one frame longer: context windows slice every tensor whose third axis is as long as the latent
    video (comfy/context_windows.py), and this one has to stay whole, for each call to index by itself. The last
    frame is never read.
    """

    features: Tensor

    @classmethod
    def unpack(cls, packed: Tensor) -> "VoiceTracks":
        """packed: [B, S + 1, F + 1, L, C], as `pack` gives it."""
        return cls(packed[:, :, :-1])

    def pack(self) -> Tensor:
        """One tensor for CONDITIONING, [B, S + 1, F + 1, L, C]."""
        return F.pad(self.features, (0, 0, 0, 0, 0, 1))

    @property
    def count(self) -> int:
        """S + 1: the speaking characters' and the mute track."""
        return self.features.shape[1]

    @property
    def frames(self) -> int:
        return self.features.shape[2]

    def rows(self, chosen: slice | Tensor) -> "VoiceTracks":
        """The tracks of some rows of the batch."""
        return VoiceTracks(self.features[chosen])

    def of_frames(self, start: int, count: int) -> "VoiceTracks":
        """`count` frames from `start` on; beyond the end every track repeats the last frame of mute."""
        cut = self.features[:, :, start : start + count]
        missing = count - cut.shape[2]
        mute = self.features[:, -1:, -1:].expand(-1, self.count, missing, -1, -1)
        return VoiceTracks(torch.cat((cut, mute), dim=2))

    def project(self, adapter: SpeechAdapter) -> Tensor:
        """Audio tokens [S + 1, B, T, n, context] by the adapter's projector."""
        tokens = adapter.audio_projector(self.features.flatten(0, 1))
        return tokens.unflatten(0, self.features.shape[:2]).transpose(0, 1)
