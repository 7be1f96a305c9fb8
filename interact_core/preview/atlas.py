"""Many small pictures on one sheet, as files that a browser fetches: masks as PNG, frames as JPEG.

A sheet has at most COLUMNS columns, frames run along the rows, and every character begins a new row. A reader needs
the numbers of characters and frames; the size of a tile follows from the sheet's.
"""

import hashlib
import io
import os
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..guidance.layout import TEMPORAL_STRIDE

COLUMNS = 8
FRAME_SIDE = 128  # pixels, at most, of the longer side of a predicted frame
VIDEO_SIDE = 256  # the same of a decoded frame
JPEG_QUALITY = 80
FULL_QUALITY = 92  # of frames in full size, which are there to be looked at closely
FULL_PIXELS = 100_000_000  # of all of them: 250 pictures of 832x480, at most 45 MB and 5 s of a slow core
JPEG_PIXELS = 65500  # along a side of a picture, libjpeg's limit
# Encoding takes time after every step. On masks, run-length coding is both faster and smaller than zlib's level 1
# (measured: 22 against 25 kB and 1.1 against 1.3 ms for three sharp masks, 36 against 39 kB for noisy ones).
PNG = {"compress_type": zlib.Z_RLE, "compress_level": 1}


def encode_masks(masks: Tensor) -> bytes:
    """8-bit grey PNG of one step's masks [N, T, h, w] in 0..1; a tile holds round(255 * p)."""
    grey = (masks.float() * 255).round().clamp(0, 255).to(torch.uint8)
    sheet = Image.fromarray(_sheet(grey.unsqueeze(-1)).squeeze(-1).cpu().numpy())
    return _encoded(sheet, "PNG", **PNG)


def decode_masks(content: bytes, characters: int, grid: tuple[int, int, int]) -> Tensor:
    """What `encode_masks` wrote: [N, T, h, w] float16, `grid` being (T, h, w). Raises ValueError for another size.

    Values are exact to half of 1/255.
    """
    frames, height, width = grid
    columns = min(frames, COLUMNS)
    rows = -(-frames // columns)
    with Image.open(io.BytesIO(content)) as picture:
        sheet = torch.from_numpy(np.array(picture))
    if sheet.shape != (characters * rows * height, columns * width):
        raise ValueError(f"a picture of {sheet.shape[1]}x{sheet.shape[0]} pixels is not one of these masks.")
    tiles = sheet.view(characters, rows, height, columns, width).permute(0, 1, 3, 2, 4)
    return (tiles.flatten(1, 2)[:, :frames].float() / 255).half()


def encode_frames(pictures: Tensor) -> bytes:
    """RGB JPEG of one picture per latent frame, uint8 [T, h, w, 3]."""
    sheet = Image.fromarray(_sheet(pictures.unsqueeze(0)).cpu().numpy())
    return _encoded(sheet, "JPEG", quality=JPEG_QUALITY)


def encode_video(frames: Tensor) -> bytes:
    """JPEG as `encode_frames` of a decoded video [F, H, W, 3] in 0..1: frame 4t represents latent frame t."""
    chosen = frames[::TEMPORAL_STRIDE, :, :, :3]
    size = tile_size(chosen.shape[1], chosen.shape[2], VIDEO_SIDE, len(chosen))
    tiles = [
        F.interpolate(frame.float().movedim(-1, 0).unsqueeze(0), size=size, mode="bilinear", antialias=True)[
            0
        ].movedim(0, -1)
        for frame in chosen  # one by one: a long video would be doubled in float32
    ]
    return encode_frames((torch.stack(tiles) * 255).round().clamp(0, 255).to(torch.uint8))


def full_every(frames: int, height: int, width: int) -> int:
    """Of how many latent frames one is kept in full size: 1 is all of them, as long as FULL_PIXELS hold them."""
    most = max(1, FULL_PIXELS // (height * width))
    return -(-len(range(0, frames, TEMPORAL_STRIDE)) // most)


def write_frames(frames: Tensor, folder: str | os.PathLike[str]) -> list[str | None]:
    """Write frames of a decoded video [F, H, W, 3] in 0..1 as a JPEG each; the names, one for each latent frame.

    In full size, but for what is too large for a JPEG; frame 4t represents latent frame t. A long video has only one
    of `full_every`, and None for the others. Raises OSError.
    """
    chosen = frames[::TEMPORAL_STRIDE, :, :, :3]
    names: list[str | None] = [None] * len(chosen)
    for place in range(0, len(chosen), full_every(*frames.shape[:3])):
        frame = chosen[place]
        pixels = (frame.float() * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        picture = Image.fromarray(pixels)
        picture.thumbnail((JPEG_PIXELS, JPEG_PIXELS))
        key = repr(pixels.shape).encode() + pixels.tobytes()
        names[place] = write_file(
            key, folder, ".jpg", lambda one=picture: _encoded(one, "JPEG", quality=FULL_QUALITY)
        )
    return names


def tile_size(height: int, width: int, side: int, frames: int) -> tuple[int, int]:
    """Height and width of a tile: the picture's, or smaller to keep to `side` and the sheet to the limit of JPEG."""
    side = min(side, JPEG_PIXELS // -(-frames // COLUMNS))
    scale = min(1.0, side / max(height, width))
    return max(1, int(height * scale)), max(1, int(width * scale))


def write_picture(content: bytes, folder: str | os.PathLike[str], ending: str) -> str:
    """Write into `folder` under a name made from the content, which is returned; as `write_file`."""
    return write_file(content, folder, ending, lambda: content)


def write_file(key: bytes, folder: str | os.PathLike[str], ending: str, content: Callable[[], bytes]) -> str:
    """Write what `content` makes into `folder` under a name made from `key`, which is returned.

    An existing file is kept, and nothing made for it. It is written to a temporary file and renamed, so that nobody
    reads half a file. Raises OSError.
    """
    name = f"interact_{hashlib.sha1(key, usedforsecurity=False).hexdigest()[:16]}{ending}"
    place = Path(folder) / name
    if place.is_file():
        return name
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_name(f"{name}.{uuid.uuid4().hex[:8]}")
    try:
        unfinished.write_bytes(content())
        unfinished.replace(place)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return name


def _sheet(pictures: Tensor) -> Tensor:
    """[N, T, h, w, C] -> [N * rows * h, columns * w, C]; unused tiles stay black."""
    frames = pictures.shape[1]
    columns = min(frames, COLUMNS)
    rows = -(-frames // columns)
    filled = F.pad(pictures, (0, 0, 0, 0, 0, 0, 0, rows * columns - frames))
    tiles = filled.unflatten(1, (rows, columns)).permute(0, 1, 3, 2, 4, 5)  # [N, rows, h, columns, w, C]
    return tiles.flatten(3, 4).flatten(0, 2)


def _encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()
