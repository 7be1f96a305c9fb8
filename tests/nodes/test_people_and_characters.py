"""What the nodes of people and characters show and pass on, run as ComfyUI runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.preview.contact_sheet import draw_contact_sheet
from interacthuman.interact_core.preview.overlay import draw_overlay
from interacthuman.tests.support.models import tiny_wan  # noqa: F401  (before anything of comfy)
from interacthuman.tests.support.run_records import drawn_record
from PIL import Image
from torch import Tensor

import folder_paths  # isort: skip
from interacthuman.nodes.characters import InterActCharacter, InterActRegion  # isort: skip
from interacthuman.nodes.examples import InterActExample  # isort: skip
from interacthuman.nodes.masks import InterActPreviewMasks  # isort: skip
from interacthuman.nodes.people import InterActPickPerson  # isort: skip


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    return tmp_path


def shown(output: Any, folder: Path) -> Tensor:
    """The one picture that the node shows: uint8 [H, W, 3]."""
    (entry,) = output.ui["images"]
    assert entry["type"] == "temp"
    with Image.open(folder / entry["subfolder"] / entry["filename"]) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB")))


def as_bytes(image: Tensor) -> Tensor:
    """As ComfyUI saves it (comfy_api/latest/_ui.py)."""
    return (255.0 * image).clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("masked", [False, True])
def test_a_character_shows_the_picture_that_the_model_sees(temporary: Path, masked: bool) -> None:
    image = torch.rand(1, 60, 90, 3, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(1, 60, 90)
    mask[:, 15:45, 30:60] = 0.0  # as of Load Image: 1 where the picture is transparent
    output = InterActCharacter.execute(image, "Anna", mask if masked else None)
    (made,) = output.result
    assert torch.equal(shown(output, temporary), as_bytes(made.image[0]))
    assert torch.equal(made.image[0, 20:40, 35:55], image[0, 20:40, 35:55])
    assert bool((made.image[0, 3, 3] == 1.0).all()) is masked


def test_a_region_shows_its_mask_and_keeps_its_layout(temporary: Path) -> None:
    region, layout = torch.zeros(1, 60, 90), torch.zeros(9, 60, 90)
    region[:, 10:50, 20:40] = 1.0
    output = InterActRegion.execute(region, "Anna", layout=layout)
    (made,) = output.result
    assert torch.equal(shown(output, temporary)[..., 0], as_bytes(region[0]))
    assert made.layout is layout and torch.equal(made.region, region)


def test_several_masks_on_one_region_are_shown_the_way_out() -> None:
    for count in (2, 81):
        with pytest.raises(InteractError, match="'Anna'.*InterAct Pick Person.*layout"):
            InterActRegion.execute(torch.ones(count, 48, 64), "Anna")
    with pytest.raises(InteractError, match="'Anna' is a batch of no masks.*nobody was found"):
        InterActRegion.execute(torch.ones(0, 48, 64), "Anna")


def test_pick_person_takes_masks_or_boxes(temporary: Path) -> None:
    masks = torch.zeros(2, 60, 90)
    masks[0, 10:50, 50:80] = 1.0
    masks[1, 10:50, 5:35] = 1.0
    boxes = [[{"x": 50, "y": 10, "width": 30, "height": 40}, {"x": 5, "y": 10, "width": 30, "height": 40}]]
    image = torch.rand(1, 60, 90, 3)
    for person, expected in ((1, masks[1:]), (2, masks[:1])):
        for given in ({"masks": masks}, {"masks": masks.amax(0)}, {"boxes": boxes, "image": image}):
            output = InterActPickPerson.execute(person, **given)
            assert torch.equal(output.result[0], expected)
            assert shown(output, temporary).shape == (360, 540, 3)


def test_what_pick_person_lacks_is_said() -> None:
    box = {"x": 0, "y": 0, "width": 9, "height": 9}
    for given, said in (
        ({}, "connect one of the two"),
        ({"boxes": box}, "connect the picture to image"),
        ({"boxes": box, "masks": torch.ones(1, 8, 8)}, "disconnect boxes"),
        ({"masks": torch.zeros(0, 8, 8)}, "nobody was found"),
        ({"masks": torch.ones(1, 8, 8, dtype=torch.complex64)}, "masks is complex numbers"),
        ({"boxes": box, "image": torch.rand(8, 8, 3)}, "image has shape"),
        ({"boxes": [{**box, "x": float("nan")}], "image": torch.rand(1, 8, 8, 3)}, "boxes holds"),
        ({"boxes": 3, "image": torch.rand(1, 8, 8, 3)}, "boxes holds 3"),
    ):
        with pytest.raises(InteractError, match=said):
            InterActPickPerson.execute(1, **given)


def test_a_picture_is_real_numbers_within_its_range() -> None:
    """Halos of sharpening are cut; 8-bit numbers would be a white picture, and -1..1 a dark one."""
    picture = torch.linspace(0, 1, 3072).view(1, 32, 32, 3)
    made = InterActCharacter.execute(picture * 1.4 - 0.2, "Mira").result[0]
    assert torch.equal(made.image, (picture * 1.4 - 0.2).clamp(0, 1))
    for image, said in (
        ((picture * 255).to(torch.uint8), "values from 0 to 255"),
        (picture * 4 - 2, "values from -2 to 2"),
        (picture.to(torch.complex64), "image is complex numbers"),
    ):
        with pytest.raises(InteractError, match=said):
            InterActCharacter.execute(image, "Mira")
    with pytest.raises(InteractError, match="layout is complex numbers"):
        InterActRegion.execute(torch.ones(1, 8, 8), "Mira", layout=torch.ones(1, 8, 8, dtype=torch.complex64))


def test_previews_are_left_out_and_say_so_where_the_temp_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.write_text("a file where the folder should be")
    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(closed))
    image, mask = torch.rand(1, 60, 90, 3), torch.zeros(1, 60, 90)
    mask[:, 10:50, 20:40] = 1.0
    record = drawn_record()
    made = {
        "a character": InterActCharacter.execute(image, "Anna"),
        "a region": InterActRegion.execute(mask, "Anna"),
        "a person": InterActPickPerson.execute(1, masks=mask),
        "an example": InterActExample.execute("Mira"),
        "masks": InterActPreviewMasks.execute(record),
    }
    for what, output in made.items():
        (lines,) = output.ui["interact_text"]
        assert lines[-1]["key"] == "view_missing", what
        assert str(tmp_path) not in lines[-1]["text"] and set(output.ui) == {"interact_text"}, what
        assert all(value is not None for value in output.result), what
    overlay, sheet = made["masks"].result
    assert torch.equal(overlay, draw_overlay(record)) and torch.equal(sheet, draw_contact_sheet(record, None))
