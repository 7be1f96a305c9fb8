"""What a viewer in the browser gets of a run: the names of its pictures, and what they show.

The sampler sends it step by step while it runs (host/run/live.py), and InterAct Preview Masks once more as a whole.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InteractError
from ..guidance import Cast, MaskHistory
from ..sentences import Sentence, sentence
from .atlas import (
    decode_masks,
    encode_frames,
    encode_masks,
    encode_video,
    full_every,
    write_frames,
    write_picture,
)
from .masks import frame_pictures
from .record import RunRecord
from .sounds import FilmSounds, write_sounds

FORMAT = 1  # of the manifest and of the events; another number where an old viewer could not read it


def build_manifest(
    history: RunRecord, image: Tensor | None, folder: str | os.PathLike[str]
) -> dict[str, Any]:
    """Write the pictures of every recorded step into `folder` and describe them, as plain JSON.

    image: the decoded video [frames or 1, H, W, 3] in 0..1, or None. Pictures that a live run has already written
    are found by their content and kept. Raises InteractError for a video of another length, OSError.
    """
    video = frame_pictures(history, image)
    frames, height, width = history.masks.shape[2:]
    pictures = history.pictures
    steps = [
        step_record(
            folder,
            history.steps[row],
            history.sigmas[row],
            history.steered[row],
            history.masks[row],
            None if pictures is None else pictures[row],
        )
        for row in range(len(history.steps))
    ]
    return {
        # Not "format": ComfyUI's job list reads that as a MIME type (comfy_execution/jobs.py) and fails.
        "version": FORMAT,
        "run": history.run,
        "scene": scene_record(
            history, (frames, height, width), history.total_steps, history.mask_source, history.seed
        ),
        "boundary_step": history.steers_from,
        "steps": steps,
        **cast_record(
            folder, history.loudness or (None,) * len(history.names), history.sounds, history.fixed
        ),
        "video": None if video is None else write_picture(encode_video(video), folder, ".jpg"),
        "full": _full_names(image, video, frames, folder),
    }


def said_of_full(history: RunRecord, image: Tensor | None) -> list[Sentence]:
    """What is to be said of a video [frames, H, W, 3] of which not every picture is kept in full size."""
    if image is None or len(image) == 1:
        return []
    every = full_every(history.frames, *image.shape[1:3])
    total = history.masks.shape[2]
    if every == 1:
        return []
    return [sentence("preview_full", kept=-(-total // every), total=total, every=every)]


def _full_names(
    image: Tensor | None, video: Tensor | None, frames: int, folder: str | os.PathLike[str]
) -> list[str | None] | None:
    if image is None or video is None:
        return None
    return write_frames(image, folder) * frames if len(image) == 1 else write_frames(video, folder)


def scene_record(
    made: Cast | MaskHistory,
    grid: tuple[int, int, int],
    total_steps: int,
    mask_source: str,
    seed: int | None = None,
) -> dict[str, Any]:
    """What is the same for all steps of a run; `grid` is (T, h, w), `mask_source` that of GuidanceSettings.

    The seed is told as text: numbers of JavaScript are exact up to 2**53 only.
    """
    return {
        "names": list(made.names),
        "grid": list(grid),
        "width": made.width,
        "height": made.height,
        "frames": made.frames,
        "fps": float(made.fps),
        "total_steps": total_steps,
        "mask_source": mask_source,
        "seed": None if seed is None else str(seed),
    }


def cast_record(
    folder: str | os.PathLike[str],
    loudness: Sequence[Tensor | None],
    sounds: FilmSounds | None,
    fixed: Tensor | None,
) -> dict[str, Any]:
    """What is heard, and the masks that were drawn beforehand, written into `folder`; all as RunRecord has it."""
    return {
        "voices": [None if peaks is None else peaks.tolist() for peaks in loudness],
        "sounds": write_sounds(sounds, folder),
        "fixed": None if fixed is None else write_picture(encode_masks(fixed), folder, ".png"),
    }


def step_record(
    folder: str | os.PathLike[str],
    index: int,
    sigma: float,
    steered: bool,
    masks: Tensor | None,
    pictures: Tensor | None,
) -> dict[str, Any]:
    """One step, its pictures written into `folder`: masks [N, T, h, w] in 0..1, pictures uint8 [T, h', w', 3]."""
    return {
        "index": index,
        "sigma": float(sigma),
        "steered": steered,
        "masks": None if masks is None else write_picture(encode_masks(masks), folder, ".png"),
        "frames": None if pictures is None else write_picture(encode_frames(pictures), folder, ".jpg"),
    }


def read_history(manifest: dict[str, Any], folder: str | os.PathLike[str]) -> RunRecord:
    """The masks of a manifest, exact to half of 1/255, without frames and voices.

    Raises InteractError if a picture is gone or it is not a manifest of this format.
    """
    try:
        scene, steps = manifest["scene"], manifest["steps"]
        grid, count = tuple(scene["grid"]), len(scene["names"])
        masks = [decode_masks((Path(folder) / step["masks"]).read_bytes(), count, grid) for step in steps]
        return RunRecord(
            masks=torch.stack(masks) if masks else torch.zeros(0, count, *grid, dtype=torch.float16),
            steps=tuple(step["index"] for step in steps),
            sigmas=tuple(step["sigma"] for step in steps),
            boundary_step=manifest["boundary_step"],
            total_steps=scene["total_steps"],
            names=tuple(scene["names"]),
            width=scene["width"],
            height=scene["height"],
            frames=scene["frames"],
            fps=scene["fps"],
            run=manifest["run"],
            seed=None if scene.get("seed") is None else int(scene["seed"]),
            mask_source=scene.get("mask_source", "predicted"),
            first_steered=next((step["index"] for step in steps if step["steered"]), -1),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InteractError(f"These InterAct masks cannot be read ({error}): sample again.") from error
