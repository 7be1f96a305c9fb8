"""How the shipped graphs look in the browser: which nodes are in which box, and the text of the note."""

from __future__ import annotations

from interacthuman.tools.graphs.layout import Box, Note, Page

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
    """Two boxes for what parts.speaker makes from these ids on: examples, then speech and character.

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
