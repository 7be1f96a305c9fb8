"""Settings of the theatre's command line."""

from __future__ import annotations


def test_settings_reach_the_recipe_that_has_them() -> None:
    from interacthuman.interact_core.theatre.training.__main__ import with_settings
    from interacthuman.interact_core.theatre.training.train_speech import SpeechRecipe

    recipe = with_settings(SpeechRecipe(), ["steps=7", "rate=0.5", "dim=3"])
    assert (recipe.steps, recipe.rate, recipe.batch) == (7, 0.5, SpeechRecipe().batch)


def test_settings_reach_the_augmentation() -> None:
    from interacthuman.interact_core.theatre.training.__main__ import with_settings
    from interacthuman.interact_core.theatre.training.train_dit import DiTRecipe

    recipe = with_settings(DiTRecipe(), ["steps=7", "high_noise=0.3"])
    assert (recipe.steps, recipe.augmentation.high_noise) == (7, 0.3)
    assert recipe.augmentation.held == DiTRecipe().augmentation.held
