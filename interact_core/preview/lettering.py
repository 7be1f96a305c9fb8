"""Text on pictures, in any script that a character's name is written in."""

import math
import unicodedata
from functools import lru_cache
from typing import Any

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont  # the latter where Pillow was built without FreeType

# For names that need more than Pillow's own font, which draws plain ASCII: fonts of wide coverage on Linux, macOS and
# Windows. Pillow searches the system's font folders for them.
WIDER_FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf", "Arial.ttf", "arial.ttf")
NOWHERE = "\U0010ffff"  # a code point that no font has: it is drawn as the missing glyph


def text_width(text: str, size: int) -> int:
    """Pixels that `write` takes for one line."""
    face, drawable = lettering(text, size)
    return math.ceil(face.getlength(drawable))


def write(
    canvas: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    anchor: str | None = "la",
) -> None:
    """Write one line `size` pixels high; anchors are Pillow's ("la" left top, "mm" middle)."""
    face, drawable = lettering(text, size)
    if not isinstance(face, ImageFont.FreeTypeFont):  # a Pillow built without FreeType knows no anchors
        anchor = None
    canvas.text(at, drawable, font=face, fill=colour, anchor=anchor)


@lru_cache(maxsize=256)
def lettering(text: str, size: int) -> tuple[Font, str]:
    """A font for the text, and the text that this font can draw (see `plain`)."""
    own = own_font(size)
    if text.isascii() or not isinstance(own, ImageFont.FreeTypeFont):
        return own, plain(text)
    for name in WIDER_FONTS:
        try:
            face = ImageFont.truetype(name, size)
        except OSError:
            continue
        if all(has_glyph(face, letter) for letter in text):
            return face, text
    return own, plain(text)


def own_font(size: int) -> Font:
    """Pillow's own font; before 10.1 it has one size only."""
    try:
        return ImageFont.load_default(size)
    except TypeError:
        return ImageFont.load_default()


def has_glyph(face: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Whether the font draws this letter, and not its missing glyph."""
    return letter.isspace() or _pixels(face, letter) != _pixels(face, NOWHERE)


def _pixels(face: ImageFont.FreeTypeFont, letter: str) -> bytes:
    mask: Any = face.getmask(letter)  # Pillow's ImagingCore: a sequence of its values, untyped
    return bytes(mask)


def plain(text: str) -> str:
    """The text in ASCII: letters without their accents, '?' for what has no Latin form."""
    parted = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in parted if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode("ascii")
