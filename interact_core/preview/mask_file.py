"""Masks as a file that a viewer can fetch: safetensors, float16, everything about them in its header."""

import json
import os
import uuid
from pathlib import Path

from ..errors import InteractError
from ..guidance import MaskHistory

HEADER = "interact_masks"
FORMAT_VERSION = 1
FIELDS = ("steps", "sigmas", "boundary_step", "total_steps", "names", "width", "height", "frames", "fps")


def save_as_temporary(history: MaskHistory, folder: str | os.PathLike[str]) -> str:
    """Write into `folder` under a name of its own, `interact_masks_<id>.safetensors`; returns that name."""
    filename = f"{HEADER}_{uuid.uuid4().hex[:12]}.safetensors"
    os.makedirs(folder, exist_ok=True)
    save_history(history, Path(folder) / filename)
    return filename


def save_history(history: MaskHistory, path: str | os.PathLike[str]) -> None:
    """One tensor "masks" [K, N, T, h, w] float16; JSON of the other fields under "interact_masks"."""
    from safetensors.torch import save_file

    fields = {name: getattr(history, name) for name in FIELDS}
    header = {HEADER: json.dumps({"format_version": FORMAT_VERSION, **fields})}
    save_file({"masks": history.masks.contiguous()}, path, metadata=header)


def read_history(path: str | os.PathLike[str]) -> MaskHistory:
    """What `save_history` wrote. Raises InteractError for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="pt") as opened:
            fields = json.loads((opened.metadata() or {})[HEADER])
            masks = opened.get_tensor("masks")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InteractError(
            f"{path} is not a file of InterAct masks ({error}): sample again to write it."
        ) from error
    lists = {name: tuple(fields[name]) for name in ("steps", "sigmas", "names")}
    return MaskHistory(masks=masks, **{name: fields[name] for name in FIELDS if name not in lists}, **lists)
