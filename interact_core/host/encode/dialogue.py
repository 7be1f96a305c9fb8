"""The dialogue of InterAct Dialogue: its recordings from ComfyUI's input folder, a voice for each lane, the mix."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import torch

from ...errors import InteractError, one_line
from ...examples import NAMES, recording_file
from ...frames import snap_frames
from ...media import read_channels
from ...sentences import Sentence, sentence
from ...speech.dialogue import (
    MAX_LANES,
    TICK,
    Dialogue,
    Span,
    lane_sound,
    overlaps,
    pauses,
    piled,
    read_dialogue,
    timed,
)
from ...speech.from_core import SILENT_KEY
from ...speech.sound import check_fps, read_waveform, resample
from ...speech.timeline import SILENT_RATE, mix_dialogue
from ...speech.types import Sound
from .recording import encode_recording

logger = logging.getLogger(__name__)

EXAMPLE = " [example]"  # behind the name of a recording of this pack's
SHORTEST_PAUSE = 0.5  # seconds: what is shorter is how people speak
MOST_SPANS = 5  # said of one thing
ODD_SOUND = frozenset(
    {"sound_offset", "sound_loud", "sound_silent"}
)  # what may be odd about a file that was decoded

Voice = dict[str, Any]
"""A lane on its wire: AUDIO from the start of the film, and AUDIO_ENCODER_OUTPUT where an encoder is connected."""


@dataclass(frozen=True, eq=False)
class EncodedDialogue:
    """The outputs of InterAct Dialogue.

    voices: one for each lane; audio: AUDIO of all of them, exactly as long as the film; frames: 4n+1; lines: for the
    node.
    """

    voices: tuple[Voice, ...]
    audio: dict[str, Any]
    frames: int
    fps: float
    lines: tuple[Sentence, ...]

    @property
    def outputs(self) -> tuple[Any, ...]:
        """Of the node; None for the lanes that are not there."""
        absent = [None] * (MAX_LANES - len(self.voices))
        return (self.audio, self.frames, self.fps, *self.voices, *absent)


def encode_dialogue(
    text: str, fps: float = 25.0, length: int = 0, encoder: Any | None = None
) -> EncodedDialogue:
    """Read, lay out, mix and, with an encoder, encode a dialogue.

    text: JSON (speech/dialogue.py); length: frames, rounded up to 4n+1, or 0 for as long as the speech; encoder: as
    encode_recording takes it. Raises InteractError, before anything is encoded, for a dialogue that cannot be read,
    files that are missing, outside of ComfyUI's input folder or without sound, and a dialogue in which nobody speaks.
    """
    check_fps(fps)
    dialogue = read_dialogue(text)
    paths = recording_paths(dialogue)
    if not paths and not length:
        raise InteractError(
            "Nobody speaks in the dialogue: drop a recording onto a lane of InterAct Dialogue, or set length."
        )
    recordings, rate, notes = read_recordings(paths)
    heard = timed(dialogue, recordings)
    frames, sounds = _laid_out(heard, recordings, rate, fps, length)
    mixed, _, peak = mix_dialogue([sound for sound in sounds if sound is not None], frames, fps, rate)
    lines = (*_lines(dialogue, heard, frames, fps, length), *notes, *_turned_down(peak))
    logger.info("InterAct Dialogue: %s", " ".join(map(str, lines)))
    voices = []
    for lane, sound in zip(heard.lanes, sounds, strict=True):
        comfy.model_management.throw_exception_if_processing_interrupted()
        try:
            voices.append(voice_of(sound, frames / fps, rate, encoder))
        except InteractError as error:
            raise InteractError(f"The lane of {lane.name!r}: {error}") from error
    audio = {"waveform": mixed[None], "sample_rate": rate}
    return EncodedDialogue(tuple(voices), audio, frames, float(fps), lines)


def voice_of(sound: Sound | None, seconds: float, rate: int, encoder: Any | None = None) -> Voice:
    """One lane for its wire. Without a sound it is silence of the film's length, marked as silent.

    As AUDIO it begins with the film, so that InterAct Encode Speech places it right without a start_time; as speech it
    is encoded from its first word to its last.
    """
    if sound is None:
        silence = torch.zeros(1, 1, max(1, int(seconds * rate + TICK)))
        return {"waveform": silence, "sample_rate": rate, SILENT_KEY: True}
    before = torch.zeros(sound.waveform.shape[0], round(sound.start * rate))
    audio = {"waveform": torch.cat([before, sound.waveform], 1)[None], "sample_rate": rate}
    if encoder is None:
        return audio
    spoken = {"waveform": sound.waveform[None], "sample_rate": rate}
    return {**encode_recording(encoder, spoken, sound.start, 1.0), **audio}


def _laid_out(
    heard: Dialogue, recordings: Mapping[str, Sound], rate: int, fps: float, length: int
) -> tuple[int, list[Sound | None]]:
    """The film's frames and the sound of each lane in it."""
    end = snap_frames(length) / fps if length else inf
    sounds = [lane_sound(lane, recordings, rate, end) for lane in heard.lanes]
    last = max((sound.start + sound.seconds for sound in sounds if sound is not None), default=0.0)
    if not length and not last:
        raise InteractError(
            "Nothing of the dialogue lies in the film: every clip begins behind the end of its recording, or is over "
            "before the film starts at 0. Move the clips on InterAct Dialogue."
        )
    return snap_frames(length or ceil(last * fps - TICK)), sounds


# ------------------------------------------------------------------------------------------------ the files


def recording_paths(dialogue: Dialogue) -> dict[str, Path]:
    """Where each file lies that is heard. Raises InteractError for those that are missing, or not input files."""
    paths = {file: recording_path(file) for file in dialogue.files}
    missing = [file for file, path in paths.items() if not path.is_file()]
    if missing:
        names = ", ".join(one_line(file, 60) for file in missing[:MOST_SPANS])
        raise InteractError(
            f"{len(missing)} of the dialogue's recordings {'is' if len(missing) == 1 else 'are'} not in ComfyUI's "
            f"input folder ({names}): put them there, or drop them onto InterAct Dialogue again."
        )
    return paths


def recording_path(file: str) -> Path:
    """The path of a file of ComfyUI's input folder, named as ComfyUI does ("mira.wav", "takes/mira.wav [input]").

    "mira.wav [example]" is a recording that comes with this pack. Raises InteractError for a name that leads elsewhere.
    """
    for example in map(recording_file, NAMES):
        if file == f"{example.name}{EXAMPLE}":
            return example
    inputs = folder_paths.get_input_directory()
    try:
        _, folder = folder_paths.annotated_filepath(file)
        if folder is None or folder == inputs:
            return Path(folder_paths.get_annotated_filepath(file, inputs))
    except ValueError:  # ComfyUI's, for a name that leads out of the folder
        pass
    raise InteractError(
        f"{one_line(file)} is not in ComfyUI's input folder, the only one that a dialogue takes recordings from: copy "
        "it there and drop it onto InterAct Dialogue."
    )


def fingerprint(text: str) -> tuple[Any, ...]:
    """What a run depends on besides the inputs: size and time of each file. Whatever is wrong is said by the run."""
    try:
        files = recording_paths(read_dialogue(text)).items()
        states = [(file, path.stat()) for file, path in files]
    except (InteractError, OSError):
        return ()
    return tuple((file, state.st_size, state.st_mtime_ns) for file, state in states)


def read_recordings(paths: Mapping[str, Path]) -> tuple[dict[str, Sound], int, list[Sentence]]:
    """Each file's sound at the highest of their rates, that rate in Hz, and what is to be said of them."""
    sounds: dict[str, Sound] = {}
    notes: list[Sentence] = []
    for file, path in paths.items():
        comfy.model_management.throw_exception_if_processing_interrupted()
        try:
            samples, rate = read_channels(path)
            recording = read_waveform(torch.from_numpy(samples), rate)
        except ValueError as error:
            reason = error if isinstance(error, InteractError) else "it is no recording, or holds no sound"
            raise InteractError(
                f"{one_line(Path(file).name)} cannot be used ({reason}): export it as WAV and drop it again."
            ) from error
        sounds[file] = Sound(recording.waveform, rate)
        said = (note for note in recording.notes if note.key in ODD_SOUND)
        notes += [sentence("dialogue_recording", file=one_line(file), note=note) for note in said]
    rate = max((sound.sample_rate for sound in sounds.values()), default=SILENT_RATE)
    lower = [one_line(file) for file, sound in sounds.items() if sound.sample_rate != rate]
    if lower:
        notes.append(sentence("dialogue_resampled", files=lower, rate=rate))
    same = {
        file: Sound(resample(sound.waveform, sound.sample_rate, rate), rate) for file, sound in sounds.items()
    }
    return same, rate, notes


# ---------------------------------------------------------------------------------------------- what is said


def _lines(dialogue: Dialogue, heard: Dialogue, frames: int, fps: float, length: int) -> Iterator[Sentence]:
    end = frames / fps
    yield sentence("dialogue_film", count=frames, seconds=f"{end:.2f}", fps=f"{fps:g}")
    if length and length != frames:
        yield sentence("length_rounded", frames=length)
    if dialogue.unknown:
        yield sentence("dialogue_unknown", keys=dialogue.unknown)
    yield from _cuts(dialogue, heard, end)
    spoken = {lane.name for lane in heard.lanes if lane.clips}
    muted = [lane.name for lane in dialogue.lanes if lane.mute]
    quiet = [lane.name for lane in dialogue.lanes if lane.name not in spoken and lane.name not in muted]
    if muted:
        yield sentence("dialogue_muted", names=muted)
    if quiet:
        yield sentence("silent", names=quiet)
    count = sum(clip.mute for lane in dialogue.lanes if not lane.mute for clip in lane.clips)
    if count:
        yield sentence("dialogue_clips_muted", count=count)
    for lane in heard.lanes:
        if spans := inside(piled(lane), end):
            yield _counted("dialogue_piled", "dialogue_piled_most", spans, name=lane.name)
    for one, other, spans in overlaps(heard.lanes):
        if spans := inside(spans, end):
            yield _counted("dialogue_at_once", "dialogue_at_once_most", spans, one=one, other=other)
    if silences := pauses(heard.lanes, end, SHORTEST_PAUSE):
        yield _counted("dialogue_pauses", "dialogue_pauses_most", silences)


def _cuts(dialogue: Dialogue, heard: Dialogue, end: float) -> Iterator[Sentence]:
    """What of the clips is not heard: before the film, after it, and where a recording is shorter than its clip."""
    for lane, kept in zip(dialogue.lanes, heard.lanes, strict=True):
        by_place = {(clip.file, clip.first, clip.start): clip for clip in kept.clips}
        for clip in lane.heard:
            words = {"name": lane.name, "file": one_line(clip.file)}
            used = by_place.get((clip.file, clip.first, clip.start))
            if used is None:
                yield sentence("dialogue_clip_behind", first=f"{clip.first:.2f}", **words)
                continue
            if clip.last < inf and clip.last - used.last > 0.001:
                yield sentence(
                    "dialogue_clip_short", last=f"{clip.last:.2f}", found=f"{used.last:.2f}", **words
                )
            if used.start < -TICK:
                cut = min(-used.start, used.seconds)
                yield sentence("dialogue_cut_before", seconds=f"{cut:.2f}", **words)
            if used.end - end > 0.001:
                cut = min(used.end - end, used.seconds)
                yield sentence("dialogue_cut_after", seconds=f"{cut:.2f}", end=f"{end:.2f}", **words)


def inside(spans: Iterable[Span], end: float) -> list[Span]:
    """What of the spans lies before the end of the film."""
    return [(first, min(last, end)) for first, last in spans if first < end - TICK]


def _counted(key: str, key_of_many: str, spans: Sequence[Span], **words: str) -> Sentence:
    """A sentence with all spans, or of many with the longest, in their order, and how many there are."""
    longest = sorted(sorted(spans, key=lambda span: span[0] - span[1])[:MOST_SPANS])
    shown = [f"{first:.2f}-{last:.2f} s" for first, last in longest]
    if len(spans) <= MOST_SPANS:
        return sentence(key, spans=shown, **words)
    return sentence(key_of_many, spans=shown, all=len(spans), **words)


def _turned_down(peak: float) -> list[Sentence]:
    return [sentence("turned_down", peak=f"{peak:.2f}")] if peak > 1.0 else []
