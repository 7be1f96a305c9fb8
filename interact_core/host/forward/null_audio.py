"""The null track: audio features of zeros for a base model whose audio layers always run.

The audio layers of HuMo and S2V were trained with zeros for absent audio and were never left out. So where other models
get no injection, these get a null track: alone, or after mute with the share that no voice and no silence takes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...adapter import SpeechAdapter


@dataclass(frozen=True)
class NullTrack:
    """The null track of a call with `references` pictures after its frames.

    tokens: [1, 1, 1, n, context], projected from features of zeros; frame_tokens: tokens of one frame.
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

    def alone(self, frames: int) -> tuple[Tensor, Tensor]:
        """Tokens [1, 1, T + N, n, context] and shares [1, 1, 1]: nothing else is heard."""
        tokens = self.tokens.expand(-1, -1, frames + self.references, -1, -1)
        return tokens, torch.ones(1, 1, 1, device=tokens.device)

    def behind(self, tokens: Tensor, shares: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """The null track after the others, with what is left of 1 when voices and mute are scaled by `strength`.

        tokens [S + 1, b, T, n, context], shares [S + 1, b, T*h*w or 1] -> [S + 2, b, T + N, n, context] and [S +
        2, b, (T + N)*h*w or 1]. References get the null track alone. At strength 0 so does everything else.
        """
        tracks, rows, frames = tokens.shape[:3]
        null = self.tokens.to(tokens)
        beyond = null.expand(tracks, rows, self.references, -1, -1)
        tokens = torch.cat((tokens, beyond), dim=2)
        tokens = torch.cat((tokens, null.expand(1, rows, frames + self.references, -1, -1)))
        shares = shares * strength
        shares = torch.cat((shares, 1.0 - shares.sum(0, keepdim=True)))
        if shares.shape[-1] > 1 and self.references:
            pictures = torch.zeros_like(shares[..., :1]).repeat(1, 1, self.references * self.frame_tokens)
            pictures[-1] = 1.0
            shares = torch.cat((shares, pictures), dim=-1)
        return tokens, shares
