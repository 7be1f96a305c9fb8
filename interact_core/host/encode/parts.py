"""A film longer than one run: what a sampler needs for its next part, and joining the parts."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from ...errors import InteractError
from ...frames import latent_frame_of
from ...guidance import Cast, Character, MaskHistory, Part, assemble_cast, plan_part
from ...guidance.layout import LATENT_PIXELS
from ...guidance.part import carried_masks
from ...sentences import Sentence, sentence
from ...speech.from_core import SOUND_KEY, SPEECH_KEY
from .cast_encoding import LATENT_CHANNELS, check_vae
from .conditioning import Conditioning, cut_to_part, is_for_s2v

logger = logging.getLogger(__name__)

BLENDED = 9  # frames, at most, of the overlap that are cross-faded
# Before a part, of which S2V makes its motion tokens (comfy_extras/nodes_wan.py, wan_sound_to_video).
MOTION_FRAMES = 73
MOTION_LATENTS = latent_frame_of(MOTION_FRAMES - 1) + 1


@dataclass(frozen=True, eq=False)
class EncodedPart:
    """The outputs of InterAct Next Part: those of Encode Characters, for one part of the film.

    latent: a LATENT dict; it begins with the known frames, and its noise_mask keeps them.
    """

    positive: Conditioning
    negative: Conditioning
    latent: dict[str, Tensor]
    cast: Cast
    lines: tuple[Sentence, ...]


def encode_part(
    positive: Conditioning,
    negative: Conditioning,
    cast: Cast,
    vae: Any,
    length: int,
    overlap: int,
    finished: Tensor | None = None,
    masks: MaskHistory | None = None,
    sampled: dict[str, Tensor] | None = None,
    clean: bool = False,
) -> EncodedPart:
    """The part of a film that follows the finished frames, or its first part.

    positive, negative, cast: of the whole film, as encode_cast gives them. length, overlap: frames, as plan_part
    takes them. finished: IMAGE [F, H, W, 3], the film so far, or its last part alone if masks are given, which hold
    its place; None for the first part. masks: of the part before; they steer from the first step on. sampled: the
    LATENT of the part before, so that known frames need not be decoded and encoded again. clean: the model gets the
    known frames without noise, and an image-to-video model keeps its start image, both as in InfiniteTalk; else it
    gets them with each step's noise, and such a model gets them as its start image. S2V gets the frames before the
    part as its motion frames and keeps its reference picture. Raises InteractError for what does not fit together.
    """
    if cast.part is not None:
        raise InteractError(
            "The cast comes from another InterAct Next Part: connect positive, negative and cast from InterAct "
            "Encode Characters to every part, and only film, masks and latent from the part before."
        )
    count = 0
    if finished is not None:
        _check_finished(finished, cast)
        count = _finished_frames(finished, masks, cast)
    part = replace(plan_part(cast.frames, count, length, overlap), clean=clean)
    known = None
    if finished is not None:
        if part.known > finished.shape[0]:
            raise InteractError(
                f"This part begins with {part.known} finished frames, but only {finished.shape[0]} are connected: "
                "connect the whole film so far, from InterAct Join Parts."
            )
        known = finished[finished.shape[0] - part.known :, :, :, :3]
        if masks is not None:
            _check_masks(masks, cast)
            part = replace(part, masks=carried_masks(masks, part))
    s2v = is_for_s2v(positive)
    made = _cast_of_part(cast, part, picture_stays=s2v)
    positive, negative = (cut_to_part(given, part) for given in (positive, negative))
    latent = _latent_of_part(made, part, vae, known)
    if known is not None and sampled is not None:
        latent["samples"] = _with_sampled(latent["samples"], sampled["samples"], part)
    if known is not None and not clean and any("concat_latent_image" in values for _, values in positive):
        positive, negative = _with_start_frames(positive, negative, made, vae, known)
    if s2v and finished is not None and finished.shape[0] > part.known:
        motion = _motion_latents(vae, finished[: finished.shape[0] - part.known, :, :, :3])
        positive, negative = (
            [[text, {**values, "reference_motion": motion}] for text, values in given]
            for given in (positive, negative)
        )
    lines = _said_of(part)
    logger.info("InterAct Next Part: %s", " ".join(map(str, lines)))
    return EncodedPart(positive, negative, latent, made, lines)


def join_parts(
    pictures: Tensor,
    cast: Cast,
    film: Tensor | None = None,
    audio: dict[str, Any] | None = None,
    blend: bool = True,
) -> tuple[Tensor, dict[str, Any] | None]:
    """The film followed by a decoded part, [F, H, W, 3], and the film's AUDIO at that length.

    pictures: the part, decoded; cast: of that part; film: the film before it, None for the first part. Frames of
    the overlap are taken once: the part begins with what the VAE made of the film's last ones, which differs from
    them a little, so they are cross-faded unless `blend` is off. Raises InteractError for pictures that are not of
    this part, or a film that does not end where it begins.
    """
    part = cast.part or Part(0, 0, cast.frames, cast.frames)
    if pictures.shape[0] != part.frames:
        raise InteractError(
            f"The part is {part.frames} frames long, but the connected video has {pictures.shape[0]}: connect the "
            "decoded video of the sampler that uses this cast."
        )
    before = 0 if film is None else film.shape[0]
    if before != part.finished:
        raise InteractError(
            f"The part continues after frame {part.finished} of the film, but the connected film has {before} frames: "
            "connect the same film here as to its InterAct Next Part."
        )
    joined = pictures
    if film is not None:
        if film.shape[1:3] != pictures.shape[1:3]:
            raise InteractError(
                f"The film is {film.shape[2]}x{film.shape[1]}, but its next part is {pictures.shape[2]}x"
                f"{pictures.shape[1]}: join parts of one size."
            )
        joined = _joined(film[..., :3], pictures[..., :3], part.known, blend)
    joined = joined[: part.end]
    return joined, None if audio is None else cut_audio(audio, joined.shape[0], cast.fps)


def cut_audio(audio: dict[str, Any], frames: int, fps: float) -> dict[str, Any]:
    """AUDIO exactly as long as `frames` frames, cut or followed by silence."""
    waveform, rate = audio["waveform"], audio["sample_rate"]
    samples = round(frames / fps * rate)
    missing = max(0, samples - waveform.shape[-1])
    return {**audio, "waveform": torch.nn.functional.pad(waveform[..., :samples], (0, missing))}


def _joined(film: Tensor, pictures: Tensor, known: int, blend: bool) -> Tensor:
    pictures = pictures.to(film)
    if not blend or known == 0:
        return torch.cat((film, pictures[known:]))
    both = min(known, BLENDED)
    share = (torch.arange(1, both + 1).to(film) / (both + 1)).view(-1, 1, 1, 1)
    blended = torch.lerp(film[-both:], pictures[known - both : known], share)
    return torch.cat((film[:-both], blended, pictures[known:]))


def _check_finished(finished: Tensor, cast: Cast) -> None:
    if finished.ndim != 4 or finished.shape[1:3] != (cast.height, cast.width):
        size = f"{finished.shape[2]}x{finished.shape[1]}" if finished.ndim == 4 else list(finished.shape)
        raise InteractError(
            f"The finished film is {size}, but this one is {cast.width}x{cast.height}: scale it to that size, or "
            "set width and height of InterAct Encode Characters to match it."
        )


def _finished_frames(finished: Tensor, masks: MaskHistory | None, cast: Cast) -> int:
    """How many frames of the film are finished. For the last part alone, its masks hold its place in the film."""
    count = finished.shape[0]
    if masks is None:
        return count
    end = min(masks.start + masks.frames, cast.frames)
    if count not in (end, masks.frames):
        raise InteractError(
            f"{count} finished frames are connected, but the masks end at frame {end}: connect the masks of the last "
            "finished part, and the film up to its end."
        )
    return end


def _check_masks(masks: MaskHistory, cast: Cast) -> None:
    if masks.names != cast.names or tuple(masks.masks.shape[3:]) != cast.grid[1:]:
        raise InteractError(
            f"The masks are of {', '.join(masks.names)} at {masks.width}x{masks.height}, but the film has "
            f"{', '.join(cast.names)} at {cast.width}x{cast.height}: connect the masks of this film's last part."
        )
    if not masks.steps:
        raise InteractError(
            "The masks of the finished part are empty, because nothing was predicted: disconnect masks."
        )


def _cast_of_part(cast: Cast, part: Part, picture_stays: bool = False) -> Cast:
    """The cast of one part, whose frame 0 is the part's first; picture_stays: every part sees the film's picture."""
    made = assemble_cast(_characters_of_part(cast, part), cast.width, cast.height, part.frames, cast.fps)
    if cast.scene is not None:
        made = replace(made, scene=replace(cast.scene, start=cast.scene.start - part.start / cast.fps))
    if cast.regions is None or part.start == 0 or picture_stays:
        return replace(made, part=part)
    if part.masks is None:
        raise InteractError(
            "The characters are regions of the start image and may have moved since: connect masks from the sampler "
            "of the part before."
        )
    # They are tracked from the part's first frame, whose masks the finished part has. Drawn layouts stay.
    assert made.layouts is not None, "assemble_cast makes layouts of the regions"
    drawn = torch.tensor([character.layout is not None for character in cast.characters]).view(-1, 1, 1, 1)
    layouts = torch.where(drawn, made.layouts, part.masks)
    return replace(made, part=part, regions=part.masks[:, 0], layouts=layouts)


def _characters_of_part(cast: Cast, part: Part) -> Sequence[Character]:
    """The characters, with layouts and recordings (for viewers) moved to the part's frames."""
    frames = [min(part.start + frame, part.film - 1) for frame in range(part.frames)]
    characters = []
    for character in cast.characters:
        speech, layout = character.speech, character.layout
        for key in (SPEECH_KEY, SOUND_KEY):
            own = None if speech is None else speech.get(key)
            if speech is not None and own is not None:
                speech = {**speech, key: replace(own, start=own.start - part.start / cast.fps)}
        if layout is not None and layout.shape[0] > 1:
            layout = layout[frames]
        characters.append(replace(character, speech=speech, layout=layout))
    return characters


def _latent_of_part(cast: Cast, part: Part, vae: Any, known: Tensor | None) -> dict[str, Tensor]:
    """The known frames followed by zeros, and a noise mask by which core's samplers keep the known frames.

    KSamplerX0Inpaint (comfy/samplers.py) adds the noise of every step to them, so that the model gets them like all
    other frames, and puts them into the result unchanged.
    """
    shape = (
        cast.latent_frames,
        cast.height // LATENT_PIXELS,
        cast.width // LATENT_PIXELS,
    )
    samples = torch.zeros(1, LATENT_CHANNELS, *shape, device=comfy.model_management.intermediate_device())
    if known is None:
        return {"samples": samples}
    check_vae(vae)
    samples[:, :, : part.known_latents] = vae.encode(known).to(samples)
    noise_mask = torch.ones(1, 1, *shape)
    noise_mask[:, :, : part.known_latents] = 0.0
    return {"samples": samples, "noise_mask": noise_mask}


def _with_sampled(samples: Tensor, sampled: Tensor, part: Part) -> Tensor:
    """Known latent frames from the finished part's sampler, wherever they hold the same four video frames.

    The first known latent frame holds a single frame and has to be encoded. The others end where latent frames of
    the finished part end, so those are taken, though other frames came before them in the VAE: the theatre's VAE
    gave the last frames of the overlap back with an error of 2.4 of 255 this way and 4.8 encoded anew, which adds
    up over many parts (14 of 255 and a shift of colour after decoding and encoding seven times).
    """
    if sampled.ndim != 5 or sampled.shape[1] != samples.shape[1] or sampled.shape[3:] != samples.shape[3:]:
        raise InteractError(
            f"The latent has shape {list(sampled.shape)}, but this film's latents have shape "
            f"{list(samples.shape)}: connect latent from the sampler of the part before."
        )
    taken = min(part.known_latents, sampled.shape[2]) - 1  # its own first one holds a single frame too
    if taken < 1:
        return samples
    first = part.known_latents - taken
    made = sampled[:1, :, sampled.shape[2] - taken :].to(samples)
    return torch.cat((samples[:, :, :first], made, samples[:, :, part.known_latents :]), dim=2)


def _with_start_frames(
    positive: Conditioning, negative: Conditioning, cast: Cast, vae: Any, known: Tensor
) -> tuple[Conditioning, Conditioning]:
    """The known frames in place of the start image, as core gives an image-to-video model several frames."""
    from comfy_extras.nodes_wan import WanImageToVideo

    size = cast.width, cast.height, cast.frames
    made: Any = WanImageToVideo.execute(positive, negative, vae, *size, 1, start_image=known)
    return made.result[:2]


def _motion_latents(vae: Any, before: Tensor) -> Tensor:
    """Of the frames before a part, [1, 16, 19, H / 8, W / 8]; where they are too few there is grey, as in core."""
    before = before[-MOTION_FRAMES:]
    missing = MOTION_FRAMES - before.shape[0]
    grey = before.new_full((missing, *before.shape[1:]), 0.5)
    return vae.encode(torch.cat((grey, before)))[:, :, -MOTION_LATENTS:]


def _said_of(part: Part) -> tuple[Sentence, ...]:
    """For the node: which frames of the film, and what is left."""
    place = sentence("part", first=part.start + 1, last=part.end, film=part.film)
    known = (sentence("part_known", count=part.known),) if part.known else ()
    left = part.film - part.end
    return (place, *known, sentence("part_left", count=left) if left else sentence("part_last"))
