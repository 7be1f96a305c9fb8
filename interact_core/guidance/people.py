"""One person's mask out of masks or boxes of several, which segmentation and detection nodes give."""

from math import isfinite
from typing import Any

import torch
from torch import Tensor

from ..errors import InteractError, one_line

GAPS = 128  # gaps in one person are at most this part of a side
SPECK = 0.02  # of the largest piece's area; smaller pieces are stray strokes, not people
SAME = 0.8  # intersection over union from which two masks show the same person


@torch.no_grad()
def people_in_masks(masks: Tensor) -> Tensor:
    """Each person's mask, from left to right by their centres: [N, H, W] float32 in 0..1, on the CPU.

    masks: [B, H, W] or [H, W] in 0..1, one mask for each person; black ones are left out. A single mask with people
    that stand apart is parted (`parted`). Raises InteractError for no masks, nobody in them, or NaN.
    """
    masks = masks.squeeze(1) if masks.ndim == 4 and masks.shape[1] == 1 else masks
    masks = masks.unsqueeze(0) if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise InteractError(
            f"masks has shape {list(masks.shape)}, expected one mask for each person [people, H, W]."
        )
    masks = masks.detach().to(device="cpu", dtype=torch.float32)
    if not bool(masks.isfinite().all()):
        raise InteractError("masks contains NaN or infinity; use values within 0..1.")
    people = [mask for mask in masks.clamp(0.0, 1.0) if bool((mask > 0.5).any())]
    if not people:
        raise InteractError(
            "masks is empty, so nobody was found in the picture: lower the threshold of the node that looks for "
            "people, or paint a mask."
        )
    if len(people) == 1:
        people = parted(people[0])
    return torch.stack(sorted(people, key=_centre))


def people_in_boxes(boxes: Any, width: int, height: int) -> Tensor:
    """Each box as a mask, from left to right by their centres: [N, H, W] of 0 and 1.

    boxes: BOUNDING_BOX, a dict of x, y, width and height in pixels of a picture of `width` x `height`, a list of
    such, or a list of such lists, of which the first frame's is taken. Raises InteractError for no boxes or others.
    """
    found = list(boxes) if isinstance(boxes, list | tuple) else [boxes]
    if found and isinstance(found[0], list | tuple):
        found = list(found[0])
    people = []
    for box in found:
        left, top, right, bottom = _edges(box)
        mask = torch.zeros(height, width)
        mask[max(0, round(top)) : max(0, round(bottom)), max(0, round(left)) : max(0, round(right))] = 1.0
        people.append(mask)
    people = [mask for mask in people if bool(mask.any())]
    if not people:
        raise InteractError(
            "boxes is empty, so nobody was found in the picture: lower the threshold of the node that looks for "
            "people or faces, or paint a mask."
        )
    return torch.stack(sorted(people, key=_centre))


def pick_person(people: Tensor, person: int) -> Tensor:
    """MASK [1, H, W] of one of people [N, H, W]; person: counted from 1. Raises InteractError beyond the last."""
    if not 1 <= person <= people.shape[0]:
        found = "one person was" if people.shape[0] == 1 else f"{people.shape[0]} people were"
        raise InteractError(
            f"person is {person}, but {found} found: use a number from 1 to {people.shape[0]}, or lower the threshold "
            "of the node that looks for people."
        )
    return people[person - 1 : person]


def same_person(people: Tensor) -> tuple[int, int] | None:
    """The numbers, from 1, of two masks of people [N, H, W] that cover the same pixels; None if all differ."""
    drawn = [mask > 0.5 for mask in people]
    for number in range(len(drawn) - 1):  # sorted by their centres, so that equal ones are neighbours
        both = (drawn[number] & drawn[number + 1]).sum()
        if both > SAME * (drawn[number] | drawn[number + 1]).sum():
            return number + 1, number + 2
    return None


def parted(mask: Tensor) -> list[Tensor]:
    """A mask [H, W] in as many masks as people stand apart in it, such as two that were painted into one picture.

    Pieces of which one is above the other belong to one person, whom something hides in part. Stray specks are left
    out. A soft edge goes to the nearest person. One person's mask comes back as it is. Raises InteractError where
    OpenCV cannot be imported.
    """
    nearest = _nearest_piece(mask > 0.5)
    pieces = nearest * (mask > 0.5)
    areas = torch.bincount(pieces.flatten())
    areas[0] = 0  # what is outside of every piece
    groups: list[tuple[set[int], Tensor]] = []
    for number in areas.argsort(descending=True, stable=True).tolist():
        if areas[number] == 0 or areas[number] < SPECK * areas.max():
            break
        piece = pieces == number
        above = next((n for n, (_, group) in enumerate(groups) if _one_above_the_other(group, piece)), None)
        if above is None:
            groups.append(({number}, piece))
        else:
            numbers, group = groups[above]
            groups[above] = (numbers | {number}, group | piece)
    if len(groups) == 1:
        return [mask]
    return [mask * torch.isin(nearest, torch.tensor(sorted(numbers))) for numbers, _ in groups]


def _nearest_piece(drawn: Tensor) -> Tensor:
    """bool [H, W], true somewhere -> int64 [H, W]: the number, from 1, of the connected piece that is nearest.

    Diagonals connect, and so do gaps of less than 1 / GAPS of a side, which a brush or a coarse mask leaves.
    """
    cv2 = opencv()
    gaps = tuple(1 + 2 * round(side / GAPS / 2) for side in drawn.shape)
    closed = cv2.dilate(drawn.to(torch.uint8).numpy(), torch.ones(gaps, dtype=torch.uint8).numpy())
    _, labels = cv2.distanceTransformWithLabels(1 - closed, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP)
    return torch.from_numpy(labels).long()


def opencv(
    use: str = "Several people in one mask are told apart by OpenCV",
    instead: str = ", or give each person a mask",
) -> Any:
    """Whichever build of OpenCV is installed. Imported here, so that ComfyUI starts without it.

    use, instead: what needs it, and what one could do without, for the InteractError where it cannot be imported.
    """
    try:
        import cv2
    except (
        ImportError
    ) as error:  # also where its libraries are missing, or numpy is another than it was built for
        raise InteractError(
            f"{use}, which cannot be imported ({error}): install "
            f"opencv-python (on a server without a screen opencv-python-headless) for ComfyUI's Python{instead}."
        ) from error
    return cv2


def _one_above_the_other(first: Tensor, second: Tensor) -> bool:
    """Whether the columns of two pieces are mostly the same."""
    columns = first.any(0), second.any(0)
    return int((columns[0] & columns[1]).sum()) > 0.5 * min(int(one.sum()) for one in columns)


def _centre(mask: Tensor) -> tuple[float, float]:
    """Column and row of the centre of a mask [H, W]."""
    total = mask.sum()
    column = (mask.sum(0) * torch.arange(mask.shape[1])).sum() / total
    row = (mask.sum(1) * torch.arange(mask.shape[0])).sum() / total
    return float(column), float(row)


def _edges(box: Any) -> tuple[float, float, float, float]:
    """left, top, right and bottom of a box in pixels. Raises InteractError for what is no box."""
    try:
        left, top = float(box["x"]), float(box["y"])
        edges = left, top, left + float(box["width"]), top + float(box["height"])
        if isfinite(sum(edges)):
            return edges
    except (TypeError, KeyError, ValueError, IndexError):
        pass
    raise InteractError(
        f"boxes holds {one_line(repr(box))}, expected x, y, width and height: connect the bboxes of a "
        "detection node of ComfyUI."
    )
