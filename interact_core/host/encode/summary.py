"""What InterAct Encode Characters made of what it was given: who speaks when, and what was cut or changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InteractError
from ...guidance import Cast
from ...guidance.layout import TOKEN_PIXELS
from ...sentences import Sentence, sentence
from ...speech.types import Sound, Speech

SMALLEST_CUT = 0.005  # seconds: what is said with two decimals
UNEQUAL = 0.15  # seconds by which sound and features of one recording may differ: rounding to frames of both


@dataclass(frozen=True)
class Span:
    """One recording in the video.

    start, end: seconds of the video at which the recording begins and ends, before it was cut; video: seconds of the
    whole video. encoded: seconds of it that move the lips. has_sound: whether it is heard in the mixed dialogue.
    strength: the character's audio strength.
    """

    name: str
    start: float
    end: float
    video: float
    encoded: float | None = None
    has_sound: bool = True
    strength: float = 1.0

    @property
    def too_late(self) -> bool:
        return self.start >= self.video - 1e-6

    @property
    def too_early(self) -> bool:
        return self.end <= 1e-6

    @property
    def inside(self) -> tuple[float, float] | None:
        """From when to when it is in the video, in seconds; None if it is nowhere in it."""
        if self.too_late or self.too_early:
            return None
        return max(0.0, self.start), min(self.end, self.video)

    @property
    def cut_at_start(self) -> float:
        """Seconds of a recording in the video that lie before it."""
        return max(0.0, -self.start) if self.inside else 0.0

    @property
    def cut_at_end(self) -> float:
        """Seconds of a recording in the video that lie after its end."""
        return max(0.0, self.end - self.video) if self.inside else 0.0


@dataclass(frozen=True)
class CastSummary:
    """Who speaks from when to when, who is silent, and what was cut, rounded, or turned down.

    width, height: pixels; frames, fps: of the video. asked: width, height and length as they were asked for, length 0
    for as long as the speech. voices: of the speaking characters, in cast order; silent: names of the others. scene:
    the sound of the scene. peak: of the mixed dialogue before it was turned down to at most 1.
    """

    width: int
    height: int
    frames: int
    fps: float
    asked: tuple[int, int, int]
    voices: tuple[Span, ...] = ()
    silent: tuple[str, ...] = ()
    scene: Span | None = None
    peak: float = 0.0

    @property
    def lost(self) -> tuple[Span, ...]:
        """The voices that are nowhere in the video."""
        return tuple(voice for voice in self.voices if voice.inside is None)

    @property
    def warnings(self) -> tuple[Sentence, ...]:
        """What is probably not what the artist wanted."""
        said = []
        if self.voices and len(self.lost) == len(self.voices):
            said.append(sentence("nobody_heard"))
        said += [_lost(voice) for voice in self.lost]
        for voice in self.voices:
            if voice.inside is None:
                continue
            if not voice.has_sound:
                said.append(sentence("voice_without_sound", name=voice.name))
            length = voice.end - voice.start
            if voice.encoded is not None and abs(voice.encoded - length) > UNEQUAL:
                times = {"sound": f"{length:.2f}", "encoded": f"{voice.encoded:.2f}"}
                said.append(sentence("voice_unequal", name=voice.name, **times))
        return tuple(said)

    @property
    def lines(self) -> tuple[Sentence, ...]:
        """Warnings first."""
        lines = [*self.warnings, *self._size()]
        for voice in self.voices:
            if voice.inside:
                lines.append(_spoken("speaks", voice, name=voice.name))
                if voice.strength == 0:
                    lines.append(sentence("speaks_still", name=voice.name))
        if self.silent:
            lines.append(sentence("silent", names=self.silent))
        if self.scene is not None:
            lines.append(_spoken("scene", self.scene))
        if self.peak > 1.0:
            lines.append(sentence("turned_down", peak=f"{self.peak:.2f}"))
        return tuple(lines)

    def _size(self) -> list[Sentence]:
        """Size and length, with what was asked for wherever it was changed."""
        width, height, length = self.asked
        seconds, fps = f"{self.frames / self.fps:.2f}", f"{self.fps:g}"
        said = [
            sentence(
                "video", width=self.width, height=self.height, count=self.frames, seconds=seconds, fps=fps
            )
        ]
        if (self.width, self.height) != (width, height):
            said.append(sentence("size_rounded", width=width, height=height, step=TOKEN_PIXELS))
        if length and length != self.frames:
            said.append(sentence("length_rounded", frames=length))
        return said


def summarise(
    cast: Cast,
    speeches: Sequence[Speech | None],
    asked: tuple[int, int, int],
    scene: Sound | Speech | None = None,
    peak: float = 0.0,
) -> CastSummary:
    """The summary of a cast. speeches: one for each character, None for a silent one; others: as CastSummary."""
    seconds = cast.frames / cast.fps
    voices = [
        Span(
            character.name,
            speech.start,
            speech.end,
            seconds,
            speech.encoded_seconds,
            speech.has_sound,
            character.strength,
        )
        for character, speech in zip(cast.characters, speeches, strict=True)
        if speech is not None
    ]
    silent = [
        character.name for character, speech in zip(cast.characters, speeches, strict=True) if speech is None
    ]
    sound = None
    if scene is not None:
        sound = Span("", scene.start, scene.start + scene.seconds, seconds)
    return CastSummary(
        cast.width, cast.height, cast.frames, cast.fps, asked, tuple(voices), tuple(silent), sound, peak
    )


def check_heard(names: Sequence[str], speeches: Sequence[Speech], fps: float) -> None:
    """Raise InteractError if a length cannot be taken from the speech, as every voice is over before the video starts.

    names, speeches: of the speaking characters. A remainder of less than one frame is no film either.
    """
    if speeches and all(speech.start < 0 and speech.end < 1 / fps for speech in speeches):
        ends = ", ".join(
            f"{name} at {speech.end:.2f} s" for name, speech in zip(names, speeches, strict=True)
        )
        raise InteractError(
            f"Every voice ends before the video begins ({ends}), so no length can be taken from the speech: raise "
            "start_time on InterAct Encode Speech, or set length."
        )


def _lost(voice: Span) -> Sentence:
    if voice.too_late:
        return sentence("voice_late", name=voice.name, start=f"{voice.start:.2f}", end=f"{voice.video:.2f}")
    return sentence("voice_early", name=voice.name, start=f"{voice.start:.2f}", end=f"{voice.end:.2f}")


CUT = {(): "", ("before",): "_cut_start", ("after",): "_cut_end", ("before", "after"): "_cut"}
"""What the key of a sentence about a recording ends in, by what is cut off it."""


def _spoken(key: str, voice: Span, **who: str) -> Sentence:
    """From when to when a recording is heard, and what is cut off it."""
    first, last = voice.inside or (0.0, 0.0)
    cuts = {"before": voice.cut_at_start, "after": voice.cut_at_end}
    said = {end: f"{seconds:.2f}" for end, seconds in cuts.items() if seconds >= SMALLEST_CUT}
    return sentence(key + CUT[tuple(said)], start=f"{first:.2f}", end=f"{last:.2f}", **who, **said)
