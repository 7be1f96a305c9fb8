"""Custom nodes for the tests' server: what stands for the public models that cannot be made small.

Core knows umt5-xxl, whisper-large-v3 and wav2vec2-large in one size each. In their place come an empty prompt, and
hidden states of the encoders' own shapes drawn at random; everything behind them is the real thing. One node takes from
a voice what core's encoder does not give, another makes a small model as slow as a large one.
"""

import time

import torch
from comfy.audio_encoders.whisper import WhisperLargeV3
from comfy.patcher_extension import WrappersMP
from server import PromptServer

STATES_PER_SECOND, LAYERS, CHANNELS = 50, 33, 1280


class TestEmptyText:
    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (ComfyUI's name)
        return {"required": {}}

    def make(self):
        return ([[torch.zeros(1, 1, 4096), {}]],)


class RandomWhisper:
    """As comfy/audio_encoders/audio_encoders.py AudioEncoderModel, in what its users ask of it."""

    model_sample_rate = 16000
    model = WhisperLargeV3.__new__(WhisperLargeV3)  # by which it is known; it has no weights

    def encode_audio(self, audio, sample_rate):
        heard = int(1e6 * audio.double().abs().sum())  # another recording gives other states
        generator = torch.Generator().manual_seed(heard)
        shape = (1, 30 * STATES_PER_SECOND, CHANNELS)
        layers = [torch.randn(shape, generator=generator) for _ in range(LAYERS)]
        samples = audio.shape[-1] * self.model_sample_rate // sample_rate
        return {
            "encoded_audio": layers[-1],
            "encoded_audio_all_layers": layers,
            "audio_samples": samples,
        }


class TestWhisper:
    RETURN_TYPES = ("AUDIO_ENCODER",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (ComfyUI's name)
        return {"required": {}}

    def make(self):
        return (RandomWhisper(),)


class RandomWav2Vec2Large(RandomWhisper):
    """Hidden states for as long as the recording, as S2V takes them."""

    model = None

    def encode_audio(self, audio, sample_rate):
        heard = int(1e6 * audio.double().abs().sum())
        samples = audio.shape[-1] * self.model_sample_rate // sample_rate
        shape = (1, max(1, samples * STATES_PER_SECOND // self.model_sample_rate), 1024)
        generator = torch.Generator().manual_seed(heard)
        layers = [torch.randn(shape, generator=generator) for _ in range(25)]
        return {"encoded_audio": layers[-1], "encoded_audio_all_layers": layers, "audio_samples": samples}


class TestWav2Vec2Large(TestWhisper):
    def make(self):
        return (RandomWav2Vec2Large(),)


class TestTrack:
    """Two people as SAM3 Video Track tells of them, who stand still: 0 is the left half, 1 the right one."""

    RETURN_TYPES = ("SAM3_TRACK_DATA",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (ComfyUI's name)
        return {"required": {"images": ("IMAGE",)}}

    def make(self, images):
        from comfy.ldm.sam3.tracker import pack_masks

        frames, height, width = images.shape[:3]
        masks = torch.zeros(frames, 2, height, width)
        masks[:, 0, :, : width // 2] = masks[:, 1, :, width // 2 :] = 1
        return ({"packed_masks": pack_masks(masks), "n_frames": frames, "orig_size": (height, width)},)


class TestWithoutSound:
    """A voice as core's Audio Encoder Encode gives it, which tells nothing of our own."""

    RETURN_TYPES = ("AUDIO_ENCODER_OUTPUT",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (ComfyUI's name)
        return {"required": {"speech": ("AUDIO_ENCODER_OUTPUT",)}}

    def make(self, speech):
        return ({key: value for key, value in speech.items() if not key.startswith("interact")},)


NODE_CLASS_MAPPINGS = {
    "TestEmptyText": TestEmptyText,
    "TestWhisper": TestWhisper,
    "TestWav2Vec2Large": TestWav2Vec2Large,
    "TestTrack": TestTrack,
    "TestWithoutSound": TestWithoutSound,
}


class TestCast:
    """Tells the names of a cast in their order, and the mean red of each picture in 0..255."""

    RETURN_TYPES = ()
    FUNCTION = "tell"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (ComfyUI's name)
        return {"required": {"cast": ("INTERACT_CAST",)}}

    def tell(self, cast):
        reds = [round(255 * float(character.image[..., 0].mean())) for character in cast.characters]
        return {"ui": {"names": list(cast.names), "reds": reds}}


class TestAnySwitch:
    """The first of its inputs to which something comes, else None, as switches of other packs do."""

    RETURN_TYPES = ("*",)
    FUNCTION = "choose"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (ComfyUI's name)
        return {"required": {}, "optional": {"any_1": ("*",), "any_2": ("*",)}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):  # noqa: N802 (ComfyUI's name)
        return True

    def choose(self, any_1=None, any_2=None):
        return (any_1 if any_1 is not None else any_2,)


class TestUnhurried:
    """A model that rests before each step, as a large one takes its time for it."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "slow"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 (ComfyUI's name)
        return {"required": {"model": ("MODEL",), "seconds": ("FLOAT", {"default": 0.1})}}

    def slow(self, model, seconds):
        def rest(executor, *args, **kwargs):
            time.sleep(seconds)
            return executor(*args, **kwargs)

        model = model.clone()
        model.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "unhurried", rest)
        return (model,)


NODE_CLASS_MAPPINGS |= {"TestCast": TestCast, "TestAnySwitch": TestAnySwitch, "TestUnhurried": TestUnhurried}


async def keep_scripts(request, response):
    """Tells the browser to keep scripts, and so what it compiled of them, until the tests' server ends: by itself
    ComfyUI has it fetch all of them anew whenever a page is loaded.
    """
    if request.path.startswith(("/assets/", "/extensions/")):
        response.headers["Cache-Control"] = "max-age=86400, immutable"


PromptServer.instance.app.on_response_prepare.append(keep_scripts)
