"""From characters to what a sampler needs: conditioning, latent and cast; and the mixed dialogue."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...errors import InteractError, check_connected, check_numbers
from ...guidance import Cast, Character, assemble_cast, snap_frames
from ...guidance.cast import character_name
from ...guidance.layout import LATENT_PIXELS, TOKEN_PIXELS
from ...sentences import Sentence, sentence
from ...speech.from_core import SILENT_KEY, SPEECH_KEY, from_encoder_output, with_sound
from ...speech.s2v import as_s2v_hears
from ...speech.timeline import features_on_timeline, frames_for, mix_dialogue
from ...speech.types import Sound, Speech
from ..tokens.reference_images import fit_on_white, person_on_white
from .conditioning import Conditioning, attach_cast, is_for_s2v, null_text
from .cutout import upright_mask
from .recording import samples_of
from .summary import CastSummary, check_heard, summarise

logger = logging.getLogger(__name__)

LATENT_CHANNELS = 16
MAX_SIDE = 16384  # pixels, ComfyUI's own limit (nodes.py, MAX_RESOLUTION)
MAX_FRAMES = 90001  # an hour at 25 fps


@dataclass(frozen=True, eq=False)
class EncodedCast:
    """The outputs of InterAct Encode Characters.

    latent: a LATENT dict of zeros [1, 16, T, height / 8, width / 8]; audio: an AUDIO dict, exactly as long
    as the video; summary: who speaks when, and what was cut or rounded.
    """

    positive: Conditioning
    negative: Conditioning
    latent: dict[str, Tensor]
    cast: Cast
    audio: dict[str, Any]
    summary: CastSummary


def make_character(
    name: str,
    image: Tensor,
    mask: Tensor | None = None,
    speech: dict[str, Any] | None = None,
    layout: Tensor | None = None,
    strength: float = 1.0,
    sound: dict[str, Any] | None = None,
    cut_out: bool = False,
) -> Character:
    """A Character from what an artist connects; its name loses surrounding blanks.

    mask, cut_out: turned round if it keeps the background, as `upright_mask`; sound: AUDIO, as `voiced`.
    """
    name = character_name(name)
    check_numbers(image=image, mask=mask, layout=layout)
    if layout is not None and layout.ndim == 2:
        layout = layout.unsqueeze(0)
    mask, _ = upright_mask(mask, cut_out)
    picture, person = person_on_white(image, mask, name)
    return Character(name, picture, voiced(name, speech, sound), layout, strength=strength, mask=person)


def make_region_character(
    name: str,
    region: Tensor,
    speech: dict[str, Any] | None = None,
    strength: float = 1.0,
    sound: dict[str, Any] | None = None,
    layout: Tensor | None = None,
) -> Character:
    """A Character that is a region of the start image; region: MASK [H, W] or [1, H, W]; sound: as `voiced`; layout:
    MASK [F or 1, H, W] or [H, W], for `mask_source` fixed.
    """
    name = character_name(name)
    check_connected(region=region)
    check_numbers(region=region, layout=layout)
    region = region.unsqueeze(0) if region.ndim == 2 else region
    layout = layout.unsqueeze(0) if layout is not None and layout.ndim == 2 else layout
    return Character(name, None, voiced(name, speech, sound), layout, region, strength)


def voiced(name: str, speech: dict[str, Any] | None, sound: dict[str, Any] | None) -> dict[str, Any] | None:
    """A character's AUDIO_ENCODER_OUTPUT, of which the AUDIO `sound` is heard in the film if it is not None.

    Core's Audio Encoder Encode passes on no sound. None for a lane of InterAct Dialogue in which nobody speaks. Raises
    InteractError, with the name, for sound without speech, and for sound that cannot be used.
    """
    if speech is not None and speech.get(SILENT_KEY):
        return None
    if sound is None:
        return speech
    if speech is None:
        raise InteractError(
            f"{name!r} has sound but no speech: connect speech, from InterAct Encode Speech, or disconnect sound."
        )
    try:
        return with_sound(speech, *samples_of(sound))
    except InteractError as error:
        raise InteractError(f"The sound of {name!r}: {error}") from error


def connected_characters(
    sockets: Mapping[str, Character | Sequence[Character] | None],
) -> tuple[list[Character], list[Sentence]]:
    """The characters in the order of their sockets, and a sentence for each socket to which nothing came.

    All people of InterAct People come by one socket. None comes from a switch with nothing on the chosen side, or from
    null in a graph in API form. Raises InteractError if nothing came to any socket.
    """
    empty = [name for name, character in sockets.items() if character is None]
    if len(empty) == len(sockets):
        what = f" ({', '.join(empty)}: nothing comes from the connected node)" if empty else ""
        raise InteractError(f"There are no characters{what}: connect at least one InterAct Character.")
    said = [sentence("character_left_out", socket=name) for name in empty]
    connected: list[Character] = []
    for brought in sockets.values():
        if brought is not None:
            connected += [brought] if isinstance(brought, Character) else brought
    return connected, said


def encode_cast(
    characters: Sequence[Character | None],
    vae: Any,
    width: int,
    height: int,
    length: int,
    fps: float,
    positive: Conditioning | None = None,
    negative: Conditioning | None = None,
    blank_negative: bool = False,
    scene: Sound | Speech | None = None,
) -> EncodedCast:
    """Check everything, then encode the pictures and bring the speech to the video's frames.

    characters: None is left out; width, height: pixels, moved to the nearest multiple of 16; length: frames, rounded
    up to 4n+1, or 0 for as long as the speech; positive, negative: None for no text; blank_negative: as in attach_cast;
    scene: of recording.scene_track, mixed into the dialogue; a Speech also replaces the mute track. Raises
    InteractError for whatever could not be sampled.
    """
    characters = [character for character in characters if character is not None]
    speeches = [speech_of(character) for character in characters]
    spoken = [speech for speech in speeches if speech is not None]
    size = nearest_size(width), nearest_size(height)
    frames = snap_frames(length) if length else frames_for(spoken, fps) if characters else 1
    if not length:
        check_heard([character.name for character in characters if character.speech is not None], spoken, fps)
    cast = replace(assemble_cast(characters, *size, frames, fps), scene=scene)
    check_fits_in_memory(cast, spoken)
    fed = scene if isinstance(scene, Speech) else None
    tracks = voice_tracks(characters, speeches, frames, fps, fed, s2v=is_for_s2v(positive or []))
    waveform, rate, peak = mix_dialogue(spoken if scene is None else [*spoken, scene], frames, fps)
    summary = summarise(cast, speeches, (width, height, length), scene, peak)
    logger.info("InterAct Encode Characters: %s", " ".join(map(str, summary.lines)))
    references = encode_references(vae, cast) if cast.references else None
    positive, negative = attach_cast(
        positive or null_text(), negative or null_text(), cast, references, tracks, blank_negative
    )
    shape = (
        1,
        LATENT_CHANNELS,
        cast.latent_frames,
        cast.height // LATENT_PIXELS,
        cast.width // LATENT_PIXELS,
    )
    latent = {"samples": torch.zeros(shape, device=comfy.model_management.intermediate_device())}
    audio = {"waveform": waveform.unsqueeze(0), "sample_rate": rate}
    return EncodedCast(positive, negative, latent, cast, audio, summary)


def speech_of(character: Character) -> Speech | None:
    """The character's Speech, by our encoder or core's; an InteractError names the character."""
    if character.speech is None:
        return None
    try:
        return from_encoder_output(character.speech)
    except InteractError as error:
        raise InteractError(f"The speech of {character.name!r}: {error}") from error


def voice_tracks(
    characters: Sequence[Character],
    speeches: Sequence[Speech | None],
    frames: int,
    fps: float,
    scene: Speech | None = None,
    s2v: bool = False,
) -> Tensor | None:
    """[S + 1, frames, L, C] of the S speaking characters in order, mute last; None without speech and scene.

    scene: replaces the mute track, as far as it goes. Speakers still get silence in their pauses. s2v: voices as S2V
    hears them (speech/s2v.py).
    """
    spoken = [
        (character, speech)
        for character, speech in zip(characters, speeches, strict=True)
        if speech is not None
    ]
    if not spoken and scene is None:
        return None
    # Our encoder has encoded real silence; from core's output it can only be guessed (from_encoder_output).
    measured = [speech for character, speech in spoken if SPEECH_KEY in (character.speech or {})]
    measured += [scene] if scene is not None else []
    mute = (measured[0] if measured else spoken[0][1]).mute
    voices = [as_s2v_hears(character.speech, speech) if s2v else speech for character, speech in spoken]
    tracks = [features_on_timeline(voice, frames, fps, mute=mute, nearest=s2v) for voice in voices]
    return torch.stack([*tracks, features_on_timeline(scene, frames, fps, mute=mute)])


def encode_references(vae: Any, cast: Cast) -> Tensor:
    """One latent frame for each character, [1, 16, N, height / 8, width / 8], as the VAE gives it.

    One by one, as core's WanPhantomSubjectToVideo does: a Wan VAE takes a batch as a video.
    """
    check_vae(vae)
    images = [character.image for character in cast.characters if character.image is not None]
    pictures = [fit_on_white(image, cast.width, cast.height) for image in images]
    return torch.cat([vae.encode(picture[:, :, :, :3]) for picture in pictures], dim=2)


def check_vae(vae: Any) -> None:
    """Raise InteractError for another VAE than Wan 2.1's."""
    if getattr(vae, "latent_channels", None) != LATENT_CHANNELS or getattr(vae, "latent_dim", None) != 3:
        raise InteractError(
            "The VAE is not that of Wan 2.1 (16 channels, video): load the VAE that belongs to the model."
        )


def nearest_size(pixels: int) -> int:
    """The nearest multiple of 16 above 0."""
    return max(1, round(pixels / TOKEN_PIXELS)) * TOKEN_PIXELS


def check_fits_in_memory(cast: Cast, speeches: Sequence[Speech]) -> None:
    """Raise InteractError if the finished frames and the speech alone do not fit into the computer's memory.

    What one step needs is checked once the model is there, by the sampler (host/run/memory_estimate.py).
    """
    layers, channels = speeches[0].mute.shape if speeches else (0, 0)
    per_frame = 4 * (3 * cast.width * cast.height + (len(speeches) + 1) * layers * channels)  # float32
    available: Any = comfy.model_management.get_total_memory(torch.device("cpu"))
    if cast.frames * per_frame > available:
        raise InteractError(
            f"{cast.frames} frames ({cast.frames / cast.fps:.0f} s) at {cast.width}x{cast.height} take "
            f"{cast.frames * per_frame / 2**30:.0f} GiB of memory once decoded, but this computer has "
            f"{available / 2**30:.0f} GiB: shorten the speech, or set length to at most "
            f"{snap_frames(max(1, int(available // per_frame) - 4))}."
        )
