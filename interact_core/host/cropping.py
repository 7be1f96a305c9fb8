"""Which tokens of reference pictures can be left out, of those that show nothing but white ground.

A reference stands in the sequence as a whole frame (core's `time_dim_concat`), and most of that frame is the
ground on which the person was fitted. sequence.py takes it out of the blocks' sight.

The model was trained with the ground there, and its attention feels how much of it there is: without any of it
the theatre lost its voices altogether (sync 0.68 to 0.21 over 5 scenes). So some of the ground stays and weighs as
much as all that it stands for.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..adapter import grid_positions
from ..guidance import Cast
from ..guidance.layout import TOKEN_PIXELS
from .geometry import KeptTokens
from .pictures import WHITE, fit_on_white

BLANK = 2 / 255
"""How far from white a pixel may be and still show nothing: JPEG's grain."""

STAND_INS = 8
"""Tokens of a reference's seen ground, at most, that stand for what went of it."""

STRIDE = 2
"""Of the ground every so many-th token is recalled, down and across."""


def seen_tokens(cast: Cast) -> KeptTokens | None:
    """What the blocks see of the pictures where they never see all: the person and one token more all around.

    As many of each picture as the largest person takes: of the others some ground is kept too. None where nothing
    can go.
    """
    persons = _persons(cast)
    return _kept(persons, _with_neighbours(persons), STAND_INS)


def recalled_tokens(cast: Cast) -> KeptTokens | None:
    """What is recalled of the pictures after the blocks have seen all of them: of the ground more than `seen_tokens`.

    Recalling is cheaper than seeing, and what it keeps are the keys and values that the whole picture has. Eight
    tokens beside the person took 0.10 of the theatre's sync where eight all over the ground took 0.05 (8 scenes).
    """
    persons = _persons(cast)
    grid = torch.zeros_like(persons)
    grid[:, ::STRIDE, ::STRIDE] = 1.0
    return _kept(persons, torch.maximum(_with_neighbours(persons), grid), None)


def _persons(cast: Cast) -> Tensor:
    """[N, h, w], 1 for the tokens of each picture that something is on."""
    pictures = [fit_on_white(character.image, cast.width, cast.height) for character in cast.characters]
    marked = torch.cat([((WHITE - picture).abs() > BLANK).any(-1) for picture in pictures])
    return F.max_pool2d(marked.float(), TOKEN_PIXELS)


def _with_neighbours(persons: Tensor) -> Tensor:
    """The neighbours stay, because the VAE's convolutions carry a little of the person there."""
    return F.max_pool2d(persons, 3, stride=1, padding=1)


def _kept(persons: Tensor, wanted: Tensor, stand_ins: int | None) -> KeptTokens | None:
    """persons, wanted: [N, h, w]; stand_ins: how many of each picture's kept ground, None for all of it."""
    _, height, width = persons.shape
    wanted = wanted.flatten(1)
    count = int(wanted.sum(1).max())
    if count == height * width:
        return None
    index = wanted.argsort(dim=1, descending=True, stable=True)[:, :count].sort(dim=1).values
    places = grid_positions(1, height, width)[:, 1:]
    stands = [
        _stand_in(rows, person.flatten() > 0, places, stand_ins) for rows, person in zip(index, persons)
    ]
    return KeptTokens.of(index, torch.stack(stands))


def _stand_in(index: Tensor, person: Tensor, places: Tensor, limit: int | None) -> Tensor:
    """KeptTokens.stand_in of one reference; person: bool [h * w], places [h * w, 2]."""
    (ground,) = torch.where(~person[index])
    if len(ground) == 0:
        ground = torch.arange(len(index))
    count = len(ground) if limit is None else min(len(ground), limit)
    chosen = ground[torch.linspace(0, len(ground) - 1, count).round().long()]
    nearest = chosen[torch.cdist(places, places[index[chosen]]).argmin(dim=1)]
    nearest[index] = torch.arange(len(index))
    return nearest
