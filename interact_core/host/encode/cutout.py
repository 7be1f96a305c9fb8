"""Cut-out pictures: transparency that was lost on the way, and masks that are the wrong way round.

ComfyUI's Load Image gives a picture without its transparency, and that as a MASK which is 1 where the picture is
transparent. The mask editor's MASK is 1 where was painted. Both come out of the same socket.
"""

from collections.abc import Mapping
from typing import Any

import folder_paths
import torch
from PIL import Image
from torch import Tensor

from ...guidance import Character
from ...sentences import Sentence, sentence
from ..tokens.reference_images import BLANK, CORNER

LOADERS = ("LoadImage", "LoadImageOutput")
FAR = 32  # nodes between a loader and the character
AROUND = 0.25  # share of the border that a background takes at least
DENSER = 0.02  # by how much a mask has to be denser at the border than inside, to be that of a background
TRANSPARENT = 128  # of 255; below it a pixel counts as transparent


def keeps_background(mask: Tensor) -> bool:
    """Whether a mask [1, h, w] in 0..1 keeps a picture's background and leaves out its person.

    It keeps both upper corners and much of the border, and is denser there than inside. A background surrounds a
    person, so the mask of a person is the other way round even where the person fills the frame.
    """
    kept = (mask[0] > 0.5).float()
    side = max(1, min(kept.shape) // CORNER)
    inside = kept[side:-side, side:-side]
    if inside.numel() == 0:
        return False
    border = float((kept.sum() - inside.sum()) / (kept.numel() - inside.numel()))
    corners = kept[:side, :side].mean(), kept[:side, -side:].mean()
    return bool(min(corners) > 0.5) and border > AROUND and border > float(inside.mean()) + DENSER


def upright_mask(mask: Tensor | None, cut_out: bool = False) -> tuple[Tensor | None, bool]:
    """A character's mask with 1 where the person is, and whether it had to be turned round.

    cut_out: the mask is known to be the transparency of a picture (`is_transparency`); it is turned round then unless
    that would keep the background. Only one mask of finite values is looked at; what is wrong with others is for
    `person_on_white` to say.
    """
    one = mask.unsqueeze(0) if mask is not None and mask.ndim == 2 else mask
    if one is None or one.ndim != 3 or one.shape[0] != 1 or not bool(one.isfinite().all()):
        return mask, False
    turned = keeps_background(one) or (cut_out and not keeps_background(1.0 - one))
    return (1.0 - one.clamp(0.0, 1.0) if turned else mask), turned


def said_of_character(character: Character, turned: bool, lost: str | None) -> list[Sentence]:
    """What the node says of a character with a picture: one sentence, or nothing.

    turned: the mask was the wrong way round; lost: the file whose transparency did not arrive, see
    `lost_transparency`.
    """
    if turned:
        return [sentence("mask_inverted", name=character.name)]
    if lost is not None:
        return [sentence("transparency_lost", file=lost, name=character.name)]
    if character.mask is None and character.image is not None and plain_border(character.image):
        return [sentence("background_plain", name=character.name)]
    return []


def said_of_region(character: Character) -> list[Sentence]:
    """What the node says of a character in a start image: one sentence, or nothing."""
    if character.region is not None and keeps_background(character.region):
        return [sentence("region_inverted", name=character.name)]
    return []


def plain_border(picture: Tensor) -> bool:
    """Whether the outermost pixels of a picture [1, H, W, 3] are all of one colour that is not white."""
    border = torch.cat((picture[0, 0], picture[0, -1], picture[0, :, 0], picture[0, :, -1]))
    spread = border.amax(0) - border.amin(0)
    return float(spread.max()) <= BLANK and float(border.min()) < 1.0 - BLANK


def place_of(node: Any) -> tuple[Mapping[str, Any] | None, str | None]:
    """Graph and id of a node class that is executing, which has asked for its hidden prompt and unique_id."""
    hidden = getattr(node, "hidden", None)
    return getattr(hidden, "prompt", None), getattr(hidden, "unique_id", None)


def is_transparency(prompt: Mapping[str, Any] | None, node: str | None, name: str = "mask") -> bool:
    """Whether a node's input is MASK of a Load Image whose file has transparency, so that it is 1 beside the person.

    prompt, node: as in `lost_transparency`. Not so for files of the mask editor, whose name tells (clipspace): there
    the transparency is what was painted.
    """
    link = (prompt or {}).get(str(node), {}).get("inputs", {}).get(name)
    source = (prompt or {}).get(str(link[0]), {}) if isinstance(link, list) and len(link) == 2 else {}
    if source.get("class_type") not in LOADERS or not isinstance(link, list) or link[1] != 1:
        return False
    file = source.get("inputs", {}).get("image")
    return isinstance(file, str) and "clipspace" not in file and _is_transparent(file)


def lost_transparency(prompt: Mapping[str, Any] | None, node: str | None, name: str = "image") -> str | None:
    """The file with transparency that Load Image read for an input of a node without passing its transparency on.

    prompt: the graph that runs, {node id: {"class_type", "inputs"}}; node: the id of the node with the input `name`.
    Followed is `image` from node to node; None where a mask joins on the way, where the way ends elsewhere, or if
    the file is opaque.
    """
    for _ in range(FAR):
        settings = (prompt or {}).get(str(node), {}).get("inputs", {})
        link = settings.get(name)
        if not isinstance(link, list) or len(link) != 2:
            return None
        node, name = str(link[0]), "image"
        source = (prompt or {}).get(node, {})
        if source.get("class_type") in LOADERS:
            file = source.get("inputs", {}).get("image")
            return file if isinstance(file, str) and link[1] == 0 and _is_transparent(file) else None
        if any(isinstance(source.get("inputs", {}).get(other), list) for other in ("mask", "alpha")):
            return None
    return None


def _is_transparent(file: str) -> bool:
    """Whether a picture of the input folder has transparent pixels; False if it cannot be read."""
    try:
        with Image.open(folder_paths.get_annotated_filepath(file)) as picture:
            if "A" not in picture.getbands() and "transparency" not in picture.info:
                return False
            lowest, _ = picture.convert("RGBA").getchannel("A").getextrema()
    except (OSError, ValueError, SyntaxError):
        return False
    return isinstance(lowest, int | float) and lowest < TRANSPARENT
