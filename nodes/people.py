"""People of a picture: which of several is meant, and who is who."""

from typing import Any

import folder_paths
import torch
from comfy_api.latest import io, ui

from ..interact_core.errors import InteractError, check_connected, check_numbers
from ..interact_core.guidance.lineup import MAX_PEOPLE, read_edits
from ..interact_core.guidance.people import people_in_boxes, people_in_masks, pick_person, same_person
from ..interact_core.host.encode.people import REFERENCES, REGIONS, VOICES, start_people
from ..interact_core.host.node_text import with_view
from ..interact_core.preview.people import draw_people
from ..interact_core.sentences import sentence
from .wires import CATEGORY, CharacterWire, linked, side_input


class InterActPickPerson(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActPickPerson",
            display_name="InterAct Pick Person",
            category=CATEGORY,
            description="Takes one person's mask out of several: from a batch of masks, from one mask with several "
            "people, or from boxes.",
            search_aliases=[
                "interacthuman",
                "mask from batch",
                "select mask",
                "sam3",
                "face",
                "bbox",
                "detection",
            ],
            inputs=[
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="One mask for each person, such as SAM3 Detect gives with individual_masks, or one "
                    "mask in which several people stand apart, such as from the mask editor.",
                ),
                io.BoundingBox.Input(
                    "boxes",
                    optional=True,
                    force_input=True,
                    tooltip="In place of masks: boxes of people or faces from a detection node. Needs image, for "
                    "its size. The mask is the whole box; SAM3 Detect makes masks of people out of boxes.",
                ),
                io.Int.Input(
                    "person",
                    default=1,
                    min=1,
                    max=MAX_PEOPLE,
                    tooltip="Which person, counted from the left: 1 is the one farthest to the left. The "
                    "preview shows all numbers.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture that the people are in, for the preview and for the size of boxes.",
                ),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="mask",
                    tooltip="The mask of that one person, for InterAct Character In Start Image or "
                    "InterAct Character.",
                )
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        person: int,
        masks: io.Mask.Type | None = None,
        boxes: Any = None,
        image: io.Image.Type | None = None,
    ) -> io.NodeOutput:
        people = found_people(masks, boxes, image)
        mask = pick_person(people, person)
        said = [sentence("people_found", count=people.shape[0], person=person)]
        twice = same_person(people)
        if twice is not None:
            said.append(sentence("people_twice", first=twice[0], second=twice[1]))
        drawn = draw_people(people, person, image)
        return io.NodeOutput(mask, ui=with_view(said, lambda: ui.PreviewImage(drawn).as_dict()))


class InterActPeople(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        voices = io.Autogrow.TemplateNames(
            io.AudioEncoderOutput.Input(
                "voice",
                tooltip="The voice of the person with this number, from InterAct Dialogue or InterAct Encode Speech. A "
                "new socket appears when you connect the last one.",
            ),
            names=list(VOICES),
            min=0,
        )
        return io.Schema(
            node_id="InterActPeople",
            display_name="InterAct People",
            category=CATEGORY,
            description="All people of one picture at once, numbered from the left. On the picture you name them, "
            "change their order, merge what belongs together, and leave people out.",
            search_aliases=[
                "interacthuman",
                "i2v",
                "start image",
                "people",
                "faces",
                "group photo",
                "two people",
                "sam3",
                "bbox",
                "multitalk",
            ],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The start image, the same picture that WanImageToVideo gets.",
                ),
                io.Mask.Input(
                    "masks",
                    optional=True,
                    tooltip="One mask for each person, such as SAM3 Detect gives with individual_masks, or one mask in "
                    "which several people stand apart, such as MASK of Load Image after the mask editor.",
                ),
                io.BoundingBox.Input(
                    "boxes",
                    optional=True,
                    force_input=True,
                    tooltip="In place of masks: boxes of people or faces, from RT-DETR, SAM3 Detect or Detect Face "
                    "Landmarks. The mask is the whole box; SAM3 Detect makes masks of people out of boxes.",
                ),
                io.Autogrow.Input(
                    "voices",
                    template=voices,
                    optional=True,
                    tooltip="The voices: voice_1 is heard from person 1. Whoever has none is silent.",
                ),
                side_input(
                    "width",
                    832,
                    "Width of the video in pixels, as on InterAct Encode Characters: the picture on the node "
                    "shows what is left of the start image then.",
                ),
                side_input(
                    "height",
                    480,
                    "Height of the video in pixels, as on InterAct Encode Characters.",
                ),
                io.String.Input(
                    "people",
                    default="",
                    socketless=True,
                    tooltip="Names, order, merges and who is left out, as JSON. The picture on the node writes it.",
                ),
                io.Combo.Input(
                    "use_as",
                    options=[REGIONS, REFERENCES],
                    default=REGIONS,
                    optional=True,
                    tooltip="What the people are for the model: regions of the start image for an image-to-video model "
                    "such as InfiniteTalk, or reference pictures, cut out, for a model that takes pictures of people "
                    "such as Phantom or HuMo.",
                ),
            ],
            outputs=[
                CharacterWire.Output(
                    display_name="characters",
                    tooltip="All of them in one link, for one socket of InterAct Encode Characters.",
                ),
                io.Mask.Output(
                    display_name="masks",
                    tooltip="One mask for each of them, in the order of their numbers and of the picture's size.",
                ),
                io.Int.Output(
                    display_name="width",
                    tooltip="Width of the video, for InterAct Encode Characters and WanImageToVideo.",
                ),
                io.Int.Output(
                    display_name="height",
                    tooltip="Height of the video, for InterAct Encode Characters and WanImageToVideo.",
                ),
            ],
            is_output_node=True,  # so that it can be run alone, before there is anything to sample
        )

    @classmethod
    @linked
    def execute(
        cls,
        image: io.Image.Type,
        width: int,
        height: int,
        masks: io.Mask.Type | None = None,
        boxes: Any = None,
        voices: io.Autogrow.Type | None = None,
        people: str = "",
        use_as: str = REGIONS,
    ) -> io.NodeOutput:
        check_connected(image=image)
        found = found_people(masks, boxes, image)
        made = start_people(image, found, people, width, height, voices, use_as)
        temp = folder_paths.get_temp_directory()
        # A list deeper than ComfyUI asks for: it takes objects for files that a run has made.
        shown = with_view(made.lines, lambda: {"interact_people": [[made.view(temp)]]})
        return io.NodeOutput(made.characters, made.masks, made.width, made.height, ui=shown)

    @classmethod
    def validate_inputs(cls, people: str = "", voices: Any = None) -> bool | str:
        """Before anything runs, such as what looks for the people. ComfyUI hands it growing inputs, too."""
        try:
            read_edits(people)
        except InteractError as error:
            return str(error)
        return True


def found_people(masks: torch.Tensor | None, boxes: Any, image: torch.Tensor | None) -> torch.Tensor:
    """[N, H, W], from whichever of the two inputs is connected."""
    check_numbers(masks=masks, image=image)
    if image is not None and (image.ndim != 4 or image.shape[-1] not in (3, 4) or not image.numel()):
        raise InteractError(f"image has shape {list(image.shape)}, expected a picture [1, H, W, 3].")
    if masks is not None and boxes is not None:
        raise InteractError("masks and boxes are both connected: disconnect boxes, as masks say more.")
    if masks is not None:
        return people_in_masks(masks)
    if boxes is None:
        raise InteractError("Neither masks nor boxes is connected: connect one of the two.")
    if image is None:
        raise InteractError("boxes needs the size of its picture: connect the picture to image.")
    return people_in_boxes(boxes, image.shape[2], image.shape[1])
