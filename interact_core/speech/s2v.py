"""wav2vec2 features as Wan2.2 S2V takes them, from the hidden states of ComfyUI's encoder or this pack's.

Core brings the states to 30 frames a second and gives each video frame, of 16 in a second, the one nearest to the time
at which it begins (comfy_extras/nodes_wan.py, linear_interpolation and get_audio_embed_bucket_fps). Before and after a
recording core gives features of 0; here silence is heard there, as in the pauses within.
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F

from .from_core import LAYERS_KEY
from .types import Speech
from .whisper import STATES_PER_SECOND

FRAMES_PER_SECOND = 30.0


def as_s2v_hears(output: dict[str, Any] | None, speech: Speech) -> Speech:
    """The speech with features at 30 frames a second, [F, L, C], as core makes them of an encoder's states.

    output: the AUDIO_ENCODER_OUTPUT that `speech` is of; without states in it, `speech` as it is.
    """
    layers = (output or {}).get(LAYERS_KEY)
    if not layers:
        return speech
    states = torch.cat([layer.detach().float().cpu() for layer in layers])  # [L, T, C]
    frames = max(1, int(states.shape[1] / STATES_PER_SECOND * FRAMES_PER_SECOND))  # core's own rounding
    track = F.interpolate(states.transpose(1, 2), size=frames, mode="linear", align_corners=True)
    return replace(speech, features=track.permute(2, 0, 1), fps=FRAMES_PER_SECOND)
