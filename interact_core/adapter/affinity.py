"""Masks without a trained head: a video token belongs to the character whose picture it resembles most.

Not in the paper, for adapters that carry no mask head (MultiTalk, InfiniteTalk). Reference pictures stand on an
even ground, so each brings examples of its person and of what is nobody; a token's features are compared with all
of them, and its likeness to one person's tokens, out of all, is that person's mask.

Evidence, on 24 clips of the theatre that training never saw, two puppets each, noised and passed through its
diffusion model (4 blocks) once: IoU 0.66, 0.65 and 0.62 at noise 0.15, 0.5 and 0.8 after block 2 at temperature
0.02 (0.01: 0.62 to 0.64; 0.04: 0.42 to 0.51); after blocks 0, 1 and 3 at 0.03: 0.54, 0.60 and 0.57 at noise 0.15.
A trained head reached 0.96 there. Spreading the masks over tokens that resemble each other added less than 0.01.

Queries of the video and keys of the pictures in one attention head do better than any block's hidden features. On six
such clips of 17 frames at the same noise levels, without RoPE and at temperature 0.02: head 0 of block 3 reaches 0.86,
0.87 and 0.83, all four heads of that block together 0.71, 0.76 and 0.74, its other heads 0.60 and less, the best of
block 2 0.70; with RoPE (three clips) both blocks have 0.2 to 0.4. Block 2's hidden features have 0.64, 0.66 and 0.66
there. Low passes over neighbouring tokens or frames, and spreading over tokens that resemble each other, added nothing.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .model import Attention

CERTAIN = 1e-4  # how near to 0 and 1 a probability comes before it is turned into a logit


class LikenessHead:
    """Called as a MaskPredictor is, without weights of its own: a token belongs to whom its examples belong to."""

    def __init__(self, labels: Tensor, frame: int, temperature: float) -> None:
        """labels: [N, E] in 0..1, what of an example is whose; temperature of the softmax over cosines, above 0.

        frame: tokens that are compared at a time, as all at once would be an attention map.
        """
        self.labels = labels
        self.frame = frame
        self.temperature = temperature

    def features(self, video: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
        """What is compared: of the video [B, Lv, D], and of the examples [B, E, D]."""
        raise NotImplementedError

    def __call__(
        self,
        video: Tensor,
        references: Tensor,
        video_positions: Tensor,
        reference_positions: Tensor,
        attention: Attention,
    ) -> Tensor:
        """LOGITS [B, N, Lv] float32 of video [B, Lv, D] and references [B, N, Lr, D]; the rest is not used."""
        return self._compare(*self.features(video, references))

    def of_queries(self, queries: Tensor, keys: Tensor, references: Tensor) -> Tensor:
        """LOGITS as of a call, from queries and keys of the video, both [B, Lv, d], and keys [B, N, Lr, d] of the
        references.
        """
        raise NotImplementedError

    def _compare(self, video: Tensor, examples: Tensor) -> Tensor:
        """LOGITS [B, N, Lv] of the video [B, Lv, d] against the examples [B, E, d]."""
        labels = self.labels.to(video.device)  # and not kept: several devices may call at once
        known = F.normalize(examples.float(), dim=-1).transpose(1, 2)
        found = []
        for part in video.split(self.frame, dim=1):
            cosines = F.normalize(part.float(), dim=-1) @ known  # [B, frame, E]
            found.append(labels @ (cosines / self.temperature).softmax(dim=-1).transpose(1, 2))
        return torch.cat(found, dim=-1).clamp(CERTAIN, 1 - CERTAIN).logit()


class AffinityHead(LikenessHead):
    """Everybody's examples are the tokens of their own picture, and its ground is nobody's."""

    def __init__(self, foreground: Tensor, temperature: float) -> None:
        """foreground: bool [N, Lr], the tokens of each picture that show its person."""
        labels = torch.block_diag(*foreground.float().unsqueeze(1))  # [N, N * Lr]
        super().__init__(labels, foreground.shape[1], temperature)

    def features(self, video: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
        return video, references.flatten(1, 2)

    def of_queries(self, queries: Tensor, keys: Tensor, references: Tensor) -> Tensor:
        return self._compare(queries, references.flatten(1, 2))


class RegionHead(LikenessHead):
    """Where the people of the first latent frame are in all others, of a video whose first frame is the clip's.

    The examples are the first frame's own tokens, in the shares in which the regions cover them. Evidence, on
    the clips above with the true masks of the first frame: IoU of the other frames 0.80, 0.79 and 0.80 at noise
    0.15, 0.5 and 0.8 after block 2 at temperature 0.03 (0.01: 0.78 to 0.79, 0.1: 0.63 to 0.69), with the
    features' mean over the video taken out; without that 0.74 at best there. Over whole runs that begin with a drawn
    frame, at the default temperature: 0.76 at the last step (`bench theatre --sources start_image`).
    """

    def __init__(self, regions: Tensor, temperature: float) -> None:
        """regions: [N, h, w] in 0..1 on the token grid."""
        super().__init__(regions.flatten(1), regions[0].numel(), temperature)

    def features(self, video: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
        video = _centred(video)
        return video, video[:, : self.frame]

    def of_queries(self, queries: Tensor, keys: Tensor, references: Tensor) -> Tensor:
        return self._compare(queries, keys[:, : self.frame])


class PictureHead(RegionHead):
    """Where the people of one picture that shows everybody are in a video of them (Wan2.2 S2V's reference picture).

    The examples are the picture's own tokens, in the shares in which the regions cover them. Video and picture each
    have their own mean and spread taken out, as the model adds to each what tells them apart (trainable_cond_mask)
    and gives them different timesteps. No evidence: it was not run on the model's weights here.
    """

    def features(self, video: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
        return _centred(video), _centred(references.flatten(1, 2))


def _centred(tokens: Tensor) -> Tensor:
    """tokens [B, L, D] with each channel's mean taken out and its spread 1, in float32."""
    tokens = tokens.float()
    return (tokens - tokens.mean(1, keepdim=True)) / (tokens.std(1, keepdim=True) + 1e-6)
