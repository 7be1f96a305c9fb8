"""Cut-out pictures and their masks, wired as people wire them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interacthuman.interact_core.host.encode.cast_encoding import make_character, make_region_character
from interacthuman.interact_core.host.encode.cutout import (
    is_transparency,
    keeps_background,
    lost_transparency,
    said_of_character,
    said_of_region,
    upright_mask,
)
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)
from PIL import Image
from torch import Tensor

import folder_paths  # isort: skip

WIDTH, HEIGHT = 90, 60
GREEN, RED = (0, 160, 0), (200, 40, 40)
POSES = {  # left, top, right, bottom of the person
    "in the middle": (30, 15, 60, 45),
    "cut off below": (25, 10, 65, 60),
    "at the side": (4, 20, 24, 58),
    "trimmed closely, arms at the edges": (0, 12, 90, 60),
    "small": (40, 40, 56, 56),
}


def box(left: int, top: int, right: int, bottom: int) -> Tensor:
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, top:bottom, left:right] = 1.0
    return mask


def cut_out(folder: Path, person: Tensor, hidden: tuple[int, int, int] = GREEN) -> tuple[Tensor, Tensor]:
    """IMAGE and MASK of Load Image for a PNG in which only the person is opaque."""
    import nodes

    pixels = np.empty((HEIGHT, WIDTH, 4), np.uint8)
    inside = person[0].numpy() > 0.5
    pixels[..., :3], pixels[..., 3] = hidden, 255 * inside
    pixels[inside, :3] = RED
    Image.fromarray(pixels).save(folder / "cut_out.png")
    return nodes.LoadImage().load_image("cut_out.png")


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("wiring", ["straight", "by Invert Mask"])
def test_both_wirings_of_load_image_leave_the_person_on_white(inputs: Path, pose: str, wiring: str) -> None:
    person = box(*POSES[pose])
    image, mask = cut_out(inputs, person)
    wired = mask if wiring == "straight" else 1 - mask
    made = make_character("Anna", image, wired)
    inside = person[0] > 0.5
    red = torch.tensor(RED) / 255
    assert (made.image[0][inside] - red).abs().max() < 0.02
    assert torch.equal(made.image[0][~inside], torch.ones_like(made.image[0][~inside]))
    assert torch.equal(made.mask, person)
    said = " ".join(map(str, said_of_character(made, upright_mask(wired)[1], None)))
    assert ("'Anna'" in said and "inverted" in said) if wiring == "straight" else said == ""


MASKS_OF_PEOPLE = {
    **{pose: box(*place) for pose, place in POSES.items()},
    "the whole picture": torch.ones(1, HEIGHT, WIDTH),
    "nobody": torch.zeros(1, 64, 64),
    "a face that fills the frame": torch.maximum(box(0, 0, 90, 40), box(15, 40, 75, 60)),
    "shoulders that fill the frame below": torch.maximum(box(30, 5, 60, 40), box(0, 35, 90, 60)),
    "somebody at the side, close": box(0, 0, 50, 60),
    "an all but whole picture with a hole": torch.ones(1, HEIGHT, WIDTH) - box(40, 30, 44, 34),
}


@pytest.mark.parametrize("which", MASKS_OF_PEOPLE)
def test_masks_of_people_are_left_as_they_are(which: str) -> None:
    mask = MASKS_OF_PEOPLE[which]
    upright, turned = upright_mask(mask)
    assert upright is mask and not turned


def test_a_mask_that_is_no_mask_is_not_looked_at() -> None:
    for mask in (None, torch.ones(3, 8, 8), torch.full((1, 8, 8), float("nan")), torch.ones(1, 1, 1)):
        assert upright_mask(mask) == (mask, False)


def masked(file: str, slot: int = 1) -> dict[str, Any]:
    """Load Image with MASK on InterAct Character (node "9")."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": file}},
        "9": {"class_type": "InterActCharacter", "inputs": {"image": ["1", 0], "mask": ["1", slot]}},
    }


def test_a_cut_out_that_fills_its_picture_is_told_by_its_file(inputs: Path) -> None:
    """Trimmed so closely that the hair touches the upper corners: the mask alone could be either way round."""
    person = torch.ones(1, HEIGHT, WIDTH)
    person[:, 20:50, :12] = person[:, 20:50, 78:] = 0.0
    image, mask = cut_out(inputs, person)
    assert not upright_mask(mask)[1]
    assert is_transparency(masked("cut_out.png"), "9")
    made = make_character("Anna", image, mask, cut_out=True)
    assert torch.equal(made.mask, person) and upright_mask(mask, True)[1]
    erased = 1 - MASKS_OF_PEOPLE["in the middle"]  # somebody erased the person to make a mask
    assert not upright_mask(1 - erased, True)[1]


def test_other_masks_are_not_taken_for_transparency(inputs: Path) -> None:
    cut_out(inputs, box(*POSES["small"]))
    (inputs / "clipspace").mkdir()
    (inputs / "cut_out.png").rename(inputs / "clipspace" / "clipspace-painted-masked-1.png")
    Image.new("RGB", (32, 32)).save(inputs / "opaque.png")
    inverted = masked("opaque.png")
    inverted["9"]["inputs"]["mask"] = ["2", 0]
    painted = masked("clipspace/clipspace-painted-masked-1.png [input]")
    for nodes in (None, {}, painted, masked("opaque.png"), masked("gone.png"), inverted, graph()):
        assert not is_transparency(nodes, "9")


# --- IMAGE alone


def graph(*between: dict[str, Any], file: str = "cut_out.png", slot: int = 0) -> dict[str, Any]:
    """Load Image, perhaps other nodes, InterAct Character (node "9")."""
    nodes: dict[str, Any] = {"1": {"class_type": "LoadImage", "inputs": {"image": file}}}
    link: list[Any] = ["1", slot]
    for number, node in enumerate(between, 2):
        nodes[str(number)] = {**node, "inputs": {"image": link, **node["inputs"]}}
        link = [str(number), 0]
    nodes["9"] = {"class_type": "InterActCharacter", "inputs": {"image": link, "name": "Anna"}}
    return nodes


SCALE = {"class_type": "ImageScale", "inputs": {"width": 64, "height": 48}}
ALPHA = {"class_type": "JoinImageWithAlpha", "inputs": {"alpha": ["1", 1]}}


def test_transparency_that_load_image_dropped_is_said(inputs: Path) -> None:
    image, _ = cut_out(inputs, box(*POSES["in the middle"]))
    for nodes in (graph(), graph(SCALE), graph(SCALE, SCALE)):
        lost = lost_transparency(nodes, "9")
        assert lost == "cut_out.png"
        said = str(*said_of_character(make_character("Anna", image), False, lost))
        assert "cut_out.png" in said and "'Anna'" in said and "Connect MASK" in said


def test_where_no_transparency_was_lost_nothing_is_said(inputs: Path) -> None:
    cut_out(inputs, box(*POSES["in the middle"]))
    Image.new("RGB", (32, 32)).save(inputs / "opaque.png")
    Image.new("RGBA", (32, 32), (1, 2, 3, 255)).save(inputs / "alpha_of_one.png")
    (inputs / "broken.png").write_bytes(b"no picture")
    for nodes in (
        None,
        {},
        graph(ALPHA),
        graph(file="opaque.png"),
        graph(file="alpha_of_one.png"),
        graph(file="broken.png"),
        graph(file="gone.png"),
        graph({"class_type": "VAEDecode", "inputs": {"image": 3}}),
    ):
        assert lost_transparency(nodes, "9") is None
    loop = {"9": {"class_type": "ImageScale", "inputs": {"image": ["9", 0]}}}
    assert lost_transparency(loop, "9") is None


@pytest.mark.parametrize("hidden", [(0, 0, 0), GREEN])
def test_a_plain_background_that_is_not_white_is_said(inputs: Path, hidden: tuple[int, int, int]) -> None:
    image, mask = cut_out(inputs, box(*POSES["in the middle"]), hidden)
    assert "not white" in str(*said_of_character(make_character("Anna", image), False, None))
    assert said_of_character(make_character("Anna", image, 1 - mask), False, None) == []


def test_of_pictures_that_are_as_they_should_be_nothing_is_said(inputs: Path) -> None:
    white, _ = cut_out(inputs, box(*POSES["in the middle"]), (255, 255, 255))
    photo = torch.rand(1, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(1))
    rgba = torch.cat((photo, box(*POSES["in the middle"]).unsqueeze(-1)), dim=-1)
    for image in (white, photo, rgba):
        assert said_of_character(make_character("Anna", image), False, None) == []


def test_a_region_that_is_everything_but_a_person_is_said() -> None:
    person = box(*POSES["cut off below"])
    assert keeps_background(1 - person)
    assert "Invert Mask" in str(*said_of_region(make_region_character("Anna", 1 - person)))
    assert said_of_region(make_region_character("Anna", person)) == []
    assert said_of_region(make_region_character("Anna", torch.ones(1, HEIGHT, WIDTH))) == []
