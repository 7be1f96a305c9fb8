"""Sounds as they come in: checked, made float32, brought to another rate."""

import pytest
import torch
from interacthuman.interact_core.speech.sound import check_waveform, read_waveform, resample
from interacthuman.tests.support.sounds import RATE, syllables
from torch import Tensor


def test_odd_sample_rate_costs_no_giant_filter() -> None:
    sound = syllables(1.0, 44101)
    found = resample(sound, 44101, RATE)
    assert abs(found.shape[0] - RATE) <= 1
    torch.testing.assert_close(found[100:15900], syllables(1.0)[100:15900], atol=2e-3, rtol=0)


def test_integer_and_half_precision_sound_is_taken() -> None:
    assert check_waveform(torch.ones(1, 8, dtype=torch.int16), RATE).dtype == torch.float32
    assert check_waveform(torch.ones(1, 2, 8, dtype=torch.float16), RATE).shape == (2, 8)


# --- recordings out of their range


def voiced(peak: float = 0.5, seconds: float = 1.0) -> Tensor:
    sound = syllables(seconds)[None]
    return sound * (peak / sound.abs().max())


def test_a_usual_recording_is_left_bit_for_bit() -> None:
    for peak in (0.001, 0.5, 1.0, 1.3):  # AAC and resampling overshoot
        sound = voiced(peak)
        read = read_waveform(sound, RATE)
        assert torch.equal(read.waveform, sound)
        assert not read.notes or read.notes[0].key.startswith("sound_padded")


@pytest.mark.parametrize("dtype", [torch.int16, torch.float32, torch.float64])
@pytest.mark.parametrize("peak", [20, 300, 32767])
def test_sixteen_bit_numbers_become_fractions(dtype: torch.dtype, peak: float) -> None:
    numbers = voiced(peak).round()
    read = read_waveform(numbers.to(dtype), RATE)
    assert torch.equal(read.waveform, numbers / 32768)
    assert f"go up to {peak}, so they are 16-bit numbers" in str(read.notes[0])
    again = read_waveform(read.waveform, RATE)
    assert torch.equal(again.waveform, read.waveform)


def test_sixteen_bit_numbers_are_told_after_resampling_too() -> None:
    numbers = voiced(20000.0)  # no whole numbers any more
    assert torch.equal(check_waveform(numbers, RATE), numbers / 32768)


def test_other_whole_numbers_become_fractions() -> None:
    sound = voiced(0.5)
    eight, thirty_two = (sound * 128 + 128).round().to(torch.uint8), (sound * 2.0**31).to(torch.int32)
    torch.testing.assert_close(check_waveform(eight, RATE), sound, atol=1 / 128, rtol=0)
    torch.testing.assert_close(check_waveform(thirty_two, RATE), sound, atol=1e-6, rtol=0)


@pytest.mark.parametrize("peak", [3.5, 100.0, 8e6])
def test_what_is_loud_but_not_certain_is_left_and_said(peak: float) -> None:
    sound = voiced(peak)
    read = read_waveform(sound, RATE)
    assert torch.equal(read.waveform, sound)
    assert "left as they are" in str(read.notes[0])


def test_a_large_offset_is_removed() -> None:
    sound = torch.cat((voiced(0.3), voiced(0.3)))
    read = read_waveform(sound + torch.tensor([[0.2], [0.0]]), RATE)
    torch.testing.assert_close(read.waveform[0], sound[0] - sound[0].mean(), atol=1e-6, rtol=0)
    assert torch.equal(read.waveform[1], sound[1])
    assert "It had an offset (DC) of 0.20 of full scale, which was removed." in map(str, read.notes)
    assert torch.equal(check_waveform(read.waveform, RATE), read.waveform)
    small = voiced(0.3) + 0.005
    assert torch.equal(check_waveform(small, RATE), small)
    numbers = read_waveform((voiced(0.3) + 0.2) * 32768, RATE)
    assert {"sound_16_bit", "sound_offset"} <= {note.key for note in numbers.notes}
    assert float(numbers.waveform.mean().abs()) < 1e-6


def test_padding_is_said_and_stays() -> None:
    """1024 samples of an AAC encoder in front, a thousand behind."""
    sound = torch.nn.functional.pad(torch.full((1, 8000), 0.1), (1024, 1000))
    sound[0, 1024:-1000:2] *= -1
    read = read_waveform(sound, RATE)
    assert torch.equal(read.waveform, sound)
    assert said(sound) == ["It begins with 0.06 s and ends with 0.06 s of digital silence."]
    assert said(sound[:, 1024:]) == ["It ends with 0.06 s of digital silence."]
    assert said(sound[:, :-1000]) == ["It begins with 0.06 s of digital silence."]
    assert said(torch.zeros(1, 800)) == ["It is silent throughout."]


def said(sound: Tensor) -> list[str]:
    return [str(note) for note in read_waveform(sound, RATE).notes]
