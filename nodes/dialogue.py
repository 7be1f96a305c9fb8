"""A dialogue on a timeline: a lane for each character."""

from typing import Any

from comfy_api.latest import io

from ..interact_core.errors import InteractError
from ..interact_core.host.encode.cast_encoding import MAX_FRAMES
from ..interact_core.host.encode.dialogue import encode_dialogue, fingerprint, recording_paths
from ..interact_core.host.node_text import with_text
from ..interact_core.speech.dialogue import MAX_LANES, read_dialogue
from .wires import CATEGORY, VoiceWire, linked


class InterActDialogue(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActDialogue",
            display_name="InterAct Dialogue",
            category=CATEGORY,
            description="A timeline on which you arrange who says what and when: a lane for each character. Drop "
            "recordings onto the lanes, or record them there.",
            search_aliases=[
                "interacthuman",
                "timeline",
                "dialogue editor",
                "record audio",
                "subtitles",
                "srt",
                "talking",
                "multitalk",
            ],
            inputs=[
                io.AudioEncoder.Input(
                    "audio_encoder",
                    optional=True,
                    tooltip="From InterAct Load Wav2Vec2, or Load Audio Encoder with whisper-large-v3 for HuMo. With "
                    "it each lane goes straight to speech of InterAct Character. If not connected: the lanes are sound "
                    "only, for InterAct Encode Speech.",
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=1.0,
                    round=0.001,
                    tooltip="Frames per second of the video. Clips snap to its frames.",
                ),
                io.Int.Input(
                    "length",
                    default=0,
                    min=0,
                    max=MAX_FRAMES,
                    tooltip="Length of the video in frames. 0 takes it from the dialogue, so that no voice is cut off. "
                    "Wan makes 4n+1 frames (1, 5, ... 81): other numbers are rounded up to the next.",
                ),
                io.String.Input(
                    "dialogue",
                    default="",
                    socketless=True,
                    tooltip="The lanes and their clips, as JSON. The timeline on the node writes it.",
                ),
            ],
            outputs=[
                io.Audio.Output(
                    display_name="audio",
                    tooltip="All lanes, mixed and exactly as long as the video, for Create Video.",
                ),
                io.Int.Output(
                    display_name="length",
                    tooltip="Length of the video in frames, of the form 4n+1, for InterAct Encode Characters.",
                ),
                io.Float.Output(
                    display_name="fps",
                    tooltip="Frames per second of the video, for InterAct Encode Characters.",
                ),
                *(
                    VoiceWire.Output(
                        display_name=f"voice_{number}",
                        tooltip=f"Lane {number}: with audio_encoder for speech of InterAct Character or InterAct "
                        "Character In Start Image, without for audio of InterAct Encode Speech. It begins with the "
                        "video, so leave start_time at 0.",
                    )
                    for number in range(1, MAX_LANES + 1)
                ),
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        fps: float,
        length: int,
        dialogue: str = "",
        audio_encoder: io.AudioEncoder.Type | None = None,
    ) -> io.NodeOutput:
        made = encode_dialogue(dialogue, fps, length, audio_encoder)
        return io.NodeOutput(*made.outputs, ui=with_text(made.lines))

    @classmethod
    def fingerprint_inputs(cls, dialogue: str = "", **_: Any) -> tuple[Any, ...]:
        return fingerprint(dialogue)

    @classmethod
    def validate_inputs(cls, dialogue: str = "") -> bool | str:
        """Before anything runs: a file that is missing would else be noticed after the models were loaded."""
        try:
            recording_paths(read_dialogue(dialogue))
        except InteractError as error:
            return str(error)
        return True
