"""Films longer than one sampling run: made in parts, and joined."""

from comfy_api.latest import io

from ..interact_core.guidance import Cast, MaskHistory
from ..interact_core.host.encode.cast_encoding import MAX_FRAMES
from ..interact_core.host.encode.parts import encode_part, join_parts
from ..interact_core.host.node_text import with_text
from .wires import CATEGORY, AudioValue, CastWire, ConditioningValue, LatentValue, MasksWire, linked


class InterActNextPart(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActNextPart",
            display_name="InterAct Next Part",
            category=CATEGORY,
            description="Prepares one part of a long film for a sampler: the first part, or the next one after "
            "the finished frames.",
            search_aliases=[
                "interacthuman",
                "continue video",
                "extend video",
                "long video",
                "last frames",
                "motion frames",
                "infinite length",
            ],
            inputs=[
                io.Conditioning.Input(
                    "positive",
                    tooltip="Of the whole film: from InterAct Encode Characters, the same node for every "
                    "part.",
                ),
                io.Conditioning.Input(
                    "negative",
                    tooltip="Of the whole film: from InterAct Encode Characters, the same node for every "
                    "part.",
                ),
                CastWire.Input(
                    "cast",
                    tooltip="Of the whole film: from InterAct Encode Characters, the same node for every part.",
                ),
                io.Vae.Input("vae", tooltip="The Wan VAE; it encodes the last finished frames."),
                io.Int.Input(
                    "length",
                    default=81,
                    min=5,
                    max=MAX_FRAMES,
                    step=4,
                    tooltip="Frames of this part, overlap included. Use the length that suits the model "
                    "best: 81 for most Wan models, 25 for the theatre. Wan makes 4n+1 frames: "
                    "other numbers are rounded up.",
                ),
                io.Int.Input(
                    "overlap",
                    default=9,
                    min=1,
                    max=MAX_FRAMES,
                    step=4,
                    tooltip="How many finished frames this part repeats at its start, so that the movement "
                    "continues: 1, 5, 9 and so on. More frames make the cut smoother and the film "
                    "slower to make.",
                ),
                io.Image.Input(
                    "film",
                    optional=True,
                    tooltip="The film so far, from InterAct Join Parts, or any video to continue. If not "
                    "connected: this is the first part.",
                ),
                MasksWire.Input(
                    "masks",
                    optional=True,
                    tooltip="From the sampler of the part before. Each character keeps voice and mask "
                    "across the cut, from the first step on.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="From the sampler of the part before. The finished frames are then kept as "
                    "they are and not encoded again, so that colours do not drift over many parts.",
                ),
                io.Combo.Input(
                    "finished_frames",
                    options=["noised", "clean"],
                    default="noised",
                    optional=True,
                    advanced=True,
                    tooltip="How the model gets the finished frames. 'noised': with the same noise as all "
                    "other frames, and as start images if the model takes those. 'clean': without "
                    "noise, together with the film's own start image, as InfiniteTalk was trained.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="positive",
                    tooltip="For this part's sampler: the prompt, with the voices from this part's first "
                    "frame on.",
                ),
                io.Conditioning.Output(display_name="negative", tooltip="For this part's sampler."),
                io.Latent.Output(
                    display_name="latent",
                    tooltip="For this part's sampler, which keeps the finished frames in it.",
                ),
                CastWire.Output(
                    display_name="cast",
                    tooltip="For this part's sampler, and for InterAct Join Parts after it.",
                ),
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        positive: ConditioningValue,
        negative: ConditioningValue,
        cast: Cast,
        vae: io.Vae.Type,
        length: int,
        overlap: int,
        film: io.Image.Type | None = None,
        masks: MaskHistory | None = None,
        latent: LatentValue | None = None,
        finished_frames: str = "noised",
    ) -> io.NodeOutput:
        clean = finished_frames == "clean"
        made = encode_part(positive, negative, cast, vae, length, overlap, film, masks, latent, clean)
        return io.NodeOutput(made.positive, made.negative, made.latent, made.cast, ui=with_text(made.lines))


class InterActJoinParts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActJoinParts",
            display_name="InterAct Join Parts",
            category=CATEGORY,
            description="Appends a finished part to the film so far; frames that both contain are kept once.",
            search_aliases=[
                "interacthuman",
                "concatenate video",
                "trim overlap",
                "long video",
                "append frames",
            ],
            inputs=[
                io.Image.Input("part", tooltip="The decoded part, from VAE Decode."),
                CastWire.Input("cast", tooltip="From this part's InterAct Next Part node."),
                io.Image.Input(
                    "film",
                    optional=True,
                    tooltip="The film before this part, the same as for its InterAct Next Part. If not "
                    "connected: this is the first part.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="The audio of the whole film, from InterAct Encode Characters.",
                ),
                io.Boolean.Input(
                    "blend",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Crossfades from the film to the part over the frames that both contain, which "
                    "hides small differences from the VAE. Off makes a hard cut.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="film", tooltip="The film so far, for Create Video or the next part."
                ),
                io.Audio.Output(
                    display_name="audio",
                    tooltip="The audio of the film so far, exactly as long as the film, for Create Video.",
                ),
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        part: io.Image.Type,
        cast: Cast,
        film: io.Image.Type | None = None,
        audio: AudioValue | None = None,
        blend: bool = True,
    ) -> io.NodeOutput:
        return io.NodeOutput(*join_parts(part, cast, film, audio, blend))
