"""The values that an adapter was made for, in its file's metadata, so that a graph can be set to them by one click.

They are advice: nothing is refused for having others, and a file without them is as good. web/graph/model_values.js
reads them, by ComfyUI's own route for a file's metadata.
"""

import json
from dataclasses import asdict, dataclass
from math import isfinite

from ..errors import InteractError, one_line

RECOMMENDED_KEY = "interact_recommended"


@dataclass(frozen=True)
class Recommended:
    """Values under the names of the nodes' inputs; None is left out. Raises InteractError for one that is out of range.

    width, height: pixels; fps: of the video; steps, cfg, audio_cfg, sampler_name, stage_boundary (0..1), mask_gain: of
    the sampler; shift: of ModelSamplingSD3; negative_references: "blank" or "shown".
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    steps: int | None = None
    cfg: float | None = None
    audio_cfg: float | None = None
    sampler_name: str | None = None
    stage_boundary: float | None = None
    mask_gain: float | None = None
    shift: float | None = None
    negative_references: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.values().items():
            if name == "negative_references":
                fits = value in ("blank", "shown")
            elif name == "sampler_name":
                fits = isinstance(value, str) and bool(value)
            else:
                fits = isinstance(value, (int, float)) and isfinite(value) and value >= 0
            if not fits or (name == "stage_boundary" and float(value) > 1):
                raise InteractError(
                    f"The recommended value {name} is {one_line(repr(value), 40)}: give a number of 0 or more "
                    "(stage_boundary at most 1), for negative_references 'blank' or 'shown', for sampler_name a name."
                )

    def values(self) -> dict[str, int | float | str]:
        """Those that are there."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def to_metadata(self) -> dict[str, str]:
        """For the header of a safetensors file; nothing where there are none."""
        return {RECOMMENDED_KEY: json.dumps(self.values(), sort_keys=True)} if self.values() else {}
