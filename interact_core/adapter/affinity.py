"""Masks without a trained head: a video token belongs to the character whose picture it resembles most.

Not in the paper, for adapters that carry no mask head (MultiTalk, InfiniteTalk). Reference pictures stand on an
even ground, so each brings examples of its person and of what is nobody; a token's features are compared with all
of them, and its likeness to one person's tokens, out of all, is that person's mask.

Evidence, on 24 clips of the theatre that training never saw, two puppets each, noised and passed through its
diffusion model (4 blocks) once: IoU 0.66, 0.65 and 0.62 at noise 0.15, 0.5 and 0.8 after block 2 at temperature
0.02 (0.01: 0.62 to 0.64; 0.04: 0.42 to 0.51); after blocks 0, 1 and 3 at 0.03: 0.54, 0.60 and 0.57 at noise 0.15.
A trained head reached 0.96 there. Spreading the masks over tokens that resemble each other added less than 0.01.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .model import Attention

GROUND = 0.35
"""Of the largest distance from the picture's upper corners: what is nearer is ground, not person."""

CERTAIN = 1e-4  # how near to 0 and 1 a probability comes before it is turned into a logit


def foreground_of(references: Tensor) -> Tensor:
    """Which tokens of each reference show its person: [1, C, N, H, W] latents -> bool [N, H/2 * W/2].

    Ground is what looks like the upper corners, which a picture that was fitted on white leaves free.
    """
    cells = references[0].float().unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2))  # [C, N, h, 2, w, 2]
    tokens = cells.permute(1, 2, 4, 0, 3, 5).flatten(3)  # [N, h, w, 4 * C]
    ground = (tokens[:, 0, 0] + tokens[:, 0, -1]) / 2
    distance = (tokens - ground[:, None, None]).norm(dim=-1).flatten(1)
    return distance > GROUND * distance.amax(dim=1, keepdim=True)


class AffinityHead:
    """Called as a MaskPredictor is, without weights of its own."""

    def __init__(self, foreground: Tensor, temperature: float) -> None:
        """foreground: bool [N, Lr], see `foreground_of`; temperature of the softmax over cosines, above 0."""
        self.foreground = foreground
        self.temperature = temperature

    def __call__(
        self,
        video: Tensor,
        references: Tensor,
        video_positions: Tensor,
        reference_positions: Tensor,
        attention: Attention,
    ) -> Tensor:
        """LOGITS [B, N, Lv] float32 of video [B, Lv, D] and references [B, N, Lr, D]; the rest is not used."""
        person = self.foreground.to(video.device).float()
        labels = torch.block_diag(*person.unsqueeze(1))  # [N, N * Lr]: a token is an example of one person
        return likeness(video, references.flatten(1, 2), labels, person.shape[1], self.temperature)


class RegionHead:
    """Where the people of the first latent frame are in all others; called as a MaskPredictor is.

    The examples are the first frame's own tokens, in the shares in which the regions cover them. Evidence, on
    the clips above with the true masks of the first frame: IoU of the other frames 0.80, 0.79 and 0.80 at noise
    0.15, 0.5 and 0.8 after block 2 at temperature 0.03 (0.01: 0.78 to 0.79, 0.1: 0.63 to 0.69), with the
    features' mean over the video taken out; without that 0.74 at best there.
    """

    def __init__(self, regions: Tensor, temperature: float) -> None:
        """regions: [N, h, w] in 0..1 on the token grid; temperature as AffinityHead has it."""
        self.regions = regions.flatten(1)
        self.temperature = temperature

    def __call__(
        self,
        video: Tensor,
        references: Tensor,
        video_positions: Tensor,
        reference_positions: Tensor,
        attention: Attention,
    ) -> Tensor:
        """LOGITS [B, N, Lv] float32 of video [B, Lv, D], whose first frame is the clip's first."""
        size = self.regions.shape[1]
        video = video.float()
        video = (video - video.mean(1, keepdim=True)) / (video.std(1, keepdim=True) + 1e-6)
        return likeness(video, video[:, :size], self.regions.to(video), size, self.temperature)


def likeness(video: Tensor, examples: Tensor, labels: Tensor, frame: int, temperature: float) -> Tensor:
    """LOGITS [B, N, Lv]: to whom the examples most like each token belong.

    video [B, Lv, D], taken `frame` tokens at a time, as all at once would be an attention map; examples [B, E,
    D]; labels [N, E] in 0..1, what of an example is whose.
    """
    known = F.normalize(examples.float(), dim=-1).transpose(1, 2)
    found = []
    for part in video.split(frame, dim=1):
        cosines = F.normalize(part.float(), dim=-1) @ known  # [B, frame, E]
        found.append(labels @ (cosines / temperature).softmax(dim=-1).transpose(1, 2))
    return torch.cat(found, dim=-1).clamp(CERTAIN, 1 - CERTAIN).logit()
