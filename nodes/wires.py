"""The types of wire that are ours, and the one place in the menu."""

from comfy_api.latest import io

CATEGORY = "InterActHuman"

CharacterWire = io.Custom("INTERACT_CHARACTER")  # guidance.Character
CastWire = io.Custom("INTERACT_CAST")  # guidance.Cast
MasksWire = io.Custom("INTERACT_MASKS")  # guidance.MaskHistory
MaskHandleWire = io.Custom("INTERACT_MASK_HANDLE")  # host.wrappers.MaskHandle
