"""An existing video in which people say something else."""

from comfy_api.latest import io

from ..interact_core.guidance import Cast, MaskHistory
from ..interact_core.host.encode.dubbing import encode_dub
from ..interact_core.host.node_text import with_text
from .wires import CATEGORY, CastWire, LatentValue, MasksWire, linked

MOST_PIXELS = 512  # of growing and feathering


class InterActDub(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActDub",
            display_name="InterAct Dub Video",
            category=CATEGORY,
            description="Lets people in an existing video say something else: gives the sampler that video, of which "
            "only the people in the mask are made anew.",
            search_aliases=[
                "interacthuman",
                "dubbing",
                "video to video",
                "vid2vid",
                "inpaint video",
                "noise mask",
                "lip sync an existing video",
            ],
            inputs=[
                io.Vae.Input("vae", tooltip="The Wan VAE; it encodes the video."),
                io.Image.Input(
                    "video",
                    tooltip="The existing video, at the frame rate of InterAct Encode Characters. It is scaled to the "
                    "size set there.",
                ),
                CastWire.Input(
                    "cast",
                    tooltip="From InterAct Encode Characters (or InterAct Next Part), with the new speech of whoever "
                    "is dubbed. Leave the others out, or the model may draw them a second time.",
                ),
                io.Int.Input(
                    "grow",
                    default=16,
                    min=0,
                    max=MOST_PIXELS,
                    tooltip="Pixels around the mask that are made anew too, so that nothing of the old mouth or chin "
                    "is left beside it.",
                ),
                io.Int.Input(
                    "feather",
                    default=8,
                    min=0,
                    max=MOST_PIXELS,
                    tooltip="Further pixels over which the new video fades into the old one.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Who is dubbed, whole: one MASK for each frame of the video (from SAM or another tracker), "
                    "or one for all frames if nobody moves. Grey from 0.5 on counts.",
                ),
                MasksWire.Input(
                    "masks",
                    optional=True,
                    tooltip="Instead of mask: the masks of a sampler that has seen this video. Those of the characters "
                    "who speak are used. Connect them to masks of the next sampler too.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="Only for a film in parts: the latent of InterAct Next Part; its finished frames are kept.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="For the sampler: the video, and a noise mask that keeps all but the people. A denoise of "
                    "0.65 keeps them where they were; near 1 they are made anew, and a small model may lose them.",
                ),
                io.Image.Output(
                    display_name="video",
                    tooltip="The existing video at the new one's size and length: the destination of Image Composite "
                    "Masked.",
                ),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="How much of each pixel is new: the mask of Image Composite Masked, whose source is the "
                    "decoded video.",
                ),
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        vae: io.Vae.Type,
        video: io.Image.Type,
        cast: Cast,
        grow: int = 16,
        feather: int = 8,
        mask: io.Mask.Type | None = None,
        masks: MaskHistory | None = None,
        latent: LatentValue | None = None,
    ) -> io.NodeOutput:
        made = encode_dub(vae, video, cast, mask, masks, latent, grow, feather)
        return io.NodeOutput(made.latent, made.video, made.mask, ui=with_text(made.lines))
