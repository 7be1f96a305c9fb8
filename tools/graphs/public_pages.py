"""How the graphs on public weights look in the browser: laid out like the others, in numbered boxes."""

from __future__ import annotations

from interacthuman.tools.graphs.converted_graphs import humo_with_a_second_character as humo
from interacthuman.tools.graphs.converted_graphs import (
    needs_weights_infinitetalk_own_picture,
    needs_weights_phantom_own_pictures,
    s2v_with_pose,
)
from interacthuman.tools.graphs.layout import Box, Note, Page
from interacthuman.tools.graphs.pages import RUN, SAY, WATCH, WHO, models, watch
from interacthuman.tools.graphs.parts import Graph
from interacthuman.tools.graphs.public_dubbing import needs_weights_infinitetalk_dubbing
from interacthuman.tools.graphs.public_files import links_and_folders
from interacthuman.tools.graphs.public_graphs import (
    FROM_BASE,
    FROM_BASE_S2V,
    needs_weights_humo,
    needs_weights_infinitetalk,
)
from interacthuman.tools.graphs.public_probe import needs_weights_infinitetalk_probe
from interacthuman.tools.make_workflows import TITLES

NEEDS = "**This graph needs public files that do not come with the pack.** They are under *Model links*."
NEVER_RUN = (
    "This graph was never run with these files, only with small random models of the same layout. What was checked: "
    "docs/public-weights.md of this pack."
)
SECOND = "Second character (muted)"
WIDE = 420  # of notes in the graph's units: file names are long


def notes(text: str, graph: Graph, *loaders: str, width: float = WIDE) -> tuple[Note | Box, ...]:
    """The first column: what the graph is, the files that it needs, and what loads them."""
    links = f"# Model links\n\n{links_and_folders(*graph.values())}\n\n{NEVER_RUN}"
    return Note(text, width=width), Note(links, "Model links", width), models(*loaders)


# ------------------------------------------------------------------------------------------------ with puppets in place

INFINITETALK = f"""# Two people of a picture talk: InfiniteTalk

{NEEDS}

Once they are there, it runs as it is: two puppets stand where your people will. **With your own picture from the
start?** Open the template *{TITLES["needs_weights_infinitetalk_own_picture"]}*.

**Your own picture here?** Use *Load Image* in place of *Start image*. For each person paint a mask in the mask
editor and connect MASK to *region*. Two halves are enough for a first try.

**Longer?** Change the length in both places, and put *WAN Context Windows* of 81 frames on the model."""

HUMO = f"""# Two people by their pictures talk: HuMo

{NEEDS}

HuMo has its own audio layers, so the adapter is `{FROM_BASE}` and the voices are encoded with Whisper. It was
made for one speaker; here masks keep each voice to its own person.

**Your own characters?** Use *Load Image* and *Load Audio* in place of *Example*, or open the template
*{TITLES["needs_weights_humo_own_picture"]}*."""

# ------------------------------------------------------------------------------------ ComfyUI's own, with our sampler

INFINITETALK_OWN = f"""# InfiniteTalk: two people of your picture

ComfyUI's template *InfiniteTalk* with the sampler of this pack in place of WanInfiniteTalkToVideo. The voices stay
with their people even when these move.

{NEEDS}

1. Upload your picture (1 Who) and a recording for each person (2 What they say).
2. In each *Painter* paint over that person. The mask is for the first frame only: a rough one will do. *Painter* needs
Nodes 2.0 (in ComfyUI's menu). Without it, open the picture in a *Load Image* for each person, choose *Open in
MaskEditor* from its menu, paint, and connect its MASK to *region*.
3. **Run**. The second speaker begins when the first has finished: *end_time* of the first voice is connected to
*start_time* of the second. Set a pause with *gap*. For two voices at the same time, disconnect *start_time*.

**A third speaker?** Copy the nodes of character 2 with Ctrl+C and Ctrl+Shift+V, connect *end_time* of the second voice
to *start_time* of the third, and the character to the next socket of *InterAct Encode Characters*."""

EXTEND = """*First part* makes 81 frames (3.2 s), *Next part* 72 more; the text under *Next part* says how many remain.

**Frames remain?** Copy the nodes of the next part with Ctrl+C and Ctrl+Shift+V; connect *film*, *masks* and *latent* to
the part before, and *Whole film* to the last *Join Parts*.

**The voices end within 3.2 s?** Select the nodes of the next part and *Whole film*, and press Ctrl+M."""

HUMO_OWN = f"""# HuMo: people by your pictures

ComfyUI's template *HuMo* with the sampler of this pack in place of WanHuMoImageToVideo and KSampler.

{NEEDS}

1. Upload a picture of the person (1 Who) and a recording (2 What they say), or record one: *Record Audio* is muted;
select it, press Ctrl+M, and connect it in place of *Load Audio*.
2. Describe the scene (3 Run) and **Run**.

**A second character?** Select the group *{SECOND}* and press Ctrl+M: it is connected already. Describe both
in the prompt. For voices one after the other connect *end_time* of the first speech to *start_time* of the second.

The video has the size and length of ComfyUI's template. **Length** 0 makes it as long as the speech. HuMo has its own
audio layers, so the adapter is `{FROM_BASE}`."""

PHANTOM_OWN = f"""# Phantom: two subjects of your pictures talk

A Phantom graph with this pack in place of WanPhantomSubjectToVideo and KSampler. Phantom has no voices of its own:
InfiniteTalk's audio layers give them, which were trained on another base of the same size. **An experiment**, unless
you have an adapter that was trained on Phantom: choose it on *InterAct Apply Adapter*, and set *mask_source* to
*predicted*.

{NEEDS}

1. Upload a picture and a recording of each subject (1 Who, 2 What they say). Pictures may have any shape: nothing is
resized or cropped before.
2. Describe both (3 Run) and **Run**. The second speaker begins when the first has finished; set a pause with *gap*.

**More subjects?** Choose *Add character* from the menu of *InterAct Encode Characters*. **A thing
that does not speak?** Leave *speech* of its character unconnected.

**With cfg above 1** (without the LoRA *Few steps*) set *negative_references* to *blank* for more likeness: that is
*negative_img_text* of WanPhantomSubjectToVideo; *shown* is *negative_text*."""

S2V = f"""# Wan2.2 S2V: two people of your picture

ComfyUI's template *Wan2.2 S2V* with the sampler of this pack. The model has one voice; here each person of its
reference picture has one, through its own audio layers: the adapter is `{FROM_BASE_S2V}`.

{NEEDS}

1. Upload a picture of everybody (1 Who) and a recording for each person (2 What they say).
2. In each *Painter* paint over that person, roughly. *Painter* needs Nodes 2.0 (in ComfyUI's menu). Without it, paint
in the MaskEditor of a *Load Image* for each person, and connect its MASK to *region*.
3. **Run**. The second speaker begins when the first has finished; set a pause with *gap*. For two voices at the same
time, disconnect *start_time*.

**Pose control?** Upload a video of poses (16 frames a second, as long as the film) in *Pose video* (3 Run, folded),
select it and *Its frames*, and press Ctrl+M: they are connected already.

**A third speaker?** Copy the nodes of character 2, connect *end_time* of the second voice to *start_time* of the third,
and the character to the next socket of *InterAct Encode Characters*.

**Without the LoRA** *Few steps*: 20 steps and cfg 6 in both samplers, as in ComfyUI's template."""

S2V_EXTEND = """*Length of the film* is 149 frames (9.3 s): *First part* (folded) makes 77, *Next part* 72 more.

**Longer?** Add 72 to the length, copy the nodes of the next part with Ctrl+C and Ctrl+Shift+V; connect *film*, *masks*
and *latent* to the part before, and *Whole film* to the last *Join Parts*. **Shorter?** Set the length to 77, select
the nodes of the next part and *Whole film*, and press Ctrl+M.

The last 73 frames of *film* become motion frames of the next part, as in *Video S2V Extend*."""

DUBBING = f"""# A person in your video says something else

InfiniteTalk makes one person of your video anew, with other words. *InterAct Dub Video* keeps everything outside of the
mask at every step, and *Image Composite Masked* puts back every pixel there.

{NEEDS}

1. Upload your video (1 Who), 25 frames a second, and the new words (2 What they say), not longer than 3.2 s.
2. **Run**. *Who has which number* shows everybody whom SAM3 found. Set the number on *Who is dubbed* (0 is the first),
and run again.

**Two people?** Copy *Who is dubbed* with the three nodes behind it, the recording, the speech and the character, and
connect the character to the next socket of *InterAct Encode Characters*. For *mask* of *InterAct Dub Video* use a third
*Who is dubbed*, with both numbers, such as 0,1.

**Another length?** Set it on *WanImageToVideo* and *InterAct Encode Characters*, and put *WAN Context Windows* of 81
frames on the model. **The old sound of the others?** *Audio Merge* lays it over the new one; take the old voice out
first."""

PROBE = f"""# Which block of the model knows who is where?

InfiniteTalk has no mask head: *mask_source* affinity finds people by the middle block of the base, which is a guess.
*InterAct Probe Blocks* looks at every block and attention head while two puppets stand where the masks say, and the
sampler then goes by the best place.

{NEEDS}

1. **Run**. *Blocks and heads* shows every place: the brighter, the better. *Every place, the best first* has the same
in numbers (IoU, 1 is a perfect mask).
2. Try another *seed*, and your own picture: *Load Image* in place of *Start image*, a painted MASK for each *region*.
Prefer a place that is good in all of them.
3. Copy *The recipe* into *affinity_recipe* of your own graphs, and share it with whoever has this model."""

READ_ME, LINKS, LOADERS = notes(
    DUBBING, needs_weights_infinitetalk_dubbing(), "1", "6", "5", "4", "3", "8", "70"
)

PAGES = {
    "needs_weights_infinitetalk_dubbing": Page(
        (
            (READ_ME, LOADERS),
            (LINKS,),
            (
                Box(
                    WHO,
                    (("10", "11", "12", "71", "72", "73", "74", "75", "76", "77"),),
                    frozenset({"11", "12", "71", "72", "75", "76", "77"}),
                ),
            ),
            (Box(SAY, (("20", "21", "22"),)),),
            (Box(RUN, (("9", "14", "26", "30"), ("65", "31", "32", "68")), frozenset({"14", "32", "68"})),),
            (watch(),),
        )
    ),
    "needs_weights_infinitetalk": Page(
        (
            notes(INFINITETALK, needs_weights_infinitetalk(), "1", "6", "5", "4", "3", "8"),
            (
                Box(
                    WHO,
                    (("10", "20", "11", "21", "24", "70", "71", "72", "73"),),
                    frozenset({"11", "21", "24", "70", "71", "72", "73"}),
                ),
            ),
            (Box(SAY, (("12", "22"), ("13", "23"))),),
            (Box(RUN, (("9", "14", "25", "30"), ("31", "32")), frozenset({"14", "32"})),),
            (watch("51", "52"),),
        )
    ),
    "needs_weights_infinitetalk_probe": Page(
        (
            notes(PROBE, needs_weights_infinitetalk_probe(), "1", "6", "5", "4", "3", "8", width=330),
            (
                Box(
                    WHO,
                    (("10", "20", "11", "21", "24", "70", "71", "72", "73"),),
                    frozenset({"11", "21", "24", "70", "71", "72", "73"}),
                ),
            ),
            (Box(SAY, (("12", "22"), ("13", "23"))),),
            (
                Box(
                    RUN,
                    (("9", "14", "25", "30"), ("60", "64", "31", "32")),
                    frozenset({"14", "64", "32"}),
                ),
            ),
            (
                Box(
                    WATCH,
                    (("62", "61", "63"), ("50", "65", "66", "40", "41")),
                    frozenset({"65", "66", "40"}),
                ),
            ),
        )
    ),
    "needs_weights_humo": Page(
        (
            notes(HUMO, needs_weights_humo(), "1", "6", "7", "5", "4", "3", "8"),
            (Box(WHO, (("10", "20"),)),),
            (Box(SAY, (("12", "22"), ("13", "23"))),),
            (Box(RUN, (("9", "14", "30"), ("31", "32")), frozenset({"14", "32"})),),
            (watch("51", "52"),),
        )
    ),
    "needs_weights_infinitetalk_own_picture": Page(
        (
            (
                *notes(
                    INFINITETALK_OWN,
                    needs_weights_infinitetalk_own_picture(),
                    "1",
                    "6",
                    "5",
                    "4",
                    "3",
                    "8",
                ),
            ),
            (
                Box(WHO, (("10", "60", "61"), ("12",), ("22",))),
                Box(SAY, (("11", "21"), ("13", "23"), ("15",), ("25",))),
            ),
            (
                Box(
                    RUN,
                    (
                        ("9", "14", "26", "30", "80"),
                        ("81", "82", "83", "90", "91", "92", "93"),
                    ),
                    frozenset({"14", "26", "82", "83", "91", "92", "93"}),
                ),
                Note(EXTEND, "How long is the film?", 690),
            ),
            (
                Box(
                    WATCH,
                    (("84", "94", "40", "41", "45", "46"),),
                    frozenset({"94", "40", "41", "45"}),
                ),
            ),
        )
    ),
    "needs_weights_humo_own_picture": Page(
        (
            notes(HUMO_OWN, humo(), "1", "6", "7", "5", "4", "3", "8"),
            (
                Box(WHO, (("10",),)),
                Box(SAY, (("11", "62", "12"), ("13",))),
            ),
            (Box(SECOND, (("20", "21", "22", "23"),), frozenset({"21"})),),
            (Box(RUN, (("9", "14", "30"), ("31", "32")), frozenset({"32"})),),
            (watch(),),
        )
    ),
    "needs_weights_phantom_own_pictures": Page(
        (
            notes(
                PHANTOM_OWN,
                needs_weights_phantom_own_pictures(),
                "1",
                "6",
                "7",
                "2",
                "5",
                "4",
                "3",
                "8",
                width=720,
            ),
            (Box(WHO, (("10", "20"),)),),
            (Box(SAY, (("11", "12", "21", "22"), ("13", "23"))),),
            (Box(RUN, (("9", "14", "30"), ("31", "32")), frozenset({"32"})),),
            (watch(),),
        )
    ),
    "needs_weights_s2v": Page(
        (
            notes(S2V, s2v_with_pose(), "1", "6", "7", "5", "4", "3", "8", width=490),
            (
                Box(WHO, (("10", "62", "60", "61"), ("12",), ("22",)), frozenset({"60", "61"})),
                Box(SAY, (("11", "21"), ("13", "23"), ("15",), ("25",))),
            ),
            (
                Box(
                    RUN,
                    (
                        ("9", "14", "63", "64", "26", "30", "80"),
                        ("81", "85", "86", "82", "87", "83", "90", "91", "92", "93"),
                    ),
                    frozenset(
                        {"14", "63", "64", "26", "80", "85", "86", "82", "87", "83", "90", "91", "92", "93"}
                    ),
                ),
                Note(S2V_EXTEND, "How long is the film?", 690),
            ),
            (
                Box(
                    WATCH,
                    (("84", "94", "40", "41", "45", "46"),),
                    frozenset({"94", "40", "41", "45"}),
                ),
            ),
        )
    ),
}
