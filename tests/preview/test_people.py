"""The preview of people that were found."""

from __future__ import annotations

import pytest
import torch
from interacthuman.interact_core.preview.palette import character_colours
from interacthuman.interact_core.preview.people import draw_people

PEOPLE = torch.zeros(2, 96, 160)
PEOPLE[0, 20:90, 10:60] = 1.0
PEOPLE[1, 20:90, 90:150] = 1.0


@pytest.mark.parametrize("image", [None, torch.full((1, 96, 160, 3), 0.5), torch.full((3, 48, 80, 4), 0.5)])
def test_each_person_has_a_colour_and_a_number_of_its_own(image: torch.Tensor | None) -> None:
    drawn = draw_people(PEOPLE, 2, image)
    assert drawn.shape == (1, 288, 480, 3) and float(drawn.min()) >= 0 and float(drawn.max()) <= 1
    ground = drawn[0, 10, 225]  # between and above the two
    for number, (row, column) in enumerate(((220, 105), (220, 360))):
        shift = drawn[0, row, column] - ground
        colour = character_colours(2)[number] - ground
        assert torch.nn.functional.cosine_similarity(shift, colour, dim=0) > 0.99
    other = draw_people(PEOPLE, 1, image)
    assert not torch.equal(drawn[:, :, :240], other[:, :, :240])  # the mark of the chosen one has moved
    assert not torch.equal(drawn[:, :, 240:], other[:, :, 240:])


def test_large_masks_keep_their_size() -> None:
    assert draw_people(torch.ones(1, 600, 900), 1).shape == (1, 600, 900, 3)
