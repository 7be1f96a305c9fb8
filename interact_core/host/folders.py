"""Where models are found: ComfyUI's own folders, one for adapters, and those that come with the pack."""

import os
from pathlib import Path

import folder_paths

from ..errors import InteractError

ADAPTER_FOLDER = "interact"
PATCH_FOLDER = "model_patches"
"""Where ComfyUI's own nodes look for MultiTalk and InfiniteTalk files (comfy_extras/nodes_model_patch.py)."""
AUDIO_ENCODER_FOLDER = "audio_encoders"
METRICS_FOLDER = "interact_metrics"
"""SyncNet, and folders of CLIP and DINO: what films are scored with (host/scorer.py)."""
CONFIG_NAME = "config.json"
SHIPPED = ("diffusion_models", "vae", AUDIO_ENCODER_FOLDER, ADAPTER_FOLDER)


def register_folders() -> None:
    """Register the pack's own folders with ComfyUI and, after the user's own of each kind, the pack's models/*.

    Adapters are looked for in models/model_patches as well, so that nobody needs a second copy of a big file.
    """
    folder_paths.add_model_folder_path(ADAPTER_FOLDER, str(Path(folder_paths.models_dir) / ADAPTER_FOLDER))
    if PATCH_FOLDER in folder_paths.folder_names_and_paths:
        for place in folder_paths.get_folder_paths(PATCH_FOLDER):
            folder_paths.add_model_folder_path(ADAPTER_FOLDER, place)
    # A new folder lists files of every kind; adapters are these.
    folder_paths.folder_names_and_paths[ADAPTER_FOLDER][1].update((".safetensors", ".gguf"))
    folder_paths.add_model_folder_path(METRICS_FOLDER, str(Path(folder_paths.models_dir) / METRICS_FOLDER))
    shipped = Path(__file__).absolute().parents[2] / "models"
    for name in SHIPPED:
        folder_paths.add_model_folder_path(name, str(shipped / name))


def audio_encoder_names() -> list[str]:
    """Choices of wav2vec2: every folder with a config.json, and every .safetensors outside of those."""
    names: set[str] = set()
    for base in folder_paths.get_folder_paths(AUDIO_ENCODER_FOLDER):
        for folder, inside, files in os.walk(base, followlinks=True):
            if CONFIG_NAME in files and folder != base:
                names.add(os.path.relpath(folder, base))
                inside.clear()
                continue
            inside[:] = [name for name in inside if not name.startswith(".")]
            found = (name for name in files if name.lower().endswith(".safetensors"))
            names.update(os.path.relpath(Path(folder) / name, base) for name in found)
    return sorted(names)


def audio_encoder_path(name: str) -> Path:
    """The file or folder of one of those choices; InteractError if it is gone.

    Nothing else is opened: a workflow may link any text to a combo, such as one that leads out of the folder.
    """
    known = name in audio_encoder_names()
    for base in folder_paths.get_folder_paths(AUDIO_ENCODER_FOLDER):
        path = Path(base) / name
        if known and path.exists():
            return path
    raise InteractError(
        f"The audio encoder {name!r} is no longer in models/audio_encoders: put it back or choose another."
    )
