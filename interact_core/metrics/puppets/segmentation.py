"""Finding the puppets of a generated video by their known colours.

A video autoencoder blurs, shifts colours and adds noise, so no pixel is trusted alone. Each frame is looked
at twice: large areas in the puppets' main colours show where everybody stands and what the backdrop looks
like; then every pixel goes to the puppet or backdrop that explains its colour and place best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .drawing import EYE_WHITE, MOUTH, PUPIL, Colour, Look

COLOUR_SPREAD = 22.0  # RGB distance at which a vote falls to exp(-1/2): three times an autoencoder's noise
BACKDROP_SPREAD = 14.0  # narrower: its colours are taken from the frame itself
PASTEL_SATURATION, PASTEL_VALUE = 0.22, 0.8  # a backdrop of the theatre has nothing more vivid or darker
DETAIL_COST = 1.0  # of a colour that other puppets may have too: accents, eyes, mouths
STRANGE_COST, STRANGE_BACKDROP = 4.0, 7.0  # of a colour that nobody has: a blend of the puppet's beside it
PRIOR_BLUR = 5.0  # pixels over which a puppet's first region makes its colours likelier
SPECK_SHARE, SPECK_PIXELS = (
    0.06,
    30,
)  # smaller parts of a puppet (relative to its largest, absolute) are noise
REACH = 0.2  # of the frame's height: farther parts must be large to be the same puppet's
CLEARANCE = 0.09  # of the frame's height: backdrop is sampled this far from every puppet
LARGE_SHARE = 0.25
KIND = 12  # RGB: colours within a cube of this side are one kind of backdrop
KINDS = 256 // KIND + 1
HOLE_SHARE = 0.006  # of the frame: the largest gap closed between puppets (an eye at the border of a head)


def segment(frames: np.ndarray, looks: Sequence[Look]) -> np.ndarray:
    """Where each puppet is visible: bool [N, F, H, W], no pixel in two masks.

    frames: uint8 RGB [F, H, W, 3]. A puppet that is nowhere has an empty mask.
    """
    import cv2

    masks = np.zeros((len(looks), *frames.shape[:3]), bool)
    for f, frame in enumerate(frames):
        picture = cv2.GaussianBlur(frame, (0, 0), 0.7).astype(np.float32)
        main = np.stack([_nearest(picture, palette(look), COLOUR_SPREAD) for look in looks])
        first = _regions(np.concatenate([main, _pastel_cost(picture)[None]]))
        backdrop = _backdrop_cost(picture, first)
        costs = [_puppet_cost(picture, look, main[i], first[i]) for i, look in enumerate(looks)]
        masks[:, f] = _fill(_regions(np.stack([*costs, backdrop])))
    return masks


def palette(look: Look) -> list[Colour]:
    """The large areas' colours that this look really shows: felt, shirt, and hair unless it is bald."""
    return [look.felt, look.shirt] + ([look.hair] if look.hair_style != "bald" else [])


def shows_accent(look: Look) -> bool:
    """Whether anything of this look has its accent colour."""
    return look.prop != "none" or look.glasses or look.hair_style == "cap"


def _nearest(picture: np.ndarray, colours: Sequence[Colour] | np.ndarray, spread: float) -> np.ndarray:
    """Negative log likelihood [H, W] of the nearest of these colours."""
    apart = (picture - np.asarray(colour, np.float32) for colour in colours)
    return np.min([np.einsum("hwc,hwc->hw", d, d) for d in apart], 0) / (2 * spread**2)


def _pastel_cost(picture: np.ndarray) -> np.ndarray:
    """How far a colour is from all that a backdrop can have, before the backdrop itself is known."""
    value, darkest = picture.max(-1), picture.min(-1)
    too_vivid = np.clip(value - darkest - PASTEL_SATURATION * value, 0, None)
    too_dark = np.clip(255 * PASTEL_VALUE - value, 0, None)
    return (too_vivid**2 + too_dark**2) / (2 * COLOUR_SPREAD**2)


def _backdrop_cost(picture: np.ndarray, puppets: np.ndarray) -> np.ndarray:
    """Distance to the frame's own backdrop: to the pale colours that are frequent away from puppets."""
    import cv2

    pastel = _pastel_cost(picture)
    reach = 2 * round(CLEARANCE * len(picture)) + 1
    near = cv2.dilate(np.asarray(puppets.any(0), np.uint8), np.ones((reach, reach), np.uint8))
    samples = picture[(near == 0) & (pastel < 0.5)]
    if len(samples) < SPECK_PIXELS:
        return np.minimum(pastel, STRANGE_BACKDROP)
    red, green, blue = (samples.astype(int) // KIND).T
    kind = (red * KINDS + green) * KINDS + blue
    counts = np.bincount(kind)
    sums = np.stack([np.bincount(kind, samples[:, c]) for c in range(3)], 1)
    common = counts >= 0.005 * len(samples)
    colours = sums[common] / counts[common, None]
    return np.minimum(_nearest(picture, colours, BACKDROP_SPREAD), STRANGE_BACKDROP)


def _puppet_cost(picture: np.ndarray, look: Look, main: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Cost [H, W] of being this puppet's, by its main colours, its details and everybody's, and the place."""
    import cv2

    details = [MOUTH, PUPIL, EYE_WHITE] + ([look.accent] if shows_accent(look) else [])
    cost = np.minimum(main, _nearest(picture, details, COLOUR_SPREAD) + DETAIL_COST)
    prior = cv2.GaussianBlur(region.astype(np.float32), (0, 0), PRIOR_BLUR)
    return np.minimum(cost, STRANGE_COST) - np.log(prior + 0.01)


def _regions(cost: np.ndarray) -> np.ndarray:
    """Puppets' regions bool [N, H, W] from costs [N + 1, H, W], the backdrop's last.

    The blend of two colours at an edge often looks like a third puppet's: such seams are thin, and fall to
    their neighbours. So a puppet wins only where a solid region of its own is near.
    """
    import cv2

    votes = np.exp(cost.min(0) - cost)
    votes /= votes.sum(0)
    votes = np.stack([cv2.GaussianBlur(v, (0, 0), 1.0) for v in votes])
    winner, count = votes.argmax(0), len(cost) - 1
    square, disc = np.ones((3, 3), np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for i in range(count):
        solid = cv2.morphologyEx((winner == i).astype(np.uint8), cv2.MORPH_OPEN, square)
        votes[i] *= cv2.dilate(_largest_parts(solid), disc)
    winner = votes.argmax(0)
    return np.stack([winner == i for i in range(count)])


def _largest_parts(region: np.ndarray) -> np.ndarray:
    """The largest part of a region uint8 [H, W], parts close to it, and parts nearly as large."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size or areas.max() < SPECK_PIXELS:
        return np.zeros_like(region)
    solid = np.concatenate([[False], areas >= max(SPECK_SHARE * areas.max(), SPECK_PIXELS)])
    kept = np.concatenate([[False], areas >= LARGE_SHARE * areas.max()])
    reach = 2 * round(REACH * len(region)) + 1
    labels = np.asarray(labels, np.int32)
    near = cv2.dilate(kept[labels].astype(np.uint8), np.ones((reach, reach), np.uint8))
    kept[np.unique(labels[np.asarray(near) > 0])] = True
    return (kept & solid)[labels].astype(np.uint8)


def _enclosed(region: np.ndarray, limit: float) -> np.ndarray:
    """Pixels outside of the region that it encloses, in holes of at most `limit` pixels."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats((~region).astype(np.uint8), connectivity=4)
    height, width = region.shape
    left, top, right, bottom = stats[:, 0], stats[:, 1], stats[:, 0] + stats[:, 2], stats[:, 1] + stats[:, 3]
    closed = (left > 0) & (top > 0) & (right < width) & (bottom < height) & (stats[:, 4] <= limit)
    closed[0] = False
    return closed[np.asarray(labels)]


def _fill(masks: np.ndarray) -> np.ndarray:
    """Give eyes, noses and mouths that are still open to the puppet around them."""
    import cv2

    for i in range(len(masks)):
        masks[i] |= _enclosed(masks[i], masks[i].size) & ~masks.any(0)
    holes = _enclosed(np.asarray(masks.any(0)), HOLE_SHARE * masks[0].size)
    owner = np.stack([cv2.GaussianBlur(m.astype(np.float32), (0, 0), 3.0) for m in masks]).argmax(0)
    for i in range(len(masks)):
        masks[i] |= holes & (owner == i)
    return masks
