"""The shipped graphs in API form, written down once: this is what workflows/api/*.json are made from.

    python -m interacthuman.tools.make_workflows

writes them (with the paths that dev.py sets). make_ui_workflows.py makes the UI forms from them in a browser, under
the titles that ComfyUI's template browser shows (it has nothing but the file's name to show and to search);
make_thumbnails.py their pictures; test_workflows.py sees that all of it is up to date.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interacthuman.interact_core.theatre.training.clips import FRAMES

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
    "needs_weights_infinitetalk_own_picture": "11 InfiniteTalk, two people of your picture talking (needs weights)",
    "needs_weights_infinitetalk": "12 InfiniteTalk, two people talking, puppets in place (needs weights)",
    "needs_weights_humo_own_picture": "13 HuMo, a person of your picture talking (needs weights)",
    "needs_weights_humo": "14 HuMo, two people talking, puppets in place (needs weights)",
    "needs_weights_phantom_own_pictures": "15 Phantom, two people of your pictures talking (needs weights)",
}

# What every graph plays with: the theatre's models are at their best with these.
WIDTH, HEIGHT, FPS = 192, 128, 25.0
LENGTH = 0  # frames; 0 is as long as the speech
SHIFT = 3.0  # Wan's own of 8 was made for 480p; a small video loses its shape at less noise
WINDOW, OVERLAP = FRAMES, 24  # what the models learned at once: longer videos are made of such windows
PART, PART_OVERLAP = 49, 9  # frames of a part of a film, and of what it repeats of the part before
PAUSE = 0.4  # seconds between two speakers who take turns
# Sampling starts from the pictures side by side: above noise 0.9, where the theatre's models draw somebody twice in too
# many films, nothing is sampled. 13 steps are those of 20 that are left at this denoise.
STEPS, DENOISE, SIZE = 13, 0.65, 0.9
STEPS_FROM_NOISE = 20
# To choose a seed by: 8 of 20 steps lose 0.02 of sync (bench few_steps).
SEED_STEPS, SEED_LENGTH = 8, 49
CFG, AUDIO_CFG = 3.0, 0.0
SAMPLER, SCHEDULER = "euler", "simple"
SEED = 6
# 10 of 50 steps at SHIFT end at noise 0.923, which is 0.4 of the way on Wan's own schedule, by which the node
# counts. At 0.2 the masks of so small a video are still guesses (IoU 0.13 on 10 scenes; at 0.4 0.65).
STAGE_BOUNDARY = 0.4
STAGE_ONE_AUDIO = "mute"
MASK_SMOOTHING = 0.0
MASK_GAIN = 2.0
NEGATIVE_REFERENCES = "blank"
# Who stands where in the masks that are drawn by hand, from left to right.
DRAWN_LEFT_TO_RIGHT = ("Mira", "Tobi")

Graph = dict[str, dict[str, Any]]
Wire = list[Any]  # [id of a node, number of its output]


def node(class_type: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


# ------------------------------------------------------------------------------------------- parts of a graph


def models() -> Graph:
    """The theatre's four: "5" is the MODEL to sample with, "3" the VAE, "4" the audio encoder."""
    load = node(
        "InterActLoadDiT",
        "InterAct Load DiT",
        model_name="theatre_wan.safetensors",
        adapter_name="theatre_adapter.safetensors",
        weight_dtype="default",
    )
    return {"1": load, **prepared("1"), **helpers()}


def stock_models() -> Graph:
    """The same with ComfyUI's own loader."""
    load = node(
        "UNETLoader", "Load Diffusion Model", unet_name="theatre_wan.safetensors", weight_dtype="default"
    )
    adapter = node(
        "InterActApplyAdapter",
        "Apply Adapter",
        model=["1", 0],
        adapter_name="theatre_adapter.safetensors",
        strength=1.0,
    )
    return {"1": load, "6": adapter, **prepared("6"), **helpers()}


def prepared(model: str) -> Graph:
    """Node `model` with the theatre's shift and windows."""
    return {
        "2": node("ModelSamplingSD3", "Schedule shift", model=[model, 0], shift=SHIFT),
        "5": node(
            "WanContextWindowsManual",
            f"Windows of {WINDOW} frames",
            model=["2", 0],
            context_length=WINDOW,
            context_overlap=OVERLAP,
            context_schedule="standard_static",
            context_stride=1,
            closed_loop=False,
            fuse_method="pyramid",
            freenoise=True,
            retain_first_frame=False,
            split_conds_to_windows=False,
        ),
    }


def helpers() -> Graph:
    return {
        "3": node("VAELoader", "Load VAE", vae_name="theatre_wan_vae.safetensors"),
        "4": node("InterActLoadWav2Vec2", "Load Wav2Vec2", audio_encoder_name="theatre_wav2vec2"),
    }


def example(name: str, first: int) -> Graph:
    return {str(first): node("InterActExample", f"Example: {name}", name=name)}


def speaker(name: str, first: int, **more: Wire) -> Graph:
    """Example, speech and character: nodes `first`, `first` + 2, `first` + 3; `more` for the character."""
    return {
        **example(name, first),
        str(first + 2): node(
            "InterActEncodeSpeech",
            f"Speech of {name}",
            audio_encoder=["4", 0],
            audio=[str(first), 1],
            start_time=0.0,
            gain=1.0,
            gap=0.0,
        ),
        str(first + 3): node(
            "InterActCharacter",
            name,
            image=[str(first), 0],
            name=name,
            audio_strength=1.0,
            speech=[str(first + 2), 0],
            **more,
        ),
    }


def silent(name: str, first: int) -> Graph:
    """Example and character, as nodes `first` and `first` + 3."""
    return {
        **example(name, first),
        str(first + 3): node(
            "InterActCharacter", f"{name} listens", image=[str(first), 0], name=name, audio_strength=1.0
        ),
    }


def encode(*characters: str) -> Graph:
    """Node "30": conditioning, latent, cast, dialogue and fps of these characters."""
    sockets = {f"characters.character_{number}": [name, 0] for number, name in enumerate(characters)}
    return {
        "30": node(
            "InterActEncodeCharacters",
            "InterAct Encode Characters",
            **sockets,
            vae=["3", 0],
            width=WIDTH,
            height=HEIGHT,
            length=LENGTH,
            fps=FPS,
            negative_references=NEGATIVE_REFERENCES,
            scene_gain=1.0,
            feed_scene=False,
        )
    }


def placed(encoded: str = "30", name: str = "29", **more: Wire) -> Graph:
    """Node `name`: the latent of node `encoded`'s characters, side by side, to start from."""
    inputs = {"vae": ["3", 0], "cast": [encoded, 3], "size": SIZE, **more}
    return {name: node("InterActPlace", "Where they start", **inputs)}


def guidance(mask_source: str = "predicted") -> dict[str, Any]:
    return {
        "mask_source": mask_source,
        "stage_boundary": STAGE_BOUNDARY,
        "stage_one_audio": STAGE_ONE_AUDIO,
        "mask_smoothing": MASK_SMOOTHING,
        "mask_gain": MASK_GAIN,
        "affinity_block": -1,  # the nodes' own defaults, these four: nothing here goes by affinity
        "affinity_temperature": 0.02,
        "reference_tokens": "all",
        "reference_interval": 1,
    }


def sampler(
    name: str,
    title: str = "InterAct Sampler",
    mask_source: str = "predicted",
    encoded: str = "30",
    start: str | None = "29",
) -> Graph:
    """Samples what node `encoded` gives, InterAct Encode Characters or InterAct Next Part, from the latent of `start`;
    None: from noise, which fills the latent of `encoded`.
    """
    return {
        name: node(
            "InterActSampler",
            title,
            model=["5", 0],
            positive=[encoded, 0],
            negative=[encoded, 1],
            latent=[start, 0] if start else [encoded, 2],
            cast=[encoded, 3],
            seed=SEED,
            steps=STEPS if start else STEPS_FROM_NOISE,
            cfg=CFG,
            audio_cfg=AUDIO_CFG,
            sampler_name=SAMPLER,
            scheduler=SCHEDULER,
            denoise=DENOISE if start else 1.0,
            **guidance(mask_source),
        )
    }


def decode(name: str, samples: str) -> Graph:
    return {name: node("VAEDecode", "VAE Decode", samples=[samples, 0], vae=["3", 0])}


def part(first: int, title: str, start: str | None = None, **before: Wire) -> Graph:
    """One part of a film: nodes `first` to `first` + 3 choose, sample, decode and join it, `first` + 4 shows it.

    start: as of `sampler`; before: film, masks and latent of the part before, none for the first.
    """
    chosen, sampled, decoded, joined, shown = (str(first + step) for step in range(5))
    whole = {"positive": ["30", 0], "negative": ["30", 1], "cast": ["30", 3], "vae": ["3", 0]}
    film = {"film": before["film"]} if before else {}
    return {
        chosen: node(
            "InterActNextPart",
            title,
            **whole,
            length=PART,
            overlap=PART_OVERLAP,
            finished_frames="noised",
            **before,
        ),
        **sampler(sampled, encoded=chosen, start=start),
        **decode(decoded, sampled),
        joined: node(
            "InterActJoinParts",
            "InterAct Join Parts",
            part=[decoded, 0],
            cast=[chosen, 3],
            audio=["30", 4],
            blend=True,
            **film,
        ),
        **viewer(shown, sampled, decoded, f"{title}: masks"),
    }


def video(first: str, title: str, images: Wire, prefix: str, audio: Wire | None = None) -> Graph:
    """A video of these images with the dialogue, saved as MP4 (codec auto is H.264), as two nodes.

    title: at most 14 letters, as both may be folded.
    """
    made, sound = str(int(first) + 1), audio or ["30", 4]
    return {
        first: node("CreateVideo", title, images=images, fps=["30", 5], audio=sound, bit_depth=8),
        made: node(
            "SaveVideo",
            f"Save: {title}",
            video=[first, 0],
            filename_prefix=f"InterActHuman/{prefix}",
            format="mp4",
            codec="auto",
        ),
    }


def viewer(name: str, sampled: str, decoded: str, title: str = "InterAct Preview Masks") -> Graph:
    return {
        name: node("InterActPreviewMasks", title, masks=[sampled, 1], step=0, image=[decoded, 0]),
    }


def finished(prefix: str, sampled: str = "31") -> Graph:
    """All after the sampler: "32" the frames, "40" the video, "50" the masks over it, "51" as a video."""
    return {
        **decode("32", sampled),
        **video("40", "Video", ["32", 0], prefix),
        **viewer("50", sampled, "32"),
        **video("51", "Masks on video", ["50", 0], f"{prefix}_masks"),
    }


# ------------------------------------------------------------------------------------------------- the graphs


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


def turns() -> str:
    """JSON of InterAct Dialogue: pieces of the two examples' recordings, cut in their pauses, as an exchange."""
    said = {  # by lane: in and out of the recording, start in the film; seconds
        "Mira": ((0.0, 0.9, 0.0), (1.35, 2.2, 2.0)),
        "Tobi": ((0.0, 1.1, 0.96), (1.35, 1.8, 2.72)),
    }
    lanes = [
        {
            "name": name,
            "clips": [
                {"file": f"{name.lower()}.wav [example]", "in": first, "out": last, "start": start}
                for first, last, start in clips
            ],
        }
        for name, clips in said.items()
    ]
    return json.dumps({"lanes": lanes}, separators=(",", ":"))


def timeline(name: str) -> Graph:
    """InterAct Dialogue with the turns of the two: output 0 is the sound, 1 the length, 2 fps, 3 and 4 the voices."""
    return {
        name: node(
            "InterActDialogue",
            "Who says what, and when",
            audio_encoder=["4", 0],
            fps=FPS,
            length=LENGTH,
            dialogue=turns(),
        )
    }


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
    graph["30"]["inputs"] |= {"length": ["25", 1], "fps": ["25", 2]}
    for sound in ("40", "51"):
        graph[sound]["inputs"]["audio"] = ["25", 0]
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
        **halves(),
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


def halves() -> Graph:
    """The left and the right half of the picture in white, as nodes "72" and "73"."""
    half = WIDTH // 2
    return {
        "70": node("SolidMask", "Nobody", value=0.0, width=WIDTH, height=HEIGHT),
        "71": node("SolidMask", "Half the width", value=1.0, width=half, height=HEIGHT),
        "72": painted("Left half", 0),
        "73": painted("Right half", half),
    }


def painted(title: str, x: int) -> dict[str, Any]:
    return node("MaskComposite", title, destination=["70", 0], source=["71", 0], x=x, y=0, operation="add")


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
    )
}


def api_text(name: str) -> str:
    """What workflows/api/NAME.json holds."""
    return json.dumps(GRAPHS[name](), indent=2) + "\n"


def ui_file(name: str) -> Path:
    """Where the UI form of a graph lies; its picture has the same name."""
    return WORKFLOWS / f"{TITLES.get(name, name)}.json"


def nodes_of(graph: Graph, *class_types: str) -> Sequence[str]:
    """Ids of the nodes of these classes, in the graph's order."""
    return [name for name, one in graph.items() if one["class_type"] in class_types]


if __name__ == "__main__":
    for graph_name in GRAPHS:
        (WORKFLOWS / "api" / f"{graph_name}.json").write_text(api_text(graph_name), encoding="utf-8")
