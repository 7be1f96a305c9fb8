"""An existing video as the latent to sample, of which only the people who are dubbed are made anew.

The rest is kept by core's noise mask: its samplers give the model the source there, with the run's own noise at every
step, and put it into the result unchanged (comfy/samplers.py, KSamplerX0Inpaint). So any sampler, context windows and
parts of a film work as without it. What the autoencoder alone changes is undone after decoding by core's
ImageCompositeMasked with the mask of pixels.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import comfy.utils
import torch
from torch import Tensor

from ...errors import InteractError, check_connected, check_numbers
from ...frames import snap_frames
from ...guidance import Cast, MaskHistory
from ...guidance.dubbing import DRAWN, dubbed_cells, dubbed_pixels
from ...guidance.layout import fitted_to_video, outside_error, share_kept
from ...preview.masks import masks_as_video
from ...sentences import Sentence, sentence
from .cast_encoding import check_vae

logger = logging.getLogger(__name__)

NO_MASK = (
    "Nothing says who is dubbed: connect mask, with the person in every frame of the video, or masks, of a sampler "
    "that has seen the video, or give the characters who speak a layout."
)


@dataclass(frozen=True, eq=False)
class EncodedDub:
    """The outputs of InterAct Dub Video.

    latent: a LATENT dict of the source, whose noise_mask is 1 where people are dubbed; video: IMAGE [F, H, W, 3], the
    source at the cast's size and length; mask: MASK [F, H, W], how much of each pixel is taken from the new video.
    """

    latent: dict[str, Any]
    video: Tensor
    mask: Tensor
    lines: tuple[Sentence, ...]


@torch.no_grad()
def encode_dub(
    vae: Any,
    video: Tensor,
    cast: Cast,
    mask: Tensor | None = None,
    masks: MaskHistory | None = None,
    latent: dict[str, Any] | None = None,
    grow: int = 16,
    feather: int = 8,
) -> EncodedDub:
    """Encode the video that is dubbed, and mask the people who speak anew.

    video: IMAGE [F, H, W, 3]; cast: gives size, length and, for a part of a film, the place in the video. mask: MASK
    [F or 1, H, W], who is dubbed; masks: of a run on this video, of which those of speaking characters are taken;
    without both, the layouts of the speaking characters. latent: of InterAct Next Part, whose finished frames are kept.
    grow, feather: pixels around people, as `dubbed_pixels` takes them. Raises InteractError for what does not fit
    together, before anything is encoded.
    """
    check_connected(vae=vae, video=video, cast=cast)
    check_vae(vae)
    check_numbers(video=video, mask=mask)
    if not bool(video.isfinite().all()):
        raise InteractError("The video contains NaN or infinity: connect another.")
    known = _checked_known(latent, cast)
    frames, cut = _frames_used(video.shape[0], cast)
    people, said = _people(cast, mask, masks, video.shape[0], frames)
    pixels = dubbed_pixels(people, grow, feather)
    if not bool(pixels.any()):
        raise InteractError(
            "The mask is empty in every frame, so nobody would be dubbed: paint white where the person is, or lower "
            "the threshold of the node that looks for people."
        )
    source, scaled = _at_size(video[frames], cast)
    cells = dubbed_cells(pixels)
    samples = vae.encode(source)
    noise_mask = cells[None, None]
    if known is not None:
        kept, fresh = known["samples"].to(samples), known["noise_mask"].to(samples)
        samples = samples * fresh + kept * (1.0 - fresh)
        noise_mask = noise_mask * known["noise_mask"].to(noise_mask)
    absent = int((pixels.flatten(1).amax(1) == 0.0).sum())
    lines = (
        sentence("dub_made", pixels=_percent(pixels > 0.0), cells=_percent(noise_mask)),
        *said,
        *_others(cast),
        *([sentence("dub_absent", count=absent, frames=cast.frames)] if absent else []),
        *cut,
        *scaled,
    )
    logger.info("InterAct Dub Video: %s", " ".join(map(str, lines)))
    return EncodedDub({"samples": samples, "noise_mask": noise_mask}, source, pixels, lines)


def _checked_known(latent: dict[str, Any] | None, cast: Cast) -> dict[str, Tensor] | None:
    """The LATENT of InterAct Next Part, if it keeps finished frames. Raises InteractError where it has to and is not
    there, and for one of another size.
    """
    begins = 0 if cast.part is None else cast.part.known
    if latent is None or "noise_mask" not in latent:
        if begins:
            raise InteractError(
                f"The cast is of a part of a film that begins with {begins} finished frames: connect latent of the "
                "same InterAct Next Part, so that they are kept."
            )
        return None
    grid = cast.latent_frames, 2 * cast.grid[1], 2 * cast.grid[2]
    if tuple(latent["samples"].shape[2:]) != grid:
        raise InteractError(
            f"The latent has shape {list(latent['samples'].shape)}, but the cast is for {cast.width}x{cast.height} and "
            f"{cast.frames} frames: connect latent and cast of the same InterAct Next Part."
        )
    return latent


def _frames_used(found: int, cast: Cast) -> tuple[list[int], list[Sentence]]:
    """The number of the video's frame for each frame of the cast, and what is cut or repeated.

    Raises InteractError for a video that is too short by more than what its length is from 4n+1.
    """
    start = 0 if cast.part is None else cast.part.start
    end = start + cast.frames
    if end > snap_frames(found):
        raise InteractError(
            f"The video has {found} frames, but the new one needs {end} (at {cast.fps:g} fps): "
            f"set length of InterAct Encode Characters to {found}, or connect a longer video."
        )
    said = []
    if end < found and cast.part is None:
        said.append(sentence("dub_cut", found=found, first=start + 1, last=end))
    if end > found:
        said.append(sentence("dub_repeated", found=found, count=end - found))
    return [min(frame, found - 1) for frame in range(start, end)], said


def _people(
    cast: Cast, mask: Tensor | None, masks: MaskHistory | None, found: int, frames: list[int]
) -> tuple[Tensor, list[Sentence]]:
    """Who is dubbed, [F, height, width] in 0..1 at the video's size, and what is to be said of it."""
    if mask is not None and masks is not None:
        raise InteractError(
            "mask and masks are both connected, and one of them says who is dubbed: disconnect one."
        )
    if mask is not None:
        return _fitted(mask, cast, found, frames, "mask")
    speaking = [character for character in cast.characters if character.speech is not None]
    if not speaking:
        raise InteractError(
            "No character speaks, so nobody is dubbed: connect speech to one, or connect mask to silence somebody."
        )
    if masks is not None:
        return _of_run(masks, cast, [character.name for character in speaking]), []
    layouts = [character.layout for character in speaking if character.layout is not None]
    if not layouts:
        raise InteractError(NO_MASK)
    # Layouts of a part's characters are of its frames already.
    own = list(range(cast.frames))
    drawn = [_fitted(layout, cast, cast.frames, own, "layout") for layout in layouts]
    said = [line for _, lines in drawn for line in lines][:1]
    return torch.stack([people for people, _ in drawn]).amax(0), said


def _others(cast: Cast) -> list[Sentence]:
    """Silent characters beside others who speak. They need no picture, and one has them drawn where others are dubbed.

    In the theatre, at denoise 1, a listener who stood untouched beside the speaker was drawn again in the speaker's
    place.
    """
    names = [character.name for character in cast.characters if character.speech is None]
    if not cast.references or not names or len(names) == len(cast.characters):
        return []
    return [sentence("dub_others", count=len(names), names=names)]


def _fitted(
    mask: Tensor, cast: Cast, found: int, frames: list[int], what: str
) -> tuple[Tensor, list[Sentence]]:
    """A MASK of one frame or of all `found` ones, for the frames that are used."""
    mask = mask.unsqueeze(0) if mask.ndim == 2 else mask
    if mask.ndim != 3 or mask.shape[0] not in (1, found):
        raise InteractError(
            f"The {what} has shape {list(mask.shape)}, expected one mask, or one for each of the {found} frames of the "
            "video: connect masks of the same video."
        )
    if not bool(mask.isfinite().all()):
        raise InteractError(f"The {what} contains NaN or infinity; use values within 0..1.")
    used = mask.detach().to(device="cpu", dtype=torch.float32)
    used = used if mask.shape[0] == 1 else used[frames]
    if bool((used > DRAWN).any()) and share_kept(used, cast.width, cast.height) == 0.0:
        raise outside_error(used, cast.width, cast.height, "the dub", what)
    fitted = fitted_to_video(used, cast.width, cast.height).expand(len(frames), -1, -1)
    return fitted, [sentence("dub_one_mask")] if mask.shape[0] == 1 and len(frames) > 1 else []


def _of_run(masks: MaskHistory, cast: Cast, names: list[str]) -> Tensor:
    """The last masks of these characters. Raises InteractError for masks that do not cover the cast's frames."""
    start = (0 if cast.part is None else cast.part.start) - masks.start
    if start < 0 or start + cast.frames > masks.frames:
        raise InteractError(
            f"The masks are of {masks.frames} frames from frame {masks.start} on, but {cast.frames} from "
            f"{start + masks.start} on are dubbed: connect masks of a run on the same video."
        )
    people = torch.stack([masks_as_video(masks, name) for name in names]).amax(0)
    return fitted_to_video(people[start : start + cast.frames], cast.width, cast.height)


def _at_size(video: Tensor, cast: Cast) -> tuple[Tensor, list[Sentence]]:
    """The video's frames at the cast's size, cropped in the middle as core crops a start image."""
    video = video[..., :3]
    height, width = video.shape[1:3]
    if (width, height) == (cast.width, cast.height):
        return video, []
    scaled = comfy.utils.common_upscale(video.movedim(-1, 1), cast.width, cast.height, "bilinear", "center")
    sizes = {"found": f"{width}x{height}", "size": f"{cast.width}x{cast.height}"}
    found, wanted = width / height, cast.width / cast.height
    lost = round(100 * (1 - min(found, wanted) / max(found, wanted)))
    said = sentence("dub_cropped", **sizes, percent=lost) if lost else sentence("dub_scaled", **sizes)
    return scaled.movedim(1, -1), [said]


def _percent(made: Tensor) -> int:
    """The share of 1 in a mask of 0 and 1, at least 1 % where there is any."""
    return max(round(100 * float(made.float().mean())), int(bool(made.any())))
