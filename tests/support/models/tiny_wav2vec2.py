"""Random wav2vec2 models small enough for seconds, in every layout that public files have."""

import json
from pathlib import Path

import torch
from torch import Tensor

# The shape of the theatre's encoder, with its weights left random.
SMALL = {
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 192,
    "conv_dim": (64,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def random_wav2vec2(seed: int = 0, **settings: object) -> torch.nn.Module:
    """A Wav2Vec2Model of random weights that all matter: biases and norms too, which start at 0 and 1."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(seed)
    model = Wav2Vec2Model(Wav2Vec2Config(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            parameter.copy_(parameter.half().float())  # core keeps float16: values that survive it
    return model


def save_folder(model: torch.nn.Module, folder: Path, **preprocessor: object) -> Path:
    """The model as transformers saves it, with preprocessor_config.json if anything is to stand in it."""
    model.save_pretrained(folder, safe_serialization=True)
    if preprocessor:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor), encoding="utf-8")
    return folder


def plain_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """The state dict under today's names."""
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


def older_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as public *ForCTC files name them."""
    halves = {
        "parametrizations.weight.original0": "weight_g",
        "parametrizations.weight.original1": "weight_v",
    }
    renamed = {}
    for key, value in weights.items():
        older = key
        for new, old in halves.items():
            older = older.replace(new, old)
        renamed[f"wav2vec2.{older}"] = value
    return {**renamed, "lm_head.weight": torch.zeros(4, 4)}


def save_file(path: Path, weights: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    """One .safetensors file."""
    from safetensors.torch import save_file as save

    save({key: value.contiguous() for key, value in weights.items()}, str(path), metadata)
    return path
