"""The characters of the video, and their conditioning for the sampler."""

from comfy_api.latest import io, ui

from ..interact_core.host.encode.cast_encoding import (
    MAX_FRAMES,
    connected_characters,
    encode_cast,
    make_character,
    make_region_character,
)
from ..interact_core.host.encode.cutout import (
    is_transparency,
    lost_transparency,
    place_of,
    said_of_character,
    said_of_region,
    upright_mask,
)
from ..interact_core.host.encode.guest_nodes import check_previous_frames
from ..interact_core.host.encode.people import said_of_crop
from ..interact_core.host.encode.recording import scene_track
from ..interact_core.host.node_text import with_text, with_view
from .wires import CATEGORY, AudioValue, CastWire, CharacterWire, ConditioningValue, linked, side_input

MAX_CHARACTERS = 32


def name_input() -> io.String.Input:
    """The input that both kinds of character share."""
    return io.String.Input(
        "name",
        default="Character",
        tooltip="The name of this character in previews, messages and InterAct Masks To Mask. Every "
        "character of a video needs a different name.",
    )


def strength_input() -> io.Float.Input:
    """The input that both kinds of character share; last, so that saved workflows keep their values' order."""
    return io.Float.Input(
        "audio_strength",
        default=1.0,
        min=-10.0,
        max=10.0,
        step=0.05,
        round=0.001,
        optional=True,
        advanced=True,
        tooltip="How strongly the voice moves this character; other characters are not affected. 1 is the "
        "strength of training, above 1 opens the mouth wider, 0 keeps it still.",
    )


def sound_input() -> io.Audio.Input:
    """The input that both kinds of character share."""
    return io.Audio.Input(
        "sound",
        optional=True,
        tooltip="What is heard of this voice in the film, if it is not the recording that was encoded. Needed "
        "with ComfyUI's own Audio Encoder Encode, which passes on no sound: connect the same recording here.",
    )


class InterActCharacter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActCharacter",
            display_name="InterAct Character",
            category=CATEGORY,
            description="One person, animal or thing in the video: its reference picture, its name and, if it "
            "speaks, its voice.",
            search_aliases=["interacthuman", "reference image", "person", "speaker", "subject", "multitalk"],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The reference picture of the character, of any size and shape. It is fitted "
                    "on white without stretching or cropping. Best is the person alone, cut out on "
                    "white; a head is enough.",
                ),
                name_input(),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Cuts the person out of the picture: white is kept, black becomes white "
                    "background. MASK of Load Image works as it is, for cut-out pictures and from the "
                    "mask editor; a mask that keeps the background is inverted, which the node says.",
                ),
                io.AudioEncoderOutput.Input(
                    "speech",
                    optional=True,
                    tooltip="The character's own voice, from InterAct Encode Speech. If not connected: the "
                    "character is silent and its mouth stays shut.",
                ),
                io.Mask.Input(
                    "layout",
                    optional=True,
                    advanced=True,
                    tooltip="Where the character is in the VIDEO, if you want to set it yourself instead "
                    "of having it predicted: one mask, or one per video frame. Used if the "
                    "sampler's mask_source is 'fixed'; characters without a layout then have no "
                    "mask and are silent. Another shape than the video's is cropped in the middle.",
                ),
                strength_input(),
                sound_input(),
            ],
            outputs=[
                CharacterWire.Output(display_name="character", tooltip="For InterAct Encode Characters.")
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    @linked
    def execute(
        cls,
        image: io.Image.Type,
        name: str,
        mask: io.Mask.Type | None = None,
        speech: io.AudioEncoderOutput.Type | None = None,
        layout: io.Mask.Type | None = None,
        audio_strength: float = 1.0,
        sound: AudioValue | None = None,
    ) -> io.NodeOutput:
        cut_out = is_transparency(*place_of(cls))
        made = make_character(name, image, mask, speech, layout, audio_strength, sound, cut_out)
        _, turned = upright_mask(mask, cut_out)
        lost = lost_transparency(*place_of(cls)) if mask is None else None
        shown = made.image
        assert shown is not None, "make_character raises for a missing picture"
        said = said_of_character(made, turned, lost)
        return io.NodeOutput(made, ui=with_view(said, lambda: ui.PreviewImage(shown).as_dict()))


class InterActRegion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActRegion",
            display_name="InterAct Character In Start Image",
            category=CATEGORY,
            description="One person in the start image of an image-to-video model: a mask of the person, the "
            "name and, if the person speaks, the voice.",
            search_aliases=["interacthuman", "i2v", "region", "speaker", "infinitetalk", "multitalk", "mask"],
            inputs=[
                io.Mask.Input(
                    "region",
                    tooltip="Mask of the start image: white where the person is. Draw it in the mask "
                    "editor or use ComfyUI's segmentation nodes; of several people InterAct Pick Person "
                    "takes one. It is cropped as WanImageToVideo crops the picture. With mask_source "
                    "'affinity' the person is tracked from there through the video.",
                ),
                name_input(),
                io.AudioEncoderOutput.Input(
                    "speech",
                    optional=True,
                    tooltip="The person's own voice, from InterAct Encode Speech. If not connected: the "
                    "person is silent and the mouth stays shut.",
                ),
                strength_input(),
                sound_input(),
                io.Mask.Input(
                    "layout",
                    optional=True,
                    advanced=True,
                    tooltip="Where the person is in the VIDEO, if you want to set it yourself: one mask, or "
                    "one per video frame, such as from SAM3 Track to Mask. Used if the sampler's "
                    "mask_source is 'fixed'; if not connected, the person stays where region is.",
                ),
            ],
            outputs=[
                CharacterWire.Output(
                    display_name="character",
                    tooltip="For InterAct Encode Characters, whose positive and negative inputs must come "
                    "from WanImageToVideo, for Wan2.2 S2V from WanSoundImageToVideo.",
                )
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        region: io.Mask.Type,
        name: str,
        speech: io.AudioEncoderOutput.Type | None = None,
        audio_strength: float = 1.0,
        sound: AudioValue | None = None,
        layout: io.Mask.Type | None = None,
    ) -> io.NodeOutput:
        made = make_region_character(name, region, speech, audio_strength, sound, layout)
        shown = with_view(said_of_region(made), lambda: ui.PreviewMask(region.float()).as_dict())
        return io.NodeOutput(made, ui=shown)


def scene_inputs() -> list[io.Input]:
    """The sound of the whole scene, and whether the model gets it too."""
    return [
        io.Audio.Input(
            "scene_audio",
            optional=True,
            tooltip="Sound of the whole scene, such as music, room sound or wind. In the mixed audio it "
            "starts with the video, and is cut or padded with silence to its length. Any sample "
            "rate, mono or stereo.",
        ),
        io.Float.Input(
            "scene_gain",
            default=1.0,
            min=0.0,
            max=16.0,
            step=0.05,
            round=0.001,
            optional=True,
            advanced=True,
            tooltip="Volume of the scene sound in the mixed audio.",
        ),
        io.Boolean.Input(
            "feed_scene",
            default=False,
            optional=True,
            advanced=True,
            tooltip="Gives the scene sound to the model wherever nobody speaks, in place of silence. Off "
            "keeps silent mouths shut; on may move them if the sound contains singing. Needs "
            "scene_audio and audio_encoder.",
        ),
        io.AudioEncoder.Input(
            "audio_encoder",
            optional=True,
            advanced=True,
            tooltip="From InterAct Load Wav2Vec2: the same audio encoder as for the voices. Only used if "
            "feed_scene is on.",
        ),
    ]


class InterActEncodeCharacters(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        characters = io.Autogrow.TemplatePrefix(
            CharacterWire.Input(
                "character",
                tooltip="An InterAct Character, an InterAct Character In Start Image, or all people of InterAct "
                "People. A new socket appears when you connect the last one.",
            ),
            prefix="character_",
            min=0,  # so that any of them can be muted or removed
            max=MAX_CHARACTERS,
        )
        return io.Schema(
            node_id="InterActEncodeCharacters",
            display_name="InterAct Encode Characters",
            category=CATEGORY,
            description="Adds all characters to the conditioning, creates the empty video latent and mixes the "
            "dialogue.",
            search_aliases=[
                "interacthuman",
                "conditioning",
                "phantom",
                "reference to video",
                "cast",
                "empty latent",
            ],
            inputs=[
                io.Autogrow.Input(
                    "characters",
                    template=characters,
                    tooltip="All characters of the video, up to 32, in any order.",
                ),
                io.Vae.Input(
                    "vae", tooltip="The Wan VAE that belongs to the model; it encodes the reference pictures."
                ),
                side_input(
                    "width",
                    832,
                    "Width of the video in pixels, a multiple of 16; other values are rounded to "
                    "the nearest one.",
                ),
                side_input(
                    "height",
                    480,
                    "Height of the video in pixels, a multiple of 16; other values are rounded to "
                    "the nearest one.",
                ),
                io.Int.Input(
                    "length",
                    default=0,
                    min=0,
                    max=MAX_FRAMES,
                    tooltip="Length of the video in frames. 0 takes it from the speech, so that no voice "
                    "is cut off. Wan makes 4n+1 frames (1, 5, ... 81): other numbers are rounded "
                    "up to the next.",
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=1.0,
                    round=0.001,
                    tooltip="Frames per second of the video. Use the frame rate that the model was trained "
                    "at (theatre: 25), and connect the fps output to Create Video, so that lips "
                    "and sound stay in sync.",
                ),
                io.Conditioning.Input(
                    "positive",
                    optional=True,
                    tooltip="The prompt, from a text encoder; for people of a start image from "
                    "WanImageToVideo. If not connected: no text prompt.",
                ),
                io.Conditioning.Input(
                    "negative",
                    optional=True,
                    tooltip="The negative prompt, from a text encoder; for people of a start image from "
                    "WanImageToVideo. If not connected: no text prompt.",
                ),
                io.Combo.Input(
                    "negative_references",
                    options=["shown", "blank"],
                    default="shown",
                    optional=True,
                    advanced=True,
                    tooltip="Reference pictures in the negative conditioning. blank: none, so that cfg "
                    "also strengthens the likeness of each character; for models trained with "
                    "references dropped at times (the theatre, Phantom-Wan). shown: the same "
                    "pictures, so that cfg acts on text and voices only.",
                ),
                *scene_inputs(),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="positive", tooltip="The prompt with the characters and their voices."
                ),
                io.Conditioning.Output(
                    display_name="negative",
                    tooltip="The negative prompt with the characters, without their voices.",
                ),
                io.Latent.Output(
                    display_name="latent", tooltip="An empty video latent of the right size and length."
                ),
                CastWire.Output(display_name="cast", tooltip="The characters of the video, for the sampler."),
                io.Audio.Output(
                    display_name="audio",
                    tooltip="The dialogue and the scene sound, mixed and exactly as long as the video, for "
                    "Create Video.",
                ),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for Create Video."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    @linked
    def execute(
        cls,
        characters: io.Autogrow.Type,
        vae: io.Vae.Type,
        width: int,
        height: int,
        length: int,
        fps: float,
        positive: ConditioningValue | None = None,
        negative: ConditioningValue | None = None,
        negative_references: str = "shown",
        scene_audio: AudioValue | None = None,
        scene_gain: float = 1.0,
        feed_scene: bool = False,
        audio_encoder: io.AudioEncoder.Type | None = None,
    ) -> io.NodeOutput:
        check_previous_frames(*place_of(cls))
        cast, left_out = connected_characters(characters)
        blank = negative_references == "blank"
        scene = scene_track(scene_audio, scene_gain, audio_encoder, feed_scene)
        made = encode_cast(cast, vae, width, height, length, fps, positive, negative, blank, scene)
        said = with_text([*left_out, *said_of_crop(made.cast), *made.summary.lines])
        return io.NodeOutput(
            made.positive, made.negative, made.latent, made.cast, made.audio, made.cast.fps, ui=said
        )
