"""The characters' pictures side by side: a rough first picture of the video, which the sampler starts from.

Wan decides in its first steps, above noise 0.9, who stands where; a small or little trained model then draws somebody
twice, or with an eye too many. A sampler that starts below that noise, from people who are whole and in their places,
leaves those steps out. Not in InterActHuman, which starts from noise.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import comfy.utils
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InteractError, check_connected, check_numbers
from ...frames import TEMPORAL_STRIDE
from ...guidance import Cast, Character, Part
from ...guidance.layout import LATENT_PIXELS, bounds, fitted_to_video
from ...guidance.people import opencv
from ...sentences import Sentence, sentence
from ..tokens.reference_images import LIKELY, person_score
from .cast_encoding import check_vae

logger = logging.getLogger(__name__)

GROUND = (
    0.86  # of the picture without a background: a light grey, in which neither light nor dark people get lost
)
REACH = 0.2  # of a person's share of the width, by which hair or arms may reach into that of both neighbours
COVERED = 0.1  # of a person, from which it is said that others stand in front
STILL = 81  # frames that are encoded at most; a longer video goes on with the last of their latent frames


@dataclass(frozen=True, eq=False)
class Placed:
    """The outputs of InterAct Place Characters.

    latent: a LATENT dict [1, 16, T, height / 8, width / 8] of the picture, held still; picture: IMAGE [1, H, W, 3].
    """

    latent: dict[str, Tensor]
    picture: Tensor
    lines: tuple[Sentence, ...]


@torch.no_grad()
def place_characters(
    vae: Any,
    cast: Cast,
    size: float = 0.8,
    background: Tensor | None = None,
    latent: dict[str, Tensor] | None = None,
) -> Placed:
    """Put the characters' pictures side by side, in the order of the cast from left to right.

    A character with a layout goes into the box around it instead (of its first frame). size: of the tallest person, as
    a share of the height; background: IMAGE, of which the first picture is scaled and cropped in the middle, None for
    grey. latent: of InterAct Next Part. In a later part of a film everybody starts where the finished frames end, and
    those stay as they are. Raises InteractError for people of a start image, who have their places, for a later part
    without its latent, and for input that is no picture.
    """
    check_connected(vae=vae, cast=cast)
    check_vae(vae)
    check_numbers(background=background)
    if cast.regions is not None:
        raise InteractError(
            "These characters are people of a start image, who have their places there: connect a cast of characters "
            "with pictures, or leave this node out."
        )
    if cast.part is not None and cast.part.known > 0:
        return _go_on(vae, cast, cast.part, latent)
    if latent is not None and ("noise_mask" in latent or bool(latent["samples"].any())):
        raise InteractError(
            "The latent holds a video, which this node would replace, and the cast is of no later part of a film: "
            "connect that latent to the sampler and leave this node out, or connect latent and cast of the same "
            "InterAct Next Part."
        )
    picture, said = _ground(cast, background)
    share, drawn = cast.width / len(cast.characters), []
    reach = min(REACH * share, (cast.width - share) / 2)  # nobody is wider than the picture
    owner = torch.full((cast.height, cast.width), -1)
    whole = []
    for number, character in enumerate(cast.characters):
        box = _layout_box(character, cast)
        if box is None:
            left, right = number * share - reach, (number + 1) * share + reach
            box = (left, (1 - size) * cast.height, right, cast.height)
        else:
            drawn.append(character.name)
        shown = _put(picture, *_cut_out(character), box)
        owner[shown] = number
        whole.append(int(shown.sum()))
    covered = {
        name: 1 - int((owner == number).sum()) / max(1, whole[number])
        for number, name in enumerate(cast.names)
    }
    samples = _still(vae, picture, cast.frames)
    lines = (
        sentence("place_made", names=list(cast.names)),
        *([sentence("place_layout", names=drawn)] if drawn else []),
        *(
            sentence("place_covered", name=name, share=round(100 * share))
            for name, share in covered.items()
            if share > COVERED
        ),
        *said,
    )
    logger.info("InterAct Place Characters: %s", " ".join(map(str, lines)))
    return Placed({"samples": samples}, picture, lines)


def _still(vae: Any, picture: Tensor, frames: int) -> Tensor:
    """A picture [1, H, W, 3] for so many video frames, encoded: [1, C, T, H / 8, W / 8]."""
    still = vae.encode(picture.expand(min(STILL, frames), -1, -1, -1))
    more = (frames - 1) // TEMPORAL_STRIDE + 1 - still.shape[2]
    return torch.cat((still, still[:, :, -1:].expand(-1, -1, more, -1, -1)), 2)


def _go_on(vae: Any, cast: Cast, part: Part, latent: dict[str, Tensor] | None) -> Placed:
    """The finished frames of a later part, and behind them the last one held still."""
    if latent is None or "noise_mask" not in latent:
        raise InteractError(
            f"The cast is of a part of a film that begins with {part.known} finished frames: connect the latent of "
            "InterAct Next Part to this node's latent, so that they stay, and everybody goes on from there."
        )
    samples, known = latent["samples"].clone(), part.known_latents
    found, wanted = (
        list(samples.shape[2:]),
        [cast.latent_frames, *(side // LATENT_PIXELS for side in (cast.height, cast.width))],
    )
    if found != wanted:
        raise InteractError(
            f"The latent has frames, height and width {found}, but the cast is for {wanted}: connect latent and cast "
            "of the same InterAct Next Part."
        )
    picture = vae.decode(samples[:1, :, :known])[..., -1:, :, :, :3].reshape(1, cast.height, cast.width, 3)
    # The first latent frame holds a single frame, the others four: only those can stand behind finished ones.
    samples[:, :, known:] = _still(vae, picture, cast.frames)[:, :, known:].to(samples)
    lines = (sentence("place_goes_on", count=part.known),)
    logger.info("InterAct Place Characters: %s", " ".join(map(str, lines)))
    return Placed({**latent, "samples": samples}, picture.float().cpu(), lines)


def _ground(cast: Cast, background: Tensor | None) -> tuple[Tensor, list[Sentence]]:
    """What is behind the people, [1, height, width, 3] on the CPU, and what is to be said of it."""
    if background is None:
        return torch.full((1, cast.height, cast.width, 3), GROUND), []
    if background.ndim != 4 or background.shape[-1] < 3 or not background.numel():
        raise InteractError(
            f"The background has shape {list(background.shape)}, expected a picture [1, H, W, 3]: connect an IMAGE."
        )
    if not bool(background.isfinite().all()):
        raise InteractError("The background contains NaN or infinity: connect another picture.")
    given = background[:1, ..., :3].detach().to(device="cpu", dtype=torch.float32).clamp(0.0, 1.0)
    fitted = comfy.utils.common_upscale(given.movedim(-1, 1), cast.width, cast.height, "bilinear", "center")
    height, width = given.shape[1:3]
    said = []
    if len(background) > 1:
        said.append(sentence("place_first", count=len(background)))
    if width * cast.height != height * cast.width:
        sizes = {"found": f"{width}x{height}", "size": f"{cast.width}x{cast.height}"}
        said.append(sentence("place_cropped", **sizes))
    return fitted.movedim(1, -1).clone(), said


def _layout_box(character: Character, cast: Cast) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom in pixels of a character's layout in the first frame; None where it has none."""
    if character.layout is None:
        return None
    mask = fitted_to_video(character.layout[:1].detach().float().cpu(), cast.width, cast.height)[0] > 0.5
    found = bounds(mask)
    if found is None:
        return None
    rows, columns = found
    return float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)


def _cut_out(character: Character) -> tuple[Tensor, Tensor]:
    """The person alone: picture [1, 3, h, w] and opacity [1, 1, h, w]; by the character's mask, or by a guess."""
    assert character.image is not None  # a cast without regions has pictures
    image = character.image.detach().to(device="cpu", dtype=torch.float32)
    mask = None if character.mask is None else character.mask.detach().to(device="cpu", dtype=torch.float32)
    score = person_score(image, mask)[0]
    opacity = score if mask is not None else _filled((score > LIKELY * score.amax()).float())
    inside = bounds(opacity > 0.5) or (slice(None), slice(None))
    return image[0][inside].movedim(-1, 0)[None], opacity[inside][None, None]


def _filled(person: Tensor) -> Tensor:
    """A guessed person [h, w] without holes: white eyes and teeth are not the white around them."""
    cv2 = opencv("People are cut out by OpenCV", "")
    outlines, _ = cv2.findContours(person.to(torch.uint8).numpy(), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(torch.zeros_like(person).numpy(), outlines, -1, 1.0, cv2.FILLED)
    return torch.from_numpy(filled)


def _put(picture: Tensor, person: Tensor, opacity: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """Draw a person into a box of the picture, as large as it fits, standing on the box's lower edge in its middle.

    Gives where they are now, bool [H, W].
    """
    left, top, right, bottom = box
    scale = min((right - left) / person.shape[3], (bottom - top) / person.shape[2])
    size = [max(1, round(side * scale)) for side in person.shape[2:]]
    shown, kept = (
        F.interpolate(one, size=size, mode="bilinear", antialias=True) for one in (person, opacity)
    )
    x, y = round((left + right - size[1]) / 2), round(bottom) - size[0]
    x, y = max(0, min(x, picture.shape[2] - size[1])), max(0, y)
    place = picture[0, y : y + size[0], x : x + size[1]]
    share = kept[0, 0, :, :, None].clamp(0.0, 1.0)
    place.copy_(torch.lerp(place, shown[0].movedim(0, -1).clamp(0.0, 1.0), share))
    drawn = torch.zeros(picture.shape[1:3], dtype=torch.bool)
    drawn[y : y + size[0], x : x + size[1]] = share[..., 0] > 0.5
    return drawn
