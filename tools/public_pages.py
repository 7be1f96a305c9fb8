"""How the graphs on public weights look in the browser: laid out as ComfyUI's own templates, in numbered steps."""

from __future__ import annotations

from interacthuman.tools.converted_graphs import humo_with_a_second_character as humo
from interacthuman.tools.converted_graphs import (
    needs_weights_infinitetalk_own_picture,
    needs_weights_phantom_own_pictures,
)
from interacthuman.tools.make_workflows import Graph
from interacthuman.tools.public_files import links_and_folders
from interacthuman.tools.public_graphs import FROM_BASE, needs_weights_humo, needs_weights_infinitetalk
from interacthuman.tools.workflow_pages import FOUND, THE_MASKS, THE_VIDEO, Box, Note, Page

NEEDS = "**This graph needs public files that do not come with the pack.** They are under *Model links*."
NEVER_RUN = (
    "This graph was never run with these files, only with small random models of the same layout. What was checked: "
    "docs/public-weights.md of this pack."
)
WIDE = 520  # of notes in the graph's units: file names are long


def notes(text: str, graph: Graph) -> tuple[Note, ...]:
    """The first column: what the graph is, and the files that it needs."""
    links = f"# Model links\n\n{links_and_folders(*graph.values())}\n\n{NEVER_RUN}"
    return Note(text, width=WIDE), Note(links, "Model links", WIDE)


# ------------------------------------------------------------------------------------------------ with puppets in place

INFINITETALK = f"""# Two people of a picture talk: InfiniteTalk

{NEEDS}

Once they are there, it runs as it is: two puppets stand where your people will. **With your own picture from the
start?** Open *needs_weights_infinitetalk_own_picture*.

**Your own picture here?** Use *Load Image* in place of *Start image*. For each person paint a mask in the mask
editor and connect MASK to *region*. Two halves are enough for a first try.

**Longer?** Change the length in both places, and put *WAN Context Windows* of 81 frames on the model."""

HUMO = f"""# Two people by their pictures talk: HuMo

{NEEDS}

HuMo has its own audio layers, so the adapter is `{FROM_BASE}` and the voices are encoded with Whisper. It was
made for one speaker; here masks keep each voice to its own person.

**Your own characters?** Use *Load Image* and *Load Audio* in place of *Example*, or open
*needs_weights_humo_own_picture*."""

# ------------------------------------------------------------------------------------ ComfyUI's own, with our sampler

INFINITETALK_OWN = f"""# InfiniteTalk: two people of your picture

ComfyUI's template *InfiniteTalk* with the sampler of this pack in place of WanInfiniteTalkToVideo. The voices stay
with their people even when these move.

{NEEDS}

1. Upload your picture (step 2) and a recording for each person (steps 3 and 4).
2. In each *Painter* paint over that person. The mask is for the first frame only: a rough one will do. *Painter* needs
Nodes 2.0 (in ComfyUI's menu). Without it, open the picture in a *Load Image* for each person, choose *Open in
MaskEditor* from its menu, paint, and connect its MASK to *region*.
3. **Run**. The second speaker begins when the first has finished: *end_time* of the first voice is connected to
*start_time* of the second. Set a pause with *gap*. For two voices at the same time, disconnect *start_time*.

**A third speaker?** Copy the group of step 4 with Ctrl+C and Ctrl+Shift+V, connect *end_time* of the second voice to
*start_time* of the third, and the character to the next socket of *InterAct Encode Characters*."""

EXTEND = """# How long is the film?

As long as the voices, 25 frames a second: *InterAct Encode Characters* says it under the node.

Step 7 makes 81 frames (3.2 s), step 8 adds 72 more. The text under *Next part* says how many frames remain.

**Frames remain?** Copy the group of step 8 with Ctrl+C and Ctrl+Shift+V. Connect *film*, *masks* and *latent* to the
part before, and *Whole film* to the last *Join Parts*.

**The voices end within 3.2 s?** Then there is no next part: select the group of step 8 and *Whole film*, and press
Ctrl+M."""

HUMO_OWN = f"""# HuMo: people by your pictures

ComfyUI's template *HuMo* with the sampler of this pack in place of WanHuMoImageToVideo and KSampler.

{NEEDS}

1. Upload a picture of the person (step 2) and a recording (step 3), or record one: *Record Audio* is muted; select
it, press Ctrl+M, and connect it in place of *Load Audio*.
2. Describe the scene (step 4) and **Run**.

**A second character?** Select the group *A second character* and press Ctrl+M: it is connected already. Describe both
in the prompt. For voices one after the other connect *end_time* of the first speech to *start_time* of the second.

The video has the size and length of ComfyUI's template. **Length** 0 makes it as long as the speech. HuMo has its own
audio layers, so the adapter is `{FROM_BASE}`."""

PHANTOM_OWN = f"""# Phantom: two subjects of your pictures talk

A Phantom graph with this pack in place of WanPhantomSubjectToVideo and KSampler. Phantom has no voices of its own:
InfiniteTalk's audio layers give them, which were trained on another base of the same size. **An experiment**, unless
you have an adapter that was trained on Phantom: choose it on *InterAct Apply Adapter*, and set *mask_source* to
*predicted*.

{NEEDS}

1. Upload a picture and a recording of each subject (steps 2 and 3). Pictures may have any shape: nothing is resized or
cropped before.
2. Describe both (step 4) and **Run**. The second speaker begins when the first has finished; set a pause with *gap*.

**More subjects?** Copy the group of step 3 with Ctrl+C and Ctrl+Shift+V and connect the character to the next socket
of *InterAct Encode Characters*. **A thing that does not speak?** Leave *speech* of its character unconnected.

**With cfg above 1** (without the LoRA *Few steps*) set *negative_references* to *blank* for more likeness: that is
*negative_img_text* of WanPhantomSubjectToVideo; *shown* is *negative_text*."""

SECOND = "A second character (muted: select this group, press Ctrl+M)"

PAGES = {
    "needs_weights_infinitetalk": Page(
        (
            notes(INFINITETALK, needs_weights_infinitetalk()),
            (Box("Step 1 - Load models", (("1", "6", "5"), ("4", "3", "8"))),),
            (Box("Step 2 - Two people", (("10", "20"),)),),
            (
                Box(
                    "Step 3 - The start image, and who is where",
                    (("11", "21", "24"), ("70", "71", "72", "73")),
                ),
            ),
            (Box("Step 4 - Mira's voice", (("12", "13"),)), Box("Step 5 - Tobi's voice", (("22", "23"),))),
            (Box("Step 6 - Prompt", (("9", "14"),)),),
            (Box("Step 7 - Both in one video", (("25", "30"), ("31", "32"))),),
            (FOUND,),
            (THE_VIDEO, THE_MASKS),
        )
    ),
    "needs_weights_humo": Page(
        (
            notes(HUMO, needs_weights_humo()),
            (Box("Step 1 - Load models", (("1", "6", "7", "5"), ("4", "3", "8"))),),
            (
                Box("Step 2 - Mira's picture and voice", (("10",), ("12", "13"))),
                Box("Step 3 - Tobi's picture and voice", (("20",), ("22", "23"))),
            ),
            (Box("Step 4 - Prompt", (("9", "14"),)),),
            (Box("Step 5 - Both in one video", (("30", "31", "32"),)),),
            (FOUND,),
            (THE_VIDEO, THE_MASKS),
        )
    ),
    "needs_weights_infinitetalk_own_picture": Page(
        (
            notes(INFINITETALK_OWN, needs_weights_infinitetalk_own_picture()),
            (Box("Step 1 - Load models", (("1", "6", "5"), ("4", "3", "8"))),),
            (Box("Step 2 - Upload the start image", (("10",),)),),
            (Box("Step 3 - Character 1: recording and mask", (("11", "12"), ("13", "15"))),),
            (Box("Step 4 - Character 2: recording and mask", (("21", "22"), ("23", "25"))),),
            (Box("Step 5 - Video size", (("60", "61"),)), Box("Step 6 - Prompt", (("9", "14"),))),
            (Box("Both in one film", (("26", "30"),)), Note(EXTEND, "How long is the film?", 440)),
            (Box("Step 7 - First part", (("80", "81"), ("82", "83"))),),
            (
                Box("Who was found where in the first part", (("84",),)),
                Box("Save: first part", (("40", "41"),)),
            ),
            (Box("Step 8 - Next part", (("90", "91"), ("92", "93"))),),
            (
                Box("Who was found where in the next part", (("94",),)),
                Box("Save: whole film", (("45", "46"),)),
            ),
        )
    ),
    "needs_weights_humo_own_picture": Page(
        (
            notes(HUMO_OWN, humo()),
            (Box("Step 1 - Load models", (("1", "6", "7", "5"), ("4", "3", "8"))),),
            (
                Box("Step 2 - Upload reference image", (("10",),)),
                Box(SECOND, (("20", "21"), ("22", "23"))),
            ),
            (Box("Step 3 - Upload or record audio", (("11", "62"), ("12", "13"))),),
            (Box("Step 4 - Prompt", (("9", "14"),)),),
            (Box("Step 5 - Video size", (("30",),)), Box("Sampling", (("31", "32"),))),
            (FOUND,),
            (THE_VIDEO,),
        )
    ),
    "needs_weights_phantom_own_pictures": Page(
        (
            notes(PHANTOM_OWN, needs_weights_phantom_own_pictures()),
            (Box("Step 1 - Load models", (("1", "6", "7"), ("4", "3", "8"))),),
            (Box("Step 2 - Subject 1 and its voice", (("10", "11"), ("12", "13"))),),
            (Box("Step 3 - Subject 2 and its voice", (("20", "21"), ("22", "23"))),),
            (Box("Step 4 - Prompt", (("9", "14"),)),),
            (Box("Step 5 - Video size", (("30",),)), Box("Sampling", (("2", "5"), ("31", "32")))),
            (FOUND,),
            (THE_VIDEO,),
        )
    ),
}
