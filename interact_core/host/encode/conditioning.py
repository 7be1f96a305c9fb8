"""Puts a cast into CONDITIONING, under keys that any Wan model of ComfyUI passes on to its forward pass."""

from typing import Any

import comfy.conds
import comfy.latent_formats
import torch
from torch import Tensor

from ...errors import InteractError
from ...frames import TEMPORAL_STRIDE, latent_frame_of
from ...guidance import Cast, Part
from ..forward.call import AudioRole
from ..forward.voice_tracks import VoiceTracks
from ..keys import NEGATIVE, PICTURES_COND, POSITIVE, ROLE_COND, SIDE_COND, TRACKS_COND

Conditioning = list[list[Any]]
"""ComfyUI's CONDITIONING: entries [text tokens [1, L, C], dict]."""

TEXT_WIDTH = 4096  # of umt5-xxl, Wan's text encoder


def null_text() -> Conditioning:
    """CONDITIONING without text: one zero token.

    Their number makes no difference: equal tokens give equal keys, and attention over equal values is the value.
    """
    return [[torch.zeros(1, 1, TEXT_WIDTH), {}]]


def is_for_s2v(conditioning: Conditioning) -> bool:
    """Whether it comes from WanSoundImageToVideo, which always adds a control video, or of a node like it."""
    return bool(conditioning) and all("control_video" in values for _, values in conditioning)


def attach_cast(
    positive: Conditioning,
    negative: Conditioning,
    cast: Cast,
    reference_latents: Tensor | None,
    tracks: Tensor | None,
    blank_negative: bool = False,
) -> tuple[Conditioning, Conditioning]:
    """Copies of positive and negative with the cast's pictures and voices.

    reference_latents: [1, 16, N, H / 8, W / 8], one encoded picture per character as the VAE gives it (core's
        `time_dim_concat`, as its WanPhantomSubjectToVideo does); None for a cast of regions, whose start image is
        in positive and negative already (core's WanImageToVideo, for S2V its WanSoundImageToVideo).
    tracks: [S + 1, F, L, C], audio features per video frame of every speaking character in cast order, the mute
        track (or the scene) last; F is the cast's frames. None if nobody speaks and no scene is fed: then nothing is
        injected.
    blank_negative: whether the negative gets empty pictures, as in the "negative_img_text" of core's node, so that
        cfg strengthens likeness as well; else it gets the same pictures ("negative_text").

    The positive gets the voices, the negative no injection at all: training drops audio by leaving the injection
    out, so this is the null condition that the network was trained on. Raises InteractError for shapes that do not
    fit the cast, for NaN, and for conditioning that already contains characters, pictures or audio.
    """
    _check_not_prepared(positive, negative)
    negative_latents = reference_latents
    if cast.references:
        pictures = _checked_references(cast, reference_latents)
        if blank_negative:
            negative_latents = comfy.latent_formats.Wan21().process_out(torch.zeros_like(pictures))
    else:
        _check_start_image(positive, negative)
    audio = None
    if any(cast.speaking) or tracks is not None:
        audio = VoiceTracks(_checked_tracks(cast, tracks).unsqueeze(0)).pack()
    return (
        _attach(positive, reference_latents, audio, AudioRole.VOICES, POSITIVE),
        _attach(negative, negative_latents, audio, AudioRole.NONE, NEGATIVE),
    )


def with_role(conditioning: Conditioning, role: AudioRole) -> Conditioning:
    """A copy in which every entry with a cast has the AudioRole `role`."""
    return [
        [text, _with_conds(values, {ROLE_COND: _flag(role)})]
        if ROLE_COND in values.get("model_conds", {})
        else [text, values]
        for text, values in conditioning
    ]


def cut_to_part(conditioning: Conditioning, part: Part) -> Conditioning:
    """A copy of a film's conditioning cut to one part: its voices, its start image, its control video.

    Wan's VAE is causal: the first latent frames of a start image followed by nothing are those of a shorter video.
    Raises InteractError if the voices or the control video are not of the whole film, or the start image is shorter
    than a part that keeps it.
    """
    return [[text, _cut_values(values, part)] for text, values in conditioning]


def _cut_values(values: dict[str, Any], part: Part) -> dict[str, Any]:
    audio = values.get("model_conds", {}).get(TRACKS_COND)
    if audio is not None:
        cut = _tracks_of_part(VoiceTracks.unpack(audio.cond), part)
        values = _with_conds(values, {TRACKS_COND: comfy.conds.CONDRegular(cut.pack())})
    control = values.get("control_video")
    if control is not None:
        values = {**values, "control_video": _control_of_part(control, part)}
    image = values.get("concat_latent_image")
    if image is None or (part.known and not part.clean):  # then the known frames replace the start image
        return values
    latents = latent_frame_of(part.frames - 1) + 1
    if image.shape[2] < latents:
        raise InteractError(
            f"WanImageToVideo is set to {TEMPORAL_STRIDE * (image.shape[2] - 1) + 1} frames, "
            f"but the part has {part.frames}: set its length to {part.frames}."
        )
    cut = {"concat_latent_image": image[:, :, :latents]}
    if "concat_mask" in values:
        cut["concat_mask"] = values["concat_mask"][:, :, :latents]
    return {**values, **cut}


def _control_of_part(control: Tensor, part: Part) -> Tensor:
    """Latent frames of the film's control video, [B, C, T, H, W], cut as a context window cuts them."""
    if control.shape[2] != latent_frame_of(part.film - 1) + 1:
        raise InteractError(
            f"WanSoundImageToVideo is set to {TEMPORAL_STRIDE * (control.shape[2] - 1) + 1} frames, but the film has "
            f"{part.film}: set its length to {part.film}."
        )
    first = part.start // TEMPORAL_STRIDE
    return control[:, :, first : first + latent_frame_of(part.frames - 1) + 1]


def _tracks_of_part(tracks: VoiceTracks, part: Part) -> VoiceTracks:
    if tracks.frames != part.film:
        raise InteractError(
            f"The conditioning has voices for {tracks.frames} frames, but the film has {part.film}: "
            "connect positive, negative and cast from the same InterAct Encode Characters node."
        )
    return tracks.of_frames(part.start, part.frames)


def _attach(
    conditioning: Conditioning, references: Tensor | None, audio: Tensor | None, role: AudioRole, side: str
) -> Conditioning:
    conds = {ROLE_COND: _flag(role)}
    if audio is not None:
        conds[TRACKS_COND] = comfy.conds.CONDRegular(audio)
    ours: dict[str, Any] = {SIDE_COND: side}
    if references is not None:
        ours.update({"time_dim_concat": references, PICTURES_COND: references})
    return [[text, {**_with_conds(values, conds), **ours}] for text, values in conditioning]


def _with_conds(values: dict[str, Any], conds: dict[str, comfy.conds.CONDRegular]) -> dict[str, Any]:
    # The inner dict is shared by every copy of a conditioning that core made: never written to.
    return {**values, "model_conds": {**values.get("model_conds", {}), **conds}}


def _flag(role: AudioRole) -> comfy.conds.CONDRegular:
    return comfy.conds.CONDRegular(torch.tensor([[role.value]]))


def _check_not_prepared(*conditionings: Conditioning) -> None:
    """Nodes for one voice or for pictures without voices would be mixed with ours, or their pictures be replaced."""
    for name, conditioning in zip(("positive", "negative"), conditionings, strict=True):
        if is_for_s2v(conditioning) and any("audio_embed" in values for _, values in conditioning):
            raise InteractError(
                f"{name} already contains audio, from WanSoundImageToVideo: disconnect its audio_encoder_output, and "
                "give each voice to an InterAct Character In Start Image."
            )
        found = next((text for _, values in conditioning if (text := _prepared_by(values))), None)
        if found is not None:
            raise InteractError(
                f"{name} already contains {found}: connect the text encoder's conditioning to InterAct Encode "
                "Characters, which adds pictures and voices itself. Give each picture and each voice to an InterAct "
                "Character."
            )


def _prepared_by(values: dict[str, Any]) -> str | None:
    """What another node has added that ours adds too, and by which node; None if there is nothing."""
    if ROLE_COND in values.get("model_conds", {}):
        return "characters, from another InterAct Encode Characters"
    if "audio_embed" in values:
        audio = values["audio_embed"]
        if isinstance(audio, Tensor) and not bool(audio.any()):  # core's zeros where nothing is connected
            return "a place for one picture and one voice, from WanHuMoImageToVideo or a similar node"
        return "audio, from WanHuMoImageToVideo or a similar node"
    if "time_dim_concat" in values:
        return "reference pictures, from WanPhantomSubjectToVideo or a similar node"
    return None


def _check_start_image(*conditionings: Conditioning) -> None:
    for name, conditioning in zip(("positive", "negative"), conditionings, strict=True):
        keys = (
            "concat_latent_image",
            "reference_latents",
        )  # which of them the model takes is checked with it
        if any(not any(key in values for key in keys) for _, values in conditioning):
            raise InteractError(
                f"The characters are regions of a start image, but {name} has no start image: connect {name} from "
                "ComfyUI's WanImageToVideo (for Wan2.2 S2V its WanSoundImageToVideo, with a ref_image) to InterAct "
                "Encode Characters."
            )


def _checked_references(cast: Cast, latents: Tensor | None) -> Tensor:
    assert latents is not None, "a cast with reference pictures needs their latents"
    expected = (len(cast.characters), cast.height // 8, cast.width // 8)
    found = (latents.shape[2], *latents.shape[3:]) if latents.ndim == 5 else tuple(latents.shape)
    if found != expected:
        raise InteractError(
            f"The encoded reference pictures have shape {list(latents.shape)}, expected [1, channels, "
            f"{', '.join(map(str, expected))}]: encode one picture per character at the video's size with a "
            "Wan VAE."
        )
    if not bool(latents.isfinite().all()):
        raise InteractError(
            "An encoded reference picture contains NaN or infinity: try another VAE or another VAE precision."
        )
    return latents


def _checked_tracks(cast: Cast, tracks: Tensor | None) -> Tensor:
    voices = sum(cast.speaking) + 1
    if tracks is None or tracks.ndim != 4 or tuple(tracks.shape[:2]) != (voices, cast.frames):
        found = None if tracks is None else list(tracks.shape)
        raise InteractError(
            f"The speech features have shape {found}, expected [{voices}, {cast.frames}, layers, channels]: "
            "one track per speaking character and the mute track, one entry per video frame."
        )
    for number in range(voices):
        if not bool(tracks[number].isfinite().all()):
            names = [character.name for character in cast.characters if character.speech is not None]
            whose = f"of {names[number]!r}" if number < len(names) else "of the mute track"
            raise InteractError(
                f"The speech features {whose} contain NaN or infinity: load the recording again."
            )
    return tracks
