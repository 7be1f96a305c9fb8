"""The pack's own socket types, and its category in the menu."""

from comfy_api.latest import io

CATEGORY = "InterActHuman"

CharacterWire = io.Custom("INTERACT_CHARACTER")  # guidance.Character
CastWire = io.Custom("INTERACT_CAST")  # guidance.Cast
MasksWire = io.Custom("INTERACT_MASKS")  # guidance.MaskHistory
MaskHandleWire = io.Custom("INTERACT_MASK_HANDLE")  # host.run.wrappers.MaskHandle
