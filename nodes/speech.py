"""A recording encoded for one character."""

from comfy_api.latest import io

from ..interact_core.errors import check_connected
from ..interact_core.host.encode.recording import encode_speech_of
from ..interact_core.host.node_text import with_text
from .wires import CATEGORY, AudioValue, linked


class InterActEncodeSpeech(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActEncodeSpeech",
            display_name="InterAct Encode Speech",
            category=CATEGORY,
            description="Encodes the recording of one speaker and places it in time. Use one of these nodes "
            "for every voice.",
            search_aliases=[
                "interacthuman",
                "lip sync",
                "voice",
                "wav2vec",
                "audio encoder encode",
                "speech",
            ],
            inputs=[
                io.AudioEncoder.Input(
                    "audio_encoder",
                    tooltip="From InterAct Load Wav2Vec2. ComfyUI's own Load Audio Encoder works too if "
                    "the adapter was trained with the same wav2vec2; for HuMo use it with "
                    "whisper-large-v3.",
                ),
                io.Audio.Input(
                    "audio",
                    tooltip="Clean speech of one speaker: music or other voices in the recording move the "
                    "mouth as well. Any sample rate, mono or stereo.",
                ),
                io.Float.Input(
                    "start_time",
                    default=0.0,
                    min=-3600.0,
                    max=3600.0,
                    step=0.04,
                    round=0.001,
                    tooltip="When this recording starts, in seconds from the start of the video. The "
                    "character is silent before and after it. A value below 0 cuts off the "
                    "beginning of the recording.",
                ),
                io.Float.Input(
                    "gain",
                    default=1.0,
                    min=0.0,
                    max=16.0,
                    step=0.05,
                    round=0.001,
                    advanced=True,
                    tooltip="Volume of this voice in the mixed dialogue. Most audio encoders normalise "
                    "their input, so it changes the sound and not the lips.",
                ),
                io.Float.Input(
                    "gap",
                    default=0.0,
                    min=-3600.0,
                    max=3600.0,
                    step=0.1,
                    round=0.001,
                    optional=True,
                    tooltip="Pause in seconds before this recording, added to start_time: connect start_time to "
                    "the end_time of the voice before, and set the pause here. Below 0 this voice begins "
                    "before the other has ended.",
                ),
            ],
            outputs=[
                io.AudioEncoderOutput.Output(
                    display_name="speech",
                    tooltip="For the speech input of InterAct Character or InterAct Character In Start "
                    "Image.",
                ),
                io.Float.Output(
                    display_name="end_time",
                    tooltip="When this recording ends, in seconds from the start of the video: for the "
                    "start_time of the next speaker.",
                ),
                io.Float.Output(display_name="duration", tooltip="Length of the recording in seconds."),
            ],
        )

    @classmethod
    @linked
    def execute(
        cls,
        audio_encoder: io.AudioEncoder.Type,
        audio: AudioValue,
        start_time: float = 0.0,
        gain: float = 1.0,
        gap: float = 0.0,
    ) -> io.NodeOutput:
        check_connected(audio_encoder=audio_encoder)
        made = encode_speech_of(audio_encoder, audio, start_time, gain, gap)
        return io.NodeOutput(made.output, made.end, made.duration, ui=with_text(made.lines))
