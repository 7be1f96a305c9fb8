"""ComfyUI's own templates for talking people, converted as an artist would: their sampler part replaced by ours.

Kept are the loaders, the pictures and recordings that they ask for, prompts, sizes, LoRA, shift, sampler settings and
the way in which the video is saved. Sources: video_wan2_1_infinitetalk, video_humo and video_wan2_2_14B_s2v of
comfyui-workflow-templates 0.11.27; for Phantom, of which it has none, core's WanPhantomSubjectToVideo between the nodes
of the other two.

A graph here may hold nodes that are muted in the browser, which ComfyUI does not send: `sent` is without them.
"""

# ruff: noqa: RUF001 - the negative prompt is Chinese

from __future__ import annotations

from interacthuman.tools.graphs.parts import Graph, decode, encode, node, part, speech, video, viewer
from interacthuman.tools.graphs.public_files import (
    FEW_STEPS_22,
    FEW_STEPS_T2V,
    HUMO,
    I2V,
    INFINITETALK,
    PHANTOM,
    S2V,
    UMT5,
    VAE,
    VAE_BF16,
    WAV2VEC2,
    WAV2VEC2_LARGE,
    WHISPER,
)
from interacthuman.tools.graphs.public_graphs import (
    FROM_BASE,
    FROM_BASE_S2V,
    HEIGHT,
    LENGTH,
    SHIFT,
    WIDTH,
    adapter,
    base,
    region_of,
    sampled,
    text,
)

WINDOW_OVERLAP = 29  # frames that two windows share
MOTION_FRAMES = 9  # frames that a part of an InfiniteTalk film repeats, motion_frame_count of core's node
TALKERS = "The camera zooms in. Two characters are talking."
ALIEN_DESERT = "A young boy in sci-fi style clothing is talking to the camera in an alien desert."
SUBJECTS = "Two people stand side by side in a bright kitchen and talk with each other."
# The negative prompt of Wan's authors, as it stands in ComfyUI's templates.
NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，"
    "静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
INFINITETALK_SEED, HUMO_SEED = 801592322954930, 1067760026265042
HUMO_SIDE, HUMO_LENGTH = 640, 97
S2V_SIDE, S2V_FPS, S2V_SEED, S2V_STEPS = 640, 16.0, 20, 4
S2V_PART, S2V_OVERLAP = (
    77,
    5,
)  # frames of a part, chunk length of ComfyUI's template, and of what the next one repeats
S2V_LENGTH = 2 * S2V_PART - S2V_OVERLAP
TALKING = (
    "Two people stand side by side and talk with each other. They look at each other, calm and friendly."
)
ONE, TWO = "Character 1", "Character 2"


def muted(**nodes: dict) -> Graph:
    """Nodes that stand in the graph and are not sent."""
    return {name: {**one, "_meta": {**one["_meta"], "muted": True}} for name, one in nodes.items()}


def is_muted(one: dict) -> bool:
    return one["_meta"].get("muted", False)


def sent(graph: Graph) -> Graph:
    """What the frontend sends: without muted nodes and without what was connected to them."""
    gone = {name for name, one in graph.items() if is_muted(one)}
    return {
        name: {
            **one,
            "inputs": {
                key: value
                for key, value in one["inputs"].items()
                if not (isinstance(value, list) and value[0] in gone)
            },
        }
        for name, one in graph.items()
        if name not in gone
    }


def with_everybody(graph: Graph) -> Graph:
    """The graph with nothing muted, but for what nothing is connected to."""
    used = {value[0] for one in graph.values() for value in one["inputs"].values() if isinstance(value, list)}
    return {
        name: {**one, "_meta": {"title": one["_meta"]["title"]}}
        for name, one in graph.items()
        if name in used or not is_muted(one)
    }


# ------------------------------------------------------------------------------------------------------- parts of them


def negative_prompt() -> Graph:
    """Node "14": the negative prompt, which is not used at cfg 1."""
    return {"14": node("CLIPTextEncode", "Negative prompt", clip=["8", 0], text=NEGATIVE)}


def picture(name: str, title: str, file: str) -> Graph:
    return {name: node("LoadImage", title, image=file)}


def recording(name: str, title: str, file: str) -> Graph:
    return {name: node("LoadAudio", title, audio=file)}


def voice(name: str, title: str, audio: str, after: str | None = None) -> Graph:
    """The recording of node `audio`, encoded; it begins when that of node `after` ends, or with the video."""
    return {name: speech(title, [audio, 0], [after, 1] if after else 0.0)}


def by_picture(name: str, title: str, image: str, speech: str) -> Graph:
    inputs = {"image": [image, 0], "name": title, "speech": [speech, 0], "audio_strength": 1.0}
    return {name: node("InterActCharacter", title, **inputs)}


def saved(name: str, title: str, images: list, audio: list) -> Graph:
    """As ComfyUI's own templates save a video."""
    graph = video(name, title, images, "", audio)
    graph[str(int(name) + 1)]["inputs"] |= {
        "filename_prefix": "video/ComfyUI",
        "format": "auto",
        "codec": "auto",
    }
    return graph


def encoded(
    width: object, height: object, length: object, positive: list, negative: list, *characters: str
) -> Graph:
    graph = encode(*characters)
    graph["30"]["inputs"] |= {
        "width": width, "height": height, "length": length, "positive": positive, "negative": negative,
        "negative_references": "shown",
    }  # fmt: skip
    return graph


def film_part(first: int, title: str, **before: list) -> Graph:
    """A part of an InfiniteTalk film, as `part` of parts.py has it."""
    graph = part(first, title, **before)
    graph[str(first)]["inputs"] |= {
        "length": LENGTH, "overlap": MOTION_FRAMES, "finished_frames": "clean",
    }  # fmt: skip
    own = graph[str(first + 1)]["inputs"]
    changed = sampled(seed=INFINITETALK_SEED, scheduler="normal")["31"]["inputs"]
    own |= {key: value for key, value in changed.items() if not isinstance(value, list)}
    return graph


# ------------------------------------------------------------------------------------------------------------- graphs


def needs_weights_infinitetalk_own_picture() -> Graph:
    """video_wan2_1_infinitetalk: two people of one's own picture, who speak one after the other, in two parts."""
    size = {"width": ["60", 0], "height": ["61", 0]}
    painted = {"image": ["10", 0], "mask": "", "width": 1216, "height": 960, "bg_color": "#000000"}
    return {
        **base(I2V),
        **adapter(INFINITETALK, "5"),
        "4": node("AudioEncoderLoader", "Load Audio Encoder", audio_encoder_name=WAV2VEC2),
        "3": node("VAELoader", "Load VAE", vae_name=VAE_BF16),
        **text(TALKERS),
        **picture("10", "Start image", "two_character_talking.png"),
        **recording("11", f"Audio of {ONE}", "audio_speaker1_woman.mp3"),
        "12": node("Painter", f"Painter (Draw Mask for {ONE})", **painted),
        **voice("13", f"Speech of {ONE}", "11"),
        "14": node("ConditioningZeroOut", "No negative prompt", conditioning=["9", 0]),
        "15": region_of(ONE, "13", ["12", 1]),
        **recording("21", f"Audio of {TWO}", "audio_speaker2_man.mp3"),
        "22": node("Painter", f"Painter (Draw Mask for {TWO})", **painted),
        **voice("23", f"Speech of {TWO}", "21", after="13"),
        "25": region_of(TWO, "23", ["22", 1]),
        "60": node("PrimitiveInt", "Width", value=WIDTH),
        "61": node("PrimitiveInt", "Height", value=HEIGHT),
        "26": node(
            "WanImageToVideo", "WanImageToVideo", positive=["9", 0], negative=["14", 0], vae=["3", 0], **size,
            length=LENGTH, batch_size=1, start_image=["10", 0],
        ),
        **encoded(*size.values(), 0, ["26", 0], ["26", 1], "15", "25"),
        **film_part(80, "First part"),
        **saved("40", "First part", ["83", 0], ["83", 1]),
        **film_part(90, "Next part", film=["83", 0], masks=["81", 1], latent=["81", 0]),
        **saved("45", "Whole film", ["93", 0], ["93", 1]),
    }  # fmt: skip


def humo_with_a_second_character() -> Graph:
    """video_humo: one person by a picture. A second one, and ComfyUI's Record Audio, stand beside it, muted."""
    second = {
        **picture("20", "Reference image 2", "video_humo_reference_image_2.png"),
        **recording("21", f"Audio of {TWO}", "video_humo_input_audio_2.wav"),
        **voice("22", f"Speech of {TWO}", "21"),
        **by_picture("23", TWO, "20", "22"),
        "62": node("RecordAudio", "Record Audio", audio=""),
    }
    return {
        **base(HUMO),
        **adapter(FROM_BASE, "7"),
        "5": node("ModelSamplingSD3", "ModelSamplingSD3", model=["7", 0], shift=SHIFT),
        "3": node("VAELoader", "Load VAE", vae_name=VAE),
        "4": node("AudioEncoderLoader", "Load Audio Encoder", audio_encoder_name=WHISPER),
        **text(ALIEN_DESERT),
        **negative_prompt(),
        **picture("10", "Reference image", "video_humo_reference_image.png"),
        **recording("11", f"Audio of {ONE}", "video_humo_input_audio.wav"),
        **voice("12", f"Speech of {ONE}", "11"),
        **by_picture("13", ONE, "10", "12"),
        **muted(**second),
        **encoded(HUMO_SIDE, HUMO_SIDE, HUMO_LENGTH, ["9", 0], ["14", 0], "13", "23"),
        **sampled(seed=HUMO_SEED, sampler_name="uni_pc"),
        **decode("32", "31"),
        **saved("40", "Video", ["32", 0], ["30", 4]),
        **viewer("50", "31", "32"),
    }


def needs_weights_humo_own_picture() -> Graph:
    return sent(humo_with_a_second_character())


def needs_weights_phantom_own_pictures() -> Graph:
    """A Phantom graph: two subjects by their pictures, who speak one after the other, for as long as they speak."""
    return {
        **base(PHANTOM, FEW_STEPS_T2V),
        **adapter(INFINITETALK, "7"),
        "5": node("ModelSamplingSD3", "ModelSamplingSD3", model=["2", 0], shift=SHIFT),
        "2": node(
            "WanContextWindowsManual", f"Windows of {LENGTH} frames", model=["7", 0], context_length=LENGTH,
            context_overlap=WINDOW_OVERLAP, context_schedule="standard_static", context_stride=1, closed_loop=False,
            fuse_method="pyramid", freenoise=True, retain_first_frame=False, split_conds_to_windows=False,
        ),
        "3": node("VAELoader", "Load VAE", vae_name=VAE),
        "4": node("AudioEncoderLoader", "Load Audio Encoder", audio_encoder_name=WAV2VEC2),
        "8": node("CLIPLoader", "Load CLIP", clip_name=UMT5, type="wan", device="default"),
        "9": node("CLIPTextEncode", "Prompt", clip=["8", 0], text=SUBJECTS),
        **negative_prompt(),
        **picture("10", "Subject 1", "subject_1.png"),
        **recording("11", f"Audio of {ONE}", "voice_1.mp3"),
        **voice("12", f"Speech of {ONE}", "11"),
        **by_picture("13", ONE, "10", "12"),
        **picture("20", "Subject 2", "subject_2.png"),
        **recording("21", f"Audio of {TWO}", "voice_2.mp3"),
        **voice("22", f"Speech of {TWO}", "21", after="12"),
        **by_picture("23", TWO, "20", "22"),
        **encoded(WIDTH, HEIGHT, 0, ["9", 0], ["14", 0], "13", "23"),
        **sampled(sampler_name="uni_pc"),
        **decode("32", "31"),
        **saved("40", "Video", ["32", 0], ["30", 4]),
        **viewer("50", "31", "32"),
    }  # fmt: skip


def s2v_part(first: int, title: str, **before: list) -> Graph:
    """A part of an S2V film, as `part` of parts.py has it."""
    graph = part(first, title, **before)
    graph[str(first)]["inputs"] |= {"length": S2V_PART, "overlap": S2V_OVERLAP}
    own = graph[str(first + 1)]["inputs"]
    changed = sampled(seed=S2V_SEED, steps=S2V_STEPS, sampler_name="uni_pc")["31"]["inputs"]
    own |= {key: value for key, value in changed.items() if not isinstance(value, list)}
    return graph


def first_s2v_part() -> Graph:
    """Nodes "80" to "84", and "85" to "87" around the decoding, as ComfyUI's template has them.

    S2V makes its first latent frame of four video frames, and the VAE takes a first one for a single frame: it is
    decoded twice, and of the first five frames the last is kept.
    """
    graph = s2v_part(80, "First part")
    graph["82"]["inputs"]["samples"] = ["86", 0]
    graph["83"]["inputs"]["part"] = graph["84"]["inputs"]["image"] = ["87", 0]
    return {
        **graph,
        "85": node("LatentCut", "First latent frame", samples=["81", 0], dim="t", index=0, amount=1),
        "86": node("LatentConcat", "It twice", samples1=["85", 0], samples2=["81", 0], dim="t"),
        "87": node("ImageFromBatch", "Without its first", image=["82", 0], batch_index=4, length=4096),
    }


def s2v_with_pose() -> Graph:
    """video_wan2_2_14B_s2v: two people of one's own picture, in two parts. A pose video stands beside it, muted."""
    size = {"width": ["60", 0], "height": ["61", 0]}
    length = ["62", 0]
    painted = {"image": ["10", 0], "mask": "", "width": 1216, "height": 960, "bg_color": "#000000"}
    pose = {
        "63": node("LoadVideo", "Pose video", file="pose.mp4"),
        "64": node("GetVideoComponents", "Its frames", video=["63", 0]),
    }
    characters = encoded(*size.values(), length, ["26", 0], ["26", 1], "15", "25")
    characters["30"]["inputs"]["fps"] = S2V_FPS
    return {
        **base(S2V, FEW_STEPS_22),
        **adapter(FROM_BASE_S2V, "7"),
        "5": node("ModelSamplingSD3", "ModelSamplingSD3", model=["7", 0], shift=SHIFT),
        "4": node("AudioEncoderLoader", "Load Audio Encoder", audio_encoder_name=WAV2VEC2_LARGE),
        "3": node("VAELoader", "Load VAE", vae_name=VAE),
        **text(TALKING),
        **negative_prompt(),
        **picture("10", "Reference image", "video_wan2_2_14B_s2v_reference_image.jpg"),
        **recording("11", f"Audio of {ONE}", "video_wan2_2_14B_s2v_input_audio.MP3"),
        "12": node("Painter", f"Painter (Draw Mask for {ONE})", **painted),
        **voice("13", f"Speech of {ONE}", "11"),
        "15": region_of(ONE, "13", ["12", 1]),
        **recording("21", f"Audio of {TWO}", "voice_2.mp3"),
        "22": node("Painter", f"Painter (Draw Mask for {TWO})", **painted),
        **voice("23", f"Speech of {TWO}", "21", after="13"),
        "25": region_of(TWO, "23", ["22", 1]),
        "60": node("PrimitiveInt", "Width", value=S2V_SIDE),
        "61": node("PrimitiveInt", "Height", value=S2V_SIDE),
        "62": node("PrimitiveInt", "Length of the film", value=S2V_LENGTH),
        **muted(**pose),
        "26": node(
            "WanSoundImageToVideo", "WanSoundImageToVideo", positive=["9", 0], negative=["14", 0], vae=["3", 0],
            **size, length=length, batch_size=1, ref_image=["10", 0], control_video=["64", 0],
        ),
        **characters,
        **first_s2v_part(),
        **saved("40", "First part", ["83", 0], ["83", 1]),
        **s2v_part(90, "Next part", film=["83", 0], masks=["81", 1], latent=["81", 0]),
        **saved("45", "Whole film", ["93", 0], ["93", 1]),
    }  # fmt: skip


def needs_weights_s2v() -> Graph:
    return sent(s2v_with_pose())
