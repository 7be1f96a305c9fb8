"""Resampling and cropping: from a shard's clip, of any size and rate, to the frames, masks and reference
views that are encoded.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InteractError
from ...guidance.layout import bounds
from ...host.tokens.reference_images import fit_on_white, person_on_white, person_score
from ..config import ShardKeys
from .shards import Sample

CROPS = {"whole": (0.0, 1.0), "half body": (0.0, 0.65), "head": (0.0, 0.38), "clothing": (0.28, 0.8)}
"""Which part of a person's height a reference view shows; InterActHuman trains on head, half-body and
clothing crops at random. The shares are of an upright body, which is what the paper's data has.
"""

NOTICEABLE = 0.06  # score of a person above which a pixel counts for the size of a crop


def frame_numbers(sample: Sample, keys: ShardKeys) -> np.ndarray:
    """Indices [keys.frames] of the video frames nearest to a clock of keys.fps.

    Raises InteractError for a clip that is too short.
    """
    numbers = np.floor(np.arange(keys.frames) * sample.fps / keys.fps + 0.5).astype(int)
    if numbers[-1] >= len(sample.frames):
        raise InteractError(
            f"Sample {sample.key}: the clip lasts {len(sample.frames) / sample.fps:.2f} s, but clips of "
            f"{keys.frames / keys.fps:.2f} s are trained on."
        )
    return numbers


def cover(pictures: Tensor, frame_size: tuple[int, int], width: int, height: int) -> Tensor:
    """Scale [F, C, h, w] until it covers width x height, undistorted, and crop the middle.

    frame_size: height and width of the video; `pictures` show the whole frame, perhaps (masks) at another
    resolution.
    """
    scale = max(width / frame_size[1], height / frame_size[0])
    rows, columns = max(height, round(frame_size[0] * scale)), max(width, round(frame_size[1] * scale))
    if pictures.shape[2:] != (rows, columns):
        pictures = F.interpolate(pictures, size=(rows, columns), mode="bilinear", antialias=True)
    top, left = (rows - height) // 2, (columns - width) // 2
    return pictures[:, :, top : top + height, left : left + width]


def select_frames(
    values: np.ndarray, numbers: np.ndarray, frame_size: tuple[int, int], keys: ShardKeys
) -> Tensor:
    """The frames `numbers`, scaled and cropped: uint8 [F, h, w] or [F, H, W, 3] -> float [frames, 1 or 3,
    height, width] in 0..1.
    """
    chosen = torch.from_numpy(np.ascontiguousarray(values[numbers])).float() / 255
    chosen = chosen.unsqueeze(1) if chosen.ndim == 3 else chosen.movedim(-1, 1)
    return cover(chosen, frame_size, keys.width, keys.height).clamp(0, 1)


def confidence_per_latent(confidence: np.ndarray) -> Tensor:
    """[N, F] -> [N, T]: the lowest confidence of the video frames 4t-3..4t (of frame 0 for t = 0) that latent
    frame t covers.
    """
    values = torch.from_numpy(np.ascontiguousarray(confidence)).float()
    return torch.cat((values[:, :1], values[:, 1:].unflatten(1, (-1, 4)).amin(-1)), dim=1)


def reference_views(sample: Sample, keys: ShardKeys, rng: np.random.Generator) -> Tensor:
    """[N, views, height, width, 3] in 0..1: each concept on white, cropped at random where keys.crops is set.

    Raises InteractError for a concept that has neither a picture nor a mask to cut it out by.
    """
    views = []
    for number, pictures in enumerate(sample.references):
        for view in range(keys.views):
            if pictures:
                picture = torch.from_numpy(pictures[view % len(pictures)].copy())[None].float() / 255
            else:
                picture = _cut_out(sample, number, rng)
            kind = str(rng.choice(list(CROPS))) if keys.crops else "whole"
            views.append(_crop(picture, kind, keys, f"{sample.key}, concept {number}"))
    return torch.cat(views).unflatten(0, (len(sample.references), keys.views))


def _cut_out(sample: Sample, number: int, rng: np.random.Generator) -> Tensor:
    """RGBA [1, H, W, 4] of the concept in a frame where it is large and its mask has a confidence of 0.5 or
    more.
    """
    if sample.masks is None:
        raise InteractError(f"Sample {sample.key}: concept {number} has neither a picture nor a mask.")
    area = (sample.masks[number] > 127).mean((1, 2)) * (sample.confidence[number] >= 0.5)
    if area.max() <= 0:
        raise InteractError(f"Sample {sample.key}: concept {number} has no picture and its masks are empty.")
    frame = int(rng.choice(np.flatnonzero(area >= 0.5 * area.max())))
    colour = torch.from_numpy(sample.frames[frame].copy())[None].float() / 255
    mask = torch.from_numpy(sample.masks[number, frame].copy())[None, None].float() / 255
    opacity = F.interpolate(mask, size=colour.shape[1:3], mode="bilinear").movedim(1, -1)
    return torch.cat((colour, opacity), dim=-1)


def _crop(picture: Tensor, kind: str, keys: ShardKeys, name: str) -> Tensor:
    """[1, h, w, 3 or 4] -> [1, height, width, 3] on white, of the part of the person that `kind` names."""
    on_white, mask = person_on_white(picture, None, name)
    if kind != "whole":
        person = person_score(on_white, mask)[0] > NOTICEABLE
        found = bounds(person)
        if found is not None:
            rows, columns = found
            first, last = (round(rows.start + share * (rows.stop - rows.start)) for share in CROPS[kind])
            on_white = on_white[:, first : max(last, first + 1), columns]
    return fit_on_white(on_white, keys.width, keys.height)
