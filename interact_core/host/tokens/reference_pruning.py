"""Token pruning of reference pictures: most tokens with nothing but white background in them are left out.

A deviation from the paper. A reference is a whole frame of the sequence (core's `time_dim_concat`), and most of that
frame is the background on which the person was fitted. sequence.py takes it out of the blocks' sequence.

The model was trained with the background, and its attention depends on how much of it there is: without any of it the
theatre lost its voices altogether (sync 0.68 to 0.21 over 5 scenes). So some background tokens stay, far apart from
each other, and in attention they weigh as much as all of them together (proportional attention, as in ToMe,
arXiv 2210.09461).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...adapter import grid_positions
from ...guidance import Cast
from .geometry import KeptTokens
from .reference_images import touched_tokens

SHARE = 6
"""One background token is kept for every so many tokens of a frame.

With 4, 6, 8 and 12 the theatre's masks lost 0.06, 0.08, 0.15 and 0.22 of their IoU at the stage boundary (16 scenes).
"""


def kept_tokens(cast: Cast) -> KeptTokens | None:
    """The persons with a margin of one token, and some of the background.

    As many of each picture as the largest person takes; smaller ones keep more background. None if nothing can be
    pruned.
    """
    near = _near_persons(cast)
    number, height, width = near.shape
    near, places = near.flatten(1), grid_positions(1, height, width)[:, 1:]
    backgrounds = [torch.where(row == 0)[0] for row in near]
    each = height * width // SHARE  # background tokens of each picture that represent others
    if min(len(background) for background in backgrounds) <= each:
        return None
    background = torch.stack([tokens[_far_apart(places[tokens], each)] for tokens in backgrounds])
    # Background tokens come last, whatever is kept between them and the persons.
    ranks = near.scatter(1, background, -1.0)
    count = int(near.sum(1).max())
    others = ranks.argsort(dim=1, descending=True, stable=True)[:, :count].sort(dim=1).values
    frames = torch.arange(number)[:, None] * height * width
    index = torch.cat([(frames + rows).flatten() for rows in (others, background)])
    first = number * count + each * torch.arange(number)[:, None]
    nearest = torch.cdist(places, places[background]).argmin(dim=-1)
    representative = (first + nearest).flatten()
    representative[index] = torch.arange(len(index))
    return KeptTokens(index, background.numel(), representative.view(number, -1))


def _near_persons(cast: Cast) -> Tensor:
    """[N, h, w], 1 for the tokens of each picture with the person in them and those next to them, 0 for background.

    The neighbours are kept because the VAE's convolutions spread a little of the person into them.
    """
    return F.max_pool2d(touched_tokens(cast), 3, stride=1, padding=1)


def _far_apart(places: Tensor, count: int) -> Tensor:
    """[count] int64: indices of places [P, 2], each the farthest from all chosen before it."""
    chosen = [0]
    distance = torch.full((len(places),), torch.inf)
    while len(chosen) < count:
        distance = torch.minimum(distance, (places - places[chosen[-1]]).square().sum(1))
        chosen.append(int(distance.argmax()))
    return torch.tensor(chosen)
