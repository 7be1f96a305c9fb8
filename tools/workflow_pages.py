"""How the shipped graphs look in the browser: which nodes are in which box, and the text of the note.

Columns of boxes from left to right, in each box columns of nodes: places come from what the nodes need.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

Size = tuple[float, float]
Place = tuple[float, float, float, float]  # x, y, width, height in the graph's units

BAR = 30  # a node's title bar, above its place
GAP = 75  # between a node and the title bar below it: Nodes 2.0 draws many nodes some 40 higher
AISLE = 60  # between columns of nodes in a box
PADDING = 20  # between nodes and the edge of their box
FOOT = 55  # below the last node of a box, for the same reason
HEAD = 80  # a box's title and the title bars of the nodes below it
STREET = 60  # between boxes

# At least so large, in the graph's units; the page makes nodes larger where their widgets need it.
LEAST: dict[str, Size] = {
    "InterActPreviewMasks": (520, 820),
    "InterActExample": (300, 310),
    "InterActEncodeSpeech": (300, 0),
    "InterActCharacter": (300, 0),
    "LoadImage": (340, 420),
    "LoadAudio": (300, 180),
    "Painter": (350, 840),
    "CLIPTextEncode": (400, 200),
    "SaveVideo": (400, 420),
    "SaveImage": (400, 480),
    "CreateVideo": (400, 0),
    "SolidMask": (270, 0),
    "MaskComposite": (270, 0),
}
USUAL: Size = (340, 0)
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
    "InterActSampler": TEXT,
    "InterActMaskGuidance": TEXT,
}
LETTER, MARGIN = 8.5, 60  # of a title: width of a letter, and what the bar keeps free
LETTER_OF_NOTE, LINE = 5.8, 15  # of a note's text: width of a letter, height of a line


@dataclass(frozen=True)
class Box:
    """A group of the canvas: its title, and columns of node ids."""

    title: str
    columns: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Note:
    """A Markdown note of the canvas, as high as its text needs."""

    text: str
    title: str = "Read me"
    width: float = USUAL[0]

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
        for box in column:
            if isinstance(box, Note):
                notes[box.title] = (x, y, box.width, box.height)
                right, y = max(right, x + box.width), y + box.height + STREET + BAR
                continue
            inside = _fill(box, x, y, sizes)
            nodes |= inside
            edge = max(left + width for left, _, width, _ in inside.values())
            bottom = max(top + height for _, top, _, height in inside.values())
            boxes[box.title] = (
                x - PADDING,
                y - HEAD,
                edge - x + 2 * PADDING,
                bottom - y + HEAD + FOOT,
            )
            right, y = max(right, edge), bottom + FOOT + STREET + HEAD
        x = right + 2 * PADDING + STREET
    return Plan(nodes, boxes, notes)


def _fill(box: Box, x: float, y: float, sizes: dict[str, Size]) -> dict[str, Place]:
    """The box's nodes, the first at (x, y); those of one column are equally wide."""
    places: dict[str, Place] = {}
    for column in box.columns:
        width, top = max(sizes[name][0] for name in column), y
        for name in column:
            places[name] = (x, top, width, sizes[name][1])
            top += sizes[name][1] + GAP + BAR
        x += width + AISLE
    return places


# -------------------------------------------------------------------------------------------------- the pages

MODELS = Box("Models", (("1", "2", "5", "3", "4"),))
THEATRE = """The models that come with this pack are a small puppet theatre: they can only draw puppets. For people
you need a Wan model and an adapter that was trained on it."""


def person(title: str, first: int) -> Box:
    """What make_workflows.speaker makes."""
    return Box(title, ((str(first),), (str(first + 2), str(first + 3))))


def start(text: str, models: Box = MODELS) -> tuple[Box | Note, ...]:
    """The first column: what the graph is, and its models."""
    return Note(text), models


FOUND = Box("Who was found where", (("50",),))
THE_VIDEO = Box("The video", (("40", "41"),))
THE_MASKS = Box("The masks as a video", (("51", "52"),))

PAGES = {
    "one_character": Page(
        (
            start(
                f"""# One puppet talks

Press **Run**. Mira speaks, and while the video forms *InterAct Preview Masks* shows where the model found her.

**Another puppet?** Choose another name on *Example*. **Your own character?** Use *Load Image* and *Load Audio*
in place of *Example*.

**Length** 0 on *InterAct Encode Characters* makes the video as long as the speech.

{THEATRE}""",
            ),
            (person("Mira", 10),),
            (Box("Into one video", (("30", "31", "32"),)),),
            (FOUND,),
            (THE_VIDEO,),
        ),
    ),
    "two_speakers": Page(
        (
            start(
                f"""# Two characters talk

Press **Run**. Each puppet has a voice of its own, and each voice moves only its own mouth: the model finds
both characters while the video forms. *InterAct Preview Masks* shows it, step by step.

**One more?** Copy a group and connect it to *InterAct Encode Characters*. **Your own characters?** Use *Load
Image* and *Load Audio* in place of *Example*.

{THEATRE}""",
            ),
            (person("Mira", 10), person("Tobi", 20)),
            (Box("Both in one video", (("30", "31", "32"),)),),
            (FOUND, Box("Every step on one sheet", (("53",),))),
            (THE_VIDEO, THE_MASKS),
        ),
    ),
    "taking_turns": Page(
        (
            start(
                f"""# Two characters take turns

Press **Run**. Tobi begins when Mira has finished: *end_time* of her speech is connected to *start_time* of his,
and *gap* is the pause between them. No seconds have to be typed, and the video is as long as both.

**One more?** Copy the group of Tobi and connect *end_time* of his speech to *start_time* of the next one.
**At the same time?** Disconnect *start_time*. **Interrupting?** Set *gap* below 0.

While one speaks, the other one listens with a closed mouth. *InterAct Preview Masks* shows who speaks when.

{THEATRE}""",
            ),
            (person("Mira", 10),),
            (person("Tobi", 20),),
            (Box("Both in one video", (("30", "31", "32"),)),),
            (FOUND,),
            (THE_VIDEO, THE_MASKS),
        ),
    ),
    "three_one_silent": Page(
        (
            start(
                f"""# Two talk, one listens

Elsa has a picture and no voice: *speech* of her character is not connected. She is found like the others, and
her mouth stays shut.

The same works for cats, lamps and teapots: whatever has a picture can be in the video.

{THEATRE}""",
            ),
            (
                person("Mira", 10),
                person("Tobi", 20),
                Box("Elsa says nothing", (("60",), ("63",))),
            ),
            (Box("All three in one video", (("30", "31", "32"),)),),
            (FOUND,),
            (THE_VIDEO, THE_MASKS),
        ),
    ),
    "stock_ksampler": Page(
        (
            start(
                f"""# With ComfyUI's own sampler

*InterAct Mask Guidance* adds the mask guidance of *InterAct Sampler* to the MODEL. KSampler follows here;
SamplerCustomAdvanced and others work too. LoRA loaders go after *Load Diffusion Model*.

*InterAct Collect Masks* then collects the masks. Every sampler needs a *Mask Guidance* of its own.

{THEATRE}""",
                Box("Models, from stock loaders", (("1", "6", "2", "5", "3", "4"),)),
            ),
            (person("Mira", 10), person("Tobi", 20)),
            (Box("Both in one video", (("30", "33"),)),),
            (Box("Any sampler you like", (("34", "31", "32"),)),),
            (FOUND,),
            (THE_VIDEO, THE_MASKS),
        ),
    ),
    "fixed_against_predicted": Page(
        (
            (
                *start(
                    f"""# Drawn masks against predicted masks

The same puppets and the same seed, twice. Once the model predicts the masks, frame by frame. Once each voice
is bound to one half of the picture, as one would draw it by hand: a puppet that leaves its half loses its
voice.

A drawn mask says where a voice applies; it does not place the characters. If the two stand the other way
round, swap the halves. Both viewers show the predicted masks; the difference is in the mouths.

{THEATRE}""",
                ),
                Box("Two halves, drawn by hand", (("70", "71"), ("72", "73"))),
            ),
            (person("Mira", 10), person("Tobi", 20)),
            (Box("Both in one video", (("30",),)),),
            (Box("One seed, two ways", (("31", "32"), ("35", "36"))),),
            (Box("Found by the model", (("50", "40", "41"),)),),
            (Box("Drawn by hand", (("55", "45", "46"),)),),
        ),
    ),
    "long_film": Page(
        (
            start(
                f"""# A film in parts

A film may be longer than one sampling run. Here it is made in two parts: *InterAct Next Part* prepares the
first part, and the second continues from its last frames. Each character keeps voice and mask across the cut,
and *InterAct Join Parts* joins the frames, exactly as long as the audio.

**Longer still?** Copy the box of the next part, and connect *film*, *masks* and *latent* of the part before.
The speech is for the whole film: no recording has to be cut. Use the same *seed* in all samplers, or cuts
become visible.

{THEATRE}""",
            ),
            (person("Mira", 10), person("Tobi", 20)),
            (Box("The whole film", (("30",),)),),
            (Box("The first part", (("80", "81"), ("82", "83", "84"))),),
            (Box("The next part", (("90", "91"), ("92", "93", "94"))),),
            (THE_VIDEO,),
        ),
    ),
    "best_of_four_seeds": Page(
        (
            start(
                f"""# The best of four seeds

Press **Run**. The same scene is made four times, from four seeds, in few steps. *InterAct Score* measures how well
each mouth follows its own voice, and the film with the best *margin* is saved.

Under each score stand its figures, and where a voice went to the wrong mouth. The plots show every mouth over its
voice: green below where they fit, orange where the mouth follows somebody else.

**Then** set its *seed* in another graph and use more steps. **Real people?** Connect *InterAct Load Scorer* and *masks*
to the scores. **One voice?** Connect *lips* in place of *margin*.

{THEATRE}""",
            ),
            (person("Mira", 10), person("Tobi", 20)),
            (Box("Both in one video", (("30",),)),),
            (
                Box("First seed", (("100",), ("101", "102"))),
                Box("Second seed", (("110",), ("111", "112"))),
            ),
            (
                Box("Third seed", (("120",), ("121", "122"))),
                Box("Fourth seed", (("130",), ("131", "132"))),
            ),
            (
                Box("Where the best one begins", (("140", "141", "142", "143"),)),
                Box("All plots", (("150", "151"),)),
            ),
            (THE_VIDEO, Box("Who was found where", (("160",),))),
        ),
    ),
}
