"""The shipped graphs in API form, written down once: this is what workflows/api/*.json are made from.

    python -m interacthuman.tools.make_workflows

writes them (with the paths that dev.py sets). make_ui_workflows.py makes the UI forms from them in a browser, under
the titles that ComfyUI's template browser shows (it has nothing but the file's name to show and to search);
make_thumbnails.py their pictures; test_workflows.py sees that all of it is up to date.
"""

from __future__ import annotations

import json
from pathlib import Path

from interacthuman.interact_core.examples import GROUP, IN_GROUP
from interacthuman.tools.graphs.parts import (
    CFG,
    DENOISE,
    DRAWN_LEFT_TO_RIGHT,
    HEIGHT,
    PAUSE,
    SAMPLER,
    SCHEDULER,
    SEED,
    SEED_LENGTH,
    SEED_STEPS,
    SIZE,
    STEPS,
    WIDTH,
    Graph,
    decode,
    encode,
    example,
    finished,
    follow_timeline,
    guidance,
    halves,
    models,
    node,
    part,
    placed,
    sampler,
    silent,
    speaker,
    speech,
    stock_models,
    timeline,
    video,
    viewer,
    who_is_who,
)

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
# Of the UI forms. The number keeps them in the order in which one meets them: first those that run as they are.
TITLES = {
    "one_character": "01 One person talking",
    "taking_turns": "02 Two people talking, one after the other",
    "dialogue": "03 Two people talking, a dialogue on a timeline",
    "two_speakers": "04 Two people talking at once",
    "three_one_silent": "05 Three people, two talking and one silent",
    "best_of_four_seeds": "06 Two people talking, the best of four seeds",
    "long_film": "07 Two people talking, a long film in parts",
    "fixed_against_predicted": "08 Two people talking, drawn against found masks",
    "stock_ksampler": "09 Two people talking, with ComfyUI KSampler",
    "one_picture": "10 Two people of one picture talking, a dialogue on a timeline",
    "needs_weights_infinitetalk_own_picture": "11 InfiniteTalk, two people of your picture talking (needs weights)",
    "needs_weights_infinitetalk": "12 InfiniteTalk, two people talking, puppets in place (needs weights)",
    "needs_weights_humo_own_picture": "13 HuMo, a person of your picture talking (needs weights)",
    "needs_weights_humo": "14 HuMo, two people talking, puppets in place (needs weights)",
    "needs_weights_phantom_own_pictures": "15 Phantom, two people of your pictures talking (needs weights)",
    "dubbing": "16 One of two people in a video says something else, dubbing",
    "needs_weights_s2v": "17 Wan2.2 S2V, two people of your picture talking (needs weights)",
    "needs_weights_infinitetalk_dubbing": "18 InfiniteTalk, a person in your video says something else (needs weights)",
    "needs_weights_infinitetalk_probe": "19 InfiniteTalk, which block knows who is where, a probe (needs weights)",
}
DUB_LENGTH = 49  # frames of the video that is dubbed


def one_character() -> Graph:
    """The smallest graph that speaks."""
    graph = {**models(), **speaker("Mira", 10), **encode("13"), **placed()}
    graph |= {**sampler("31"), **decode("32", "31")}
    return {**graph, **video("40", "Video", ["32", 0], "one_character"), **viewer("50", "31", "32")}


def two_speakers() -> Graph:
    """Two characters, each with a recording of its own, and all that the sampler says of their masks."""
    return {
        **models(),
        **speaker("Mira", 10),
        **speaker("Tobi", 20),
        **encode("13", "23"),
        **placed(),
        **sampler("31"),
        **finished("two_speakers"),
        "53": node(
            "SaveImage",
            "Contact sheet",
            images=["50", 1],
            filename_prefix="InterActHuman/two_speakers_sheet",
        ),
    }


def taking_turns() -> Graph:
    """Tobi begins when Mira has finished and a pause is over: the end of one voice is the start of the next."""
    graph = {
        **models(),
        **speaker("Mira", 10),
        **speaker("Tobi", 20),
        **encode("13", "23"),
        **placed(),
        **sampler("31"),
        **finished("taking_turns"),
    }
    graph["22"]["inputs"] |= {"start_time": ["12", 1], "gap": PAUSE}
    return graph


def dialogue() -> Graph:
    """Two characters who answer each other, by InterAct Dialogue: its lanes go straight to their speech."""
    graph = {
        **models(),
        **speaker("Mira", 10),
        **speaker("Tobi", 20),
        **timeline("25"),
        **encode("13", "23"),
        **placed(),
        **sampler("31"),
        **finished("dialogue"),
    }
    for lane, first in enumerate((10, 20)):
        del graph[str(first + 2)]
        graph[str(first + 3)]["inputs"]["speech"] = ["25", 3 + lane]
    follow_timeline(graph, "25")
    return graph


def one_picture() -> Graph:
    """The people of one picture talk to each other: InterAct People and InterAct Dialogue, a link for each voice.

    The theatre's base takes pictures of people, not a start image: they are cut out, and start where they stand in it.
    """
    graph = {
        **models(),
        **example(GROUP, 10),
        "15": node(
            "InterActPeople",
            "Who is who",
            image=["10", 0],
            masks=["10", 2],
            **{f"voices.voice_{lane + 1}": ["25", 3 + lane] for lane in range(len(IN_GROUP))},
            width=WIDTH,
            height=HEIGHT,
            people=who_is_who(),
            use_as="reference pictures",
        ),
        **timeline("25"),
        **encode("15"),
        **placed(background=["10", 0]),
        **sampler("31"),
        **finished("one_picture"),
    }
    graph["30"]["inputs"] |= {"width": ["15", 2], "height": ["15", 3]}
    follow_timeline(graph, "25")
    return graph


def three_one_silent() -> Graph:
    """Two talk, the third has no speech and keeps its mouth shut."""
    return {
        **models(),
        **speaker("Mira", 10),
        **speaker("Tobi", 20),
        **silent("Elsa", 60),
        **encode("13", "23", "63"),
        **placed(),
        **sampler("31"),
        **finished("three_one_silent"),
    }


def stock_ksampler() -> Graph:
    """ComfyUI's own loader and KSampler, with the InterAct Sampler's guidance on the MODEL between them."""
    return {
        **stock_models(),
        **speaker("Mira", 10),
        **speaker("Tobi", 20),
        **encode("13", "23"),
        **placed(),
        "33": node(
            "InterActMaskGuidance", "InterAct Mask Guidance", model=["5", 0], cast=["30", 3], **guidance()
        ),
        "34": node(
            "KSampler",
            "KSampler",
            model=["33", 0],
            positive=["30", 0],
            negative=["30", 1],
            latent_image=["29", 0],
            seed=SEED,
            steps=STEPS,
            cfg=CFG,
            sampler_name=SAMPLER,
            scheduler=SCHEDULER,
            denoise=DENOISE,
        ),
        "31": node("InterActCollectMasks", "InterAct Collect Masks", latent=["34", 0], mask_handle=["33", 1]),
        **finished("stock_ksampler"),
    }


def fixed_against_predicted() -> Graph:
    """One seed twice: voices bound to masks that the model finds, and to halves that somebody drew."""
    layouts = dict(zip(DRAWN_LEFT_TO_RIGHT, ("72", "73")))
    return {
        **models(),
        **halves(SIZE),
        **speaker("Mira", 10, layout=[layouts["Mira"], 0]),
        **speaker("Tobi", 20, layout=[layouts["Tobi"], 0]),
        **encode("13", "23"),
        **placed(),
        **sampler("31", "With found masks", "predicted"),
        **decode("32", "31"),
        **video("40", "Video by found masks", ["32", 0], "predicted"),
        **viewer("50", "31", "32", "Found masks steer"),
        **sampler("35", "With drawn masks", "fixed"),
        **decode("36", "35"),
        **video("45", "Video by drawn masks", ["36", 0], "fixed"),
        **viewer("55", "35", "36", "Drawn masks steer"),
    }


def long_film() -> Graph:
    """A film in two parts, of which the second goes on from the first one's last frames and masks."""
    return {
        **models(),
        **speaker("Mira", 10),
        **speaker("Tobi", 20),
        **encode("13", "23"),
        **part(80, "First part", start="29"),
        **placed("80", "29", latent=["80", 2]),
        **placed("90", "28", latent=["90", 2]),
        **part(90, "Next part", start="28", film=["83", 0], masks=["81", 1], latent=["81", 0]),
        **video("40", "Film", ["93", 0], "long_film", ["93", 1]),
    }


def best_of_four_seeds() -> Graph:
    """Four short runs of one scene, each from another seed, are scored; the film with the best margin is saved.

    All by ComfyUI's own nodes behind the scores: one batch of all frames, and an expression that says where in it the
    best film begins. A film without a margin (no mouth of its people was seen) is never the best; where none has one,
    it is the first.
    """
    seeds = {letter: SEED + number for number, letter in enumerate("abcd")}
    first = {letter: 100 + 10 * number for number, letter in enumerate(seeds)}
    graph = {**models(), **speaker("Mira", 10), **speaker("Tobi", 20), **encode("13", "23"), **placed()}
    graph["30"]["inputs"]["length"] = SEED_LENGTH
    for letter, seed in seeds.items():
        sampled, decoded, scored = (str(first[letter] + step) for step in range(3))
        graph |= sampler(sampled, f"Seed {seed}")
        graph[sampled]["inputs"] |= {"seed": seed, "steps": SEED_STEPS}
        graph |= decode(decoded, sampled)
        graph[scored] = node(
            "InterActScore",
            f"Score of seed {seed}",
            image=[decoded, 0],
            cast=["30", 3],
            masks=[sampled, 1],
        )
    films = {f"images.image{n}": [str(place + 1), 0] for n, place in enumerate(first.values())}
    plots = {f"images.image{n}": [str(place + 2), 0] for n, place in enumerate(first.values())}
    margins = {f"values.{letter}": [str(place + 2), 2] for letter, place in first.items()}
    known = {letter: f"({letter} if {letter} == {letter} else -9)" for letter in first}  # no margin is nan
    most = f"max({', '.join(known.values())})"
    best = f"0 if {known['a']} == {most} else 1 if {known['b']} == {most} else 2 if {known['c']} == {most} else 3"
    return {
        **graph,
        "140": node("GetImageSize", "Frames of a film", image=[str(first["a"] + 1), 0]),
        "141": node(
            "ComfyMathExpression",
            "Best film: where",
            expression=f"e * ({best})",
            **margins,
            **{"values.e": ["140", 2]},
        ),
        "142": node("BatchImagesNode", "All films", **films),
        "143": node(
            "ImageFromBatch", "The best film", image=["142", 0], batch_index=["141", 1], length=["140", 2]
        ),
        **video("40", "Best seed", ["143", 0], "best_of_four_seeds"),
        "150": node("BatchImagesNode", "All plots", **plots),
        "151": node("PreviewImage", "Mouths over voices, seed by seed", images=["150", 0]),
        **viewer("160", str(first["a"]), str(first["a"] + 1), f"Masks of seed {SEED}"),
    }


def dubbing() -> Graph:
    """One of the two in a video says something else: Mira says what Elsa's recording says, Tobi still listens.

    The first sampler makes the video, as this pack ships none, and its masks say where Mira is.
    """
    film = {**speaker("Mira", 10), **silent("Tobi", 20), **encode("13", "23")}
    anew = {
        **example("Elsa", 60),
        "62": speech("What Mira says anew", ["60", 1]),
        "63": node(
            "InterActCharacter",
            "Mira anew",
            image=["10", 0],
            name="Mira",
            audio_strength=1.0,
            speech=["62", 0],
        ),
        "64": {**encode("63")["30"], "_meta": {"title": "Only who is dubbed"}},
        "65": node(
            "InterActDub",
            "InterAct Dub Video",
            vae=["3", 0],
            video=["32", 0],
            cast=["64", 3],
            grow=8,
            feather=8,
            masks=["31", 1],
        ),
        **sampler("66", "Dubs Mira", encoded="64", start="65"),
        **decode("67", "66"),
        "68": node(
            "ImageCompositeMasked",
            "All else as it was",
            destination=["65", 1],
            source=["67", 0],
            x=0,
            y=0,
            resize_source=False,
            mask=["65", 2],
        ),
    }
    for name, encoded in (("30", film), ("64", anew)):
        encoded[name]["inputs"]["length"] = DUB_LENGTH
    anew["66"]["inputs"]["masks"] = ["31", 1]
    return {
        **models(),
        **film,
        **placed(),
        **sampler("31", "Makes the video"),
        **decode("32", "31"),
        **anew,
        **viewer("50", "66", "68"),
        **video("40", "Before", ["32", 0], "dubbing_before"),
        **video("42", "Dubbed", ["68", 0], "dubbing", ["64", 4]),
    }


GRAPHS = {
    make.__name__: make
    for make in (
        one_character,
        two_speakers,
        taking_turns,
        dialogue,
        three_one_silent,
        stock_ksampler,
        fixed_against_predicted,
        long_film,
        best_of_four_seeds,
        one_picture,
        dubbing,
    )
}


def api_text(name: str) -> str:
    """What workflows/api/NAME.json holds."""
    return json.dumps(GRAPHS[name](), indent=2) + "\n"


def ui_file(name: str) -> Path:
    """Where the UI form of a graph lies; its picture has the same name."""
    return WORKFLOWS / f"{TITLES.get(name, name)}.json"


if __name__ == "__main__":
    for graph_name in GRAPHS:
        (WORKFLOWS / "api" / f"{graph_name}.json").write_text(api_text(graph_name), encoding="utf-8")
