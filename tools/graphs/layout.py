"""How a shipped graph is laid out in the browser.

Columns of boxes from left to right, in each box columns of nodes: places come from what the nodes need. What an artist
sets up once, such as the loaders, is folded to its title, so that a page fits a screen (SCREEN) and can be read there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

Size = tuple[float, float]
Place = tuple[float, float, float, float]  # x, y, width, height in the graph's units

BAR = 30  # a node's title bar, above its place
GAP = 75  # between a node and the title bar below it: Nodes 2.0 draws many nodes some 40 higher
AISLE = 50  # between columns of nodes in a box
PADDING = 20  # between nodes and the edge of their box
FOOT = 48  # below the last node of a box, for the same reason
HEAD = 80  # a box's title and the title bars of the nodes below it
STREET = 20  # between boxes
FOLD = 20  # between a folded node, which is a title bar only, and what stands below it
# A window of 1920 x 1080 without ComfyUI's bars, at a zoom of 60 %, at which titles are read: what a page may take.
SCREEN: Size = (1872 / 0.6, 1000 / 0.6)

# At least so large, in the graph's units; the page makes nodes larger where their widgets need it.
LEAST: dict[str, Size] = {
    "InterActPreviewMasks": (440, 700),
    "InterActExample": (270, 369),  # its portrait and sound before a run, and ComfyUI's preview after it
    "InterActEncodeSpeech": (280, 0),
    "InterActCharacter": (280, 0),
    "InterActRegion": (280, 0),
    "InterActDialogue": (720, 620),
    "InterActPeople": (440, 700),
    "LoadImage": (320, 420),
    "LoadAudio": (280, 180),
    "Painter": (350, 840),
    "CLIPTextEncode": (340, 160),
    "SaveVideo": (400, 420),
    "SaveImage": (400, 420),
    "CreateVideo": (400, 0),
    "PreviewImage": (400, 300),
    "SolidMask": (270, 0),
    "MaskComposite": (270, 0),
}
USUAL: Size = (300, 0)
TEXT, PICTURE = (
    66,
    230,
)  # height that a run adds to a node for its text and for a picture (frontend 1.47: 62, 224)
ROOM: dict[str, float] = {
    "InterActLoadDiT": TEXT,
    "InterActApplyAdapter": TEXT,
    "InterActEncodeSpeech": TEXT,
    "InterActCharacter": TEXT + PICTURE,
    "InterActRegion": TEXT + PICTURE,
    "InterActEncodeCharacters": 2 * TEXT,  # who speaks when: a line for each character
    "InterActNextPart": TEXT,
    "InterActDub": TEXT,
    "InterActPlace": TEXT,
    "InterActSampler": TEXT,
    "InterActMaskGuidance": TEXT,
}
LETTER, MARGIN = 8.5, 60  # of a title: width of a letter, and what the bar keeps free
LETTER_OF_NOTE, LINE = 5.8, 15  # of a note's text: width of a letter, height of a line


@dataclass(frozen=True)
class Box:
    """A group of the canvas: its title, and columns of node ids; folded: those of them that are shown by title only."""

    title: str
    columns: tuple[tuple[str, ...], ...]
    folded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Note:
    """A Markdown note of the canvas, as high as its text needs."""

    text: str
    title: str = "Read me"
    width: float = 310

    @property
    def height(self) -> float:
        """What the text needs, rounded up (frontend 1.47: letters of 10 pixels, lines of 14)."""
        shown = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", self.text)  # of a link its words
        letters = (self.width - 30) / LETTER_OF_NOTE
        height, in_code = 60.0, False
        for line in shown.split("\n"):
            if line.startswith("```"):
                in_code, height = not in_code, height + 12
            elif line.startswith("#"):
                height += 34
            elif in_code or line:
                height += LINE * (1 if in_code else math.ceil(len(line) / letters))
            else:
                height += 9
        return height


@dataclass(frozen=True)
class Page:
    """One graph on the canvas: columns of boxes and notes, from left to right."""

    columns: tuple[tuple[Box | Note, ...], ...]

    @property
    def notes(self) -> list[Note]:
        return [one for column in self.columns for one in column if isinstance(one, Note)]

    @property
    def folded(self) -> frozenset[str]:
        boxes = (one for column in self.columns for one in column if isinstance(one, Box))
        return frozenset().union(*(box.folded for box in boxes))


@dataclass(frozen=True)
class Plan:
    """Where everything goes: nodes by id, boxes and notes by title."""

    nodes: dict[str, Place]
    boxes: dict[str, Place]
    notes: dict[str, Place]


def size_of(class_type: str, title: str, needed: Size) -> Size:
    """A node's size, with room for its title and for what a run adds; needed: of its sockets and widgets."""
    width, height = LEAST.get(class_type, USUAL)
    return max(needed[0], width, MARGIN + LETTER * len(title)), max(
        needed[1] + ROOM.get(class_type, 0), height
    )


def plan(page: Page, sizes: dict[str, Size]) -> Plan:
    """Lay the page out for nodes of these sizes, its upper left node at the origin."""
    nodes: dict[str, Place] = {}
    boxes: dict[str, Place] = {}
    notes: dict[str, Place] = {}
    x = 0.0
    for column in page.columns:
        y, right = 0.0, x
        for number, box in enumerate(column):
            if number:
                y += STREET + (BAR if isinstance(box, Note) else HEAD)
            if isinstance(box, Note):
                notes[box.title] = (x, y, box.width, box.height)
                right, y = max(right, x + box.width), y + box.height
                continue
            inside = _fill(box, x, y, sizes)
            nodes |= inside
            edge = max(left + width for left, _, width, _ in inside.values())
            bottom = max(
                top + (0 if name in box.folded else height) for name, (_, top, _, height) in inside.items()
            )
            boxes[box.title] = (
                x - PADDING,
                y - HEAD,
                edge - x + 2 * PADDING,
                bottom - y + HEAD + FOOT,
            )
            right, y = max(right, edge), bottom + FOOT
        x = right + 2 * PADDING + STREET
    return Plan(nodes, boxes, notes)


def _fill(box: Box, x: float, y: float, sizes: dict[str, Size]) -> dict[str, Place]:
    """The box's nodes, the first at (x, y); those of one column are equally wide."""
    places: dict[str, Place] = {}
    for column in box.columns:
        width, top = max(sizes[name][0] for name in column), y
        for name in column:
            places[name] = (x, top, width, sizes[name][1])
            top += (FOLD if name in box.folded else sizes[name][1] + GAP) + BAR
        x += width + AISLE
    return places
