"""How a run is guided: the choices that the sampler node offers."""

import math
from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import InteractError
from .affinity_recipe import AffinityRecipe, Place, read_recipe

MASK_SOURCES = ("predicted", "fixed", "none", "affinity")
STAGE_ONE_AUDIO = ("none", "mute", "all")
REFERENCE_TOKENS = ("all", "person")


@dataclass(frozen=True)
class GuidanceSettings:
    """Where masks come from and what they steer. Raises InteractError for a value out of its range.

    mask_source: "predicted" by the adapter's mask heads; "fixed", the layout masks; "none", every voice everywhere in
        equal shares; "affinity", the likeness of the model's features to the reference pictures, without a mask head
        (adapter/affinity.py).
    stage_boundary: 0..1, the fraction of the schedule, at the model's own shift, at which stage two begins. 0.2 is
        step 10 of 50.
    stage_one_audio: what stage one injects: "none", nothing; "mute", the mute track; "all", every voice everywhere.
    mask_gain: above 0; masks are multiplied by it and clamped to 1 before use (`sharpen`).
    mask_smoothing: 0..1, the share of the old mask that is kept when a new one is committed.
    affinity_block: the block after which features are compared; -1 is the one just after the middle.
    affinity_temperature: above 0, of the softmax over cosines.
    affinity_recipe: JSON that says which blocks, features and heads are compared instead of affinity_block's hidden
        features (affinity_recipe.py); empty for none.
    reference_tokens: "all", or "person": the white background of each reference picture is pruned
        (host/tokens/reference_pruning.py).
    reference_interval: 1 or more; references pass through the blocks in every so many-th evaluation. In between, their
        keys and values come from the reference KV cache (host/tokens/reference_cache.py).
    """

    mask_source: str = "predicted"
    stage_boundary: float = 0.2
    stage_one_audio: str = "mute"
    mask_gain: float = 2.0
    mask_smoothing: float = 0.0
    affinity_block: int = -1
    affinity_temperature: float = 0.02
    reference_tokens: str = "all"
    reference_interval: int = 1
    affinity_recipe: str = ""

    def __post_init__(self) -> None:
        self._require("mask_source", self.mask_source in MASK_SOURCES, f"one of {MASK_SOURCES}")
        self._require("stage_boundary", 0 <= self.stage_boundary <= 1, "a fraction within 0..1")
        self._require("stage_one_audio", self.stage_one_audio in STAGE_ONE_AUDIO, f"one of {STAGE_ONE_AUDIO}")
        self._require("mask_gain", 0 < self.mask_gain < math.inf, "a number above 0")
        self._require("mask_smoothing", 0 <= self.mask_smoothing <= 1, "a share within 0..1")
        self._require("affinity_block", self.affinity_block >= -1, "a block's number, or -1")
        self._require("affinity_temperature", 0 < self.affinity_temperature < math.inf, "a number above 0")
        self._require(
            "reference_tokens", self.reference_tokens in REFERENCE_TOKENS, f"one of {REFERENCE_TOKENS}"
        )
        read_recipe(self.affinity_recipe)
        self._require("reference_interval", self.reference_interval >= 1, "a number of steps, 1 or more")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise InteractError(f"guidance setting {name} is {getattr(self, name)!r}; set it to {expected}.")

    def recipe(self, model_blocks: int) -> AffinityRecipe:
        """Where likeness is looked for in a model of so many blocks, and at which temperature."""
        chosen = read_recipe(self.affinity_recipe)
        if chosen is None:
            block = model_blocks // 2 if self.affinity_block < 0 else self.affinity_block
            chosen = AffinityRecipe((Place(block),))
        return replace(chosen, temperature=chosen.temperature or self.affinity_temperature)

    def sharpen(self, masks: Tensor) -> Tensor:
        """Multiply masks of any shape by `mask_gain` and clamp to 0..1, in float32.

        Not in the paper: raw sigmoid masks are under-confident while the video forms and starve the mouths
        (docs/method.md). It applies to fixed masks too, whose soft edges it hardens.
        """
        return (masks.float() * self.mask_gain).clamp(0.0, 1.0)
