"""The one error that this pack raises for something its user can put right."""


class InteractError(ValueError):
    """One sentence: what is wrong, where, and what to do about it."""
