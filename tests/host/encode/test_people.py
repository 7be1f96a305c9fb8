"""The people of a start image, as InterAct People makes characters of them: against core's crop, with values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from interacthuman.interact_core.errors import InteractError
from interacthuman.interact_core.speech.from_core import SILENT_KEY, SPEECH_KEY
from interacthuman.interact_core.speech.types import Speech
from interacthuman.tests.support.models import tiny_wan  # (before anything of comfy)
from interacthuman.tests.support.start_images import HEIGHT, WIDTH, side, with_start_image
from PIL import Image, ImageDraw
from torch import Tensor

import comfy.utils  # isort: skip
import folder_paths  # isort: skip
from comfy_execution.jobs import get_outputs_summary  # isort: skip
from interacthuman.interact_core.guidance import assemble_cast  # isort: skip
from interacthuman.interact_core.guidance.people import people_in_boxes, people_in_masks  # isort: skip
from interacthuman.interact_core.host.encode.cast_encoding import connected_characters  # isort: skip
from interacthuman.interact_core.host.encode.people import REFERENCES, said_of_crop, start_people  # isort: skip
from interacthuman.interact_core.preview.people import OUTLINE  # isort: skip
from interacthuman.interact_core.host.keys import TRACKS_COND  # isort: skip
from interacthuman.nodes.characters import InterActEncodeCharacters, InterActRegion  # isort: skip
from interacthuman.nodes.people import InterActPeople  # isort: skip

PHOTO = torch.rand(1, 120, 300, 3, generator=torch.Generator().manual_seed(4))
"""Wider than the video, so that the crop takes 60 columns off both sides."""
SIZE = (96, 64)
SPEECH = {"encoded_audio_all_layers": [torch.zeros(1, 5, 8)]}


def people() -> Tensor:
    """Three discs: on the left edge of the crop, in the middle, and outside of it."""
    rows, columns = torch.meshgrid(torch.arange(120.0), torch.arange(300.0), indexing="ij")
    return torch.stack(
        [(torch.hypot(columns - x, rows - 60) < 30).float() for x in (60, 150, 275)],
    )


def edits(*people: tuple[str, list], dropped: list | None = None) -> str:
    return json.dumps({"people": [{"name": name, "at": at} for name, at in people], "dropped": dropped or []})


NAMED = edits(("Tobi", [[0.5, 0.5]]), ("Mira", [[0.25, 0.5]]), dropped=[[0.88, 0.5]])


def test_the_picture_and_the_regions_are_the_crop_that_the_model_gets(tmp_path: Path) -> None:
    made = start_people(PHOTO, people(), NAMED, *SIZE)
    view = made.view(tmp_path)
    with Image.open(tmp_path / view["picture"]["filename"]) as picture:
        shown = torch.from_numpy(np.array(picture))
    as_core = comfy.utils.common_upscale(PHOTO.movedim(-1, 1), *SIZE, "bilinear", "center")[0].movedim(0, -1)
    assert torch.equal(shown, (as_core * 255).round().byte())
    assert view["size"] == [300, 120] and view["crop"] == [60, 0, 180, 120] and view["video"] == list(SIZE)
    cast = assemble_cast(made.characters, *SIZE, 5, 25.0)
    assert cast.names == ("Tobi", "Mira") and cast.regions is not None
    cropped = comfy.utils.common_upscale(people()[[1, 0], None], *SIZE, "bilinear", "center")
    wanted = torch.nn.functional.avg_pool2d(cropped, 16)[:, 0]
    assert torch.allclose(cast.regions, wanted, atol=1e-6)
    assert [round(one["kept"], 1) for one in view["found"]] == [0.5, 1.0, 0.0]


def test_an_outline_is_that_of_its_mask(tmp_path: Path) -> None:
    hole = people()
    hole[1, 55:66, 145:156] = 0.0
    view = start_people(PHOTO, hole, "", *SIZE).view(tmp_path)
    for mask, one in zip(hole, view["found"], strict=True):
        drawn = Image.new("1", (300, 120))
        for ring in one["outline"]:
            corners = np.array(ring).reshape(-1, 2) / OUTLINE * [300, 120] - 0.5
            other = Image.new("1", (300, 120))
            ImageDraw.Draw(other).polygon([tuple(corner) for corner in corners], fill=1)
            drawn = Image.fromarray(np.array(drawn) ^ np.array(other))
        differs = np.array(drawn) != (mask.numpy() > 0.5)
        assert differs.sum() < 0.08 * mask.sum()
        x, y = one["at"]
        assert mask[int(y * 120), int(x * 300)] == 1
    assert [len(one["outline"]) for one in view["found"]] == [1, 2, 1]


def test_voices_go_by_number_and_everything_is_said() -> None:
    made = start_people(PHOTO, people(), NAMED, 90, 64, {"voice_2": SPEECH, "voice_9": None})
    assert [character.speech for character in made.characters] == [None, SPEECH]
    assert torch.equal(made.masks, people()[[1, 0]])
    assert [str(line) for line in made.lines] == [
        "3 people found.",
        "1 of them is left out.",
        "1: Tobi is silent.",
        "2: Mira speaks, by voice_2.",
        "49 % of Mira lies outside the crop to 96x64.",
        "The size was rounded: 90x64 is not a multiple of 16.",
    ]
    others = start_people(PHOTO, people(), edits(("Both", [[0.25, 0.5], [0.5, 0.5]])), *SIZE)
    said = [str(line) for line in others.lines]
    assert "Both was found as 2 pieces, which were merged." in said
    assert "Not named on the node yet, so last: Character 2." in said
    assert any(line.startswith("Character 2 lies outside the crop to 96x64") for line in said)


def test_all_come_to_a_cast_by_one_socket_and_another_crop_is_said() -> None:
    made = start_people(PHOTO, people(), NAMED, *SIZE)
    connected, said = connected_characters({"character_0": made.characters, "character_1": None})
    assert [character.name for character in connected] == ["Tobi", "Mira"] and len(said) == 1
    assert said_of_crop(assemble_cast(connected, 192, 128, 5, 25.0)) == []
    (line,) = said_of_crop(assemble_cast(connected, 144, 64, 5, 25.0))
    assert str(line).startswith("InterAct People showed the crop to 96x64, but the video is 144x64")


def spoken(seed: int) -> dict:
    drawn = torch.randn(9, tiny_wan.LAYERS, tiny_wan.CHANNELS, generator=torch.Generator().manual_seed(seed))
    mute, sound = torch.zeros(tiny_wan.LAYERS, tiny_wan.CHANNELS), torch.zeros(1, 5760)
    return {SPEECH_KEY: Speech(features=drawn, mute=mute, fps=25.0, waveform=sound, sample_rate=16000)}


def test_one_link_brings_what_a_node_for_each_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a dialogue of three lanes, in the last of which nobody speaks; through the nodes, as a graph in API form."""
    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    video = {"width": WIDTH, "height": HEIGHT}
    voices = {
        "voice_1": spoken(1),
        "voice_2": spoken(2),
        "voice_3": {SILENT_KEY: True, "waveform": torch.zeros(1, 1, 9)},
    }
    photo, masks = torch.rand(1, HEIGHT, WIDTH, 3), torch.cat([side(True), side(False)])
    text = edits(("Tobi", [[0.75, 0.5]]), ("Mira", [[0.25, 0.5]]))
    together = InterActPeople.execute(image=photo, masks=masks, voices=voices, people=text, **video).result[0]
    each = [
        InterActRegion.execute(side(right), name, spoken(number)).result[0]
        for number, name, right in ((1, "Tobi", True), (2, "Mira", False))
    ]
    made = []
    for characters in ({"character_0": together}, {"character_0": each[0], "character_1": each[1]}):
        given = {"positive": with_start_image(), "negative": with_start_image(), "length": 9, "fps": 25.0}
        made.append(
            InterActEncodeCharacters.execute(characters=characters, vae=None, **video, **given).result
        )
    one, two = made
    assert one[3].names == two[3].names == ("Tobi", "Mira") and one[3].speaking == (True, True)
    assert torch.equal(one[3].regions, two[3].regions)
    tracks = [result[0][0][1]["model_conds"][TRACKS_COND].cond for result in made]
    assert torch.equal(*tracks)
    assert torch.equal(one[4]["waveform"], two[4]["waveform"])


@pytest.mark.parametrize("scale", [0.5, 2.0, 0.37])
def test_masks_of_another_size_are_brought_to_the_picture(scale: float) -> None:
    small = torch.nn.functional.interpolate(people()[:, None], scale_factor=scale, mode="bilinear")[:, 0]
    made = start_people(PHOTO, small, NAMED, *SIZE)
    assert made.masks.shape == (2, 120, 300)
    assert float((made.masks - people()[[1, 0]]).abs().mean()) < 0.02


@pytest.mark.parametrize(
    "change, said",
    [
        ({"found": torch.ones(2, 64, 64)}, "The masks are 64x64, which is not the shape of image .300x120."),
        ({"voices": {"voice_3": SPEECH}}, "voice_3 is connected, but there are 2 people"),
        ({"text": "{"}, "people is not JSON"),
    ],
)
def test_what_cannot_be_is_said(change: dict, said: str) -> None:
    given = {"image": PHOTO, "found": people(), "text": NAMED, "width": 96, "height": 64, **change}
    with pytest.raises(InteractError, match=said):
        start_people(**given)


def test_the_node_takes_a_batch_a_painting_or_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    boxes = [
        [
            {"x": x - 30, "y": 30, "width": 60, "height": 60, "label": "face", "score": 0.9}
            for x in (275, 60, 150)
        ]
    ]
    for given, expected in (
        ({"masks": people()[[2, 0, 1]]}, people()),
        ({"masks": people().amax(0, keepdim=True)}, people_in_masks(people().amax(0))),
        ({"boxes": boxes}, people_in_boxes(boxes, 300, 120)),
    ):
        output = InterActPeople.execute(image=PHOTO, width=96, height=64, **given)
        characters, masks, width, height = output.result
        assert torch.equal(masks, expected) and (width, height) == (96, 64)
        assert [character.name for character in characters] == ["Character 1", "Character 2", "Character 3"]
        assert len(output.ui["interact_people"][0][0]["found"]) == 3 and output.ui["interact_text"]
        assert get_outputs_summary({"7": output.ui}) == (
            0,
            None,
        )  # what ComfyUI's list of jobs takes for files
    assert InterActPeople.validate_inputs(people=NAMED, voices={}) is True  # as ComfyUI calls it
    assert str(InterActPeople.validate_inputs(people="{")).startswith("people is not JSON")


def test_references_are_cut_out_with_a_layout_where_they_stand() -> None:
    """Of who is half outside of the video the half inside, of who is outside everything, without a place."""
    made = start_people(PHOTO, people(), "", *SIZE, use_as=REFERENCES)
    windows = ((28, 93, 60, 93), (28, 93, 118, 183), (28, 93, 243, 300))
    for character, mask, (top, bottom, left, right) in zip(made.characters, people(), windows, strict=True):
        shown, person = PHOTO[:, top:bottom, left:right], mask[None, top:bottom, left:right]
        assert character.region is None and character.image is not None and character.mask is not None
        assert torch.equal(character.mask, person)
        assert torch.allclose(
            character.image, shown * person[..., None] + 1 - person[..., None], rtol=0, atol=1e-6
        )
    cut, middle, outside = (character.layout for character in made.characters)
    assert cut is not None and torch.equal(cut, people()[:1])
    assert middle is not None and torch.equal(middle, people()[1:2])
    assert outside is None and torch.equal(made.masks, people())
    assert assemble_cast(made.characters, *SIZE, 5, 25.0).regions is None


def test_a_reference_of_a_speck_is_large_enough() -> None:
    speck = torch.zeros(1, 120, 300)
    speck[0, 118:120, 298:300] = 1.0
    (character,) = start_people(PHOTO, speck, "", *SIZE, use_as=REFERENCES).characters
    assert character.image is not None and character.image.shape == (1, 16, 16, 3)
    assert character.mask is not None and float(character.mask.sum()) == 4.0
