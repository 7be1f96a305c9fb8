"""Whisper-large-v3 features as HuMo takes them, from the output of core's comfy/audio_encoders/whisper.py.

Whisper always encodes 30 seconds: a shorter recording with silence after it, of a longer one the beginning only.
"""

from collections.abc import Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from .wav2vec2 import SAMPLE_RATE

LAYERS = 33
"""Hidden states of whisper-large: the embedding output and 32 layers. No wav2vec2 that core loads has so many."""

GROUP = 8
"""Layers whose mean HuMo takes as one; the last stands alone (comfy_extras/nodes_wan.py, WanHuMoImageToVideo)."""

WHISPER_GROUPS = (LAYERS - 1) // GROUP + 1

STATES_PER_SECOND = 50
FRAMES_PER_SECOND = 25.0  # of HuMo's features
FRAME_SAMPLES = 640
WHISPER_SECONDS = 30.0  # at once
FADING_STATES = 25  # after the end of a recording, still influenced by it
SILENT_STATES = 50  # at least, for a mean of silence


def is_whisper(layers: Sequence[Tensor]) -> bool:
    """Whether an encoder's hidden states are those of whisper-large-v3, by their number."""
    return len(layers) == LAYERS


def grouped(layers: Sequence[Tensor]) -> Tensor:
    """Hidden states [1, T, C] of all layers -> [T, 5, C] float32 on the CPU, as HuMo takes them."""
    states = [layer[0].detach().float().cpu() for layer in layers]
    groups = [torch.stack(states[first : first + GROUP]).mean(0) for first in range(0, LAYERS - 1, GROUP)]
    return torch.stack([*groups, states[-1]], dim=1)


def to_frames(states: Tensor, samples: int) -> Tensor:
    """States [T, L, C] of a recording of `samples` at 16 kHz -> [F, L, C] at 25 frames a second.

    The ends of the recording are the first and the last frame's own, as HuMo was trained: frame f is sampled up to
    half a frame before its centre.
    """
    spoken = states[: max(2, 2 * (samples // FRAME_SAMPLES))]
    frames = max(1, int(len(spoken) / STATES_PER_SECOND * FRAMES_PER_SECOND))  # core's own rounding
    track = spoken.flatten(1).T[None]  # [1, L * C, T]
    return F.interpolate(track, size=frames, mode="linear", align_corners=True)[0].T.unflatten(
        1, states.shape[1:]
    )


def silence_behind(states: Tensor, samples: int) -> Tensor | None:
    """[L, C], the mean of what whisper makes of the silence behind a recording; None if there is too little.

    Whisper scales its input by the loudest moment, so silence by itself, where nothing is loud, gives features
    that HuMo was not trained on.
    """
    first = ceil(samples / SAMPLE_RATE * STATES_PER_SECOND) + FADING_STATES
    return states[first:].mean(0) if len(states) - first >= SILENT_STATES else None
