"""Example characters that come with the pack."""

from comfy_api.latest import io, ui

from ..interact_core.examples import GROUP, NAMES, load_example, load_mask
from ..interact_core.host.node_text import with_view
from .wires import CATEGORY


class InterActExample(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActExample",
            display_name="InterAct Example Character",
            category=CATEGORY,
            description="A puppet that comes with this pack: its portrait and a short recording of its voice, "
            "for trying things out.",
            search_aliases=[
                "interacthuman",
                "example",
                "sample",
                "demo",
                "puppet",
                "test image",
                "test audio",
            ],
            inputs=[
                io.Combo.Input(
                    "name",
                    options=[*NAMES, GROUP],
                    default=NAMES[0],
                    tooltip="Which of the four puppets. Give its InterAct Character the same name, so that "
                    "you recognise it in the previews. 'Group' is one picture of Mira and Tobi, as a start image for "
                    "InterAct People.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image",
                    tooltip="The puppet alone on white, for the image input of InterAct Character.",
                ),
                io.Audio.Output(
                    display_name="audio",
                    tooltip="About three seconds of speech, for InterAct Encode Speech. If not connected: "
                    "the puppet is silent. Of 'Group' both recordings, one after the other.",
                ),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="Where the puppet is in the picture. Of 'Group' both, who stand apart in it: for masks of "
                    "InterAct People.",
                ),
            ],
        )

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        image, audio = load_example(name)
        return io.NodeOutput(
            image,
            audio,
            load_mask(name),
            ui=with_view([], lambda: ui.PreviewImage(image, cls=cls).as_dict()),
        )
