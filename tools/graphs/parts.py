"""Parts of the shipped graphs in API form, and the settings that all of them share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from interacthuman.interact_core.examples import IN_GROUP
from interacthuman.interact_core.theatre.training.clips import FRAMES

# What every graph plays with: the theatre's models are at their best with these.
WIDTH, HEIGHT, FPS = 192, 128, 25.0
LENGTH = 0  # frames; 0 is as long as the speech
SHIFT = 3.0  # Wan's own of 8 was made for 480p; a small video loses its shape at less noise
WINDOW, OVERLAP = FRAMES, 24  # what the models learned at once: longer videos are made of such windows
PART, PART_OVERLAP = 49, 9  # frames of a part of a film, and of what it repeats of the part before
PAUSE = 0.4  # seconds between two speakers who take turns
# Sampling starts from the pictures side by side: above noise 0.9, where the theatre's models sometimes draw somebody
# twice, nothing is sampled. 13 steps are those of 20 that are left at this denoise.
STEPS, DENOISE, SIZE = 13, 0.65, 0.9
STEPS_FROM_NOISE = 20
# To choose a seed by: 8 of 20 steps lose 0.04 of sync (bench few_steps).
SEED_STEPS, SEED_LENGTH = 8, 49
CFG, AUDIO_CFG = 2.0, 0.0
# lcm adds new noise after every step, so that a second head or a third eye of one step is drawn anew in the next; euler
# keeps it. From noise 0.94 of the theatre's puppets were whole with it, 0.78 with euler (a script, 16 scenes).
SAMPLER, SCHEDULER = "lcm", "simple"
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


def speech(title: str, audio: Wire, start: Any = 0.0) -> dict[str, Any]:
    """A recording, encoded; it begins at a second, or at what a wire says."""
    inputs = {"audio_encoder": ["4", 0], "audio": audio, "start_time": start, "gain": 1.0, "gap": 0.0}
    return node("InterActEncodeSpeech", title, **inputs)


def speaker(name: str, first: int, **more: Wire) -> Graph:
    """Example, speech and character: nodes `first`, `first` + 2, `first` + 3; `more` for the character."""
    return {
        **example(name, first),
        str(first + 2): speech(f"Speech of {name}", [str(first), 1]),
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


def follow_timeline(graph: Graph, name: str) -> None:
    """Length and frame rate of the film, and the sound of its videos, are those of the timeline `name`."""
    graph["30"]["inputs"] |= {"length": [name, 1], "fps": [name, 2]}
    for saved in ("40", "51"):
        graph[saved]["inputs"]["audio"] = [name, 0]


def who_is_who() -> str:
    """JSON of InterAct People: the names of the two in the example's picture, by a point on each."""
    at = {name: (place + 0.5) / len(IN_GROUP) for place, name in enumerate(IN_GROUP)}
    people = [{"name": name, "at": [[x, 0.5]]} for name, x in at.items()]
    return json.dumps({"people": people}, separators=(",", ":"))


def halves(size: float = 1.0) -> Graph:
    """The left and the right half of the picture in white, as nodes "72" and "73"; size: how far up they reach."""
    half, high = WIDTH // 2, round(size * HEIGHT)
    return {
        "70": node("SolidMask", "Nobody", value=0.0, width=WIDTH, height=HEIGHT),
        "71": node("SolidMask", "Half the width", value=1.0, width=half, height=high),
        "72": painted("Left half", 0, HEIGHT - high),
        "73": painted("Right half", half, HEIGHT - high),
    }


def painted(title: str, x: int, y: int) -> dict[str, Any]:
    return node("MaskComposite", title, destination=["70", 0], source=["71", 0], x=x, y=y, operation="add")


def nodes_of(graph: Graph, *class_types: str) -> Sequence[str]:
    """Ids of the nodes of these classes, in the graph's order."""
    return [name for name, one in graph.items() if one["class_type"] in class_types]
