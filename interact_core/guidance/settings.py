"""How a run is guided: the choices that the sampler node offers."""

import math
from dataclasses import dataclass

from torch import Tensor

from ..errors import InteractError

MASK_SOURCES = ("predicted", "fixed", "none", "affinity")
STAGE_ONE_AUDIO = ("none", "mute", "all")
REFERENCE_TOKENS = ("all", "person")


@dataclass(frozen=True)
class GuidanceSettings:
    """Where masks come from and what they steer. Raises InteractError for a value out of its range."""

    # predicted by the adapter's heads | fixed | none (every voice everywhere, in equal shares) | affinity
    # (likeness of the model's features to the pictures, without a head: affinity.py)
    mask_source: str = "predicted"
    stage_boundary: float = (
        0.2  # 0..1, fraction of the schedule at the model's own shift where stage two begins: 10 of 50
    )
    stage_one_audio: str = "mute"  # none (nothing is injected) | mute | all
    mask_gain: float = (
        2.0  # > 0; masks are multiplied by this and clamped to 1 before use (method.md, last section)
    )
    mask_smoothing: float = 0.0  # 0..1, share of the old mask that is kept when a new one is committed
    affinity_block: int = -1  # block after which features are compared; -1 is the one behind the middle
    affinity_temperature: float = 0.02  # > 0; of the softmax over cosines
    # all | person: only what of each reference picture is not white ground (host/tokens/reference_pruning.py)
    reference_tokens: str = "all"
    # >= 1; references pass through the blocks in every so many-th evaluation, in between their keys and values come
    # from the reference KV cache (host/tokens/reference_cache.py)
    reference_interval: int = 1

    def __post_init__(self) -> None:
        _require(self.mask_source in MASK_SOURCES, "mask_source", self.mask_source, f"one of {MASK_SOURCES}")
        expected = f"one of {STAGE_ONE_AUDIO}"
        _require(self.stage_one_audio in STAGE_ONE_AUDIO, "stage_one_audio", self.stage_one_audio, expected)
        _require(
            0 <= self.stage_boundary <= 1, "stage_boundary", self.stage_boundary, "a fraction within 0..1"
        )
        _require(0 < self.mask_gain < math.inf, "mask_gain", self.mask_gain, "a number above 0")
        _require(0 <= self.mask_smoothing <= 1, "mask_smoothing", self.mask_smoothing, "a share within 0..1")
        expected = f"one of {REFERENCE_TOKENS}"
        _require(
            self.reference_tokens in REFERENCE_TOKENS, "reference_tokens", self.reference_tokens, expected
        )
        _require(
            self.reference_interval >= 1,
            "reference_interval",
            self.reference_interval,
            "a number of steps, 1 or more",
        )
        _require(self.affinity_block >= -1, "affinity_block", self.affinity_block, "a block's number, or -1")
        _require(
            0 < self.affinity_temperature < math.inf,
            "affinity_temperature",
            self.affinity_temperature,
            "a number above 0",
        )

    def sharpen(self, masks: Tensor) -> Tensor:
        """Multiply masks of any shape by `mask_gain` and clamp to 0..1, in float32.

        Not in the paper: raw sigmoid masks are under-confident while the video forms and starve the mouths
        (docs/method.md). It applies to fixed masks too, whose soft edges it hardens.
        """
        return (masks.float() * self.mask_gain).clamp(0.0, 1.0)


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise InteractError(f"guidance setting {name} is {value!r}; set it to {expected}.")
