"""CLIP-I and DINO-I: small networks of the true architecture from a folder, and crops of a person who is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.metrics.likeness import (
    cosines,
    in_square,
    likeness,
    load_embedder,
    person_crops,
)
from interacthuman.interact_core.metrics.types import Film, Person
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL = {**SIZES, "image_size": 32, "patch_size": 8}


def save_clip(folder):
    torch.manual_seed(0)
    text = {**SIZES, "vocab_size": 20, "max_position_embeddings": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=SMALL, projection_dim=12)).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)


def save_dino(folder, kind=ViTModel, config=ViTConfig):
    torch.manual_seed(0)
    kind(config(**SMALL)).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)


def save_dino2(folder):
    save_dino(folder, Dinov2Model, Dinov2Config)


def picture(seed=0, height=48, width=48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def film_of_two(frames=12) -> tuple[Film, Person]:
    """A red and a blue person on noise; the red one walks, and is away in the first three frames."""
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, (frames, 64, 96, 3), np.uint8)
    mask = np.zeros((frames, 8, 12), np.float32)
    for t in range(frames):
        pictures[t, 8:56, 60:90] = 20, 40, 220
        if t >= 3:
            left = 8 * (t // 3 - 1)
            pictures[t, 16:56, left : left + 24] = 200, 30, 20
            mask[t, 2:7, left // 8 : left // 8 + 3] = 1
    return Film.of_frames(pictures, 25.0), Person("Anna", mask=mask, reference=picture(1))


@pytest.mark.parametrize(
    "save, kind",
    [(save_clip, "CLIP-I"), (save_dino, "DINO-I"), (save_dino2, "DINO-I")],
    ids=["clip", "vit", "dinov2"],
)
def test_a_folder_as_it_is_published_is_read(save, kind, tmp_path):
    save(tmp_path)
    embedder = load_embedder(tmp_path)
    assert embedder.kind == kind
    vectors = embedder.embed(
        [picture(0), picture(0), picture(1), np.dstack([picture(0), picture(2)[..., :1]])]
    )
    assert vectors.shape == (4, 12 if kind == "CLIP-I" else 16)
    assert vectors[0] == pytest.approx(vectors[1]) and vectors[0] == pytest.approx(vectors[3])
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-4


def test_clips_vector_is_that_of_the_whole_clip(tmp_path):
    """As its own processor and get_image_features give it."""
    save_clip(tmp_path)
    pixels = CLIPImageProcessor.from_pretrained(tmp_path)(images=picture(), return_tensors="pt")
    whole = CLIPModel.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        expected = whole.visual_projection(whole.vision_model(**pixels).pooler_output)[0].numpy()
    assert load_embedder(tmp_path).embed([picture()])[0] == pytest.approx(expected, abs=1e-5)


def test_the_person_alone_is_compared():
    """Mean colour as the network: red compared with red is 1, whatever stands beside."""

    class Colour:
        kind = "colour"

        def embed(self, pictures):
            return np.array([p[..., :3].mean((0, 1)) for p in pictures])

    film, person = film_of_two()
    red = Person("Anna", mask=person.mask, reference=np.full((9, 9, 3), (200, 30, 20), np.uint8))
    found = likeness(film, red, Colour(), seed=4)
    assert found.value > 0.97 and len(found.frames) == 5 and min(found.frames) >= 3
    blue = Person("Anna", mask=person.mask, reference=np.full((9, 9, 3), (20, 40, 220), np.uint8))
    assert likeness(film, blue, Colour(), seed=4).value < 0.5
    assert likeness(film, red, Colour(), seed=4).frames == found.frames
    assert likeness(film, red, Colour(), seed=5).frames != found.frames
    assert likeness(film, red, Colour(), count=50).frames == tuple(range(3, 12))


def test_crops_carry_the_mask_and_skip_who_is_away():
    film, person = film_of_two()
    crops = dict(person_crops(film, person, [0, 4, 11]))
    assert list(crops) == [4, 11]
    four = crops[4]
    assert four.shape[2] == 4 and (four[4:-4, 4:-4, :3] == (200, 30, 20)).all()
    assert four[20, 12, 3] == 255


def test_what_is_missing_is_said():
    film, person = film_of_two()
    no_picture = likeness(film, Person("Ben", mask=person.mask), None)
    assert no_picture.value is None and no_picture.missing == "Ben has no picture to compare with."
    nobody = likeness(film, Person("Ben", reference=picture(), mask=0 * person.mask), None)
    assert nobody.missing == "No mask shows Ben, so there is nothing to compare."


def test_folders_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(
        InteractError, match=r"has no config\.json.*huggingface\.co/openai/clip-vit-base-patch32"
    ):
        load_embedder(tmp_path)
    save_clip(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.rename(tmp_path / "pytorch_model.bin")  # a pickle by its name
    with pytest.raises(InteractError, match=r"has no model\.safetensors"):
        load_embedder(tmp_path)
    weights.write_bytes(b"\x80\x04 no weights")
    with pytest.raises(InteractError, match="is a pickle"):
        load_embedder(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "model_type": "bert"}))
    with pytest.raises(InteractError, match="of no CLIP, DINO or DINOv2"):
        load_embedder(tmp_path)


def test_weights_that_do_not_fill_the_network_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save_dino(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InteractError, match=r"lacks 1 weights, layernorm\.weight"):
        load_embedder(tmp_path)
    weights["layernorm.weight"] = torch.ones(3)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InteractError, match="could not be loaded"):
        load_embedder(tmp_path)


def test_cosines_and_squares():
    assert cosines(np.array([[3.0, 4.0], [-4, 3], [0, 0]]), np.array([6.0, 8.0])) == pytest.approx([1, 0, 0])
    square = in_square(np.zeros((2, 6, 3), np.uint8))
    assert square.shape == (6, 6, 3) and square[:, 0, 0].tolist() == [255, 255, 0, 0, 255, 255]
