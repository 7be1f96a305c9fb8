"""The shipped graphs in API form, written down once: this is what workflows/api/*.json are made from.

    python -m interacthuman.tests.host.make_workflows

writes them (with the paths that dev.py sets); tests/test_workflows.py sees that they are up to date and that
the UI forms beside them, made from them in a browser (tests/browser/make_ui_workflows.py), say the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"

Graph = dict[str, dict[str, Any]]


def node(class_type: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


def two_speakers() -> Graph:
    """Two characters, each with a recording of its own, and everything that the sampler says of their masks.

    Pictures and recordings lie in ComfyUI's input folder, where `dev.py demo` and `dev.py serve` put them.
    """
    graph = {
        "1": node(
            "InterActLoadDiT",
            "InterAct Load DiT",
            model_name="theatre_wan.safetensors",
            adapter_name="theatre_adapter.safetensors",
            weight_dtype="default",
        ),
        # Wan's own shift of 8 was made for 480p; a small video loses its shape at less noise.
        "2": node("ModelSamplingSD3", "Shift of the schedule", model=["1", 0], shift=3.0),
        # The theatre's model learned 25 frames at once; longer videos are made of windows of that length.
        "5": node(
            "WanContextWindowsManual",
            "Windows of 25 frames",
            model=["2", 0],
            context_length=25,
            context_overlap=12,
            context_schedule="standard_static",
            context_stride=1,
            closed_loop=False,
            fuse_method="pyramid",
            freenoise=True,
            retain_first_frame=False,
            split_conds_to_windows=False,
        ),
        "3": node("VAELoader", "Load VAE", vae_name="theatre_wan_vae.safetensors"),
        "4": node("InterActLoadWav2Vec2", "InterAct Load Wav2Vec2", audio_encoder_name="theatre_wav2vec2"),
    }
    for number, name in enumerate(("Mira", "Tobi")):
        graph |= speaker(name, first=10 * (number + 1))
    graph |= {
        "30": node(
            "InterActEncodeCharacters",
            "InterAct Encode Characters",
            **{"characters.character_0": ["13", 0], "characters.character_1": ["23", 0]},
            vae=["3", 0],
            width=192,
            height=128,
            length=0,
            fps=25.0,
            negative_references="blank",
        ),
        "31": node(
            "InterActSampler",
            "InterAct Sampler",
            model=["5", 0],
            positive=["30", 0],
            negative=["30", 1],
            latent=["30", 2],
            cast=["30", 3],
            seed=1,
            steps=20,
            cfg=3.0,
            audio_cfg=0.0,
            sampler_name="euler",
            scheduler="simple",
            denoise=1.0,
            mask_source="predicted",
            stage_boundary=0.2,
            stage_one_audio="mute",
            mask_smoothing=0.0,
            mask_gain=2.0,
        ),
        "32": node("VAEDecode", "VAE Decode", samples=["31", 0], vae=["3", 0]),
        **video("40", "Video", ["32", 0], "InterActHuman/two_speakers"),
        "50": node(
            "InterActPreviewMasks", "InterAct Preview Masks", masks=["31", 1], step=0, image=["32", 0]
        ),
        **video("51", "Masks over the video", ["50", 0], "InterActHuman/two_speakers_masks"),
        "53": node(
            "SaveImage",
            "Contact sheet",
            images=["50", 1],
            filename_prefix="InterActHuman/two_speakers_sheet",
        ),
    }
    return graph


def speaker(name: str, first: int) -> Graph:
    """Picture, recording, speech and character, as nodes `first` and the three after it."""
    file = f"interact_{name.lower()}"
    return {
        str(first): node("LoadImage", f"Picture of {name}", image=f"{file}.png"),
        str(first + 1): node("LoadAudio", f"Recording of {name}", audio=f"{file}.wav"),
        str(first + 2): node(
            "InterActEncodeSpeech",
            f"Speech of {name}",
            audio_encoder=["4", 0],
            audio=[str(first + 1), 0],
            start_time=0.0,
            gain=1.0,
        ),
        str(first + 3): node(
            "InterActCharacter", name, image=[str(first), 0], name=name, speech=[str(first + 2), 0]
        ),
    }


def video(first: str, title: str, images: list[Any], prefix: str) -> Graph:
    """A video of these images with the dialogue, saved as MP4 (codec auto is H.264), as two nodes."""
    made = str(int(first) + 1)
    return {
        first: node("CreateVideo", title, images=images, fps=["30", 5], audio=["30", 4], bit_depth=8),
        made: node(
            "SaveVideo",
            f"Save: {title}",
            video=[first, 0],
            filename_prefix=prefix,
            format="mp4",
            codec="auto",
        ),
    }


GRAPHS = {"two_speakers": two_speakers}


def api_text(name: str) -> str:
    """What workflows/api/NAME.json holds."""
    return json.dumps(GRAPHS[name](), indent=2) + "\n"


if __name__ == "__main__":
    for graph_name in GRAPHS:
        (WORKFLOWS / "api" / f"{graph_name}.json").write_text(api_text(graph_name), encoding="utf-8")
