"""Sounds as they come in: checked, made float32, brought to another rate."""

import torch
from interacthuman.interact_core.speech.sound import check_waveform, resample
from interacthuman.tests.support.sounds import RATE, syllables


def test_odd_sample_rate_costs_no_giant_filter() -> None:
    sound = syllables(1.0, 44101)
    found = resample(sound, 44101, RATE)
    assert abs(found.shape[0] - RATE) <= 1
    torch.testing.assert_close(found[100:15900], syllables(1.0)[100:15900], atol=2e-3, rtol=0)


def test_integer_and_half_precision_sound_is_taken() -> None:
    assert check_waveform(torch.ones(1, 8, dtype=torch.int16), RATE).dtype == torch.float32
    assert check_waveform(torch.ones(1, 2, 8, dtype=torch.float16), RATE).shape == (2, 8)
