"""Loaders: the base model with its adapter, and the audio encoder."""

import folder_paths
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ..interact_core.host.encode.audio_encoder import load_audio_encoder
from ..interact_core.host.folders import ADAPTER_FOLDER, audio_encoder_names, audio_encoder_path
from ..interact_core.host.loading import (
    WEIGHT_DTYPES,
    apply_adapter,
    apply_base_audio,
    found,
    load_adapter,
    load_dit,
)
from ..interact_core.host.node_text import with_text
from .wires import CATEGORY, linked

ADAPTER_TOOLTIP = (
    "The InterAct adapter (.safetensors or .gguf), from the folder models/interact. It only works with the base "
    "model that it was trained on; width and number of blocks are checked. theatre_adapter belongs to "
    "theatre_wan; both come with this pack. MultiTalk and InfiniteTalk files, as ComfyUI's own nodes "
    "use them, are recognised by their keys; they have no mask head, so set mask_source to affinity or "
    "fixed. HuMo and Wan2.2 S2V need no file: choose 'from the base model' to use their own audio layers, and "
    "set mask_source in the same way."
)

FROM_BASE = ("from the base model (HuMo)", "from the base model (S2V)")
"""The last choices, after all files, for base models with audio layers of their own; the model says which it is."""


def adapter_input() -> io.Combo.Input:
    """The choice of an adapter file, or of the audio layers in the base."""
    options = [*folder_paths.get_filename_list(ADAPTER_FOLDER), *FROM_BASE]
    return io.Combo.Input("adapter_name", options=options, tooltip=ADAPTER_TOOLTIP)


def chosen_adapter(adapter_name: str) -> ModelPatcher | None:
    """The loaded adapter, or None for the base model's own audio layers."""
    if adapter_name in FROM_BASE:
        return None
    return load_adapter(folder_paths.get_full_path_or_raise(ADAPTER_FOLDER, adapter_name))


def apply(model: ModelPatcher, adapter: ModelPatcher | None, strength: float = 1.0) -> io.NodeOutput:
    """The MODEL output; the text under the node says which kind of adapter was found."""
    made = apply_base_audio(model, strength) if adapter is None else apply_adapter(model, adapter, strength)
    return io.NodeOutput(made, ui=with_text(found(made, model)))


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
                    tooltip="The Wan model (.safetensors), from the folder models/diffusion_models. "
                    "Text-to-video models take characters with reference pictures (InterAct "
                    "Character), image-to-video models take people of a start image (InterAct "
                    "Character In Start Image), and so does Wan2.2 S2V. For GGUF and other formats use "
                    "their own loader, followed by InterAct Apply Adapter.",
                ),
                adapter_input(),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(WEIGHT_DTYPES),
                    default="default",
                    advanced=True,
                    tooltip="Precision of the base model's weights in memory. The fp8 choices halve the "
                    "memory, at some cost in quality; 'default' keeps the precision of the file.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="The base model with its adapter; LoRA loaders may follow.")],
        )

    @classmethod
    def execute(cls, model_name: str, adapter_name: str, weight_dtype: str = "default") -> io.NodeOutput:
        adapter = chosen_adapter(adapter_name)
        model = load_dit(folder_paths.get_full_path_or_raise("diffusion_models", model_name), weight_dtype)
        return apply(model, adapter)


class InterActApplyAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActApplyAdapter",
            display_name="InterAct Apply Adapter",
            category=CATEGORY,
            description="Adds the adapter to a Wan model from any loader (ComfyUI's own, GGUF, with LoRAs).",
            search_aliases=["interacthuman", "talking character adapter", "audio adapter", "model patch"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="A Wan model from any loader: text-to-video (HuMo too), or image-to-video or "
                    "Wan2.2 S2V for people of a start image. It is not changed; the output is a copy.",
                ),
                adapter_input(),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    round=0.001,
                    tooltip="How strongly the voices move the picture. 1 is the strength of training, 0 "
                    "switches the voices off (masks are still predicted), above 1 exaggerates.",
                ),
            ],
            outputs=[io.Model.Output(tooltip="A copy of the model with the adapter.")],
        )

    @classmethod
    @linked
    def execute(cls, model: io.Model.Type, adapter_name: str, strength: float = 1.0) -> io.NodeOutput:
        return apply(model, chosen_adapter(adapter_name), strength)


class InterActLoadWav2Vec2(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InterActLoadWav2Vec2",
            display_name="InterAct Load Wav2Vec2",
            category=CATEGORY,
            description="Loads the audio encoder, which turns speech into audio features. Nothing is ever "
            "downloaded.",
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
                    tooltip="A wav2vec2 model from the folder models/audio_encoders: a .safetensors file, "
                    "or a folder with config.json and model.safetensors. It must be the one that "
                    "the adapter was trained with (theatre_wav2vec2 for theatre_adapter).",
                ),
            ],
            outputs=[
                io.AudioEncoder.Output(
                    tooltip="For InterAct Encode Speech; ComfyUI's own Audio Encoder Encode accepts it too."
                )
            ],
        )

    @classmethod
    def execute(cls, audio_encoder_name: str) -> io.NodeOutput:
        return io.NodeOutput(load_audio_encoder(audio_encoder_path(audio_encoder_name)))
