"""Where the characters are when a video begins."""

from comfy_api.latest import io

from ..interact_core.guidance import Cast
from ..interact_core.host.encode.placing import place_characters
from ..interact_core.host.node_text import with_text
from .wires import CATEGORY, CastWire, LatentValue, linked


class InterActPlace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActPlace",
            display_name="InterAct Place Characters",
            category=CATEGORY,
            description="Puts the characters' pictures side by side as a rough first picture, from which the sampler "
            "starts: everybody has a place of their own, and nobody is drawn twice.",
            search_aliases=[
                "interacthuman",
                "layout",
                "composition",
                "collage",
                "place people",
                "positions",
                "start latent",
                "img2img",
            ],
            inputs=[
                io.Vae.Input("vae", tooltip="The Wan VAE; it encodes the picture."),
                CastWire.Input(
                    "cast",
                    tooltip="From InterAct Encode Characters. They stand from left to right in its order; a character "
                    "with a layout is put into the box around it.",
                ),
                io.Float.Input(
                    "size",
                    default=0.8,
                    min=0.1,
                    max=1.0,
                    step=0.05,
                    round=0.01,
                    tooltip="Height of the tallest person as a share of the picture's.",
                ),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="What is behind them; grey without one. The model repaints it too.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="From InterAct Next Part, for a later part of a film: its finished frames stay, and "
                    "everybody starts where they end.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="For the sampler, in place of the empty one. Set its denoise to 0.65: at 1 it is not used.",
                ),
                io.Image.Output(
                    display_name="picture",
                    tooltip="How they are placed. Connect Preview Image to look at it.",
                ),
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        vae: io.Vae.Type,
        cast: Cast,
        size: float = 0.8,
        background: io.Image.Type | None = None,
        latent: LatentValue | None = None,
    ) -> io.NodeOutput:
        placed = place_characters(vae, cast, size, background, latent)
        return io.NodeOutput(placed.latent, placed.picture, ui=with_text(placed.lines))
