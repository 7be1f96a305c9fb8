"""Voices for a base that always hears something: where nothing is to be heard it hears the features of nothing.

HuMo's audio layers were trained with zeros in place of sound that is absent, and never left out. What others
leave away is one more track for them, behind mute: the share that no voice and no silence takes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...adapter import SpeechAdapter


@dataclass(frozen=True)
class NullTrack:
    """What a call with `references` pictures behind its frames hears of nothing.

    tokens: [1, 1, 1, n, context], of features of zeros; frame_tokens: tokens of one frame.
    """

    tokens: Tensor
    references: int
    frame_tokens: int

    @classmethod
    def of(cls, adapter: SpeechAdapter, like: Tensor, references: int, frame_tokens: int) -> "NullTrack":
        """Through the adapter's own projector; `like` gives device and dtype."""
        config = adapter.config
        silence = like.new_zeros(1, 1, config.audio_layers, config.audio_width)
        return cls(adapter.audio_projector(silence).unsqueeze(0), references, frame_tokens)

    def alone(self, tracks: int, frames: int) -> tuple[Tensor, Tensor]:
        """Tokens [S + 2, 1, T + N, n, context] and shares [S + 2, 1, 1] of who hears nothing at all."""
        shares = torch.zeros(tracks + 1, 1, 1, device=self.tokens.device)
        shares[-1] = 1.0
        return self.tokens.expand(tracks + 1, -1, frames + self.references, -1, -1), shares

    def behind(self, tokens: Tensor, shares: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """A last track for what is left of 1 where voices and mute are heard at `strength`.

        tokens [S + 1, b, T, n, context], shares [S + 1, b, T*h*w or 1] -> [S + 2, b, T + N, n, context] and [S +
        2, b, (T + N)*h*w or 1]. References hear nothing, whatever their share. At strength 0 nobody hears.
        """
        tracks, rows, frames = tokens.shape[:3]
        nothing = self.tokens.to(tokens)
        beyond = nothing.expand(tracks, rows, self.references, -1, -1)
        tokens = torch.cat((tokens, beyond), dim=2)
        tokens = torch.cat((tokens, nothing.expand(1, rows, frames + self.references, -1, -1)))
        shares = shares * strength
        shares = torch.cat((shares, 1.0 - shares.sum(0, keepdim=True)))
        if shares.shape[-1] > 1 and self.references:
            pictures = torch.zeros_like(shares[..., :1]).repeat(1, 1, self.references * self.frame_tokens)
            pictures[-1] = 1.0
            shares = torch.cat((shares, pictures), dim=-1)
        return tokens, shares
