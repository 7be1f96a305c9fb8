"""How a bench runs one scene of the theatre: what differs from the shipped graph."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from ...interact_core.guidance import GuidanceSettings
from ...interact_core.guidance.affinity_recipe import EXAMPLE
from .sharpening import SharpeningSettings

if TYPE_CHECKING:
    from ...interact_core.theatre.pipeline import RunSettings

FIRST_FRAME, EVERY_FRAME = (
    "first frame",
    "every frame",
)  # true masks: the segmentation of the predicted run's video
TWO_PASSES, WITHIN_STEP = "two passes", "within the step"
START_IMAGE = "start image"  # affinity to the people of a rendered first frame, with which the video begins
AFFINITY_HEAD = "affinity of one head"  # of the queries and keys of one attention head (affinity_recipe.py)
SOURCES = {
    FIRST_FRAME: "fixed",
    EVERY_FRAME: "fixed",
    START_IMAGE: "affinity",
    AFFINITY_HEAD: "affinity",
}  # mask_source of the guidance settings, where it has another name
IN_TURNS, ONE_SILENT = "in turns", "one silent"


@dataclass(frozen=True)
class Setting:
    """How a scene is run; None is as shipped. Equal settings are run once, whatever rows need them.

    masks: predicted | affinity | AFFINITY_HEAD | START_IMAGE | none (every voice everywhere) | FIRST_FRAME |
    EVERY_FRAME (the segmentation of the finished predicted run's first frame, repeated, or of each of its
    frames). cache: which masks steer a step: the previous one's, those of a first pass of the same step, or,
    within one pass, those of the heads that came before. references: number of reference images; the first
    two characters speak, the others are silent. trained: name of other weights, "" for the shipped ones.
    """

    masks: str = "predicted"
    gain: float | None = None
    temperature: float | None = None
    threshold: float | None = None
    boundary: float | None = None
    stage_one_audio: str | None = None
    audio_cfg: float | None = None
    cache: str = "previous step"
    references: int = 2
    speakers: int = 2
    speech: str = "together"
    trained: str = ""

    @property
    def key(self) -> str:
        """A readable name: the changed fields, or "shipped". Equal settings have equal keys."""
        default = Setting()
        changed = [
            field.name for field in fields(self) if getattr(self, field.name) != getattr(default, field.name)
        ]
        return ", ".join(f"{name}={getattr(self, name)}" for name in changed) or "shipped"

    @property
    def description(self) -> str:
        """How masks are sharpened and voices scaled, for a table."""
        changed = {"gain": self.gain, "temperature": self.temperature, "threshold": self.threshold}
        changed["audio scale"] = self.audio_cfg
        return (
            ", ".join(f"{name} {value:g}" for name, value in changed.items() if value is not None)
            or "as shipped"
        )

    @property
    def source(self) -> Setting:
        """The predicted run from whose video true masks are taken."""
        return Setting(references=self.references, speakers=self.speakers, speech=self.speech)

    @property
    def needs_truth(self) -> bool:
        """Whether its masks are the segmentation of another run's video."""
        return self.masks in (FIRST_FRAME, EVERY_FRAME)

    def normalised(self, shipped: RunSettings) -> Setting:
        """The same with None for whatever is as shipped, so that equal runs have equal keys."""
        values = {
            name: getattr(shipped.guidance, field, getattr(SharpeningSettings, field))
            for name, field in GUIDANCE.items()
        }
        values["audio_cfg"] = shipped.audio_cfg
        return replace(self, **{name: None for name, value in values.items() if getattr(self, name) == value})

    def applied_to(self, shipped: RunSettings) -> RunSettings:
        """The shipped run settings with what this changes; the other fields are applied in runs.py."""
        source = SOURCES.get(self.masks, self.masks)
        changed = {
            field: getattr(self, name) for name, field in GUIDANCE.items() if getattr(self, name) is not None
        }
        values = {**vars(shipped.guidance), "mask_source": source, **changed}
        if self.masks == AFFINITY_HEAD:
            values["affinity_recipe"] = EXAMPLE
        guidance = (SharpeningSettings if SHARPENING & set(changed) else GuidanceSettings)(**values)
        audio_cfg = shipped.audio_cfg if self.audio_cfg is None else self.audio_cfg
        return replace(shipped, guidance=guidance, audio_cfg=audio_cfg)


GUIDANCE = {
    "gain": "mask_gain",
    "temperature": "mask_temperature",
    "threshold": "mask_threshold",
    "boundary": "stage_boundary",
    "stage_one_audio": "stage_one_audio",
}
"""Field of GuidanceSettings, or of SharpeningSettings, by field of Setting."""

SHARPENING = {"mask_temperature", "mask_threshold"}
