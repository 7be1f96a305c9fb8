"""Reading a puppet's face in a generated video: where it is, how far its mouth is open, whose it is.

A look can be drawn, so it is also its own template: the head is where the drawing fits, and the mouth is what
the frame has beyond a drawing without one. Lengths in head radii are those of drawing.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .drawing import MOUTH, SUPERSAMPLE, Canvas, Look, Pose, draw_puppet

RADII = np.geomspace(0.105, 0.235, 13)  # of the frame's height; the theatre's scenes draw 0.119 to 0.215
BLUR = 1.0  # pixels: drawings and frames are compared a little blurred, as an autoencoder leaves them
RADIUS_FRAMES = 5  # from which a clip's head radius is measured; puppets keep their size within a clip
FACE_WIDTH, FACE_HEIGHT = 0.93, 0.95  # the part of the head that is compared
LINE_HALF = 0.34  # head radii to either side of the middle, over which a shut mouth is looked for
LINE_ROWS = 3  # pixels that it covers, a nod's slope included
MOUTH_PLACE = (0.0, 0.52, 0.52, 0.42)  # centre and half axes of all that a mouth, shut to wide, can cover
OPENINGS = np.linspace(0.0, 1.0, 9)
HIDDEN_SHARE = 0.4  # with more than this of the mouth's place behind another puppet, a frame does not show it
MASK_SLACK = 0.06  # of the frame's height: a head may be this far outside of its segmentation mask
HATS_END = -0.5  # head radii: models draw hats too high or too low, and the face below them as it is
LOST = 82.0  # RGB distance per pixel of drawing and frame beyond which there is no such face: 99 in 100 of those that
# models draw are nearer, and 96 in 100 of the best fits where a head is painted over are farther


@dataclass(frozen=True)
class Heads:
    """Where one puppet's head is in each frame.

    x, y: float [F], pixels; radius: pixels; distance: float [F], root mean square RGB distance of the face
    from its drawing (mouth left out), infinite where no place was left to look for it.
    """

    x: np.ndarray
    y: np.ndarray
    radius: float
    distance: np.ndarray

    @property
    def found(self) -> np.ndarray:
        return self.distance < LOST

    def at(self, frames: np.ndarray) -> Heads:
        """Only these frames, given by index."""
        return Heads(self.x[frames], self.y[frames], self.radius, self.distance[frames])


@dataclass(frozen=True)
class Drawing:
    """A face around the middle of a square picture float32 [S, S, 3], and the part to compare."""

    picture: np.ndarray
    face: np.ndarray  # bool [S, S]


def drawing_size(radius: float) -> int:
    """Side in pixels, odd, of the square around a head."""
    return 2 * int(np.ceil(1.35 * radius)) + 1


def draw_face(
    look: Look,
    radius: float,
    shift: tuple[float, float] = (0.0, 0.0),
    mouth: float | None = None,
    below: float = -1.0,
) -> Drawing:
    """The drawing of a look's face, `radius` in pixels, its centre moved by `shift` pixels from the middle.

    mouth: opening 0..1, or None for a face without mouth; below: head radii down from the centre, above which nothing
    is compared.
    """
    import cv2

    size = drawing_size(radius)
    middle = size / 2
    image = np.full((size * SUPERSAMPLE, size * SUPERSAMPLE, 3), 225, np.uint8)
    canvas = Canvas(image)
    draw_puppet(canvas, look, Pose(middle + shift[0], middle + shift[1], radius, mouth=mouth or 0.0))
    if mouth is None:
        canvas.ellipse(0, 0.42, 0.46, 0.08, look.felt)  # over the shut one
    picture = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    x, y = _face_axes(size, shift, radius)
    face = (x / (FACE_WIDTH * look.head_width)) ** 2 + (y / FACE_HEIGHT) ** 2 < 1
    return Drawing(cv2.GaussianBlur(picture, (0, 0), BLUR), face & (y > below) & ~_mouth_place(x, y))


def find_heads(frames: np.ndarray, look: Look, mask: np.ndarray, others: np.ndarray) -> Heads:
    """Fit the drawing of a look to every frame, inside of its mask, by what no other puppet hides.

    frames: uint8 [F, H, W, 3]; mask, others: bool [F, H, W], where this puppet and where others are visible.
    One radius for the clip: the one that fits best in a few of its frames.
    """
    import cv2

    pictures = [_soften(frame, hidden) for frame, hidden in zip(frames, others, strict=True)]
    height = frames.shape[1]
    slack = np.ones((2 * round(MASK_SLACK * height) + 1,) * 2, np.uint8)
    mask = np.stack([cv2.dilate(m.astype(np.uint8), slack) > 0 for m in mask])
    present = np.flatnonzero(mask.any((1, 2)))
    if not present.size:
        nowhere = np.full(len(frames), np.inf)
        return Heads(np.zeros(len(frames)), np.zeros(len(frames)), height * RADII[0], nowhere)
    sampled = present[np.linspace(0, len(present) - 1, min(RADIUS_FRAMES, len(present))).astype(int)]
    drawings = [draw_face(look, height * r, below=HATS_END) for r in RADII]
    fits = np.array([[_fit(*pictures[int(f)], mask[f], drawing)[2] for f in sampled] for drawing in drawings])
    radius = height * _lowest(RADII, np.median(fits, 1))
    drawing = draw_face(look, radius, below=HATS_END)
    x, y, distance = np.array(
        [_fit(*picture, m, drawing) for picture, m in zip(pictures, mask, strict=True)]
    ).T
    at, found = np.arange(len(frames)), distance < LOST
    if found.any():  # where the face is hidden, interpolate between where it was found
        x, y = np.interp(at, at[found], x[found]), np.interp(at, at[found], y[found])
    return Heads(x, y, radius, distance)


def mouth_opening(frames: np.ndarray, look: Look, heads: Heads, others: np.ndarray) -> np.ndarray:
    """Measured opening of the mouth, float [F] in 0..1 as loudness.mouth_opening defines it.

    others: bool [F, H, W], where other puppets are visible. NaN where they or the frame's border hide the
    mouth, 0 where there is no such face.

    The amount of mouth is read by linear unmixing: each pixel's way from the drawing without mouth towards
    the mouth's colour, summed over the mouth's place. Blur moves this sum from pixel to pixel but does not
    change it, so it holds at mouths of a few pixels; felt beside the mouth gives the colour shift. What the
    sum means is read off the same sums of drawn mouths.
    """
    radius = heads.radius
    faces = [draw_face(look, radius, mouth=opening).picture for opening in OPENINGS]
    drawn = [amount_of_mouth(face, look, radius)[0] for face in faces]
    values = np.zeros(len(frames))
    for f in range(len(frames) if heads.found.any() else 0):
        picture, shift, hidden = cut_out(frames[f], heads, f, others[f])
        amount, visible = amount_of_mouth(picture, look, radius, shift, hidden)
        if visible < 1 - HIDDEN_SHARE:
            values[f] = np.nan
        elif heads.found[f]:
            values[f] = np.interp(amount / visible, drawn, OPENINGS)
    return values


def face_distance(frames: np.ndarray, look: Look, heads: Heads, others: np.ndarray) -> float:
    """Median RGB distance of any look's drawing from the faces that `heads` found, its place a little free.

    others: as in find_heads. Infinite where no face was found.
    """
    drawing, distances = draw_face(look, heads.radius), []
    slack = max(2, round(0.15 * heads.radius))
    for f in np.flatnonzero(heads.found):
        near = np.zeros(others[f].shape, bool)
        x, y = int(heads.x[f]), int(heads.y[f])
        near[max(0, y - slack) : y + slack + 1, max(0, x - slack) : x + slack + 1] = True
        distances.append(_fit(*_soften(frames[f], others[f]), near, drawing)[2])
    return float(np.median(distances)) if distances else np.inf


def _soften(frame: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A frame float32 [H, W, 3] as drawings are compared with it, and its visible part, float32 [H, W]."""
    import cv2

    return cv2.GaussianBlur(frame, (0, 0), BLUR).astype(np.float32), 1 - hidden.astype(np.float32)


def _face_axes(size: int, shift: tuple[float, float], radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres x, y [size, size] in head radii, from a head `shift` pixels off the middle."""
    across, down = ((np.arange(size) + 0.5 - size / 2 - offset) / radius for offset in shift)
    return np.broadcast_to(across, (size, size)), np.broadcast_to(down[:, None], (size, size))


def _mouth_place(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    cx, cy, a, b = MOUTH_PLACE
    return ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1


def _fit(
    picture: np.ndarray, visible: np.ndarray, mask: np.ndarray, drawing: Drawing
) -> tuple[float, float, float]:
    """Centre x, y in pixels and RGB distance of the drawing's best place with its centre in the mask."""
    import cv2

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return 0.0, 0.0, np.inf
    half = len(drawing.picture) // 2
    top, left = rows[0], columns[0]
    around = half, half, half, half
    window = slice(top, rows[-1] + 2 * half + 1), slice(left, columns[-1] + 2 * half + 1)
    picture = cv2.copyMakeBorder(picture * visible[..., None], *around, cv2.BORDER_CONSTANT, value=0)[window]
    visible = cv2.copyMakeBorder(visible, *around, cv2.BORDER_CONSTANT, value=0)[window]
    # With v = visible, w = face: sum v w (I - T)^2 = sum w (v I^2) - 2 sum (w T) (v I) + sum (w T^2) v
    face = drawing.face.astype(np.float32)
    drawn = drawing.picture * face[..., None]
    covered = cv2.matchTemplate(visible, face, cv2.TM_CCORR)
    error = (
        cv2.matchTemplate((picture**2).sum(-1), face, cv2.TM_CCORR)
        - 2 * cv2.matchTemplate(picture, drawn, cv2.TM_CCORR)
        + cv2.matchTemplate(visible, (drawn**2).sum(-1), cv2.TM_CCORR)
    )
    inside = mask[top : rows[-1] + 1, left : columns[-1] + 1] & (covered > (1 - HIDDEN_SHARE) * face.sum())
    error = np.where(inside, error / np.maximum(covered, 1.0), np.inf)
    r, c = np.unravel_index(error.argmin(), error.shape)
    x = left + c + 0.5 + _vertex(error[r, max(0, c - 1) : c + 2])
    y = top + r + 0.5 + _vertex(error[max(0, r - 1) : r + 2, c])
    return float(x), float(y), float(np.sqrt(max(0.0, error[r, c])))


def _vertex(values: np.ndarray) -> float:
    """Where, relative to the middle of three, the parabola through them is lowest; 0 at a border."""
    if len(values) < 3 or not np.isfinite(values).all():
        return 0.0
    bend = values[0] - 2 * values[1] + values[2]
    return float(np.clip((values[0] - values[2]) / (2 * bend), -0.5, 0.5)) if bend > 0 else 0.0


def _lowest(places: np.ndarray, values: np.ndarray) -> float:
    """The place of the lowest value, refined between neighbours; places are spaced by one factor."""
    k = int(np.argmin(values))
    if 0 < k < len(values) - 1:
        return float(places[k] * (places[k + 1] / places[k]) ** _vertex(values[k - 1 : k + 2] ** 2))
    return float(places[k])


def cut_out(
    frame: np.ndarray, heads: Heads, f: int, others: np.ndarray
) -> tuple[np.ndarray, tuple[float, float], np.ndarray]:
    """The square around the head that was found in frame `f`, the head's shift in pixels from its middle, and what of
    it is hidden. others: bool [H, W], where others stand.
    """
    import cv2

    half = drawing_size(heads.radius) // 2
    column, row = min(int(heads.x[f]), frame.shape[1] - 1), min(int(heads.y[f]), frame.shape[0] - 1)
    around = half, half, half, half
    picture = cv2.copyMakeBorder(frame, *around, cv2.BORDER_CONSTANT, value=(0, 0, 0)).astype(np.float32)
    covered = cv2.copyMakeBorder(others.astype(np.uint8), *around, cv2.BORDER_CONSTANT, value=1)
    hidden = np.asarray(covered) > 0  # as beyond the frame
    cut = slice(row, row + 2 * half + 1), slice(column, column + 2 * half + 1)
    return picture[cut], (heads.x[f] - column - 0.5, heads.y[f] - row - 0.5), hidden[cut]


def amount_of_mouth(
    picture: np.ndarray,
    look: Look,
    radius: float,
    shift: tuple[float, float] = (0.0, 0.0),
    hidden: np.ndarray | None = None,
) -> tuple[float, float]:
    """Pixels' worth of mouth in a picture around a head, and the visible share of the mouth's place."""
    drawing = draw_face(look, radius, shift)
    visible = np.ones(drawing.face.shape, bool) if hidden is None else ~hidden
    place = _mouth_place(*_face_axes(len(picture), shift, radius))
    felt = drawing.face & visible & (np.abs(drawing.picture - np.array(look.felt)).sum(-1) < 24)
    difference = picture - drawing.picture
    if felt.sum() > 8:
        difference -= np.median(difference[felt], 0)
    towards = np.array(MOUTH, np.float32) - drawing.picture
    amount = (difference * towards).sum(-1) / np.maximum((towards**2).sum(-1), 1.0)
    return float(amount[place & visible].sum()), float((place & visible).sum() / max(1, place.sum()))


def line_of_mouth(
    picture: np.ndarray,
    look: Look,
    radius: float,
    shift: tuple[float, float] = (0.0, 0.0),
    hidden: np.ndarray | None = None,
) -> float:
    """Rows' worth of mouth in the strongest level line at its place, over what is above and below: 0 without a mouth.

    A shut mouth is two pixels high, and felt that is a little too light around it hides it from `amount_of_mouth`.
    """
    across, down = _face_axes(len(picture), shift, radius)
    felt = np.array(look.felt, np.float32)
    towards = np.array(MOUTH, np.float32) - felt
    amount = ((picture - felt) * towards).sum(-1) / (towards**2).sum()
    place = _mouth_place(across, down) & (np.abs(across) < LINE_HALF)
    place &= True if hidden is None else ~hidden
    seen = np.ma.masked_array(amount, ~place)
    rows = (seen - np.ma.median(seen, axis=0)).mean(axis=1).filled(0.0)
    return float(np.convolve(rows, np.ones(LINE_ROWS), "same").max())
