"""The method's own logic: which masks steer which step, and the share of each voice track at each token."""

from ..frames import snap_frames
from .blend import blend_weights
from .cast import Cast, Character, assemble_cast
from .earlier import EarlierMasks, earlier_masks
from .history import MaskHistory
from .layout import layouts_on_grid
from .memory import MaskMemory
from .part import Part, plan_part
from .settings import GuidanceSettings
from .stage import StageClock, guiding_masks

__all__ = [
    "Cast",
    "Character",
    "EarlierMasks",
    "GuidanceSettings",
    "MaskHistory",
    "MaskMemory",
    "Part",
    "StageClock",
    "assemble_cast",
    "blend_weights",
    "earlier_masks",
    "guiding_masks",
    "layouts_on_grid",
    "plan_part",
    "snap_frames",
]
