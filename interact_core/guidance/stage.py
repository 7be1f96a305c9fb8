"""Which stage of the method a model evaluation belongs to."""

from collections.abc import Callable

from torch import Tensor

from ..errors import InteractError
from .part import Part, with_carried
from .settings import GuidanceSettings

TOLERANCE = 1e-4
"""Relative. A schedule's own sigma at the boundary may differ from percent_to_sigma's in the last digits."""


class StageClock:
    """Stage one (no masks) until the sampler first evaluates at or below the boundary, then two for good.

    InterActHuman runs stage one for the first 10 of 50 steps. What matters is the noise level and not the number of
    steps (docs/method.md), so the boundary is one absolute sigma:
    - few-step schedules and other schedulers change stage at the same noise level, if not at the same step;
    - split sampling needs no step numbers; a sampler that starts below the boundary is in stage two from its first
      evaluation (which has no mask yet: see `guiding_masks`);
    - samplers that evaluate off the schedule (dpm_2, heun, seeds) need no matching sigma, and those that go back up
      (restarts, ancestral ones with noise) do not fall back into stage one.

    One clock serves one sampling run. `boundary` is the fraction 0..1 of the schedule at the model's own
    shift; `percent_to_sigma` turns it into a sigma, as ComfyUI's `model_sampling.percent_to_sigma` does.
    """

    def __init__(
        self, boundary: float, percent_to_sigma: Callable[[float], float], begun: bool = False
    ) -> None:
        """begun: stage two has begun in an earlier run that this one continues (EarlierMasks)."""
        self.boundary_sigma = float(percent_to_sigma(boundary))
        self.boundary_step = 0 if begun else -1

    @property
    def stage_two(self) -> bool:
        """Whether stage two has begun."""
        return self.boundary_step >= 0

    def observe(self, sigma: float, step: int = 0) -> bool:
        """Report a model evaluation at `sigma` in sampler step `step` (0 = first). Returns whether it is in stage two.

        `boundary_step` is the step of the first evaluation in stage two, -1 until then.
        """
        if not self.stage_two and sigma <= self.boundary_sigma * (1 + TOLERANCE):
            self.boundary_step = step
        return self.stage_two


def guiding_masks(
    stage_two: bool,
    settings: GuidanceSettings,
    predicted: Tensor | None,
    layouts: Tensor | None,
    part: Part | None = None,
) -> Tensor | None:
    """The masks that steer this evaluation, or None if `blend_weights` is to use the stage-one rule.

    predicted [..., N, T, h, w]: the committed masks of `MaskMemory`; layouts [N, T, h, w]: the cast's fixed
    masks. In stage two without a mask as yet (a split run that starts below the boundary, a boundary of 0) the
    stage-one rule holds for that one evaluation, which predicts the first mask. Fixed masks wait for stage two
    as predicted ones do, so that the two can be compared; with boundary 0 they steer from the start.
    part: its carried masks steer from the first step, so that nobody changes places at the cut before anything is
    predicted.
    Raises InteractError for mask_source "fixed" without layouts, in either stage.
    """
    if settings.mask_source == "fixed" and layouts is None:
        raise InteractError(
            'mask_source is "fixed", but no character has a layout mask: connect layout on at least one '
            'character, or choose "predicted".'
        )
    if settings.mask_source == "none":
        return None
    if settings.mask_source == "fixed":
        return layouts if stage_two else None
    return with_carried(predicted if stage_two else None, part)
