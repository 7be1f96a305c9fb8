"""The wav2vec2 module itself; how it is read from disk, test_wav2vec2_file.py sees."""

from pathlib import Path

from interacthuman.interact_core.speech.wav2vec2 import load_wav2vec2
from interacthuman.tests.support.models.tiny_wav2vec2 import SMALL, random_wav2vec2, save_folder
from interacthuman.tests.support.sounds import noise


def test_encoder_derives_stride_and_receptive_field_from_its_convolutions(tmp_path: Path) -> None:
    encoder = load_wav2vec2(save_folder(random_wav2vec2(**SMALL), tmp_path))
    assert (encoder.stride, encoder.receptive_field) == (320, 400)
    for samples in (400, 719, 720, 16000):
        assert encoder.hidden_states(noise(1)[:samples]).shape[0] == (samples - 400) // 320 + 1
