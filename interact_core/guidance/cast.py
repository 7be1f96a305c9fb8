"""Who is in the video: the values that travel from the character nodes to the sampler."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import InteractError, one_line
from ..frames import TEMPORAL_STRIDE, snap_frames
from ..speech.types import Sound, Speech
from .layout import TOKEN_PIXELS, layouts_on_grid, outside_error, share_kept
from .part import Part

MIN_IMAGE_SIDE = 16  # pixels, one token
LONGEST_NAME = 100  # characters: names stand in sentences, legends and lists


@dataclass(frozen=True, eq=False)  # tensors have no truth value: compare by identity
class Character:
    """One concept of the method: an INTERACT_CHARACTER.

    Somebody with a picture of their own, or, for image-to-video models, a region of the start image. Raises
    InteractError for an empty name, a picture that is missing, smaller than 16 pixels, not [1, H, W, 3] or not
    finite, a mask of another size, a region that is not [1, H, W] or is empty, a picture and a region at once, a
    layout that is not [F, H, W], a name of more than 100 characters, or a strength that is not finite.
    """

    name: str
    image: Tensor | None  # [1, H, W, 3] in 0..1, person on white; None for a region
    speech: dict[str, Any] | None  # AUDIO_ENCODER_OUTPUT or None (silent: a mask, and the mute track)
    layout: Tensor | None  # [F or 1, H, W] in 0..1, fixed mask(s), or None
    region: Tensor | None = None  # [1, H, W] in 0..1, where the person is in the start image, or None
    strength: float = 1.0  # factor on what the voice adds to this character alone
    mask: Tensor | None = None  # [1, H, W] in 0..1, where the person is in `image`; None if no mask was given
    seen: tuple[int, int] | None = (
        None  # width and height of the video, to which InterAct People showed the picture cropped
    )

    def __post_init__(self) -> None:
        character_name(self.name)
        if self.region is None:
            _check_image(self.name, self.image)
        else:
            _check_region(self.name, self.region, self.image)
        if self.mask is not None and (self.image is None or self.mask.shape != self.image.shape[:3]):
            raise InteractError(
                f"the mask of {self.name!r} has shape {list(self.mask.shape)}, expected that of its picture."
            )
        if not math.isfinite(self.strength):
            raise InteractError(
                f"the audio strength of {self.name!r} is {self.strength}; use a finite number, 1 as trained."
            )
        if self.layout is not None and (self.layout.ndim != 3 or self.layout.numel() == 0):
            raise InteractError(
                f"the layout mask of {self.name!r} has shape {list(self.layout.shape)}, "
                "expected [frames or 1, H, W]."
            )


def character_name(name: object) -> str:
    """A name without surrounding blanks. Raises InteractError for none, and for one that no sentence could hold."""
    if not isinstance(name, str) or not name.strip():
        raise InteractError("a character has no name: give each a name of its own.")
    if len(name.strip()) > LONGEST_NAME:
        raise InteractError(
            f"the name {one_line(name, 30)!r} has {len(name.strip())} characters: give that character one of at most "
            f"{LONGEST_NAME}."
        )
    return name.strip()


@dataclass(frozen=True, eq=False)
class Cast:
    """All characters of one video and its size: an INTERACT_CAST. `assemble_cast` makes one with its layouts.

    Raises InteractError for no characters, two of one name, a size that is not a multiple of 16, a length
    that is not 4n+1, a frame rate that is not positive, or layouts that do not fit the grid.
    """

    characters: tuple[Character, ...]
    width: int  # pixels, multiple of 16
    height: int
    frames: int  # video frames, 4n+1
    fps: float
    # [N, T, h, w] in 0..1, fixed masks on the token grid; None if no character has one
    layouts: Tensor | None
    # [N, h, w] in 0..1, each character's place in the start image on the token grid; None for a cast with pictures
    regions: Tensor | None = None
    part: Part | None = None  # which part of a longer film this is; None for a video made in one run
    scene: Sound | Speech | None = None  # what is heard besides the voices

    def __post_init__(self) -> None:
        _check_names(self.characters)
        _check_one_kind(self.characters)
        _check_size(self.width, self.height, self.frames, self.fps)
        expected = (len(self.characters), *self.grid)
        if self.layouts is not None and tuple(self.layouts.shape) != expected:
            raise InteractError(
                f"the cast's layouts have shape {list(self.layouts.shape)}, expected {list(expected)} "
                "[characters, latent frames, height / 16, width / 16]."
            )

    def carried(self, mask_source: str) -> bool:
        """Whether masks of a finished part steer from the first step on; fixed masks are drawn, not carried over."""
        return self.part is not None and self.part.masks is not None and mask_source != "fixed"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(character.name for character in self.characters)

    @property
    def speaking(self) -> tuple[bool, ...]:
        """Which characters have a track of their own, in cast order."""
        return tuple(character.speech is not None for character in self.characters)

    @property
    def strengths(self) -> tuple[float, ...]:
        """Of the speaking characters, in cast order."""
        return tuple(character.strength for character in self.characters if character.speech is not None)

    @property
    def references(self) -> int:
        """How many reference pictures the model gets: one for each character, none for regions."""
        return sum(character.region is None for character in self.characters)

    @property
    def latent_frames(self) -> int:
        return (self.frames - 1) // TEMPORAL_STRIDE + 1

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens along (time, height, width)."""
        return self.latent_frames, self.height // TOKEN_PIXELS, self.width // TOKEN_PIXELS


def assemble_cast(characters: Sequence[Character], width: int, height: int, frames: int, fps: float) -> Cast:
    """Check the characters and bring their layouts onto the token grid.

    If some characters have a layout and others have none, the others' masks are 0: they are nowhere, and
    silent. A region without a layout stays where it was. Masks of another shape than the video's are cropped as
    the start image is. Raises InteractError as Cast and `layouts_on_grid` do, and for regions that fill no token
    or overlap.
    """
    characters = tuple(characters)
    _check_names(characters)
    _check_one_kind(characters)
    _check_size(width, height, frames, fps)
    starts = [
        layouts_on_grid(character.region, 1, width, height, character.name, "region")[0]
        for character in characters
        if character.region is not None
    ]
    regions = None
    if starts:  # then it is all of them: _check_one_kind
        _check_apart(characters, starts, width, height)
        regions = torch.stack(starts)
    places = [character.region if character.layout is None else character.layout for character in characters]
    drawn = {
        number: layouts_on_grid(place, frames, width, height, characters[number].name)
        for number, place in enumerate(places)
        if place is not None
    }
    layouts = None
    if drawn:
        nowhere = torch.zeros_like(next(iter(drawn.values())))
        layouts = torch.stack([drawn.get(number, nowhere) for number in range(len(characters))])
    return Cast(characters, width, height, frames, fps, layouts, regions)


def _check_region(name: str, region: Tensor, image: Tensor | None) -> None:
    if image is not None:
        raise InteractError(
            f"character {name!r} has a picture and a region of the start image: give it one of the two."
        )
    if region.ndim == 3 and region.shape[0] == 0:
        raise InteractError(
            f"the region of {name!r} is a batch of no masks: nobody was found in the picture; lower the threshold of "
            "the node that looks for people, or paint the mask yourself."
        )
    if region.ndim != 3 or region.shape[0] != 1 or region.numel() == 0:
        raise InteractError(
            f"the region of {name!r} has shape {list(region.shape)}, expected one mask [1, H, W]: if it holds one mask "
            "for each person, put InterAct Pick Person in between; if one for each frame, connect it to layout and the "
            "first frame's to region."
        )
    if not bool(region.isfinite().all()) or not bool((region > 0.5).any()):
        raise InteractError(f"the region of {name!r} is empty: paint white where the person is.")


def _check_one_kind(characters: Sequence[Character]) -> None:
    """Pictures are references among the frames, regions belong to a start image: no Wan model takes both."""
    by_region = [character.name for character in characters if character.region is not None]
    by_picture = [character.name for character in characters if character.region is None]
    if by_region and by_picture:
        raise InteractError(
            f"{by_region[0]!r} is a region of the start image, but {by_picture[0]!r} has a picture: "
            "use regions for all of them (image-to-video models) or pictures for all (text-to-video models)."
        )


def _check_apart(characters: Sequence[Character], regions: Sequence[Tensor], width: int, height: int) -> None:
    for number, region in enumerate(regions):
        name, painted = characters[number].name, characters[number].region
        if not bool((region > 0.5).any()):
            if painted is not None and share_kept(painted, width, height) < 0.5:
                raise outside_error(painted, width, height, name, "region")
            raise InteractError(
                f"the region of {name!r} is too small, it fills no token of {TOKEN_PIXELS}x{TOKEN_PIXELS} pixels: "
                "paint the whole person."
            )
        for other in range(number):
            common = torch.minimum(region, regions[other]).sum()
            if common > 0.5 * torch.minimum(region.sum(), regions[other].sum()):
                raise InteractError(
                    f"the regions of {characters[other].name!r} and {name!r} cover the same people: paint one "
                    "person each."
                )


def _check_image(name: str, image: Tensor | None) -> None:
    if image is None:
        raise InteractError(f"character {name!r} has no picture: connect an image of it.")
    shape = list(image.shape)
    if image.ndim == 4 and shape[-1] == 4:
        raise InteractError(
            f"the picture of {name!r} has an alpha channel: put it on a white background first."
        )
    if image.ndim != 4 or shape[0] != 1 or shape[-1] != 3:
        raise InteractError(f"the picture of {name!r} has shape {shape}, expected one picture [1, H, W, 3].")
    if min(shape[1:3]) < MIN_IMAGE_SIDE:
        raise InteractError(
            f"the picture of {name!r} is {shape[2]}x{shape[1]} pixels; use one of at least "
            f"{MIN_IMAGE_SIDE}x{MIN_IMAGE_SIDE}."
        )
    if not bool(image.isfinite().all()):
        raise InteractError(f"the picture of {name!r} contains NaN or infinity; use another.")


def _check_names(characters: Sequence[Character]) -> None:
    if not characters:
        raise InteractError("there are no characters: connect at least one.")
    names: set[str] = set()
    for character in characters:
        if character.name in names:
            raise InteractError(f"two characters are named {character.name!r}: give each a name of its own.")
        names.add(character.name)


def _check_size(width: int, height: int, frames: int, fps: float) -> None:
    for side, pixels in (("width", width), ("height", height)):
        if pixels < TOKEN_PIXELS or pixels % TOKEN_PIXELS:
            nearest = max(1, round(pixels / TOKEN_PIXELS)) * TOKEN_PIXELS
            raise InteractError(
                f"the video's {side} is {pixels}, not a multiple of {TOKEN_PIXELS}: use {nearest}."
            )
    if frames < 1 or snap_frames(frames) != frames:
        raise InteractError(
            f"the video is {frames} frames long, which is not 4n+1: use {snap_frames(frames)}."
        )
    if not 0 < fps < math.inf:
        raise InteractError(f"the frame rate is {fps}; use a number above 0, such as 25.")
