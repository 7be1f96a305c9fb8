"""Recipes of affinity: what is written is read, and anything else is refused in one sentence."""

from __future__ import annotations

import pytest
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.guidance import GuidanceSettings
from interacthuman.interact_core.guidance.affinity_recipe import EXAMPLE, AffinityRecipe, Place, read_recipe


def test_what_is_written_is_read() -> None:
    for recipe in (
        AffinityRecipe((Place(3, "query_key", 0),)),
        AffinityRecipe((Place(0), Place(39, "query_key")), 0.05),
    ):
        assert read_recipe(recipe.to_text()) == recipe
    assert read_recipe(EXAMPLE) == AffinityRecipe((Place(3, "query_key", 0),))
    assert read_recipe("  \n") is None and read_recipe(None) is None
    with pytest.raises(InteractError, match="it is a int and no text"):
        read_recipe(3)  # type: ignore[arg-type]


def test_without_one_the_settings_say_where() -> None:
    assert GuidanceSettings().recipe(40) == AffinityRecipe((Place(20),), 0.02)
    assert GuidanceSettings(affinity_block=3).recipe(40).places == (Place(3),)
    chosen = GuidanceSettings(affinity_recipe=EXAMPLE, affinity_temperature=0.1).recipe(40)
    assert chosen == AffinityRecipe((Place(3, "query_key", 0),), 0.1)


@pytest.mark.parametrize(
    "text, said",
    [
        ("block 3", "it is not JSON"),
        ("[" * 100_000, "characters long"),
        ("[" * 9_000, "it is not JSON"),
        ('{"places": []}', 'does not say "interact_affinity": 1'),
        ('{"interact_affinity": 2, "places": [{"block": 0}]}', 'does not say "interact_affinity": 1'),
        ('{"interact_affinity": 1, "places": []}', "list of 1 to 64"),
        ('{"interact_affinity": 1, "places": [{"block": -1}]}', "needs a block from 0"),
        ('{"interact_affinity": 1, "places": [{"block": true}]}', "needs a block from 0"),
        ('{"interact_affinity": 1, "places": [{"block": 1, "features": "mouth"}]}', "needs a block from 0"),
        ('{"interact_affinity": 1, "places": [{"block": 1, "head": 0}]}', "names a head"),
        ('{"interact_affinity": 1, "places": [{"block": 1, "heads": 0}]}', "other fields"),
        ('{"interact_affinity": 1, "places": [{"block": 1}], "temperature": 0}', '"temperature" is 0'),
        ('{"interact_affinity": 1, "places": [{"block": 1}], "temperature": NaN}', '"temperature" is nan'),
    ],
)
def test_anything_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(InteractError, match=f"affinity_recipe cannot be used: .*{said}") as caught:
        GuidanceSettings(affinity_recipe=text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
