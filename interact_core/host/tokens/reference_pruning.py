"""Which tokens of reference pictures can be left out, of those that show nothing but white ground.

A reference stands in the sequence as a whole frame (core's `time_dim_concat`), and most of that frame is the
ground on which the person was fitted. sequence.py takes it out of the blocks' sight.

The model was trained with the ground there, and its attention feels how much of it there is: without any of it
the theatre lost its voices altogether (sync 0.68 to 0.21 over 5 scenes). So some tokens of the ground stay, far apart
from each other, and together weigh as much as all of it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...adapter import grid_positions
from ...guidance import Cast
from ...guidance.layout import TOKEN_PIXELS
from .layout import KeptTokens
from .reference_images import WHITE, fit_on_white

BLANK = 2 / 255
"""How far from white a pixel may be and still show nothing: JPEG's grain."""

SHARE = 6
"""Of so many tokens of a frame one stays to stand for the ground.

With 4, 6, 8 and 12 the theatre's masks lost 0.06, 0.08, 0.15 and 0.22 of their IoU at the stage boundary (16 scenes).
"""


def kept_tokens(cast: Cast) -> KeptTokens | None:
    """The persons with one token more all around, and some of the ground.

    As many of each picture as the largest person takes: of the others more of the ground is kept. None where nothing
    can go.
    """
    near = _near_persons(cast)
    number, height, width = near.shape
    near, places = near.flatten(1), grid_positions(1, height, width)[:, 1:]
    grounds = [torch.where(row == 0)[0] for row in near]
    stand_ins = height * width // SHARE
    if min(len(ground) for ground in grounds) <= stand_ins:
        return None
    standing = torch.stack([ground[_far_apart(places[ground], stand_ins)] for ground in grounds])
    ranks = near.scatter(
        1, standing, -1.0
    )  # the standing come last, whatever is taken between them and the persons
    count = int(near.sum(1).max())
    others = ranks.argsort(dim=1, descending=True, stable=True)[:, :count].sort(dim=1).values
    frames = torch.arange(number)[:, None] * height * width
    index = torch.cat([(frames + rows).flatten() for rows in (others, standing)])
    first = number * count + stand_ins * torch.arange(number)[:, None]
    nearest = torch.cdist(places, places[standing]).argmin(dim=-1)
    stand_in = (first + nearest).flatten()
    stand_in[index] = torch.arange(len(index))
    return KeptTokens(index, standing.numel(), stand_in.view(number, -1))


def _near_persons(cast: Cast) -> Tensor:
    """[N, h, w], 1 for the tokens of each picture that something is on and for those next to them, 0 for ground.

    The latter because the VAE's convolutions carry a little of the person there.
    """
    pictures = [fit_on_white(character.image, cast.width, cast.height) for character in cast.characters]
    marked = torch.cat([((WHITE - picture).abs() > BLANK).any(-1) for picture in pictures])
    return F.max_pool2d(F.max_pool2d(marked.float(), TOKEN_PIXELS), 3, stride=1, padding=1)


def _far_apart(places: Tensor, count: int) -> Tensor:
    """[count] int64: of places [P, 2] those of which each is the farthest from all before it."""
    chosen = [0]
    distance = torch.full((len(places),), torch.inf)
    while len(chosen) < count:
        distance = torch.minimum(distance, (places - places[chosen[-1]]).square().sum(1))
        chosen.append(int(distance.argmax()))
    return torch.tensor(chosen)
