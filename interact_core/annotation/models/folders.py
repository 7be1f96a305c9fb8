"""Public models from a local folder: what has to lie there, and transformers told to read nothing else.

Nothing is downloaded, no pickle is opened and no code of a folder is run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ...errors import InteractError, one_line
from ...weights_file import is_out_of_memory

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
"""One file, or the list of several."""

PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
"""How pictures are prepared: in a file of its own, or, in newer folders, among all processors."""

END = 2**20
"""Bytes at either end of a file by which it is known again."""

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def kind_of(folder: Path, kinds: Collection[str], files: Collection[tuple[str, ...]], where: str) -> str:
    """The model_type of a folder's config.json.

    kinds: those that can be used; files: what has to lie there beside config.json and the weights, one of each tuple;
    where: which public folder it is, for the sentence. Raises InteractError for files that are missing, all of them
    named, and for another kind of model.
    """
    kind = ""
    if (folder / "config.json").is_file():
        try:
            kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        except (ValueError, KeyError, TypeError) as error:
            raise InteractError(
                f"{folder}/config.json is no configuration of transformers ({one_line(error)}): give {where}."
            ) from error
        if kind not in kinds:
            raise InteractError(f"{folder} is of the kind {one_line(repr(kind))}: give {where}.")
    wanted = [("config.json",), *files, WEIGHTS]
    absent = [names[0] for names in wanted if not any((folder / name).is_file() for name in names)]
    if absent:
        what = "is no folder" if not folder.is_dir() else f"has no {', '.join(absent)}"
        raise InteractError(f"{folder} {what}: give {where}, with its files as they are published.")
    return kind


def load_model(maker: Any, folder: Path, device: str, where: str) -> Any:
    """`maker.from_pretrained` of a folder, in the data type of its file, on a device, to be asked and not trained.

    Raises InteractError for weights that cannot be read, and for a file that leaves some unfilled (transformers would
    fill them with chance).
    """
    try:
        model, report = maker.from_pretrained(
            folder, use_safetensors=True, dtype="auto", output_loading_info=True, **LOCAL
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        if is_out_of_memory(error):
            raise
        raise InteractError(f"{folder} could not be loaded ({one_line(error)}): give {where}.") from error
    unfilled = sorted(report["missing_keys"])
    if unfilled:
        raise InteractError(
            f"The weights of {folder} lack {len(unfilled)} of the model's, {unfilled[0]} for one: give {where}."
        )
    return model.to(device).eval()


def load_processor(maker: Any, folder: Path, where: str) -> Any:
    """`maker.from_pretrained` of what stands before a model: tokenizer, pictures' sizes. Raises InteractError."""
    try:
        return maker.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise InteractError(f"{folder} could not be loaded ({one_line(error)}): give {where}.") from error


def identity_of(*places: str) -> str:
    """What tells files from others of the same name: of files and folders, "" for none, names, sizes and both ends."""
    told = hashlib.sha256()
    for place in filter(None, places):
        path = Path(place)
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if not file.is_file():
                continue
            size = file.stat().st_size
            told.update(f"{file.name} {size} ".encode())
            with file.open("rb") as content:
                told.update(content.read(END))
                content.seek(max(0, size - END))
                told.update(content.read(END))
    return told.hexdigest()[:24]
