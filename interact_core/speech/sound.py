"""Waveforms: checked, resampled. The one place that knows what a recording must look like."""

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

import torch
from torch import Tensor

from ..errors import InteractError
from ..sentences import Sentence, sentence

LOWEST_RATE = 1000  # Hz; below it nothing of a voice is left
# A resampling filter has one phase for each unit of the reduced ratio. 44100 -> 16000 is 441/160; a ratio of
# two large coprime numbers would cost gigabytes, so it is replaced by the nearest of small terms (to 1e-6).
LARGEST_RATIO_TERM = 1000
# Full scale is 1. Coding and resampling overshoot it a little, a gain somewhat more; nothing that was meant as a
# fraction of full scale comes to 128 (+42 dB), and no 16-bit recording of a voice stays below it (-48 dB).
OVERSHOOT = 2.0
LOWEST_INT16_PEAK = 128.0
INT16_SCALE = 32768.0
LARGEST_INT16_PEAK = 1.25 * INT16_SCALE  # resampled since
LARGE_OFFSET = (
    0.02  # of full scale, and as large a share of the sound itself: a click where the recording begins
)
OFFSET_SHARE = 0.1
SILENT_PEAK = 1e-4  # -80 dB: what is below is padding and not a quiet room
SHORTEST_PADDING = 0.02  # seconds; an AAC encoder puts 1024 samples or more in front, 21 ms at 48 kHz


@dataclass(frozen=True)
class Recording:
    """One recording as it is used, and what was odd about it.

    waveform: [S, samples] float32 on the CPU, full scale 1; notes: for the artist, () for a usual one.
    """

    waveform: Tensor
    notes: tuple[Sentence, ...] = ()


def check_waveform(waveform: Tensor, sample_rate: int) -> Tensor:
    """read_waveform without its notes. What it gives can be given to it again: it is then unchanged."""
    return read_waveform(waveform, sample_rate).waveform


def read_waveform(waveform: Tensor, sample_rate: int) -> Recording:
    """One recording as [S, samples] float32 on the CPU; 16-bit numbers become fractions, an offset is removed.

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
    given = (waveform[0] if waveform.ndim == 3 else waveform).detach().cpu()
    sound = given.float()
    if sound.numel() == 0:
        raise InteractError("The recording is empty; load one that holds at least one sample.")
    if not torch.isfinite(sound).all():
        raise InteractError(
            "The recording contains NaN or infinite samples; export it again from its source."
        )
    sound, scaled = _to_full_scale(sound, given.dtype)
    sound, centred = _without_offset(sound)
    return Recording(sound, (*scaled, *centred, *_padding(sound, sample_rate)))


def _to_full_scale(sound: Tensor, dtype: torch.dtype) -> tuple[Tensor, list[Sentence]]:
    """Samples that are certainly whole numbers of 8, 16 or 32 bits, as fractions of full scale."""
    peak = sound.abs().max().item()
    if dtype == torch.uint8:
        return (sound - 128) / 128, [sentence("sound_8_bit")]
    if dtype == torch.int32 and peak > LARGEST_INT16_PEAK:
        return sound / 2.0**31, [sentence("sound_32_bit")]
    if peak <= OVERSHOOT:
        return sound, []
    whole = bool((sound == sound.round()).all())
    if peak <= LARGEST_INT16_PEAK and (whole or peak >= LOWEST_INT16_PEAK):
        return sound / INT16_SCALE, [sentence("sound_16_bit", peak=f"{peak:.0f}")]
    return sound, [sentence("sound_loud", peak=f"{peak:.4g}", gain=f"{1 / peak:.2g}")]


def _without_offset(sound: Tensor) -> tuple[Tensor, list[Sentence]]:
    """Each channel without its mean, if that is large. A constant is left alone: without its mean nothing is left."""
    mean = sound.mean(-1, keepdim=True)
    spread = (sound - mean).square().mean(-1, keepdim=True).sqrt()
    large = (mean.abs() > LARGE_OFFSET) & (mean.abs() > OFFSET_SHARE * spread) & (spread > SILENT_PEAK)
    if not bool(large.any()):
        return sound, []
    worst = mean[large].abs().max().item()
    return torch.where(large, sound - mean, sound), [sentence("sound_offset", offset=f"{worst:.2f}")]


def _padding(sound: Tensor, sample_rate: int) -> list[Sentence]:
    """What is said of digital silence at the ends. It is not cut: start times count from the recording's start."""
    loud = (sound.abs().amax(0) > SILENT_PEAK).nonzero()
    if not len(loud):
        return [sentence("sound_silent")]
    start = loud[0].item() / sample_rate
    end = (sound.shape[-1] - 1 - loud[-1].item()) / sample_rate
    if max(start, end) < SHORTEST_PADDING:
        return []
    if end < SHORTEST_PADDING:
        return [sentence("sound_padded_start", start=f"{start:.2f}")]
    if start < SHORTEST_PADDING:
        return [sentence("sound_padded_end", end=f"{end:.2f}")]
    return [sentence("sound_padded", start=f"{start:.2f}", end=f"{end:.2f}")]


def to_channels(sound: Tensor, channels: int) -> Tensor:
    """[S, samples] on `channels` channels: equal ones pass, others are averaged to mono and sound on all."""
    return sound if sound.shape[0] == channels else sound.mean(0, keepdim=True).expand(channels, -1)


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
