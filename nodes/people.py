"""People of a picture: which of several is meant."""

from typing import Any

import torch
from comfy_api.latest import io, ui

from ..interact_core.errors import InteractError, check_numbers
from ..interact_core.guidance.people import people_in_boxes, people_in_masks, pick_person, same_person
from ..interact_core.host.node_text import with_view
from ..interact_core.preview.people import draw_people
from ..interact_core.sentences import sentence
from .wires import CATEGORY, linked

MAX_PEOPLE = 64


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
