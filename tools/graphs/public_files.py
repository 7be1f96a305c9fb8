"""The public files that the needs_weights graphs name: in which folder of ComfyUI's models each goes, and where it is.

Names and addresses are those of ComfyUI's own templates video_wan2_1_infinitetalk, video_humo, video_wan2_2_14B_s2v and
video_wan21_scail2_character_replacement, but for Phantom's, which no template of ComfyUI has. Nothing here fetches
anything: the graphs carry the addresses as ComfyUI's own do, so that its frontend offers the files, and the notes link
to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PublicFile:
    """folder: of ComfyUI's models; repository, path: on Hugging Face, path without the file's name."""

    folder: str
    repository: str
    path: str = ""

    def url(self, name: str) -> str:
        inside = f"{self.path}/{name}" if self.path else name
        return f"https://huggingface.co/{self.repository}/resolve/main/{inside}"


I2V = "Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors"
HUMO = "humo_17B_fp8_e4m3fn.safetensors"
PHANTOM = "Phantom-Wan-14B_fp16.safetensors"
S2V = "wan2.2_s2v_14B_fp8_scaled.safetensors"
FEW_STEPS = "lightx2v_I2V_14B_480p_cfg_step_distill_rank64_bf16.safetensors"
FEW_STEPS_T2V = "lightx2v_T2V_14B_cfg_step_distill_v2_lora_rank64_bf16.safetensors"
FEW_STEPS_22 = "wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise.safetensors"
SAM3 = "sam3.1_multiplex_fp16.safetensors"
INFINITETALK = "wan2.1_infiniteTalk_multi_fp16.safetensors"
UMT5 = "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
VAE = "wan_2.1_vae.safetensors"
VAE_BF16 = "Wan2_1_VAE_bf16.safetensors"
WAV2VEC2 = "wav2vec2-chinese-base_fp16.safetensors"
WAV2VEC2_LARGE = "wav2vec2_large_english_fp16.safetensors"
WHISPER = "whisper_large_v3_fp16.safetensors"

_KIJAI, _WAN21 = "Kijai/WanVideo_comfy", "Comfy-Org/Wan_2.1_ComfyUI_repackaged"
_HUMO, _WAN22 = "Comfy-Org/HuMo_ComfyUI", "Comfy-Org/Wan_2.2_ComfyUI_Repackaged"
PUBLIC_FILES = {
    I2V: PublicFile("diffusion_models", "Kijai/WanVideo_comfy_fp8_scaled", "I2V"),
    HUMO: PublicFile("diffusion_models", _HUMO, "split_files/diffusion_models"),
    PHANTOM: PublicFile("diffusion_models", _KIJAI),
    S2V: PublicFile("diffusion_models", _WAN22, "split_files/diffusion_models"),
    FEW_STEPS: PublicFile("loras", _KIJAI, "Lightx2v"),
    FEW_STEPS_T2V: PublicFile("loras", _KIJAI, "Lightx2v"),
    FEW_STEPS_22: PublicFile("loras", _WAN22, "split_files/loras"),
    SAM3: PublicFile("checkpoints", "Comfy-Org/sam3.1", "checkpoints"),
    INFINITETALK: PublicFile("model_patches", _WAN21, "split_files/model_patches"),
    UMT5: PublicFile("text_encoders", _WAN21, "split_files/text_encoders"),
    VAE: PublicFile("vae", _WAN22, "split_files/vae"),
    VAE_BF16: PublicFile("vae", _KIJAI),
    WAV2VEC2: PublicFile("audio_encoders", "Kijai/wav2vec2_safetensors"),
    WAV2VEC2_LARGE: PublicFile("audio_encoders", _WAN22, "split_files/audio_encoders"),
    WHISPER: PublicFile("audio_encoders", _HUMO, "split_files/audio_encoders"),
}


def files_of(*nodes: dict[str, Any]) -> dict[str, PublicFile]:
    """The public files that these nodes of a graph name."""
    named = {value for one in nodes for value in one["inputs"].values() if isinstance(value, str)}
    return {name: file for name, file in PUBLIC_FILES.items() if name in named}


def models_of(node: dict[str, Any]) -> list[dict[str, str]]:
    """What `properties.models` of the node holds, by which ComfyUI's frontend offers missing files."""
    return [
        {"name": name, "url": file.url(name), "directory": file.folder}
        for name, file in files_of(node).items()
    ]


def links_and_folders(*nodes: dict[str, Any]) -> str:
    """Markdown for a note, as in ComfyUI's own templates: a link to each file, and the folders they go to."""
    folders: dict[str, list[str]] = {}
    for name, file in files_of(*nodes).items():
        folders.setdefault(file.folder, []).append(name)
    links = [
        f"**{folder}**\n\n" + "\n".join(f"- [{name}]({PUBLIC_FILES[name].url(name)})" for name in names)
        for folder, names in folders.items()
    ]
    tree = ["📂 ComfyUI/", "└── 📂 models/"]
    for number, (folder, names) in enumerate(folders.items(), 1):
        tree.append(f"    {'└' if number == len(folders) else '├'}── 📂 {folder}/")
        bar = " " if number == len(folders) else "│"
        tree += [f"    {bar}   {'└' if name is names[-1] else '├'}── {name}" for name in names]
    return "\n\n".join(links) + "\n\n```\n" + "\n".join(tree) + "\n```"
