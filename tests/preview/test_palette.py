"""The characters' colours."""

from __future__ import annotations

from interacthuman.interact_core.preview import palette


def test_every_character_has_a_colour_of_its_own() -> None:
    colours = palette.character_colours(20)
    assert len({tuple(colour) for colour in colours.tolist()}) == 20
    assert colours.min() >= 0 and colours.max() <= 1
    assert palette.as_bytes(colours[0]) == palette.OKABE_ITO[0]
