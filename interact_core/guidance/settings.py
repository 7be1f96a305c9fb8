"""How a run is guided: the choices that the sampler node offers."""

import math
from dataclasses import dataclass

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
    boundary: float = (
        0.2  # 0..1, fraction of the schedule at the model's own shift where stage two begins: 10 of 50
    )
    stage_one_audio: str = "mute"  # none (nothing is injected) | mute | all
    mask_gain: float = (
        2.0  # > 0; masks are multiplied by this and clamped to 1 before use (method.md, last section)
    )
    smoothing: float = 0.0  # 0..1, share of the old mask that is kept when a new one is committed
    audio_strength: float = (
        1.0  # factor on the injection; applied where it is added, so not part of the blend
    )
    history_limit: int = 64 * 2**20  # bytes of float16 masks kept for the preview
    affinity_block: int = -1  # block after which features are compared; -1 is the one behind the middle
    affinity_temperature: float = 0.02  # > 0; of the softmax over cosines
    mask_temperature: float = 1.0  # > 0; of the logits of masks, before the gain: below 1 is sharper
    mask_threshold: float = (
        0.0  # 0..1; masks are 1 from here on and 0 below, before the gain; 0 keeps them soft
    )
    # all | person: only what of each reference picture is not white ground (host/tokens/reference_pruning.py)
    reference_tokens: str = "all"
    # >= 1; the model looks at the references in every so many-th evaluation, and recalls them in between
    # (host/tokens/reference_cache.py)
    reference_interval: int = 1

    def __post_init__(self) -> None:
        _require(self.mask_source in MASK_SOURCES, "mask_source", self.mask_source, f"one of {MASK_SOURCES}")
        expected = f"one of {STAGE_ONE_AUDIO}"
        _require(self.stage_one_audio in STAGE_ONE_AUDIO, "stage_one_audio", self.stage_one_audio, expected)
        _require(0 <= self.boundary <= 1, "boundary", self.boundary, "a fraction within 0..1")
        _require(0 < self.mask_gain < math.inf, "mask_gain", self.mask_gain, "a number above 0")
        _require(0 <= self.smoothing <= 1, "smoothing", self.smoothing, "a share within 0..1")
        _require(math.isfinite(self.audio_strength), "audio_strength", self.audio_strength, "a finite number")
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
        _require(
            0 < self.mask_temperature < math.inf,
            "mask_temperature",
            self.mask_temperature,
            "a number above 0",
        )
        _require(0 <= self.mask_threshold <= 1, "mask_threshold", self.mask_threshold, "a share within 0..1")
        _require(self.history_limit >= 0, "history_limit", self.history_limit, "a number of bytes, 0 or more")


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise InteractError(f"guidance setting {name} is {value!r}; set it to {expected}.")
