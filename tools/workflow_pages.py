"""How the shipped graphs look in the browser: which nodes are in which box, and the text of the note.

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


# -------------------------------------------------------------------------------------------------- the pages

WHO, SAY, RUN, WATCH = "1 Who", "2 What they say", "3 Run", "4 Watch"
THEATRE = """The models that come with this pack are a small puppet theatre: they can only draw puppets. For people
you need a Wan model and an adapter that was trained on it."""


def models(*nodes: str) -> Box:
    """The loaders, by their titles only: they are set up once."""
    return Box("Models (folded)", (nodes,), frozenset(nodes))


MODELS = models("1", "2", "5", "3", "4")


def start(text: str, loaders: Box = MODELS) -> tuple[Box | Note, ...]:
    """The first column: what the graph is, and its models."""
    return Note(text), loaders


def cast(*first: int, silent: tuple[str, ...] = ()) -> tuple[tuple[Box], tuple[Box]]:
    """Two boxes for what graph_parts.speaker makes from these ids on: examples, then speech and character.

    silent: example and character of somebody without speech.
    """
    who = (*(str(one) for one in first), *silent[:1])
    speeches = (*(str(one + 2) for one in first), *silent[1:])
    return (Box(WHO, (who,)),), (Box(SAY, (speeches, tuple(str(one + 3) for one in first))),)


def cast_in_one_column(*first: int) -> tuple[Box, Box]:
    """The same above each other, a column for each of them, where the rest needs the width."""
    who = tuple((str(one),) for one in first)
    say = tuple((str(one + 2), str(one + 3)) for one in first)
    return Box(WHO, who), Box(SAY, say)


def watch(*more: str) -> Box:
    """Masks and video, below each other; what makes a file of them is folded."""
    return Box(WATCH, (("50", "40", "41", *more),), frozenset({"40", *more}))


PAGES = {
    "one_character": Page(
        (
            start(
                f"""# One person talks

Press **Run**. Mira speaks, and while the video forms *InterAct Preview Masks* shows where the model found her.

**Another puppet?** Choose another name on *Example*. **Your own character?** Use *Load Image* and *Load Audio*
in place of *Example*.

**Length** 0 on *InterAct Encode Characters* makes the video as long as the speech.

{THEATRE}""",
            ),
            *cast(10),
            (Box(RUN, (("30", "29"), ("31", "32")), frozenset({"32"})),),
            (watch(),),
        ),
    ),
    "two_speakers": Page(
        (
            start(
                f"""# Two people talk at once

Press **Run**. Each puppet has a voice of its own, and each voice moves only its own mouth: the model finds
both characters while the video forms. *InterAct Preview Masks* shows it, step by step.

*Where they start* puts their pictures side by side as a first draft. **Places by the model?** Connect *latent* of
*InterAct Encode Characters* to the sampler; *denoise* 1, 20 *steps*.

**One more?** Choose *Add character* from the menu of *InterAct Encode Characters*. **Your own characters?** Use
*Load Image* and *Load Audio* in place of *Example*. **One after the other?** Connect *end_time* of Mira's speech to
*start_time* of Tobi's.

{THEATRE}""",
            ),
            *cast(10, 20),
            (Box(RUN, (("30", "29"), ("31", "32")), frozenset({"32"})),),
            (watch("51", "52", "53"),),
        ),
    ),
    "taking_turns": Page(
        (
            start(
                f"""# Two people take turns

Press **Run**. Tobi begins when Mira has finished: *end_time* of her speech is connected to *start_time* of his,
and *gap* is the pause between them. No seconds have to be typed, and the video is as long as both.

**One more?** Choose *Add character* from the menu of *InterAct Encode Characters*, and connect *end_time* of Tobi's
speech to *start_time* of the new one. **At the same time?** Disconnect *start_time*. **Interrupting?** Set *gap*
below 0.

While one speaks, the other one listens with a closed mouth. *InterAct Preview Masks* shows who speaks when.

{THEATRE}""",
            ),
            *cast(10, 20),
            (Box(RUN, (("30", "29"), ("31", "32")), frozenset({"32"})),),
            (watch("51", "52"),),
        ),
    ),
    "dialogue": Page(
        (
            start(
                f"""# A dialogue on a timeline

Press **Run**. Mira asks, Tobi answers, both have a second turn, and the last words overlap. *InterAct Dialogue* says
who speaks when: a lane for each, a clip for each turn. The recordings are those of the two examples.

**Your own dialogue?** Drop recordings onto the lanes, or record them there; drag clips, trim their ends, split at
the playhead with **S**. *Help* on the timeline lists the keys. Delete the clips that are there first.

**One more?** Add a lane, and connect its voice to *speech* of another *InterAct Character*.

{THEATRE}""",
            ),
            (
                Box(WHO, (("10",), ("20",))),
                Box(SAY, (("25",), ("13", "23"))),
            ),
            (Box(RUN, (("30", "29"), ("31", "32")), frozenset({"32"})),),
            (watch("51", "52"),),
        ),
    ),
    "one_picture": Page(
        (
            start(
                f"""# Two people of one picture

Press **Run**. *InterAct People* finds everybody in one picture, and *InterAct Dialogue* says who speaks when. The voice
of each lane goes to the person with its number. Everybody starts where they stand in the picture.

**Who is who?** Click a person on the picture to rename; the list below it changes the order, merges, and leaves out.

**Your own picture?** Use *Load Image* in place of *Example*, with *masks* or *boxes* from SAM3 Detect or the mask
editor. With an image-to-video model set *use_as* to *regions of the start image*: the template *11 InfiniteTalk* has
one.

{THEATRE}""",
            ),
            (Box(WHO, (("10",),)),),
            (Box(SAY, (("25", "15"),)),),
            (Box(RUN, (("30", "29"), ("31", "32")), frozenset({"32"})),),
            (watch("51", "52"),),
        ),
    ),
    "dubbing": Page(
        (
            start(
                f"""# A finished video, dubbed

Press **Run**. The first sampler makes a video in which Mira speaks and Tobi listens. Then Mira is made anew, with
other words: *InterAct Dub Video* keeps everything outside of her mask at every step, and *Image Composite Masked*
puts back every pixel there.

**Your own video?** Put *Load Video* and *Get Video Components* in place of the first sampler, and connect *mask*
of a tracker such as SAM, one for each frame, in place of *masks*.

**No tracker?** The help page of *InterAct Dub Video* says how the model itself finds who is where.

{THEATRE}""",
            ),
            (Box(WHO, (("10", "20", "60"),)),),
            (Box(SAY, (("12", "13", "23"), ("62", "63"))),),
            (
                Box(
                    RUN,
                    (("30", "29", "64"), ("31", "32", "65"), ("66", "67", "68")),
                    frozenset({"32", "67"}),
                ),
            ),
            (Box(WATCH, (("50", "42", "43", "40", "41"),), frozenset({"40", "41", "42"})),),
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
            *cast(10, 20, silent=("60", "63")),
            (Box(RUN, (("30", "29"), ("31", "32")), frozenset({"32"})),),
            (watch("51", "52"),),
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
                models("1", "6", "2", "5", "3", "4"),
            ),
            *cast(10, 20),
            (Box(RUN, (("30", "29", "33"), ("34", "31", "32")), frozenset({"32"})),),
            (watch("51", "52"),),
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

A drawn mask says where a voice applies. It also says where *Where they start* puts its character, once; after
that the model moves them. Both viewers show the predicted masks; the difference is in the mouths.

{THEATRE}""",
                ),
                Box(
                    "Two drawn halves",
                    (("70", "71", "72", "73"),),
                    frozenset({"70", "71", "72", "73"}),
                ),
            ),
            *cast(10, 20),
            (Box(RUN, (("30", "29"), ("31", "32", "35", "36")), frozenset({"32", "36"})),),
            (Box(WATCH, (("50", "40", "41"), ("55", "45", "46")), frozenset({"40", "45"})),),
        ),
    ),
    "long_film": Page(
        (
            start(
                f"""# A film in parts

A film may be longer than one sampling run. Here it is made in two parts: *InterAct Next Part* prepares the
first part, and the second continues from its last frames. Each character keeps voice and mask across the cut,
and *InterAct Join Parts* joins the frames, exactly as long as the audio.

**Longer still?** Copy the nodes of the next part, and connect *film*, *masks* and *latent* of the part before.
The speech is for the whole film: no recording has to be cut. Use the same *seed* in all samplers, or cuts
become visible.

{THEATRE}""",
            ),
            cast_in_one_column(10, 20),
            (
                Box(
                    RUN,
                    (("30", "80", "29"), ("81", "82", "83", "90", "28"), ("91", "92", "93")),
                    frozenset({"82", "92", "28"}),
                ),
            ),
            (Box(WATCH, (("84", "40", "41"), ("94",)), frozenset({"40"})),),
        ),
    ),
    "best_of_four_seeds": Page(
        (
            start(
                f"""# The best of four seeds

Press **Run**. The same scene is made four times, from four seeds, in few steps. *InterAct Score* measures how well
each mouth follows its own voice, and the film with the best *margin* is saved.

Under each score stand its figures, and where a voice went to the wrong mouth. The plots show every mouth over its
voice: green below where they fit, orange where the mouth follows somebody else. If no mouth is seen in any of the
films, the first one is saved.

**Then** set its *seed* in another graph and use more steps. **Real people?** Connect *InterAct Load Scorer* and *masks*
to the scores. **One voice?** Connect *lips* in place of *margin*.

{THEATRE}""",
            ),
            cast_in_one_column(10, 20),
            (
                Box(
                    RUN,
                    (
                        ("30", "29", "110", "120", "130"),
                        ("100", "101", "111", "121", "131", "140", "142"),
                        ("102", "112", "122", "132", "141", "143"),
                    ),
                    frozenset(
                        {"29", "110", "120", "130", "101", "111", "121", "131", "140", "142", "141", "143"}
                    ),
                ),
            ),
            (Box(WATCH, (("160", "40", "41"), ("150", "151")), frozenset({"40", "150"})),),
        ),
    ),
}
