"""Whether each puppet has exactly one head, two eyes, one mouth and one body, frame by frame.

Likeness and masks look past a third eye or a second head: a face with one eye too many still fits its drawing
better than anybody else's. So parts are counted here, in the puppet's own colours and against the drawing of
the look where its head was found (faces.py). Lengths in head radii are those of drawing.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...metrics.puppets import faces
from ...metrics.puppets.drawing import MOUTH, SUPERSAMPLE, Canvas, Colour, Look, Pose, draw_puppet
from ...metrics.puppets.faces import Heads
from ...metrics.puppets.reading import ClipReading
from ...metrics.puppets.segmentation import palette, shows_accent

IN_VIEW = 0.9  # of a head's disc, neither behind another puppet nor outside of the frame

ENLARGED = 2  # eyes are counted in frames of twice the size: a small head's pupil is 3 pixels wide
EYE_BLUR = 1.2  # pixels of the enlarged frame: an autoencoder's noise breaks a pupil into several
WHITE_LEAST, WHITE_SPREAD = 150, 70  # RGB: every channel of an eye's white; the largest difference of two
PUPIL_MOST = 130
PUPIL_AREA = (0.01, 0.12)  # head radii squared; a drawn pupil has 0.05
RING_SHARE = 0.45  # of a pupil's surroundings that must be white
EYE_REACH = 0.37  # head radii around a pupil, in which it belongs to whose mask there is most of
EYE_SHARE = 0.15  # an eye at the border of a head is taken for backdrop, and is in no mask itself

PART_LEAST = 0.8  # head radii squared: smaller parts of a mask are not looked at
FELT_COLOUR = 60.0  # RGB distance within which a pixel can be felt
FACE_CLOSING = 0.2  # head radii: blends of eyes and felt are no colour of a face
HEAD_OPENING = 0.34  # head radii: a head holds a disc of this radius, an ear does not
EYES_PLACE = (0.0, -0.22, 0.7, 0.36)  # centre and half axes of eyes and glasses
HEAD_AREA = 1.0  # head radii squared, of what that opening leaves; a drawn head has 2 or more

MOUTH_COLOUR = 70.0  # RGB distance; no felt, hair or cloth comes nearer than 100 (puppets.random_look)
MOUTH_AREA = 0.03  # head radii squared: a mouth that is open by 0.2 has 0.14
OPEN_MOUTH_AREA, SHUT_MOUTH_AREA = 0.06, 0.02
OWN_MOUTH_PLACE = (0.0, 0.52, 0.64, 0.54)  # centre and half axes of all that a mouth can cover, and a nod
MOUTH_LEAST = 0.25  # of the amount of mouth that a shut one shows; 1 in 100 of the autoencoder's shows 0.11
LINE_LEAST = 0.8  # of the line that a shut mouth draws; one that is painted over shows up to 0.7
UNEXPLAINED = 45.0  # RGB: beyond all that the drawing has within EXPLAINED_REACH
EXPLAINED_REACH = 0.16  # head radii: a nod turns the face by 7 degrees, its drawing is upright

BODY_SLACK = 0.5  # head radii by which a mask may be larger than the drawn puppet: a nod moves the body
BODY_OPENING = 0.2  # head radii: seams that are narrower do not count
SURPLUS_MOST = 0.8  # head radii squared of mask beside the drawn puppet; half a body has 3


@dataclass(frozen=True)
class Parts:
    """What was counted of N puppets in F frames.

    heads, eyes, mouths: int [N, F]; surplus: float [N, F], area in squared head radii of the puppet's mask
    beside where its drawing is; in_view: bool [N, F], whether the place of its head can be seen.
    """

    heads: np.ndarray
    eyes: np.ndarray
    mouths: np.ndarray
    surplus: np.ndarray
    in_view: np.ndarray

    @property
    def whole(self) -> np.ndarray:
        """Bool [N, F]: one head, two eyes, one mouth and no more body than one; false where not in view."""
        counted = (self.heads == 1) & (self.eyes == 2) & (self.mouths == 1)
        return counted & (self.surplus <= SURPLUS_MOST) & self.in_view

    def shares(self) -> np.ndarray:
        """Share of each puppet's frames in view in which it is whole, float [N]; NaN where it never is."""
        frames = self.in_view.sum(1)
        return np.where(frames > 0, self.whole.sum(1) / np.maximum(frames, 1), np.nan)


def count_parts(frames: np.ndarray, reading: ClipReading) -> Parts:
    """Count every puppet's parts, in the film's own tones.

    frames: uint8 RGB [F, H, W, 3]; reading: of the same frames. A puppet whose face is not found counts no head where
    its place is in view, and everywhere if it is never found.
    """
    masks, heads = reading.masks, reading.heads
    shape = masks.shape[:2]
    found = Parts(*(np.zeros(shape, kind) for kind in (int, int, int, float, bool)))
    for f, frame in enumerate(frames):
        found.eyes[:, f] = _eyes(frame, masks[:, f], [head.radius for head in heads])
    for i, (look, head) in enumerate(zip(reading.shown, heads)):
        others = np.delete(masks, i, 0).any(0)
        drawings = _Drawings(look, head.radius, frames.shape[1:3])
        for f in range(len(frames)):
            found.in_view[i, f] = _in_view(head, f, others[f])
            if head.found[f]:
                mask = _solid(masks[i, f], others[f], head.radius)
                found.heads[i, f] = _heads(frames[f], look, head, f, mask)
                picture, silhouette = drawings.at(head.x[f], head.y[f])
                found.mouths[i, f] = _mouths(frames[f], drawings, head, f, others[f], mask, picture)
                found.surplus[i, f] = _surplus(masks[i, f], silhouette, head.radius)
    return found


def _in_view(head: Heads, f: int, others: np.ndarray) -> bool:
    if not head.found.any():
        return True  # nowhere: there is no other place at which it could be hidden
    y, x = np.mgrid[: others.shape[0], : others.shape[1]] + 0.5
    disc = (x - head.x[f]) ** 2 + (y - head.y[f]) ** 2 < head.radius**2
    return bool((disc & ~others).sum() >= IN_VIEW * np.pi * head.radius**2)


def _eyes(frame: np.ndarray, masks: np.ndarray, radii: Sequence[float]) -> np.ndarray:
    """Eyes of each puppet, int [N]: a dark pupil ringed by white, counted for whom its place belongs to.

    Glasses, hair and shirts are no eyes: white is nowhere else than in eyes and backdrops. radii: of the
    puppets' heads, pixels.
    """
    import cv2

    large = cv2.resize(frame, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    large = cv2.GaussianBlur(large, (0, 0), EYE_BLUR).astype(int)
    white = (large.min(-1) > WHITE_LEAST) & (np.ptp(large, axis=-1) < WHITE_SPREAD)
    dark = (large.max(-1) < PUPIL_MOST).astype(np.uint8)
    _, labels, stats, centres = cv2.connectedComponentsWithStats(dark, connectivity=8)
    counted, most = np.zeros(len(masks), int), PUPIL_AREA[1] * (ENLARGED * max(radii)) ** 2
    for number in range(1, len(stats)):
        left, top, width, height, area = stats[number]
        if area > most or area < 4:
            continue
        cut = slice(max(0, top - 4), top + height + 4), slice(max(0, left - 4), left + width + 4)
        pupil = (labels[cut] == number).astype(np.uint8)
        ring = cv2.dilate(pupil, np.ones((7, 7), np.uint8)) - cv2.dilate(pupil, np.ones((3, 3), np.uint8))
        if white[cut][ring > 0].mean() < RING_SHARE:
            continue
        owner = _owner_of(centres[number] / ENLARGED, masks, radii)
        if owner is not None:
            least, most_of_owner = (bound * (ENLARGED * radii[owner]) ** 2 for bound in PUPIL_AREA)
            counted[owner] += least <= area <= most_of_owner
    return counted


def _owner_of(place: np.ndarray, masks: np.ndarray, radii: Sequence[float]) -> int | None:
    """Whose mask, of masks [N, H, W], covers most around a place (x, y); None if hardly any does."""
    reach = round(EYE_REACH * float(np.mean(radii)))
    x, y = (round(float(c)) for c in place)
    window = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
    shares = masks[:, window[0], window[1]].mean((1, 2))
    return int(shares.argmax()) if shares.max() > EYE_SHARE else None


def _solid(mask: np.ndarray, others: np.ndarray, radius: float) -> np.ndarray:
    """The mask without small parts, which may be another puppet's, and without holes: glasses and eyes that
    were taken for somebody else's.
    """
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= PART_LEAST * radius**2
    large[0] = False
    return (_filled(large[labels].astype(np.uint8)) > 0) & ~others


def _heads(frame: np.ndarray, look: Look, head: Heads, f: int, mask: np.ndarray) -> int:
    """Round felt-coloured parts of the mask, of about a head's size, with all that they enclose."""
    import cv2

    rest = [colour for colour in palette(look) if colour != look.felt]
    rest += [look.accent] if shows_accent(look) else []
    picture = cv2.GaussianBlur(frame, (0, 0), 0.7).astype(np.float32)
    felt = _distance(picture, [look.felt])
    face = mask & (felt < FELT_COLOUR) & (felt < _distance(picture, rest))
    face |= mask & _ellipse(head, f, mask.shape, EYES_PLACE)
    # A mouth that is wide open may reach the chin, and no felt then encloses it.
    mouth = _distance(picture, [MOUTH]) < MOUTH_COLOUR
    face |= mask & mouth & _ellipse(head, f, mask.shape, OWN_MOUTH_PLACE)
    face = cv2.morphologyEx(face.astype(np.uint8), cv2.MORPH_CLOSE, _disc(FACE_CLOSING * head.radius))
    face = cv2.morphologyEx(_filled(face), cv2.MORPH_OPEN, _disc(HEAD_OPENING * head.radius))
    _, _, stats, _ = cv2.connectedComponentsWithStats(face, connectivity=4)
    return int((stats[1:, cv2.CC_STAT_AREA] >= HEAD_AREA * head.radius**2).sum())


def _filled(region: np.ndarray) -> np.ndarray:
    """A region uint8 [H, W] with all that it encloses."""
    import cv2

    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(region), outlines, -1, 1, cv2.FILLED)


def _mouths(
    frame: np.ndarray,
    drawings: _Drawings,
    head: Heads,
    f: int,
    others: np.ndarray,
    mask: np.ndarray,
    drawing: np.ndarray,
) -> int:
    """The mouth at its place, if there is one, and mouth-coloured parts elsewhere that no drawing explains."""
    import cv2

    cut, shift, hidden = faces.cut_out(frame, head, f, others)
    amount, visible = faces.amount_of_mouth(cut, drawings.look, head.radius, shift, hidden)
    line = faces.line_of_mouth(cut, drawings.look, head.radius, shift, hidden)
    own = amount >= MOUTH_LEAST * drawings.shut_amount * visible or line >= LINE_LEAST * drawings.shut_line
    reach = np.ones((2 * round(EXPLAINED_REACH * head.radius) + 1,) * 2, np.uint8)
    low, high = cv2.erode(drawing, reach), cv2.dilate(drawing, reach)
    picture = cv2.GaussianBlur(frame, (0, 0), 0.7).astype(np.float32)
    beyond = np.maximum(low - picture, picture - high).max(-1) > UNEXPLAINED
    red = (mask & beyond & (_distance(picture, [MOUTH]) < MOUTH_COLOUR)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(red, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA] / head.radius**2
    at_place = np.zeros(len(stats), bool)
    at_place[np.unique(labels[_ellipse(head, f, mask.shape, OWN_MOUTH_PLACE)])] = True
    at_place[0] = areas[0] = 0
    own_parts = int((at_place & (areas >= OPEN_MOUTH_AREA)).sum())  # a shut mouth may lie in pieces
    own |= bool(areas[at_place].sum() >= SHUT_MOUTH_AREA)
    return max(own_parts, int(own)) + int((~at_place & (areas >= MOUTH_AREA)).sum())


def _ellipse(
    head: Heads, f: int, shape: tuple[int, int], place: tuple[float, float, float, float]
) -> np.ndarray:
    """Bool [H, W]: an ellipse on the head of frame `f`, its centre and half axes in head radii."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    cx, cy, a, b = place
    across = (x - head.x[f]) / head.radius - cx
    down = (y - head.y[f]) / head.radius - cy
    return (across / a) ** 2 + (down / b) ** 2 < 1


def _surplus(mask: np.ndarray, silhouette: np.ndarray, radius: float) -> float:
    """Area in squared head radii of the mask beside the drawn puppet, without thin seams."""
    import cv2

    beside = mask & (cv2.dilate(silhouette, _disc(BODY_SLACK * radius)) == 0)
    solid = cv2.morphologyEx(beside.astype(np.uint8), cv2.MORPH_OPEN, _disc(BODY_OPENING * radius))
    return float(solid.sum() / radius**2)


class _Drawings:
    """A look without mouth, drawn alone at found heads, and what its shut mouth shows."""

    def __init__(self, look: Look, radius: float, size: tuple[int, int]) -> None:
        self.look, self.radius, self.size = look, radius, size
        shut = faces.draw_face(look, radius, mouth=0.0).picture
        self.shut_amount, _ = faces.amount_of_mouth(shut, look, radius)
        self.shut_line = faces.line_of_mouth(shut, look, radius)

    def at(self, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
        """The picture float32 [H, W, 3], and the silhouette uint8 [H, W], 0 or 1."""
        import cv2

        height, width = self.size
        image = np.full((height * SUPERSAMPLE, width * SUPERSAMPLE, 3), 225, np.uint8)
        silhouette = np.zeros(image.shape[:2], np.uint8)
        canvas = Canvas(image, silhouette)
        draw_puppet(canvas, self.look, Pose(x, y, self.radius))
        canvas.ellipse(0, 0.42, 0.46, 0.08, self.look.felt)  # over the shut mouth
        picture = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        drawn = cv2.resize(silhouette, (width, height), interpolation=cv2.INTER_AREA) > 127
        return picture.astype(np.float32), drawn.astype(np.uint8)


def _distance(picture: np.ndarray, colours: Sequence[Colour]) -> np.ndarray:
    """RGB distance [H, W] of the nearest of these colours."""
    return np.min([np.linalg.norm(picture - np.float32(colour), axis=-1) for colour in colours], 0)


def _disc(radius: float) -> np.ndarray:
    import cv2

    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
