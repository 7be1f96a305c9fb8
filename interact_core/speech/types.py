"""The values that the rest of the pack gets from speech/."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Sound:
    """Sound that belongs to nobody: music, a room, wind.

    waveform: [S, samples] float32 on the CPU, gain applied; sample_rate: Hz; start: seconds after the start of
    the video at which it begins.
    """

    waveform: Tensor
    sample_rate: int
    start: float = 0.0

    @property
    def seconds(self) -> float:
        return self.waveform.shape[-1] / self.sample_rate


@dataclass(frozen=True)
class Speech:
    """One speaker's recording and its audio features.

    features: [F, L, C] float32 on the CPU, the encoder's hidden states at `fps` frames per second. L counts
        every hidden state, the embedding output first; frame f is centred at (f + 0.5) / fps seconds of the
        recording.
    mute: [L, C] float32 on the CPU, digital silence through the same encoder, averaged over time.
    fps: feature frames per second, above 0.
    waveform: [S, samples] float32 on the CPU, the sound for the mixed dialogue: gain applied, start time not
    padded.
    sample_rate: samples per second of `waveform`.
    start: seconds after the start of the video at which the recording begins; below 0 cuts its beginning.
    has_sound: False where core's encoder passed on no sound: `waveform` is then silence of the right length.
    """

    features: Tensor
    mute: Tensor
    fps: float
    waveform: Tensor
    sample_rate: int
    start: float = 0.0
    has_sound: bool = True

    @property
    def seconds(self) -> float:
        """Length of the recording in seconds, without its start time."""
        return self.waveform.shape[-1] / self.sample_rate

    @property
    def end(self) -> float:
        """Seconds after the start of the video at which the recording ends."""
        return self.start + self.seconds

    @property
    def encoded_seconds(self) -> float:
        """How much of the recording has features: all of it, rounded up to a frame, or what the encoder took."""
        return self.features.shape[0] / self.fps
