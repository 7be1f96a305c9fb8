"""Waveforms: checked, resampled. The one place that knows what a recording must look like."""

from fractions import Fraction
from math import isfinite

import torch
from torch import Tensor

from ..errors import InteractError

LOWEST_RATE = 1000  # Hz; below it nothing of a voice is left
# A resampling filter has one phase for each unit of the reduced ratio. 44100 -> 16000 is 441/160; a ratio of
# two large coprime numbers would cost gigabytes, so it is replaced by the nearest of small terms (to 1e-6).
LARGEST_RATIO_TERM = 1000


def check_waveform(waveform: Tensor, sample_rate: int) -> Tensor:
    """One recording as [S, samples] float32 on the CPU.

    waveform: [S, samples] or [1, S, samples], S >= 1 channels, any dtype and device.
    sample_rate: Hz, at least LOWEST_RATE. Raises InteractError for anything else, and for NaN or infinite
    samples.
    """
    if not sample_rate > 0:
        raise InteractError(
            f"The recording has a sample rate of {sample_rate} Hz; load it again from its file."
        )
    if not LOWEST_RATE <= sample_rate < float("inf"):
        raise InteractError(
            f"The recording has a sample rate of {sample_rate} Hz; speech needs at least {LOWEST_RATE} Hz."
        )
    if waveform.ndim == 3 and waveform.shape[0] != 1:
        raise InteractError(
            f"The audio is a batch of {waveform.shape[0]} recordings; use one InterAct Encode Speech for each "
            "recording."
        )
    if waveform.ndim not in (2, 3):
        raise InteractError(
            f"The waveform has shape {list(waveform.shape)}; "
            "expected [channels, samples] or [1, channels, samples]."
        )
    sound = (waveform[0] if waveform.ndim == 3 else waveform).detach().cpu().float()
    if sound.numel() == 0:
        raise InteractError("The recording is empty; load one that holds at least one sample.")
    if not torch.isfinite(sound).all():
        raise InteractError(
            "The recording contains NaN or infinite samples; export it again from its source."
        )
    return sound


def check_fps(fps: float) -> None:
    """Raises InteractError unless fps is a finite number above 0."""
    if not (isfinite(fps) and fps > 0):
        raise InteractError(f"{fps} frames per second is no frame rate; use a number above 0, such as 25.")


def resample(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """[..., samples] at `rate` Hz to [..., ceil(samples * new_rate / rate)] at `new_rate` Hz."""
    if rate == new_rate:
        return waveform
    from torchaudio.functional import resample as torchaudio_resample

    ratio = Fraction(rate) / Fraction(new_rate)
    if max(ratio.numerator, ratio.denominator) > LARGEST_RATIO_TERM:
        ratio = ratio.limit_denominator(LARGEST_RATIO_TERM)
    return torchaudio_resample(waveform, ratio.numerator, ratio.denominator)
