"""Two graphs on public weights that need nothing else: puppets of the pack stand where people will stand."""

from __future__ import annotations

from interacthuman.tools.graphs.parts import Graph, encode, finished, halves, node, sampler, speaker
from interacthuman.tools.graphs.public_files import (
    FEW_STEPS,
    HUMO,
    I2V,
    INFINITETALK,
    UMT5,
    VAE,
    WAV2VEC2,
    WHISPER,
)

WIDTH, HEIGHT, LENGTH = 832, 480, 81  # what these models were made for
STEPS, CFG, SAMPLER = 6, 1.0, "euler"  # with FEW_STEPS, as in ComfyUI's own templates
BOUNDARY = 0.2  # 10 of 50 steps, as in the paper; the theatre's own was made for small videos
SHIFT = 8.0
FROM_BASE = "from the base model (HuMo)"
FROM_BASE_S2V = "from the base model (S2V)"


def text(prompt: str) -> Graph:
    """Node "9" the prompt, "14" an empty negative prompt, which is not used at cfg 1."""
    return {
        "8": node("CLIPLoader", "Load CLIP", clip_name=UMT5, type="wan", device="default"),
        "9": node("CLIPTextEncode", "Prompt", clip=["8", 0], text=prompt),
        "14": node("ConditioningZeroOut", "No negative prompt", conditioning=["9", 0]),
    }


def base(name: str, few_steps: str = FEW_STEPS) -> Graph:
    """Node "6": the base with the LoRA that makes few steps enough."""
    return {
        "1": node("UNETLoader", "Load Diffusion Model", unet_name=name, weight_dtype="default"),
        "6": node(
            "LoraLoaderModelOnly", "Few steps", model=["1", 0], lora_name=few_steps, strength_model=1.0
        ),
    }


def adapter(name: str, node_id: str) -> Graph:
    return {
        node_id: node(
            "InterActApplyAdapter",
            "Apply Adapter",
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


def sampled(name: str = "31", **changes: object) -> Graph:
    graph = sampler(name, mask_source="affinity", start=None)
    graph[name]["inputs"] |= {
        "steps": STEPS, "cfg": CFG, "sampler_name": SAMPLER, "stage_boundary": BOUNDARY, **changes
    }  # fmt: skip
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
    graph[str(first + 3)] = region_of(name, str(first + 2), [region, 0])
    return graph


def region_of(name: str, speech: str, region: list) -> dict:
    """A person of the start image, who speaks what the node `speech` has encoded."""
    return node("InterActRegion", name, region=region, name=name, speech=[speech, 0], audio_strength=1.0)


def needs_weights_infinitetalk() -> Graph:
    """InfiniteTalk: two people of a start image, each with a voice of its own."""
    return {
        **base(I2V),
        **adapter(INFINITETALK, "5"),
        "3": node("VAELoader", "Load VAE", vae_name=VAE),
        "4": node("InterActLoadWav2Vec2", "Load Wav2Vec2", audio_encoder_name=WAV2VEC2),
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
        "5": node("ModelSamplingSD3", "Schedule shift", model=["7", 0], shift=SHIFT),
        "3": node("VAELoader", "Load VAE", vae_name=VAE),
        "4": node("AudioEncoderLoader", "Load Audio Encoder", audio_encoder_name=WHISPER),
        **text("Two people sit side by side and talk with each other."),
        **speaker("Mira", 10),
        **speaker("Tobi", 20),
        **encoded("9", ["14", 0], "13", "23"),
        **sampled(sampler_name="uni_pc"),
        **finished("humo"),
    }
