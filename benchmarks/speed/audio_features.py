"""Cost of the audio features: our wav2vec2 encoding against transformers' own call on the same sound."""

from __future__ import annotations

import torch

from ...interact_core.speech.encode import encode_speech
from ...interact_core.speech.wav2vec2 import SAMPLE_RATE, Wav2Vec2Encoder
from ..scenes.result import Figure, at_most
from .forward import Bench
from .timing import alternate, median, ratio, timed

OVER_TRANSFORMERS = 1.05  # at most so many times the plain call
SECONDS = 10.0  # of speech


def audio_features(bench: Bench) -> list[Figure]:
    """Audio feature extraction at wav2vec2-base's shape against transformers' own call."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    plain_model = Wav2Vec2Model(Wav2Vec2Config()).eval()
    encoder = Wav2Vec2Encoder(plain_model, do_normalize=True).eval().requires_grad_(False)
    sound = torch.randn(1, int(SECONDS * SAMPLE_RATE))
    normal = (sound - sound.mean()) / sound.std()

    def plain() -> object:
        with torch.no_grad():
            return plain_model(normal, output_hidden_states=True)

    def first() -> object:
        encoder.silence = None
        return encode_speech(encoder, sound, SAMPLE_RATE)

    actions = {"plain": plain, "ours": lambda: encode_speech(encoder, sound, SAMPLE_RATE), "first": first}
    cpu = torch.device("cpu")
    found = alternate({name: timed(action, cpu) for name, action in actions.items()}, max(5, bench.repeats))
    note = f"{SECONDS:.0f} s of speech to features per video frame; transformers' call on the same sound"
    return [
        Figure("transformers_call_s", *median(found["plain"])),
        at_most("audio_features", *ratio(found["ours"], found["plain"]), OVER_TRANSFORMERS, note),
        Figure(
            "audio_features_first", *ratio(found["first"], found["plain"]), note="with silence, heard once"
        ),
    ]
