"""Shipped graphs that need public weights, which the pack does not bring: the only ones that do not run as they are.

    python -m interacthuman.tools.make_public_workflows

writes their API forms and their cards for the template browser; make_ui_workflows.py makes the UI forms of these
as of all others. test_public_workflows.py sees that each names just the files of PUBLIC_FILES and runs on tiny
random models in their place. Who has them, and in which folder: docs/public-weights.md.
"""

from __future__ import annotations

import json
from io import BytesIO

from interacthuman.interact_core.examples import portrait_file
from interacthuman.interact_core.preview.lettering import write
from interacthuman.interact_core.preview.palette import INK, PAPER
from interacthuman.tools import workflow_pages
from interacthuman.tools.make_workflows import (
    GRAPHS,
    WORKFLOWS,
    Graph,
    encode,
    finished,
    halves,
    node,
    sampler,
    speaker,
)
from interacthuman.tools.workflow_pages import FOUND, NOTE, THE_MASKS, THE_VIDEO, Box, Page, person
from PIL import Image, ImageDraw

I2V = "Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors"
HUMO = "humo_17B_fp8_e4m3fn.safetensors"
FEW_STEPS = "lightx2v_I2V_14B_480p_cfg_step_distill_rank64_bf16.safetensors"
INFINITETALK = "wan2.1_infiniteTalk_multi_fp16.safetensors"
UMT5 = "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
VAE = "wan_2.1_vae.safetensors"
WAV2VEC2 = "wav2vec2-chinese-base_fp16.safetensors"
WHISPER = "whisper_large_v3_fp16.safetensors"
# Folder of ComfyUI's models by file: the names in ComfyUI's own templates video_wan2_1_infinitetalk and video_humo.
PUBLIC_FILES = {
    I2V: "diffusion_models",
    HUMO: "diffusion_models",
    FEW_STEPS: "loras",
    INFINITETALK: "model_patches",
    UMT5: "text_encoders",
    VAE: "vae",
    WAV2VEC2: "audio_encoders",
    WHISPER: "audio_encoders",
}
WIDTH, HEIGHT, LENGTH = 832, 480, 81  # what these models were made for
STEPS, CFG = 6, 1.0  # with FEW_STEPS, as in ComfyUI's own templates
BOUNDARY = 0.2  # 10 of 50 steps, as in the paper; the theatre's own was made for small videos
HUMO_SHIFT = 8.0
FROM_BASE = "from the base model (HuMo)"


def text(prompt: str) -> Graph:
    """Node "9" the prompt, "14" an empty negative prompt, which is not used at cfg 1."""
    return {
        "8": node("CLIPLoader", "Load CLIP", clip_name=UMT5, type="wan", device="default"),
        "9": node("CLIPTextEncode", "Prompt", clip=["8", 0], text=prompt),
        "14": node("ConditioningZeroOut", "No negative prompt", conditioning=["9", 0]),
    }


def base(name: str) -> Graph:
    """Node "6": the base with the LoRA that makes few steps enough."""
    return {
        "1": node("UNETLoader", "Load Diffusion Model", unet_name=name, weight_dtype="default"),
        "6": node(
            "LoraLoaderModelOnly", "Few steps", model=["1", 0], lora_name=FEW_STEPS, strength_model=1.0
        ),
    }


def adapter(name: str, node_id: str) -> Graph:
    return {
        node_id: node(
            "InterActApplyAdapter",
            "InterAct Apply Adapter",
            model=["6", 0],
            adapter_name=name,
            strength=1.0,
        )
    }


def encoded(positive: str, negative: list, *characters: str) -> Graph:
    """Node "30" at these models' own size."""
    graph = encode(*characters)
    graph["30"]["inputs"] |= {
        "width": WIDTH, "height": HEIGHT, "length": LENGTH, "positive": [positive, 0], "negative": negative,
        "negative_references": "shown",
    }  # fmt: skip
    return graph


def sampled(**changes: object) -> Graph:
    graph = sampler("31", mask_source="affinity")
    graph["31"]["inputs"] |= {"steps": STEPS, "cfg": CFG, "stage_boundary": BOUNDARY, **changes}
    return graph


def start_image() -> Graph:
    """Node "24": two examples side by side; "72" and "73" where the left and the right one are."""
    places = halves()
    for name, width in (("70", WIDTH), ("71", WIDTH // 2)):
        places[name]["inputs"] |= {"width": width, "height": HEIGHT}
    places["73"]["inputs"]["x"] = WIDTH // 2
    scaled = {"upscale_method": "lanczos", "width": WIDTH // 2, "height": HEIGHT, "crop": "center"}
    return {
        **places,
        "11": node("ImageScale", "Left", image=["10", 0], **scaled),
        "21": node("ImageScale", "Right", image=["20", 0], **scaled),
        "24": node(
            "ImageStitch", "Start image", image1=["11", 0], direction="right", match_image_size=True,
            spacing_width=0, spacing_color="white", image2=["21", 0],
        ),
    }  # fmt: skip


def in_start_image(name: str, first: int, region: str) -> Graph:
    """Speech and character of the start image: `first` + 2 and `first` + 3, beside the example `first`."""
    graph = speaker(name, first)
    heard = {"name": name, "speech": [str(first + 2), 0], "audio_strength": 1.0}
    graph[str(first + 3)] = node("InterActRegion", name, region=[region, 0], **heard)
    return graph


def needs_weights_infinitetalk() -> Graph:
    """InfiniteTalk: two people of a start image, each with a voice of its own."""
    return {
        **base(I2V),
        **adapter(INFINITETALK, "5"),
        "3": node("VAELoader", "Load VAE", vae_name=VAE),
        "4": node("InterActLoadWav2Vec2", "InterAct Load Wav2Vec2", audio_encoder_name=WAV2VEC2),
        **text("Two people sit side by side and talk with each other."),
        **in_start_image("Mira", 10, "72"),
        **in_start_image("Tobi", 20, "73"),
        **start_image(),
        "25": node(
            "WanImageToVideo", "WanImageToVideo", positive=["9", 0], negative=["14", 0], vae=["3", 0],
            width=WIDTH, height=HEIGHT, length=LENGTH, batch_size=1, start_image=["24", 0],
        ),
        **encoded("25", ["25", 1], "13", "23"),
        **sampled(),
        **finished("infinitetalk"),
    }  # fmt: skip


def needs_weights_humo() -> Graph:
    """HuMo: two people by their pictures, each with a voice of its own."""
    return {
        **base(HUMO),
        **adapter(FROM_BASE, "7"),
        "5": node("ModelSamplingSD3", "Shift of the schedule", model=["7", 0], shift=HUMO_SHIFT),
        "3": node("VAELoader", "Load VAE", vae_name=VAE),
        "4": node("AudioEncoderLoader", "Load Audio Encoder", audio_encoder_name=WHISPER),
        **text("Two people sit side by side and talk with each other."),
        **speaker("Mira", 10),
        **speaker("Tobi", 20),
        **encoded("9", ["14", 0], "13", "23"),
        **sampled(sampler_name="uni_pc"),
        **finished("humo"),
    }


PUBLIC = {make.__name__: make for make in (needs_weights_infinitetalk, needs_weights_humo)}
ALL = {**GRAPHS, **PUBLIC}


def files_of(graph: Graph) -> dict[str, str]:
    """The public files that a graph names, with their folders."""
    named = {value for one in graph.values() for value in one["inputs"].values() if isinstance(value, str)}
    return {name: folder for name, folder in PUBLIC_FILES.items() if name in named}


def listed(graph: Graph) -> str:
    return "\n".join(f"- `{folder}/{name}`" for name, folder in files_of(graph).items())


PAGES = {
    "needs_weights_infinitetalk": Page(
        f"""# Two people of a picture talk: InfiniteTalk

**This graph needs public files that do not come with the pack.** In `ComfyUI/models`:

{listed(needs_weights_infinitetalk())}

Where to get them: docs/public-weights.md of this pack. This graph was never run with these files, only with
small random models of the same layout.

**Your own picture?** Use *Load Image* in place of *Start image*. For each person paint a mask in the mask
editor and connect MASK to *region*. Two halves are enough for a first try.

**Longer?** Change the length in both places, and put *WAN Context Windows* of 81 frames on the model.""",
        (
            (NOTE,),
            (Box("Models", (("1", "6", "5", "3", "4"), ("8", "9", "14"))),),
            (
                Box("Mira", (("10",), ("12", "13"))),
                Box("Tobi", (("20",), ("22", "23"))),
            ),
            (Box("The start image, and who is where", (("11", "21", "24"), ("70", "71", "72", "73"))),),
            (Box("Both in one video", (("25", "30"), ("31", "32"))),),
            (FOUND,),
            (THE_VIDEO, THE_MASKS),
        ),
        note_height=640,
    ),
    "needs_weights_humo": Page(
        f"""# Two people by their pictures talk: HuMo

**This graph needs public files that do not come with the pack.** In `ComfyUI/models`:

{listed(needs_weights_humo())}

Where to get them: docs/public-weights.md of this pack. This graph was never run with these files, only with
small random models of the same layout.

HuMo has its own audio layers, so the adapter is `{FROM_BASE}` and the voices are encoded with Whisper. It was
made for one speaker; here masks keep each voice to its own person.

**Your own characters?** Use *Load Image* and *Load Audio* in place of *Example*.""",
        (
            (NOTE,),
            (Box("Models", (("1", "6", "7", "5"), ("3", "4", "8", "9", "14"))),),
            (person("Mira", 10), person("Tobi", 20)),
            (Box("Both in one video", (("30", "31", "32"),)),),
            (FOUND,),
            (THE_VIDEO, THE_MASKS),
        ),
        note_height=600,
    ),
}
ALL_PAGES = {**workflow_pages.PAGES, **PAGES}

CARDS = {
    "needs_weights_infinitetalk": ("InfiniteTalk", "two people of a picture"),
    "needs_weights_humo": ("HuMo", "two people by their pictures"),
}
CARD = (480, 430)  # pixels, as the pictures of the other templates


def draw_card(name: str) -> bytes:
    """A JPEG that says what the template is for; no run can be shown, as nothing here can run it."""
    canvas, half = Image.new("RGB", CARD, PAPER), CARD[0] // 2
    for number, who in enumerate(("Mira", "Tobi")):
        with Image.open(portrait_file(who)) as opened:
            picture = opened.convert("RGB")
        side = min(picture.size)
        left = (picture.width - side) // 2
        face = picture.crop((left, 0, left + side, side)).resize((half, half), Image.Resampling.LANCZOS)
        canvas.paste(face, (number * half, 0))
    pen = ImageDraw.Draw(canvas)
    for line, (words, size) in enumerate(zip((*CARDS[name], "needs public weights"), (44, 26, 26))):
        write(pen, (CARD[0] // 2, half + 50 + 55 * line), words, size, INK, anchor="mm")
    file = BytesIO()
    canvas.save(file, "JPEG", quality=88, optimize=True)
    return file.getvalue()


def api_text(name: str) -> str:
    """What workflows/api/NAME.json holds."""
    return json.dumps(PUBLIC[name](), indent=2) + "\n"


if __name__ == "__main__":
    for graph_name in PUBLIC:
        (WORKFLOWS / "api" / f"{graph_name}.json").write_text(api_text(graph_name), encoding="utf-8")
        (WORKFLOWS / f"{graph_name}.jpg").write_bytes(draw_card(graph_name))
