"""Names, order, merges and drops of the people in a start image."""

from __future__ import annotations

import json

import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance.lineup import MAX_CHARACTERS, line_up, places_of, read_edits
from torch import Tensor

WIDTH, HEIGHT = 200, 100


def box(left: int, right: int, top: int = 20, bottom: int = 90) -> Tensor:
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[top:bottom, left:right] = 1.0
    return mask


FOUND = torch.stack([box(10, 50), box(70, 110), box(150, 190)])
"""Centres at 0.15, 0.45 and 0.85 of the width, 0.55 of the height."""


def lined(text: str, found: Tensor = FOUND) -> list[tuple[str, tuple[int, ...]]]:
    return [(person.name, person.found) for person in line_up(read_edits(text), found).people]


def edits(*people: tuple[str, list], dropped: list = []) -> str:  # noqa: B006
    return json.dumps({"people": [{"name": name, "at": at} for name, at in people], "dropped": dropped})


LEFT, MIDDLE, RIGHT = [0.15, 0.55], [0.45, 0.55], [0.85, 0.55]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", [("Character 1", (0,)), ("Character 2", (1,)), ("Character 3", (2,))]),
        (edits(("Mira", [RIGHT])), [("Mira", (2,)), ("Character 2", (0,)), ("Character 3", (1,))]),
        (
            edits(("Character 2", [LEFT])),
            [("Character 2", (0,)), ("Character 3", (1,)), ("Character 4", (2,))],
        ),
        (
            edits(("", [MIDDLE]), ("Tobi", [LEFT])),
            [("Character 1", (1,)), ("Tobi", (0,)), ("Character 3", (2,))],
        ),
        (edits(("Mira", [LEFT, RIGHT])), [("Mira", (0, 2)), ("Character 2", (1,))]),
        (edits(dropped=[MIDDLE]), [("Character 1", (0,)), ("Character 2", (2,))]),
        (edits(dropped=[[0.3, 0.05]]), [("Character 1", (0,)), ("Character 2", (1,)), ("Character 3", (2,))]),
    ],
    ids=["none", "named", "default taken", "order", "merged", "dropped", "dropped beside them"],
)
def test_who_is_who(text: str, expected: list) -> None:
    assert lined(text) == expected


def test_a_merged_person_has_the_masks_of_all_pieces() -> None:
    made = line_up(read_edits(edits(("Mira", [RIGHT, LEFT]), dropped=[MIDDLE])), FOUND)
    assert torch.equal(made.masks(FOUND), torch.maximum(FOUND[0], FOUND[2])[None]) and made.dropped == (1,)


def test_a_place_lies_on_its_person_and_finds_it_again() -> None:
    """Also of a person whose centre lies beside it, and where somebody new is found or the picture is scaled."""
    ring = box(60, 140, 10, 90) - box(75, 125, 20, 80)
    found = torch.stack([FOUND[0], ring])
    places = places_of(found)
    assert all(found[n, int(y * HEIGHT), int(x * WIDTH)] == 1 for n, (x, y) in enumerate(places))
    text = edits(("Ring", [list(places[1])]), ("Mira", [list(places[0])]))
    assert lined(text, found) == [("Ring", (1,)), ("Mira", (0,))]
    more = torch.stack([box(0, 8), FOUND[0], ring, box(150, 190)])
    larger = torch.nn.functional.interpolate(more[None], scale_factor=3)[0]
    assert lined(text, larger) == [
        ("Ring", (2,)),
        ("Mira", (1,)),
        ("Character 3", (0,)),
        ("Character 4", (3,)),
    ]


def test_of_boxes_over_each_other_the_nearer_one_is_meant() -> None:
    found = torch.stack([box(20, 100), box(60, 140)])
    assert lined(edits(("Left", [[0.35, 0.5]]), ("Right", [[0.45, 0.5]])), found) == [
        ("Left", (0,)),
        ("Right", (1,)),
    ]
    assert lined(edits(("Both", [[0.45, 0.5], [0.45, 0.5]])), found) == [("Both", (1, 0))]


@pytest.mark.parametrize(
    "text, said",
    [
        (edits(("Mira", [[0.3, 0.05]])), "'Mira' is expected 30 % from the left and 5 % from the top"),
        (edits(("Mira", [LEFT]), ("Tobi", [LEFT])), "'Tobi' is expected 15 % from the left.*nobody else"),
        (edits(("", [LEFT]), ("", [[0.3, 0.05]])), "'Person 2' is expected"),
        (edits(("Mira", [LEFT]), dropped=[LEFT]), "'Mira' is expected"),
        (edits(dropped=[LEFT, MIDDLE, RIGHT]), "Everybody is dropped"),
        (edits(("Mira", [LEFT]), (" Mira ", [RIGHT])), "Two people are named 'Mira'"),
        (edits(("Mira", [])), "Person 1 of people has 0 points, expected 1"),
        (edits(("Mira", [[0.5]])), "Person 1 of people has a point of 1 numbers"),
        (edits(("Mira", [[0.5, 55]])), "a coordinate is 55; use a number from 0 to 1"),
        (edits(("Mira", [[0.5, True]])), "a coordinate is true; use a number"),
        (edits(("Mira", [7])), "coordinates of person 1 of people are 7; they have to be a list"),
        (edits(dropped=[[2, 0.5]]), "Dropped person 1: a coordinate is 2; use"),
        ('{"people": [{"name": 3, "at": [[0, 0]]}]}', "The name of person 1 is 3; it has to be text"),
        ('{"people": {}}', "The people are {}; they have to be a list"),
        ('{"people": [7]}', "Person 1 of people is 7; it has to be an object"),
        ("[]", r"people is \[\]; it has to be an object"),
        ("{", "people is not JSON .*Start over"),
        ("[" * 50_000, "people is not JSON"),
        ('{"people": [{"name": "Mira", "at": [[NaN, 0.5]]}]}', "a coordinate is NaN"),
        (" " * (MAX_CHARACTERS + 1), f"people is {MAX_CHARACTERS + 1} characters of JSON"),
        (edits(*[("", [LEFT])] * 65), "people names 65 people; 64 are the most"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(text: str, said: str) -> None:
    with pytest.raises(InteractError, match=said):
        lined(text)


def test_unknown_keys_are_told() -> None:
    assert read_edits('{"voice": 1, "people": [{"at": [[0, 0]], "gain": 2}]}').unknown == ("gain", "voice")
