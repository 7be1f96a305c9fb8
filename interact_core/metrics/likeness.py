"""How much a person in the film looks like their picture: CLIP-I and DINO-I, by networks from a local folder.

Radford et al. 2021 (arXiv 2103.00020) and Caron et al. 2021 (arXiv 2104.14294), used as DreamBooth does (Ruiz et al.
2022, arXiv 2208.12242): mean cosine of the image embeddings of some frames with that of the reference. The person is
cut out by their mask's box, where the paper asks Florence-2. Networks, box and frames differ between papers: compare
within one network only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import InteractError, one_line
from ..weights_file import is_out_of_memory, open_weights
from .regions import box_of_mask, crop, mask_at
from .types import Film, Person

FRAMES = 5  # as the paper draws
MARGIN = 0.05  # around a mask's box: masks of a token grid are coarse
LEAST_SIDE = 16.0  # pixels of the shorter side of a person's box; less shows nobody
WHITE = 255  # what a picture is padded with, as references have it

CLIP_KIND, DINO_KIND = "CLIP-I", "DINO-I"
KINDS = {
    "clip": CLIP_KIND,
    "clip_vision_model": CLIP_KIND,
    "vit": DINO_KIND,
    "dinov2": DINO_KIND,
    "dinov2_with_registers": DINO_KIND,
}
"""By model_type of config.json. DINO ViT-S/16 is published as a plain ViT."""

WHERE = (
    "a folder with config.json, preprocessor_config.json and model.safetensors, such as "
    "huggingface.co/openai/clip-vit-base-patch32 (CLIP-I) or huggingface.co/facebook/dinov2-small (DINO-I)"
)


class Embedder(Protocol):
    """A network that turns pictures into vectors whose cosine says how alike they are."""

    @property
    def kind(self) -> str:
        """What the figure is called."""
        ...

    def embed(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors float [n, D] of pictures uint8 [h, w, 3 or 4] of any sizes; the fourth channel is the mask."""
        ...


@dataclass(frozen=True)
class Likeness:
    """Mean cosine over `frames`, -1..1, or None, and `missing` says why."""

    value: float | None
    frames: tuple[int, ...] = ()
    missing: str | None = None


class ImageEmbedder:
    """A CLIP or DINO vision network of transformers. kind: CLIP_KIND or DINO_KIND."""

    def __init__(self, model: Any, processor: Any, kind: str) -> None:
        self.model, self.processor, self.kind = model, processor, kind

    def embed(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors float [n, D]; pictures: uint8 [h, w, 3 or 4], padded to a square first, so that nothing is cut."""
        import torch

        squares = [in_square(picture[..., :3]) for picture in pictures]
        with torch.no_grad():
            pixels = self.processor(images=squares, return_tensors="pt")["pixel_values"]
            first = next(self.model.parameters())
            if self.kind == CLIP_KIND:
                pooled = self.model.vision_model(pixel_values=pixels.to(first)).pooler_output
                found = self.model.visual_projection(pooled)
            else:
                found = self.model(pixel_values=pixels.to(first)).last_hidden_state[:, 0]
        return found.float().cpu().numpy()


def load_embedder(folder: str | Path) -> ImageEmbedder:
    """Load a CLIP or DINO from a folder as it is published; nothing is downloaded and no pickle is opened.

    Raises InteractError for a folder without the three files, for another kind of network, and for weights that do not
    fill it.
    """
    folder = Path(folder)
    absent = [
        name
        for name in ("config.json", "preprocessor_config.json", "model.safetensors")
        if not (folder / name).is_file()
    ]
    if absent:
        raise InteractError(f"{folder} has no {absent[0]}, so likeness cannot be measured: give {WHERE}.")
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = KINDS[settings["model_type"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InteractError(
            f"{folder}/config.json is of no CLIP, DINO or DINOv2 ({one_line(error)}): give {WHERE}."
        ) from error
    with open_weights(folder / "model.safetensors", "a CLIP, DINO or DINOv2"):
        pass  # no more than that it is one: transformers reads it
    from transformers import AutoImageProcessor, AutoModel, CLIPVisionModelWithProjection

    maker = CLIPVisionModelWithProjection if settings["model_type"] == "clip_vision_model" else AutoModel
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, report = maker.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **local)
        processor = AutoImageProcessor.from_pretrained(folder, **local)
    except (OSError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise InteractError(f"{folder} could not be loaded ({one_line(error)}): give {WHERE}.") from error
    # transformers fills these with chance; the pooler is a head that is not asked
    unfilled = [key for key in report["missing_keys"] if not key.startswith("pooler.")]
    if unfilled:
        raise InteractError(
            f"{folder}/model.safetensors lacks {len(unfilled)} weights, {min(unfilled)} for one: give {WHERE}."
        )
    return ImageEmbedder(model.eval(), processor, kind)


def likeness(film: Film, person: Person, embedder: Embedder, seed: int = 0, count: int = FRAMES) -> Likeness:
    """Mean cosine of the person in `count` frames with their reference.

    The frames are drawn by the seed among those in which the mask shows them (all where there are fewer); one pass over
    the film, of which only their crops are kept.
    """
    if person.reference is None:
        return Likeness(None, missing=f"{person.name} has no picture to compare with.")
    shown = frames_shown(film, person)
    if not shown:
        return Likeness(None, missing=f"No mask shows {person.name}, so there is nothing to compare.")
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(shown, min(count, len(shown)), replace=False).tolist())
    crops = [picture for _, picture in person_crops(film, person, chosen)]
    vectors = embedder.embed([person.reference, *crops])
    return Likeness(float(np.mean(cosines(vectors[1:], vectors[0]))), tuple(chosen))


def frames_shown(film: Film, person: Person) -> list[int]:
    """Numbers of the frames in which the person's mask is large enough to be looked at; [] without a mask."""
    if person.mask is None:
        return []
    here = [_box(mask, film) is not None for mask in person.mask]
    return [frame for frame in range(film.frames) if here[min(frame, len(here) - 1)]]


def person_crops(film: Film, person: Person, frames: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The person in some frames, by rising number: uint8 [h, w, 4], the last channel their mask in 0..255.

    Frames in which the mask shows nobody are left out.
    """
    import cv2

    wanted = set(frames)
    if person.mask is None or not wanted:
        return
    last = max(wanted)
    for number, frame in enumerate(film.each()):
        if number in wanted:
            mask = mask_at(person.mask, number)
            box = _box(mask, film)
            if box is not None:
                whole = cv2.resize(
                    np.asarray(mask, np.float32), (film.width, film.height), interpolation=cv2.INTER_LINEAR
                )
                alpha = (255 * crop(whole, box).clip(0, 1)).round().astype(np.uint8)
                yield number, np.dstack([crop(frame, box), alpha])
        if number >= last:
            return


def cosines(vectors: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Cosine of each vector [n, D] with one [D]; 0 for a vector of zeros."""
    lengths = np.linalg.norm(vectors, axis=-1) * np.linalg.norm(to)
    return np.where(lengths > 0, vectors @ to / np.maximum(lengths, 1e-12), 0.0)


def in_square(picture: np.ndarray) -> np.ndarray:
    """A picture [h, w, 3] in the middle of a white square of its longer side."""
    height, width = picture.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), WHITE, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture
    return square


def _box(mask: np.ndarray, film: Film) -> tuple[float, float, float, float] | None:
    box = box_of_mask(mask, film.width, film.height, MARGIN)
    if box is None or min(box[2] - box[0], box[3] - box[1]) < LEAST_SIDE:
        return None
    return box
