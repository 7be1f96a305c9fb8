"""The masks of a finished run, as they travel to preview and conversion nodes."""

from dataclasses import dataclass

from torch import Tensor

from ..errors import InteractError


@dataclass(frozen=True, eq=False)  # tensors have no truth value: compare by identity
class MaskHistory:
    """What the network predicted while it sampled: the INTERACT_MASKS wire value.

    Raw predictions, before sharpening and smoothing. Of a batch of latents it holds the FIRST item. K may be
    smaller than the number of steps (thinned to a limit of memory, first and last kept; 0 if nothing was
    predicted). Raises InteractError if the parts do not fit together.

    A run's own record is a preview.record.RunRecord, which adds what viewers show beside the masks.
    """

    masks: Tensor  # [K, N, T, h, w] float16 CPU, 0..1; T latent frames, h = height / 16, w = width / 16
    steps: tuple[int, ...]  # K sampler step numbers, rising, 0 = first
    sigmas: tuple[float, ...]  # K noise levels, one per recorded step
    boundary_step: int  # first step of stage two, counted among all steps; -1 if it never began
    total_steps: int  # steps that the sampler took
    names: tuple[str, ...]  # N character names, in cast order
    width: int  # pixels
    height: int
    frames: int  # video frames, 4n+1
    fps: float
    mask_source: str = "predicted"  # GuidanceSettings.mask_source: whether these masks steered, or others
    start: int = 0  # frame of the film at which this part begins (guidance/part.py)
    carried: bool = False  # whether the finished part's masks steered from the first step on
    # first step that masks steered, -1 if none did; None: not known, so it is told by boundary, source and carried
    first_steered: int | None = None
    batch: int = 1  # latents that were sampled at once
    # [B, N, T, h, w] float32 CPU: the masks after the last step, smoothed, for a run that goes on from here
    latest: Tensor | None = None
    # [B, C, T, H / 8, W / 8] float32 CPU: the latent that was sampled, if a noise mask kept a part of it
    kept: Tensor | None = None

    def __post_init__(self) -> None:
        recorded, characters = self.masks.shape[:2]
        if self.masks.ndim != 5 or len(self.steps) != recorded or len(self.sigmas) != recorded:
            raise InteractError(
                f"mask history of shape {list(self.masks.shape)} has {len(self.steps)} steps and "
                f"{len(self.sigmas)} sigmas, expected [K, N, T, h, w] and K of each."
            )
        if characters != len(self.names):
            raise InteractError(
                f"mask history holds {characters} masks but names {len(self.names)} characters."
            )

    @property
    def steered(self) -> tuple[bool, ...]:
        """Of each recorded step, whether masks, these or fixed ones, steered the voices."""
        if self.first_steered is not None:
            return tuple(0 <= self.first_steered <= step for step in self.steps)
        return tuple(
            masks_steer(step, self.boundary_step, self.mask_source, self.carried) for step in self.steps
        )

    @property
    def steers_from(self) -> int:
        """The first step of stage two that masks steered, -1 if there is none.

        Not `boundary_step` where stage two began before there was a mask.
        """
        if self.first_steered is None or self.boundary_step < 0:
            return self.boundary_step
        return -1 if self.first_steered < 0 else max(self.boundary_step, self.first_steered)

    def index(self, name: str) -> int:
        """The number of the character `name`. Raises InteractError, with the names to choose from, if there is none."""
        if name not in self.names:
            raise InteractError(
                f"there is no character {name!r} in these masks: choose one of {', '.join(self.names)}."
            )
        return self.names.index(name)


def masks_steer(step: int, boundary_step: int, mask_source: str, carried: bool = False) -> bool:
    """Whether masks steer a sampler step: it is in stage two, and masks are used at all.

    boundary_step: the first step of stage two, -1 if there is none; carried: masks of a finished part steer from the
    first step on.
    """
    return mask_source != "none" and (carried or 0 <= boundary_step <= step)
