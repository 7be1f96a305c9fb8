"""Models: the base with its adapter, and the speech encoder."""

import folder_paths
from comfy_api.latest import io

from ..interact_core.host.audio_encoder import load_audio_encoder
from ..interact_core.host.folders import ADAPTER_FOLDER, audio_encoder_names, audio_encoder_path
from ..interact_core.host.loading import WEIGHT_DTYPES, apply_adapter, load_adapter, load_dit
from .wires import CATEGORY

ADAPTER_TOOLTIP = (
    "The InterAct adapter (.safetensors), from the folder models/interact. It must have been trained on this "
    "base: width and number of blocks are compared. theatre_adapter belongs to theatre_wan; both come with "
    "this pack. MultiTalk and InfiniteTalk files, as ComfyUI's own nodes take them, are told by their keys; "
    "they cannot find anybody by themselves, so set mask_source to affinity or fixed."
)


def adapter_input() -> io.Combo.Input:
    return io.Combo.Input(
        "adapter_name", options=folder_paths.get_filename_list(ADAPTER_FOLDER), tooltip=ADAPTER_TOOLTIP
    )


class InterActLoadDiT(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActLoadDiT",
            display_name="InterAct Load DiT",
            category=CATEGORY,
            description="Loads a Wan video model together with the adapter that lets its characters speak.",
            search_aliases=[
                "interacthuman",
                "load wan",
                "talking character model",
                "unet loader",
                "diffusion model",
            ],
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=folder_paths.get_filename_list("diffusion_models"),
                    tooltip="The Wan text-to-video model (.safetensors), from the folder "
                    "models/diffusion_models. Image-to-video models cannot take characters. For GGUF and "
                    "other formats use their own loader and put InterAct Apply Adapter behind it.",
                ),
                adapter_input(),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(WEIGHT_DTYPES),
                    default="default",
                    advanced=True,
                    tooltip="How the base's weights are kept in memory. The fp8 choices halve what they "
                    "take, at some cost in quality; 'default' keeps what is in the file.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="The base with its adapter; LoRA loaders can follow.")],
        )

    @classmethod
    def execute(cls, model_name: str, adapter_name: str, weight_dtype: str = "default") -> io.NodeOutput:
        adapter = load_adapter(folder_paths.get_full_path_or_raise(ADAPTER_FOLDER, adapter_name))
        model = load_dit(folder_paths.get_full_path_or_raise("diffusion_models", model_name), weight_dtype)
        return io.NodeOutput(apply_adapter(model, adapter))


class InterActApplyAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActApplyAdapter",
            display_name="InterAct Apply Adapter",
            category=CATEGORY,
            description="Puts the adapter on a Wan model from any loader (stock, GGUF, with LoRAs).",
            search_aliases=["interacthuman", "talking character adapter", "audio adapter", "model patch"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="A Wan text-to-video model from any loader. It stays as it was; the output is a "
                    "copy.",
                ),
                adapter_input(),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    round=0.001,
                    tooltip="How strongly the voices move the picture. 1 is as trained, 0 leaves the mouths "
                    "alone (masks are still predicted), above 1 exaggerates.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="A copy of the model that carries the adapter.")],
        )

    @classmethod
    def execute(cls, model: io.Model.Type, adapter_name: str, strength: float = 1.0) -> io.NodeOutput:
        adapter = load_adapter(folder_paths.get_full_path_or_raise(ADAPTER_FOLDER, adapter_name))
        return io.NodeOutput(apply_adapter(model, adapter, strength))


class InterActLoadWav2Vec2(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActLoadWav2Vec2",
            display_name="InterAct Load Wav2Vec2",
            category=CATEGORY,
            description="Loads the model that listens to the speech. Nothing is ever downloaded.",
            search_aliases=[
                "interacthuman",
                "audio encoder",
                "wav2vec",
                "speech encoder",
                "load audio encoder",
            ],
            inputs=[
                io.Combo.Input(
                    "audio_encoder_name",
                    options=audio_encoder_names(),
                    tooltip="A wav2vec2 from the folder models/audio_encoders: a .safetensors file, or a "
                    "folder with config.json and model.safetensors. It must be the one that the adapter was "
                    "trained with (theatre_wav2vec2 for theatre_adapter).",
                ),
            ],
            outputs=[
                io.AudioEncoder.Output(
                    tooltip="For InterAct Encode Speech; ComfyUI's own Audio Encoder Encode takes it too."
                )
            ],
        )

    @classmethod
    def execute(cls, audio_encoder_name: str) -> io.NodeOutput:
        return io.NodeOutput(load_audio_encoder(audio_encoder_path(audio_encoder_name)))
