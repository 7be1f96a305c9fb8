"""The pack's own socket types, what core's carry, and the pack's category in the menu."""

from typing import Any

from comfy_api.latest import io

CATEGORY = "InterActHuman"

# What arrives on core's sockets. comfy_api's own types for them are not what ComfyUI passes (its AudioDict has
# "sampler_rate", its conditioning holds tuples).
AudioValue = dict[str, Any]  # "waveform" [1, channels, samples], "sample_rate" in Hz
LatentValue = dict[str, Any]  # "samples" [B, C, T, h, w]
ConditioningValue = list[list[Any]]  # [[text embedding [1, n, C], values], ...]

CharacterWire = io.Custom("INTERACT_CHARACTER")  # guidance.Character
CastWire = io.Custom("INTERACT_CAST")  # guidance.Cast
MasksWire = io.Custom("INTERACT_MASKS")  # preview.record.RunRecord, a guidance.MaskHistory
MaskHandleWire = io.Custom("INTERACT_MASK_HANDLE")  # host.run.wrappers.MaskHandle
# What core's Audio and AudioEncoderOutput sockets take, both: host.encode.dialogue.Voice.
VoiceWire = io.Custom("AUDIO,AUDIO_ENCODER_OUTPUT")
ScorerWire = io.Custom("INTERACT_SCORER")  # metrics.score.Scorer
