"""How one scene of the theatre is played by a bench: what differs from the shipped graph."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...interact_core.theatre.pipeline import Direction

FIRST_FRAME, EVERY_FRAME = "first frame", "every frame"  # drawn masks: the truth of the source's video
TWO_PASSES, WITHIN_STEP = "two passes", "within the step"
START_IMAGE = "start image"  # likeness to the people of a drawn first frame, which is where the video begins
SOURCES = {
    FIRST_FRAME: "fixed",
    EVERY_FRAME: "fixed",
    START_IMAGE: "affinity",
}  # mask_source, where it is called otherwise
IN_TURNS, ONE_SILENT = "in turns", "one silent"


@dataclass(frozen=True)
class Setting:
    """How a scene is played; None is as shipped. Equal settings are played once, whatever rows want them.

    masks: predicted | affinity | START_IMAGE | none (every voice everywhere) | FIRST_FRAME | EVERY_FRAME (the
    segmentation of the finished predicted run's first frame, repeated, or of each of its frames). cache: which masks
    steer a step: the previous one's, those of a first pass of the same step, or, within one pass, those of
    the heads that came before. references: pictures shown; the first two speak, the others are silent.
    trained: name of other weights, "" for the shipped ones.
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
        """The same for the same play, readable, without what is as by default."""
        default = Setting()
        changed = [
            field.name for field in fields(self) if getattr(self, field.name) != getattr(default, field.name)
        ]
        return ", ".join(f"{name}={getattr(self, name)}" for name in changed) or "shipped"

    @property
    def way(self) -> str:
        """How masks are sharpened and voices scaled, in words."""
        told = {"gain": self.gain, "temperature": self.temperature, "threshold": self.threshold}
        told["audio scale"] = self.audio_cfg
        return (
            ", ".join(f"{name} {value:g}" for name, value in told.items() if value is not None)
            or "as shipped"
        )

    @property
    def source(self) -> Setting:
        """The predicted run whose video the drawn masks are taken from."""
        return Setting(references=self.references, speakers=self.speakers, speech=self.speech)

    @property
    def drawn(self) -> bool:
        return self.masks in (FIRST_FRAME, EVERY_FRAME)

    def told_as(self, shipped: Direction) -> Setting:
        """The same with None for whatever is as shipped, so that equal plays have equal keys."""
        theirs = {name: getattr(shipped.guidance, field) for name, field in GUIDANCE.items()}
        theirs["audio_cfg"] = shipped.audio_cfg
        return replace(self, **{name: None for name, value in theirs.items() if getattr(self, name) == value})

    def directed(self, shipped: Direction) -> Direction:
        """The shipped direction with what is changed of it; the rest is _plays'."""
        source = SOURCES.get(self.masks, self.masks)
        told = {
            field: getattr(self, name) for name, field in GUIDANCE.items() if getattr(self, name) is not None
        }
        guidance = replace(shipped.guidance, mask_source=source, **told)
        audio_cfg = shipped.audio_cfg if self.audio_cfg is None else self.audio_cfg
        return replace(shipped, guidance=guidance, audio_cfg=audio_cfg)


GUIDANCE = {
    "gain": "mask_gain",
    "temperature": "mask_temperature",
    "threshold": "mask_threshold",
    "boundary": "boundary",
    "stage_one_audio": "stage_one_audio",
}
