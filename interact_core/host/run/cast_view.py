"""What viewers are told of a cast: what is heard while its video plays, and the masks that were drawn for it."""

from torch import Tensor

from ...guidance import Cast
from ...preview.sounds import HIGHEST_RATE, FilmSounds, film_sounds
from ...speech.from_core import heard_of
from ...speech.peaks import peaks_on_timeline
from ...speech.timeline import sound_on_timeline
from ...speech.types import Sound, Speech


def _voices(cast: Cast) -> list[Speech | Sound | None]:
    """Core's own audio encoder does not pass on the sound: None for its speech alone, too."""
    return [heard_of(character.speech or {}) for character in cast.characters]


def loudness_of(cast: Cast) -> tuple[Tensor | None, ...]:
    """RunRecord.loudness."""
    return tuple(
        None if sound is None else peaks_on_timeline(sound, cast.frames, cast.fps) for sound in _voices(cast)
    )


def sounds_of(cast: Cast) -> FilmSounds | None:
    """RunRecord.sounds: every voice and the scene, at the highest of their rates up to HIGHEST_RATE."""
    voices = _voices(cast)
    sounds = [*voices, cast.scene]
    rate = min(HIGHEST_RATE, max((sound.sample_rate for sound in sounds if sound is not None), default=1))
    tracks = [
        None if sound is None else sound_on_timeline(sound, cast.frames, cast.fps, rate) for sound in sounds
    ]
    return film_sounds(tracks[:-1], tracks[-1], rate)


def fixed_masks(cast: Cast, mask_source: str) -> Tensor | None:
    """RunRecord.fixed: the layouts where they steer."""
    return cast.layouts.cpu() if mask_source == "fixed" and cast.layouts is not None else None
